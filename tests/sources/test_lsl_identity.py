from dataclasses import replace

import pytest

from bci_stream.messages import StreamInfo
from bci_stream.sources.lsl_identity import DESCRIPTION, can_agree, differences, match
from bci_stream.sources.metadata import header_digest

CAP = StreamInfo(
    key="u1",
    name="Cap",
    type="EEG",
    n_channels=2,
    sfreq=250.0,
    dtype="float32",
    source_id="serial-7",
    hostname="lab",
    uid="u1",
    ch_names=("C3", "C4"),
    ch_units=("uV", "uV"),
)
RESTARTED = replace(CAP, key="u2", uid="u2")
CHANGES = {
    "name": "Hat",
    "type": "ExG",
    "source_id": "serial-8",
    "hostname": "elsewhere",
    "n_channels": 3,
    "sfreq": 500.0,
    "dtype": "double64",
}


def test_a_restart_is_the_same_stream():
    assert differences(CAP, RESTARTED) == ""
    assert match(CAP, [RESTARTED]).info is RESTARTED


@pytest.mark.parametrize("field", CHANGES)
def test_any_change_of_what_is_announced_is_another_stream(field):
    other = replace(RESTARTED, **{field: CHANGES[field]})
    assert match(CAP, [other]).info is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_channels": 3}, "channels 2 -> 3"),
        ({"sfreq": 512.5}, "rate 250 -> 512.5"),
        ({"hostname": "elsewhere"}, "hostname 'lab' -> 'elsewhere'"),
    ],
)
def test_one_that_passes_for_it_is_refused_by_both_sides(change, said):
    refused = match(CAP, [replace(RESTARTED, **change)]).refusal
    assert "'Cap'" in refused
    assert said in refused


@pytest.mark.parametrize("change", [{"source_id": "serial-8"}, {"type": "ACC"}])
def test_a_namesake_is_neither_taken_nor_blamed(change):
    found = match(CAP, [replace(RESTARTED, **change)])
    assert (found.info, found.refusal) == (None, "")


def test_two_that_are_alike_are_refused_until_one_is_left():
    twin = replace(CAP, key="u3", uid="u3")
    found = match(CAP, [RESTARTED, twin])
    assert found.info is None
    assert "u2, u3" in found.refusal
    assert match(CAP, [twin]).info is twin


def test_the_true_one_is_taken_from_beside_an_impostor():
    impostor = replace(RESTARTED, n_channels=9, uid="u9")
    assert match(CAP, [impostor, RESTARTED]).info is RESTARTED


def test_without_a_source_id_name_host_and_header_tell():
    plain = replace(CAP, source_id="")
    back = replace(plain, uid="u2")
    assert match(plain, [back]).info is back
    assert "rate" in match(plain, [replace(back, sfreq=500.0)]).refusal
    assert match(plain, [replace(back, hostname="elsewhere")]) == match(plain, [])


def test_labels_and_units_count_once_they_are_known():
    assert "labels 'C3 C4' -> 'C4 C3'" in differences(CAP, replace(CAP, ch_names=("C4", "C3")))
    assert "units 'uV uV' -> 'V V'" in differences(CAP, replace(CAP, ch_units=("V", "V")))
    assert differences(CAP, replace(CAP, ch_names=(), ch_units=()), described=False) == ""


def test_a_hostile_name_cannot_flood_the_line():
    refused = match(CAP, [replace(RESTARTED, name="x" * 10_000)]).refusal
    assert len(refused) < 300


XML = (
    "<info><name>Cap</name><uid>{uid}</uid><created_at>{at}</created_at><hostname>{host}</hostname>"
    "<desc>{desc}</desc></info>"
)


def described(desc="<a>1</a>", uid="u2", at="1.0", host="lab"):
    return replace(CAP, uid=uid, hostname=host, xml=XML.format(uid=uid, at=at, host=host, desc=desc))


def test_whatever_else_a_header_says_counts_but_for_what_every_start_changes():
    first = described(uid="u1", at="5.0")
    assert differences(first, described(" <a> 1</a>\n")) == ""
    assert differences(first, described("<a>2</a>")) == DESCRIPTION
    assert differences(first, described("<a>2</a>"), agreed=[DESCRIPTION]) == ""
    assert header_digest(replace(first, xml="no XML")) == ""
    for tag, before, after in (
        ("t0", "5.0", "7.5"),
        ("start_time", "1", "2"),
        ("whenever", "26434.7034", "26439.6095"),
        ("at", "2026-01-02T03:04:05", "2026-02-03"),
        ("battery", "90", "80"),
        ("impedance", "12", "5"),
    ):
        one, other = (described(f"<{tag}>{text}</{tag}>") for text in (before, after))
        assert differences(one, other) == "", tag
    for tag, before, after in (
        ("scaling_factor", "0.0223", "0.0224"),
        ("serial", "7", "8"),
        ("gain", "24", "12"),
    ):
        one, other = (described(f"<{tag}>{text}</{tag}>") for text in (before, after))
        assert differences(one, other) == DESCRIPTION, tag


def test_a_user_may_agree_to_another_host_and_to_nothing_that_changes_the_samples():
    elsewhere = replace(RESTARTED, hostname="elsewhere")
    assert can_agree(CAP, elsewhere) == {"hostname"}
    found = match(CAP, [elsewhere])
    assert (found.info, found.asked) == (None, elsewhere)
    assert "agree" in found.refusal
    assert differences(CAP, elsewhere, agreed=["hostname"]) == ""
    for change in ("sfreq", "n_channels", "dtype"):
        changed = replace(elsewhere, **{change: CHANGES[change]})
        assert match(CAP, [changed]).asked is None
    assert match(CAP, [elsewhere, replace(elsewhere, uid="u5")]).asked is None, "two are none"


def test_agreeing_to_a_host_is_not_agreeing_to_a_description():
    first, elsewhere = described(uid="u1"), described("<a>2</a>", host="elsewhere")
    assert differences(first, elsewhere, agreed=["hostname"]) == DESCRIPTION
    assert differences(first, described(host="elsewhere"), agreed=["hostname"]) == ""


def test_a_twin_that_ran_beside_it_is_no_restart_of_it():
    first = described(uid="u1", at="100.0")
    twin, restart = described(uid="u2", at="150.0"), described(uid="u3", at="201.0")
    assert match(first, [restart], alive_until_s=200.0).info is restart
    refused = match(first, [twin], alive_until_s=200.0)
    assert refused.info is None
    assert "u2" in refused.refusal
    assert match(first, [twin, restart], alive_until_s=200.0).info is None
    assert match(first, [described(uid="u4", at="30.0")], 200.0).info, "its computer was started anew"
    assert match(first, [twin]).info is twin, "nothing is known of clocks"
    assert match(first, [described(uid="u5", at="1e999999")], 200.0).info
