"""``bci-stream certify``: real sessions with a simulated person, sound and not; every verdict by figures."""

import json
import math
import re
from dataclasses import replace

import pytest

from apps.certify import CertifyOptions, certify, run, write
from apps.certify_figures import Limits, Note, figures_of, percentile, settled
from apps.certify_page import page
from bci_stream.engine.track import StreamHealth
from bci_stream.errors import ConfigError
from bci_stream.sources.simulator_faults import Faults, Outage, StreamFaults
from tests.apps.command import bci

# A test machine may be busy: here only what the devices did is judged, not how fast this computer is.
PATIENT = Limits(*(1e6,) * 6, late_share=1, unanswered=1e6, missing_share=1, cpu_share=100, memory_mb=1e4)


@pytest.fixture
def options(lsl_isolation, tmp_path):
    return CertifyOptions(
        seconds=8.0, folder=tmp_path / "certificates", simulate=True, session_id=lsl_isolation, limits=PATIENT
    )


@pytest.fixture(scope="module")
def sound(lsl_isolation, tmp_path_factory):
    """The certificate of a session in which nothing goes wrong with the devices."""
    folder = tmp_path_factory.mktemp("sound")
    return certify(
        CertifyOptions(seconds=8.0, folder=folder, simulate=True, session_id=lsl_isolation, limits=PATIENT)
    )


def test_a_sound_session_passes_and_json_and_page_say_so(sound, tmp_path):
    written, shown = write(sound, tmp_path)
    said = json.loads(written.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert said["passed"] is True
    assert said["simulated"] is True
    figures = {figure["name"]: figure for figure in said["figures"]}
    assert {"latency p50", "latency p99", "acquisition lag p95", "windows late"} <= set(figures)
    assert {f"{role}: {what}" for role in ("eeg", "audio") for what in ("loss", "drift")} <= set(figures)
    assert all(figure["value"] is not None for figure in figures.values())
    assert 0 < figures["latency p50"]["value"] <= figures["latency p99"]["value"]
    assert figures["processor"]["value"] > 0
    assert [device["name"] for device in said["devices"]] == ["SimEEG", "SimAudio"]
    assert said["versions"]["liblsl"].startswith("1.")
    html = shown.read_text()
    assert '<span class="badge pass">PASS</span>' in html
    assert "The devices were simulated" in html
    assert html.count("<circle") > 20
    assert all(figure["name"] in html for figure in said["figures"])
    assert not re.search(r"(src|href)=|https?://", html)  # one file that needs no other


def test_a_session_that_loses_samples_fails_by_name_with_exit_code_1(options, capsys):
    losing = StreamFaults(gaps=tuple(Outage(k + 0.5, 0.4) for k in range(60)))
    with pytest.raises(SystemExit) as ended:
        run(replace(options, faults=Faults(eeg=losing)))
    assert ended.value.code == 1
    (written,) = options.folder.glob("*.json")
    figures = {f["name"]: f for f in json.loads(written.read_text())["figures"]}
    failed = {name for name, figure in figures.items() if not figure["passed"]}
    assert failed == {"eeg: loss", "eeg: gaps"}
    assert figures["eeg: loss"]["value"] > 0.1
    (shown,) = options.folder.glob("*.html")
    assert "FAIL" in shown.read_text()
    assert "2 of 21 figures are beyond their limits: eeg: loss, eeg: gaps" in shown.read_text()
    assert "FAIL: " in capsys.readouterr().err


def test_the_command(tmp_path):
    done = bci("certify", "--simulate", "--seconds", "6", "--out", tmp_path, "--json")
    assert done.code in (0, 1), done.err  # as fast as this machine is
    (record,) = done.records("certificate")
    assert record["passed"] == (done.code == 0)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seconds", "1"), "too short to settle"),
        (("--out", "FILE"), "give a folder"),
        (("--wait", "0.3", "--scope", "machine", "--session-id", "nobody"), "no EEG and no audio"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, arguments, said):
    (tmp_path / "file").write_text("mine")
    given = [str(tmp_path / "file") if each == "FILE" else each for each in arguments]
    done = bci("certify", *(given if "--out" in given else (*given, "--out", tmp_path)))
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# -- figures ----------------------------------------------------------------------------------------------


def notes(n=100, **fields):
    usual = {"arrival_ms": 2.0, "lag_ms": 30.0, "age_ms": 60.0, "is_late": False, "n_unanswered": 0}
    return [
        Note(at_s=0.2 * k, index=k, cpu_s=0.01 * k, memory_mb=300.0, **(usual | fields)) for k in range(n)
    ]


HEALTH = StreamHealth("eeg", 1000, 250.0, 12.0, 1.5, 3.0, 0.0, 0, 0, 0, 0, 0, 0, 0.0)


def verdicts(some, health=HEALTH, limits=None):
    return {figure.name: figure for figure in figures_of(some, {"eeg": health}, limits or Limits())}


def failing(found):
    return {name for name, figure in found.items() if not figure.passed}


def test_a_good_session_is_within_every_limit():
    found = verdicts(notes())
    assert failing(found) == set()
    assert found["processor"].value == pytest.approx(0.05)
    assert found["rhythm"].value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"arrival_ms": 70.0}, {"latency p50", "latency p95"}),
        ({"lag_ms": 200.0}, {"acquisition lag p95"}),
        ({"age_ms": 500.0}, {"age p95"}),
        ({"is_late": True}, {"windows late"}),
        ({"arrival_ms": math.nan}, {"latency p50", "latency p95", "latency p99"}),
    ],
)
def test_each_trouble_fails_its_own_figure(fields, bad):
    assert failing(verdicts(notes(**fields))) == bad


def test_missing_and_unanswered_windows_and_growing_memory():
    some = [note for note in notes(200) if note.index % 10]
    assert failing(verdicts(some)) >= {"windows missing"}
    some = [replace(note, n_unanswered=note.index // 50, memory_mb=300 + note.index) for note in notes(200)]
    assert failing(verdicts(some)) == {"windows unanswered", "memory growth"}


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"n_lost": 10}, {"eeg: loss"}),
        ({"n_gaps": 1}, {"eeg: gaps"}),
        ({"jitter_ms": 40.0}, {"eeg: jitter"}),
        ({"rate_ppm": -20_000.0}, {"eeg: rate"}),
        ({"drift_ppm": -300.0}, {"eeg: drift"}),
        ({"drift_ppm": math.nan}, {"eeg: drift"}),
    ],
)
def test_each_trouble_of_a_stream_fails_its_own_figure(fields, bad):
    assert failing(verdicts(notes(), replace(HEALTH, **fields))) == bad


def test_what_waited_in_buffers_at_the_start_does_not_count():
    waiting = [replace(note, age_ms=20_000.0 - 400 * note.index, is_late=True) for note in notes(48)]
    later = [replace(note, at_s=note.at_s + 10, index=note.index + 48) for note in notes(60)]
    assert len(settled([*waiting, *later])) == pytest.approx(45, abs=1)
    assert failing(verdicts([*waiting, *later])) == set()
    assert settled([]) == []


def test_percentiles():
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0, math.nan], 0.99) == 1.0
    assert math.isnan(percentile([], 0.5))


def test_names_from_the_network_are_text_on_the_page_and_nothing_is_overwritten(sound, tmp_path):
    spoiled = replace(sound, devices=[{"name": "<script>alert(1)</script>"}])
    assert "<script>" not in page(spoiled)
    first, second = write(sound, tmp_path), write(sound, tmp_path)
    assert len({*first, *second}) == 4
    with pytest.raises(ConfigError, match="cannot write the certificate"):
        write(sound, tmp_path / "nowhere")
