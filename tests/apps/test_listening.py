"""What of this process other computers can reach, and that it looks no further than this one unasked."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apps.listening import listening_words, sockets_of
from tests.apps.command import ROOT, here

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of its sockets")


@LINUX
@pytest.mark.parametrize(
    ("family", "kind", "address", "reachable"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", True),
        (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", False),
        (socket.AF_INET6, socket.SOCK_STREAM, "::", True),
        (socket.AF_INET6, socket.SOCK_STREAM, "::1", False),
        (socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0", True),
        (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", False),
    ],
)
def test_open_ends_are_told_from_those_of_this_computer(family, kind, address, reachable):
    with socket.socket(family, kind) as opened:
        opened.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            opened.listen()
        port = opened.getsockname()[1]
        (found,) = [s for s in sockets_of() if s.port == port]
        assert found.is_open is reachable
        assert (f" {port}" in listening_words()) is reachable
    assert [s for s in sockets_of() if s.port == port and s.is_open] == []


@LINUX
def test_a_connection_is_told_with_its_peer():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as end,
    ):
        (found,) = [s for s in sockets_of() if s.port == end.getsockname()[1] and s.peer is not None]
        assert str(found.peer) == "127.0.0.1"


def asked(code, tmp_path, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "LSLAPICFG"} | {"HOME": str(tmp_path)}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", f"from bci_stream.sources import lsl_config as c\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    return done.stdout.strip()


def test_unasked_it_looks_no_further_than_this_computer(tmp_path):
    assert asked("print(c.keep_to_this_computer(), c._done)", tmp_path).startswith("True ['[lab]")
    assert "ResolveScope = machine" in asked("c.keep_to_this_computer(); print(c._done[0])", tmp_path)


def test_what_was_asked_for_holds(tmp_path):
    code = "c.configure_lsl('mine', 'site'); print(c.keep_to_this_computer(), len(c._done))"
    assert asked(code, tmp_path) == "False 1"
    own = tmp_path / "lsl_api" / "lsl_api.cfg"
    own.parent.mkdir()
    own.write_text("[multicast]\nResolveScope = site\n")
    assert asked("print(c.keep_to_this_computer(), c._done)", tmp_path) == "False []"
    own.rename(tmp_path / "other.cfg")
    assert asked("print(c.user_config())", tmp_path, LSLAPICFG=str(tmp_path / "other.cfg")).endswith(
        "other.cfg"
    )


def test_whatever_a_command_writes_is_its_owners_alone(tmp_path):
    """Here by one that knows nothing of privacy; the umask of the caller is as it was afterwards."""
    before = os.umask(0o022)
    try:
        result = here("generate-eav", tmp_path / "people", "--people", 1, "--trials", 5, cwd=tmp_path)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    written = [path for path in Path(tmp_path).rglob("*") if path.is_file()]
    assert result.code == 0, result.err
    assert written
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in written} == {0}
