"""Whom a session talks to and what it leaves; the whole: `python -m benchmarks.reliability.privacy`."""

import shutil
from ipaddress import ip_address

import pytest

from benchmarks.reliability import privacy

TRACE = """
12 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("8.8.8.8")}, 16) = 0
12 sendto(4, "x", 1, 0, {sa_family=AF_INET6, sin6_port=htons(1), sin6_flowinfo=htonl(0), \
inet_pton(AF_INET6, "ff31::1", &sin6_addr), sin6_scope_id=0}, 28) = 1
12 sendmsg(5, {msg_name={sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}}, 0) = 1
12 connect(6, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0
"""


def test_every_address_of_a_trace_is_read():
    assert [str(a) for a in privacy.addresses_in(TRACE)] == ["8.8.8.8", "ff31::1", "127.0.0.1"]


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.3.2.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("ff31::1", True),
        ("ff32::1", False),
        ("224.0.0.183", False),
        ("255.255.255.255", False),
        ("10.0.0.1", False),
        ("fe80::1", False),
    ],
)
def test_what_stays_here_is_told_from_what_leaves(address, here):
    assert privacy.stays_here(ip_address(address)) is here


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_session_keeps_to_this_computer_and_to_its_owner_and_forgets():
    row = privacy.measure(short=True)
    assert row.met, row.line
