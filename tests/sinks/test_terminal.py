import io
import math
import sys
from typing import Any

import pytest
from rich.console import Console
from sink_outcomes import CLASSES, make_prediction, make_window, no_decision

from bci_stream.messages import Latency, Prediction
from bci_stream.sinks.terminal import TerminalView, summary_table
from bci_stream.sinks.terminal_layout import bar, panel
from bci_stream.sinks.terminal_words import (
    TerminalState,
    clean,
    interval_words,
    latency_words,
    loss_percent,
    number,
    percent,
    plain_line,
    stood_on_words,
    verdict,
)

HEALTH: dict[str, dict[str, object]] = {
    "eeg": {
        "state": "live",
        "rate_hz": 500.02,
        "n_lost": 12,
        "n_samples": 49988,
        "jitter_ms": 0.41,
        "drift_ppm": 12.3,
        "n_gaps": 1,
        "n_reconnects": 0,
    },
    "audio": {"state": "reconnecting", "rate_hz": 48000.0, "jitter_ms": math.nan, "n_reconnects": 2},
}
COUNTERS = {"n_windows": 61, "n_skipped": 2}


def state(prediction: Prediction | None = None, **changes: Any) -> TerminalState:
    values: dict[str, Any] = {
        "mode": "live",
        "classes": CLASSES,
        "prediction": prediction,
        "interval": (12.0, 14.0) if prediction is not None else None,
        "health": HEALTH,
        "counters": COUNTERS,
    }
    return TerminalState(**(values | changes))


def render(shown: TerminalState, width: int = 80, height: int = 24, ascii_only: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), record=True, width=width, height=height, force_terminal=True)
    console.print(panel(shown, width, height, ascii_only))
    return console.export_text().rstrip("\n").split("\n")


def row(lines: list[str], word: str) -> str:
    found = [line for line in lines if word in line]
    assert len(found) == 1, f"{word!r} is in {len(found)} lines"
    return " ".join(found[0].split())


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_the_picture_says_it_all_and_fits(width: int, height: int) -> None:
    shown = state(make_prediction(gate=0.41, tags=("gap",)), marks={"eeg": {"FLAT": 2}})
    lines = render(shown, width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "bci_stream live" in lines[0]
    assert "window 12.00 to 14.00 s" in lines[-1]
    assert "H A P P I N E S S 62 %" in row(lines, "H A P P")
    assert row(lines, "> happiness").endswith("62 % │")
    assert row(lines, "  neutral").endswith("25 % │")
    assert "EEG 100 %, voice 80 % interpolated 25 % voice weight 41 %" in row(lines, "stood on")
    assert "312 ms" in row(lines, "age ")
    assert "252 ms: method 250, infer 2.4" in row(lines, "latency")
    assert "gap, EEG FLAT on 2 ch" in row(lines, "notes")
    assert "EEG live 500.02 0.02 0.41 +12.3 1 0" in row(lines, "live  ")
    assert "voice reconnecting 48000.00 - - - - 2" in row(lines, "reconnecting")
    assert "reconnects" in row(lines, "drift ppm")
    assert "windows 61 skipped 2" in row(lines, "skipped")
    assert "Ctrl-C stops" in row(lines, "skipped")


def test_the_picture_keeps_its_size_whatever_happens() -> None:
    moments = [
        state(),
        state(make_prediction()),
        state(make_prediction(), stale=True, since_s=123.4),
        state(no_decision()),
        state(make_prediction(coverage={"eeg": 1.0}, stood_on=("eeg",), tags=("a tag " * 40,))),
    ]
    pictures = [render(moment) for moment in moments]
    assert len({len(lines) for lines in pictures}) == 1
    assert {len(line) for lines in pictures for line in lines} == {80}


def test_many_classes_still_fit_a_small_terminal() -> None:
    classes = tuple(f"class {i}" for i in range(10))
    shown = state(make_prediction(classes=classes, probs=(0.1,) * 10, label="class 3"), classes=classes)
    assert len(render(shown)) < 24


def test_a_terminal_that_is_far_too_narrow_is_no_crash() -> None:
    assert max(map(len, render(state(make_prediction()), width=20))) <= 20


@pytest.mark.parametrize(
    ("shown", "headline", "note"),
    [
        (state(), "waiting", "for the first window"),
        (state(make_prediction()), "happiness", "62 %"),
        (state(make_prediction(confidence=0.4)), "happiness", "40 % uncertain"),
        (state(no_decision()), "no decision", "no stream had enough good samples"),
        (
            state(make_prediction(), stale=True, since_s=3.25),
            "stale",
            "nothing new for 3.2 s, last was happiness 62 %",
        ),
        (state(no_decision(), stale=True, since_s=3.25), "stale", "nothing new for 3.2 s"),
        (state(interval=(0.0, 2.0)), "no model", "windows only"),
    ],
)
def test_the_verdict_in_words(shown: TerminalState, headline: str, note: str) -> None:
    assert (verdict(shown).headline, verdict(shown).note) == (headline, note)


def test_no_decision_draws_no_bars() -> None:
    lines = render(state(no_decision()))
    assert "█" not in "".join(lines)
    assert ">" not in "".join(lines)


def test_a_modality_that_was_not_used_is_named() -> None:
    shown = state(make_prediction(stood_on=("audio",), coverage={"eeg": 0.1, "audio": 1.0}, interpolated=0.0))
    assert stood_on_words(shown) == "voice 100 %   without EEG 10 %"
    assert stood_on_words(state(no_decision())).startswith("nothing   without EEG 10 %, voice 0 %")


def test_a_model_that_was_swapped_brings_its_own_classes() -> None:
    swapped = make_prediction(classes=("calm", "tense"), probs=(0.3, 0.7), label="tense")
    lines = render(state(swapped))
    assert row(lines, "> tense").endswith("70 % │")
    assert "neutral" not in "".join(lines)


def test_text_from_outside_is_neither_markup_nor_steering() -> None:
    nasty = "[bold]\x1b[2Jx\n"
    shown = state(
        make_prediction(classes=(nasty,), probs=(1.0,), label=nasty, tags=(nasty,)),
        health={nasty: {"state": nasty}},
        counters={nasty: 1},
    )
    for text in ("\n".join(render(shown)), plain_line(shown)):
        assert "\x1b" not in text
        assert "[bold]?[2Jx?" in text


def test_plain_line_is_one_line_with_the_same_words() -> None:
    line = plain_line(state(make_prediction(), counters={"n_windows": 61, "n_skipped": 0}))
    assert line == (
        "window 12.00 to 14.00 s  |  happiness (62 %)  |  EEG 100 %, voice 80 %, interpolated 25 %  |  "
        "age 312 ms  |  latency 252 ms  |  interpolated 25%, gap  |  voice reconnecting  |  windows 61"
    )


def test_ascii_consoles_get_ascii() -> None:
    shown = state(make_prediction(classes=("joie née", "b", "c"), label="joie née"))
    inside = [line[2:-2] for line in render(shown, ascii_only=True)[1:-1]]  # rich picks the border itself
    assert "".join(inside).isascii()
    assert "#" in row(inside, "b  ")
    assert "joie n?e" in plain_line(shown, ascii_only=True)


def test_bars_are_as_long_as_their_share() -> None:
    assert bar(0.5, 10) == "█████     "
    assert bar(0.55, 10) == "█████▌    "
    assert bar(1.2, 4) == "████"
    assert bar(-0.1, 4) == bar(math.nan, 4) == "    "
    assert bar(0.55, 10, ascii_only=True) == "#####=    "
    assert all(len(bar(i / 997, 13, a)) == 13 for i in range(998) for a in (False, True))


def test_figures() -> None:
    assert [percent(x) for x in (0.0, 0.004, 0.996, 0.99999, 1.0, math.nan)] == [
        "0 %",
        "0 %",
        "99 %",
        "99 %",
        "100 %",
        "-",
    ]
    assert [number(x, ".1f") for x in (3, 2.25, math.nan, math.inf, None, "x")] == [
        "3.0",
        "2.2",
        "-",
        "-",
        "-",
        "-",
    ]
    assert loss_percent({"n_lost": 1, "n_samples": 3}) == 25.0
    assert math.isnan(loss_percent({"n_lost": 0, "n_samples": 0}))
    assert math.isnan(loss_percent({}))
    assert interval_words(None) == "no window yet"
    assert latency_words(None) == "-"
    every = Latency(0.25, acquisition_ms=3.2, queue_ms=0.1, inference_ms=2.4, output_ms=0.3)
    assert latency_words(every) == "256 ms: method 250, acquire 3.2, queue 0.1, infer 2.4, output 0.3"
    assert clean("µ\x00\u202e") == "µ??"


# The view itself: what it writes, and when.


def plain_console() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=False, width=80), file


def test_without_a_terminal_there_is_one_plain_line_a_second() -> None:
    console, file = plain_console()
    with TerminalView(console, CLASSES) as view:
        for index in range(51):  # 5 s at 10 windows a second
            view.update(make_prediction(index), HEALTH, COUNTERS, now_s=50.0 + 0.1 * index)
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    assert all("\x1b" not in line and "happiness" in line for line in lines)
    assert lines[0].startswith("window 0.00 to 2.00 s")
    assert lines[1].startswith("window 2.00 to 4.00 s")


def test_on_a_terminal_there_are_at_most_ten_pictures_a_second() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24, _environ={"TERM": "xterm"})
    with TerminalView(console, CLASSES, mode="replay") as view:
        for index in range(1000):  # one second of a fast replay
            view.update(make_prediction(index), HEALTH, COUNTERS, now_s=50.0 + 0.001 * index)
    n_pictures = file.getvalue().count("bci_stream replay")
    assert n_pictures == 10 + 1  # and the last one once more, left standing by close


def test_the_picture_leaves_standard_output_to_others() -> None:
    before = sys.stdout
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    with TerminalView(console, CLASSES):
        assert sys.stdout is before


def test_a_dumb_terminal_gets_plain_lines() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, _environ={"TERM": "dumb"})
    with TerminalView(console, CLASSES) as view:
        view.update(make_prediction(), HEALTH, COUNTERS, now_s=1.0)
    assert file.getvalue().startswith("window 0.00 to 2.00 s")
    assert file.getvalue().count("\n") == 1


def test_when_nothing_comes_the_old_decision_goes_stale_and_its_age_grows() -> None:
    console, file = plain_console()
    view = TerminalView(console, CLASSES, stale_after_s=2.0)
    view.update(make_prediction(), {}, {}, now_s=10.0)
    view.update(None, {}, {}, now_s=12.0)
    view.update(None, {}, {}, now_s=13.0)
    fresh, still_fresh, stale = file.getvalue().splitlines()
    assert "happiness (62 %)" in fresh
    assert "age 312 ms" in fresh
    assert "age 2312 ms" in still_fresh
    assert "stale (nothing new for 3.0 s, last was happiness 62 %)" in stale


def test_before_anything_came_it_waits_and_is_not_stale() -> None:
    console, file = plain_console()
    view = TerminalView(console, CLASSES)
    view.update(None, {}, {}, now_s=10.0)
    view.update(None, {}, {}, now_s=100.0)
    assert file.getvalue().splitlines() == ["no window yet  |  waiting (for the first window)"] * 2


def test_without_a_model_it_shows_windows_and_their_marks() -> None:
    console, file = plain_console()
    view = TerminalView(console, (), t0_s=990.0)
    view.update(None, {}, {}, now_s=1.0, window=make_window())
    assert file.getvalue() == (
        "window 10.00 to 12.00 s  |  no model (windows only)  |  "
        "EEG 60 %  |  EEG FLAT on 1 ch, EEG LINE on 1 ch\n"
    )


def test_the_summary_shows_every_row() -> None:
    console = Console(file=io.StringIO(), record=True, width=60)
    console.print(summary_table([("accuracy", "62 % of 61"), ("latency", "p50 [2.1] ms")], title="Session"))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert lines == ["Session", "accuracy 62 % of 61", "latency p50 [2.1] ms"]


def test_how_a_recording_stands_is_in_the_picture_and_in_the_plain_line() -> None:
    words = "0:12 recorded, 3.8 MB, 80.6 GB free"
    shown = state(make_prediction(), recording=words)
    assert words in row(render(shown), "record ")
    assert words in plain_line(shown)
    for width, height in ((80, 24), (40, 12)):
        lines = render(shown, width, height)
        assert max(map(len, lines)) <= width
    assert len(render(shown)) < 24
    assert not any("record" in line for line in render(state(make_prediction())))
