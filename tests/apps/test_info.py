"""``bci-stream info``: real recordings with known truth, files of our own recorder, and damage."""

import json
import math
import struct
import sys

import numpy as np
import pytest

from apps.info import InfoOptions, as_record, look, run
from bci_stream.errors import ConfigError, RecordingError
from bci_stream.sources.overview import survey
from bci_stream.sources.xdf import XdfRecording
from tests.apps.command import bci
from tests.fuzz.bombs import chunk, header
from tests.recordings import DATA, XDF_COMPOSITE, XDF_DEV, needs_recordings


def samples(stream, stamps, values):
    rows = b"".join(
        b"\x08" + struct.pack("<d", t) + row.tobytes() for t, row in zip(stamps, values, strict=True)
    )
    return chunk(3, struct.pack("<IBI", stream, 4, len(stamps)) + rows)


def offset(stream, at, value):
    return chunk(4, struct.pack("<Idd", stream, at, value))


UV = "<desc><channels>{}</channels></desc>"


def channels(*labels):
    each = (f"<channel><label>{x}</label><unit>microvolts</unit></channel>" for x in labels)
    return UV.format("".join(each))


@pytest.fixture
def made(tmp_path):
    """10 s of EEG at 100 Hz with a gap of 2 s: one good, one flat, one railed, one with NaNs, a trigger."""
    rng = np.random.default_rng(3)
    stamps = 100 + np.arange(1000) / 100
    stamps[500:] += 2.0
    data = rng.normal(0, 20, (1000, 5)).astype(np.float32)
    data[:, 1] = 7.0
    data[200:500, 2] = 400.0
    data[:100, 3] = np.nan
    data[:, 4] = 0.0
    names = ("Fz", "Cz", "Pz", "Oz", "TRG")
    path = tmp_path / "made.xdf"
    parts = [header(1, 5, "float32", extra=channels(*names))]
    for k in range(10):
        parts.append(offset(1, 100.0 + 1.2 * k, 5.0 + 50e-6 * 1.2 * k))
        at = slice(100 * k, 100 * k + 100)
        parts.append(samples(1, stamps[at], data[at]))
    path.write_bytes(b"XDF:" + b"".join(parts))
    return path


def test_gaps_clock_and_quality_are_found(made):
    with XdfRecording.open(made) as recording:
        (eeg,) = survey(recording)
    assert (eeg.n_gaps, eeg.n_segments, eeg.n_lost) == (1, 2, 200)
    assert eeg.sfreq == pytest.approx(100, rel=1e-3)
    assert eeg.t_start == pytest.approx(105.0, abs=1e-6)
    assert eeg.gaps[0].t_end - eeg.gaps[0].t_start == pytest.approx(2.01, abs=1e-3)
    assert eeg.clock.drift_ppm == pytest.approx(50, abs=0.1)
    good, flat, railed, bad, _ = (channel.figures for channel in eeg.channels)
    assert good.sd == pytest.approx(20, rel=0.1)
    assert (good.flat, good.railed, good.bad) == (0, 0, 0)
    assert flat.flat == 1
    assert railed.railed == pytest.approx(0.3, abs=0.01)
    assert bad.bad == pytest.approx(0.1)
    assert bad.sd == pytest.approx(20, rel=0.1)


def test_what_is_wrong_is_said_and_what_is_right_is_not(made):
    done = bci("info", made)
    assert done.code == 0, done.err
    assert "not closed by its recorder" in done.out
    assert "Cz 0 µV (flat 100%)" in done.out
    assert "(flat 30%, railed 30%)" in done.out
    assert "(not a number 10.00%)" in done.out
    assert "TRG 0 µV" in done.out
    assert "TRG 0 µV (" not in done.out  # a trigger may rest
    assert "gaps at 4.99 to 7.00 s" in done.out


def test_json_holds_all_of_it_in_one_object(made):
    (line,) = bci("info", made, "--json").out.splitlines()
    record = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    (eeg,) = record["streams"]
    assert record["complete"] is False
    assert eeg["gaps"][0] == pytest.approx([109.99, 112.0], abs=1e-2)
    assert eeg["channels"][1]["remarks"] == ["flat 100%"]
    assert eeg["channels"][0]["sd_uv"] == pytest.approx(20, rel=0.1)
    assert eeg["clock"]["drift_ppm"] == pytest.approx(50, abs=0.1)


def test_damage_is_told_and_costs_the_damaged_chunk_alone(made):
    content = bytearray(made.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = b"\x55" * 40
    made.write_bytes(bytes(content))
    report = look(made)
    assert 990 <= report.streams[0].n_samples < 1000
    assert len(report.damage) >= 1
    done = bci("info", made)
    assert done.code == 0
    assert "warning: damage" in done.err


@pytest.mark.parametrize("stamp", [math.nan, math.inf, 1e300, -1e300])
def test_absurd_stamps_and_values_are_figures_or_nothing(tmp_path, stamp):
    data = np.full((4, 2), 3e38, np.float32)
    data[2] = np.inf
    path = tmp_path / "x.xdf"
    parts = [header(1, 2, "float32"), samples(1, [stamp, 1.0, stamp, 1.01], data), offset(1, 1.0, 0.5)]
    path.write_bytes(b"XDF:" + b"".join(parts))
    json.dumps(as_record(look(path)), allow_nan=False)
    run(InfoOptions(path, tmp_path / "x.png", as_json=True))


def test_a_picture_is_written(made, tmp_path):
    picture = tmp_path / "picture.png"
    run(InfoOptions(made, picture, as_json=True))
    content = picture.read_bytes()
    assert content[:4] == b"\x89PNG"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 1000
    assert height > 500


def test_the_picture_shows_gap_marker_and_bad_channels(made):
    from apps.info_plot import draw

    figure = draw(look(made))
    timeline, _, traces = figure.axes
    spans = [[path.get_extents().width for path in bars.get_paths()] for bars in timeline.collections]
    assert sorted(round(width) for widths in spans for width in widths) == [2, 5, 5]
    words = [label.get_text() for label in traces.get_yticklabels()]
    assert words[1] == "Cz 0 µV\nflat 100%"
    assert len(words) == 5


@pytest.mark.parametrize(
    ("plot", "said"), [("x.gif", "ends in .png"), ("nowhere/x.png", "there is no folder")]
)
def test_a_picture_that_cannot_be_is_refused_before_the_work(made, tmp_path, plot, said):
    with pytest.raises(ConfigError, match=said):
        run(InfoOptions(made, tmp_path / plot, as_json=False))


def test_without_matplotlib_one_line_says_what_to_install(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"needs matplotlib: pip install 'bci-stream\[train\]'"):
        run(InfoOptions(made, tmp_path / "x.png", as_json=False))


def test_what_is_no_recording_is_one_line(tmp_path):
    (tmp_path / "x.xdf").write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match="not an XDF file"):
        run(InfoOptions(tmp_path / "x.xdf", None, as_json=False))
    done = bci("info", tmp_path / "none.xdf")
    assert done.code == 2
    assert done.err.count("\n") == 1


@needs_recordings
def test_truth_of_real_recordings():
    gap = {s.info.type: s for s in look(XDF_COMPOSITE / "comp_onehost_gap3s.xdf").streams}
    assert [
        (round(g.t_start - gap["EEG"].t_start, 1), round(g.t_end - gap["EEG"].t_start, 1))
        for g in gap["EEG"].gaps
    ] == [(12.0, 15.2)]
    assert gap["Audio"].n_gaps == 0
    two = {s.info.type: s for s in look(XDF_COMPOSITE / "comp_twohost_offset_drift.xdf").streams}
    assert two["Audio"].sfreq == pytest.approx(44_096.25, abs=0.1)
    assert abs(two["Audio"].clock.drift_ppm) == pytest.approx(60, abs=3)
    assert two["Audio"].clock.parts[0].offset_s == pytest.approx(-98_765.43, abs=0.01)
    cut = look(XDF_COMPOSITE / "comp_truncated70.xdf")
    assert cut.complete is False
    assert "cut off" in cut.damage[0]
    resets = {s.info.type: s for s in look(XDF_DEV / "clock_resets.xdf").streams}
    assert resets["EEG"].clock.n_resets == 1
    assert resets["EEG"].gaps[0].t_end - resets["EEG"].gaps[0].t_start == pytest.approx(274, abs=1)


@needs_recordings
def test_other_formats_are_looked_at_alike(tmp_path):
    (eeg,) = look(DATA / "eeg" / "muse_mental_state" / "subjecta-relaxed-1.csv.gz").streams
    assert eeg.n_samples == 15_204
    assert eeg.sfreq == pytest.approx(256, rel=1e-3)
    assert [channel.name for channel in eeg.channels][:4] == ["TP9", "AF7", "AF8", "TP10"]
    assert all(1 < channel.figures.sd < 100 for channel in eeg.channels)


@needs_recordings
@pytest.mark.parametrize("path", sorted(XDF_DEV.glob("*.xdf")), ids=lambda path: path.stem)
def test_every_real_recording_has_a_picture(path, tmp_path):
    run(InfoOptions(path, tmp_path / "x.png", as_json=True))
    assert (tmp_path / "x.png").stat().st_size > 5000
