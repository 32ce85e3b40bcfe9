"""What views show and how it is set: no Qt, no window."""

import json
import time

import numpy as np
import pytest

from apps.gui import keys
from apps.gui.layout_store import LayoutStore
from apps.gui.signals.display import PRESETS, FilteredTrace, Level, MelTrace, level_of, preset_of
from apps.gui.viewmodels.control import Control
from apps.gui.viewmodels.finder import fits, judged
from apps.gui.viewmodels.traces import (
    TraceSettings,
    bar_units,
    fitting_amplitude,
    label_words,
    spread,
    ticks,
    time_words,
)
from bci_stream.dsp.filters import SosFilter, design_sos
from bci_stream.engine.frame import ChannelQuality
from bci_stream.engine.history import History
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, Flag, StreamInfo, StreamSpec
from bci_stream.model.contract import Contract


def history(data, sfreq=250.0, mask=None):
    names = tuple(f"c{i}" for i in range(data.shape[1]))
    made = History(EEG, names, sfreq, 2 * len(data))
    mask = np.zeros(len(data), np.uint8) if mask is None else mask
    made.write(1000, data.astype(np.float32), mask, np.zeros(data.shape, np.uint8))
    return made


def test_amplitude_and_span_go_in_steps_and_stop_at_the_ends():
    settings = TraceSettings()
    for _ in range(30):
        settings.louder()
        settings.shorter()
    assert (settings.amplitude, settings.span_s, settings.auto) == (1.0, 2.0, False)
    for _ in range(30):
        settings.quieter()
        settings.longer()
    assert (settings.amplitude, settings.span_s) == (10000.0, 30.0)


@pytest.mark.parametrize("n", [1, 8, 64, 128, 256])
def test_every_channel_is_on_one_page(n):
    settings, names = TraceSettings(), [f"c{i}" for i in range(n)]
    seen = []
    for _ in range(settings.n_pages(n)):
        seen += settings.lanes(names)
        settings.turn_page(1, n)
    assert seen == list(range(n))
    settings.turn_page(99, n)
    assert settings.page == settings.n_pages(n) - 1


def test_hidden_channels_leave_their_place_to_others():
    settings = TraceSettings()
    settings.hide("c1")
    assert settings.lanes(["c0", "c1", "c2"]) == [0, 2]
    settings.show_all()
    assert settings.lanes(["c0", "c1", "c2"]) == [0, 1, 2]
    settings.toggle_bad("c1")
    settings.toggle_bad("c1")
    assert settings.bad == set()


def test_auto_fits_the_usual_channel_in_spite_of_dead_and_wild_ones():
    rng = np.random.default_rng(0)
    data = rng.normal(0, 10, (2000, 8)) + 300
    data[:, 0], data[:, 1] = 0, rng.normal(0, 5000, 2000)
    middle, sd = spread(history(data), range(8), 3000)
    assert fitting_amplitude(sd) == 50.0
    assert middle[4] == pytest.approx(300, abs=3)
    assert fitting_amplitude(np.array([np.nan, 0.0])) is None


def test_the_scale_bar_is_round_and_fits():
    for px_per_unit in (0.003, 0.5, 7.0, 400.0):
        units = bar_units(px_per_unit, 60.0)
        assert units * px_per_unit <= 60.0 < units * px_per_unit * 2.6
        assert f"{units:.0e}"[0] in "125"


def test_time_is_written_for_people():
    assert [time_words(t) for t in (0, 5.25, 65, 3605.0, -2)] == [
        "0:00",
        "0:05.2",
        "1:05",
        "1:00:05",
        "-0:02",
    ]
    assert ticks(10.0, 10.0, 5) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert len(ticks(123.4, 30.0)) <= 13


def test_labels_say_why():
    quality = ChannelQuality("Fz", "flat", "flat: not connected?, 0.0 µV", 0.0)
    assert label_words("Fz", quality, True) == "Fz: marked bad; flat: not connected?, 0.0 µV"


def test_the_display_filter_is_the_engines_filter_and_starts_anew_after_a_gap():
    rng = np.random.default_rng(0)
    data = rng.normal(0, 10, (3000, 3)).astype(np.float32)
    mask = np.zeros(3000, np.uint8)
    mask[1000:1500] = Flag.GAP
    trace = FilteredTrace(history(data, mask=mask), preset_of("0.5-45"))
    while trace.follow():
        pass
    made, got_mask, _ = trace.history.rows(1000, 4000)
    sos = design_sos(250.0, 0.5, 45.0, None)
    np.testing.assert_array_equal(made[:1000], SosFilter(sos, 3).step(data[:1000]))
    np.testing.assert_array_equal(made[1500:], SosFilter(sos, 3).step(data[1500:]))
    np.testing.assert_array_equal(got_mask, mask)


@pytest.mark.parametrize("sfreq", [50.0, 125.0, 16_384.0])
def test_every_preset_is_held_to_what_the_rate_can_carry(sfreq):
    for preset in PRESETS:
        trace = FilteredTrace(history(np.ones((400, 1)), sfreq), preset)
        assert trace.follow()


def test_the_spectrogram_has_a_tone_where_it_is():
    sfreq = 16_000.0
    t = np.arange(32_000) / sfreq
    quiet, tone = np.zeros(16_000), np.sin(2 * np.pi * 1000 * t[:16_000])
    voice = History(AUDIO, ("voice",), sfreq, 64_000)
    values = np.concatenate([quiet, tone])[:, None].astype(np.float32)
    voice.write(160_000, values, np.zeros(32_000, np.uint8), np.zeros((32_000, 1), np.uint8))
    mel = MelTrace(voice)
    while mel.follow():
        pass
    rows, mask, _ = mel.history.rows(mel.history.first, mel.history.stop)
    assert not mask.any()
    middle = rows[150]
    centres = (
        700 * (10 ** (np.linspace(*(2595 * np.log10(1 + f / 700) for f in (60, 8000)), 66) / 2595) - 1)[1:-1]
    )
    assert centres[int(np.argmax(middle))] == pytest.approx(1000, rel=0.06)
    assert middle.max() - rows[20].max() > 60


def test_the_level_is_in_db_below_full_scale():
    sfreq = 16_000.0
    tone = 0.5 * np.sin(2 * np.pi * 400 * np.arange(16_000) / sfreq)
    level = level_of(history(tone[:, None], sfreq))
    assert level.peak_db == pytest.approx(-6.02, abs=0.1)
    assert level.rms_db == pytest.approx(-9.03, abs=0.1)
    assert not level.clipped
    assert level_of(history(np.ones((16_000, 1)), sfreq)).clipped
    assert Level().rms_db == float("-inf")


def test_every_deed_has_a_key_of_its_own_and_words():
    assert len({d.key for d in keys.DEEDS}) == len(keys.DEEDS)
    assert len({d.name for d in keys.DEEDS}) == len(keys.DEEDS)
    assert all(d.tip and d.text and d.group in keys.GROUPS for d in keys.DEEDS)
    assert {name for group in keys.TOOLBAR for name in group} <= {d.name for d in keys.DEEDS}
    assert sum(len(deeds) for _, deeds in keys.table()) == len(keys.DEEDS)


def test_the_layout_is_found_again(tmp_path):
    store = LayoutStore(tmp_path / "a" / "window.json")
    store.set("theme", "light")
    store.set("span_s", 5)
    store.save()
    again = LayoutStore(tmp_path / "a" / "window.json")
    assert again.problem is None
    assert again.get("theme", "dark") == "light"
    assert again.get("span_s", 10.0) == 5
    assert again.get("theme", 3) == 3  # of another kind: not taken


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"version": 99}', "\x00\xff", "null", "[" * 100_000])
def test_a_corrupt_layout_is_left_aside_and_said_in_one_line(tmp_path, text):
    path = tmp_path / "window.json"
    path.write_text(text)
    store = LayoutStore(path)
    assert store.get("theme", "dark") == "dark"
    assert str(path) in store.problem
    assert "\n" not in store.problem
    store.save()
    assert json.loads(path.read_text())["version"] == 1


def test_a_layout_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    store = LayoutStore(tmp_path / "file" / "window.json")
    store.save()
    assert "could not be saved" in store.problem


def info(**fields):
    defaults = {"key": "k", "name": "Cap", "type": "EEG", "n_channels": 2, "sfreq": 250.0, "dtype": "float32"}
    return StreamInfo(**{**defaults, "uid": "u", "ch_names": ("Fz", "Cz"), **fields})


def test_streams_are_judged_in_words():
    assert judged(info(ch_units=("uV", "uV"))).level == "good"
    assert judged(info(ch_units=("uV", "uV"))).words == "2 channels, 250 Hz"
    mono = info(type="Audio", n_channels=1, ch_names=("voice",), sfreq=16_000.0)
    assert judged(mono).words.startswith("1 channel, 16000 Hz")
    unnamed = judged(info(ch_names=(), ch_units=()))
    assert (unnamed.role, unnamed.level) == (EEG, "warn")
    assert judged(info(type="Audio", ch_names=("l", "r"), sfreq=48_000.0)).role == AUDIO
    assert judged(info(sfreq=0.0)).level == "bad"
    assert judged(info(dtype="string")).role == "markers"
    assert judged(info(type="Gaze", ch_names=("x", "y"))).role == ""


def test_a_model_is_checked_against_the_chosen_streams():
    contract = Contract.model_validate(
        {"eeg": {"channels": ("Fz", "Cz", "Pz", "Oz", "T7", "T8")}, "fusion": "gated"}
    )
    eeg = StreamSpec(EEG, ("Fz", "Cz", "Pz", "Oz", "T7", "T8"), 250.0)
    voice = StreamSpec(AUDIO, ("voice",), 16_000.0)
    assert fits(contract, [eeg, voice]).level == "good"
    assert fits(contract, []).level == "off"
    alone = fits(contract, [eeg])
    assert alone.level == "warn"
    assert "without voice" in alone.words
    few = fits(contract, [StreamSpec(EEG, ("Fz", "Cz", "Pz", "Oz", "T7"), 250.0)])
    assert few.level == "bad"
    assert "T8" in few.words
    made = fits(contract, [StreamSpec(EEG, ("Fz", "Cz", "Pz", "Oz", "T7"), 250.0), voice], "interpolate")
    assert made.level == "warn"
    assert "made from others" in made.words


class FakeFree:
    """Not a fake session: the smallest thing that can be begun and ended, to watch the control itself."""

    def __init__(self):
        self.story = []

    def start(self):
        self.story.append("start")

    def close(self):
        self.story.append("close")

    def frame(self):
        raise AssertionError("nobody draws here")


def ticked(control):
    deadline = time.monotonic() + 20
    while not control.tick():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_control_ends_what_ran_before_and_says_what_failed():
    control, first, second = Control(), FakeFree(), FakeFree()
    control.begin("a", lambda: first)
    assert control.opening == "a"
    ticked(control)
    assert control.run is first
    control.begin("b", lambda: second)
    ticked(control)
    assert first.story == ["start", "close"]

    def refuse():
        raise ConfigError("no such stream: switch it on")

    control.begin("c", refuse)
    ticked(control)
    assert control.run is None
    assert control.problem == "no such stream: switch it on"
    control.close()
    assert second.story == ["start", "close"]
