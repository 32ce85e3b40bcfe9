import math
from dataclasses import replace

import pytest

from apps.gui.viewmodels.headline import headline
from apps.gui.viewmodels.health import FIGURES, health, recording_line, titles
from apps.gui.viewmodels.log import MOST_ROWS, Change, LogFilter, LogTable, cells, copied
from apps.gui.viewmodels.words import NOTHING, age_words, clock_words, duration_words, share_words, size_words
from bci_stream.engine.frame import Frame, LogEntry, Recording
from bci_stream.engine.happenings import EventLog
from tests.gui import frames
from tests.gui.frames import session


def with_health(**given: float) -> Frame:
    frame = session(5)
    eeg = replace(frame.streams[0], health=frames.health("eeg", **given))
    return replace(frame, streams=(eeg, frame.streams[1]))


def figures(frame: Frame) -> dict[str, str]:
    return dict(zip(FIGURES, health(frame).streams[0].figures, strict=True))


def test_a_stream_shows_its_figures_with_units() -> None:
    assert len(titles()) == len(FIGURES)
    assert figures(session(5)) == {
        "rate": "250.0 Hz",
        "lost": "0.02 %",
        "jitter": "0.4 ms",
        "drift": "+12 ppm",
        "age": "40 ms",
        "reconnects": "1",
        "unit": "µV",
    }


def test_what_is_not_known_is_a_dash() -> None:
    nothing = dict.fromkeys(("rate_hz", "jitter_ms", "drift_ppm", "age_s"), math.nan)
    found = figures(with_health(n_samples=0, **nothing))
    assert [found[key] for key in ("rate", "lost", "jitter", "drift", "age")] == [NOTHING] * 5
    found = figures(with_health(**nothing))
    assert [found[key] for key in ("rate", "jitter", "drift", "age")] == [NOTHING] * 4


def test_a_light_has_a_symbol_and_a_word() -> None:
    lights = {level: health(frame).streams[0].light for level, frame in levels().items()}
    assert lights == {"good": "● good", "warn": "▲ attention", "bad": "✕ fault"}


def levels() -> dict[str, Frame]:
    frame = session(5)
    eeg, audio = frame.streams
    return {lv: replace(frame, streams=(replace(eeg, level=lv), audio)) for lv in ("good", "warn", "bad")}


def test_poor_channels_are_named_in_the_hint() -> None:
    hint = health(session(5)).streams[0].hint
    assert hint.splitlines() == ["T8: flat: not connected?", "FT9: noisy: movement or a loose contact, 88 µV"]


def test_the_latency_is_split_in_the_order_of_time() -> None:
    found = health(session(5))
    assert [name for name, _ in found.latency] == ["method", "arrival", "queue", "model", "output"]
    assert sum(value for _, value in found.latency) == pytest.approx(found.total_ms)
    assert health(replace(session(5), latency_ms={})).latency == ()


def test_skipped_windows_and_a_busy_processor_are_seen() -> None:
    windows, processor, *_ = health(replace(session(5), n_skipped=0)).lines
    assert windows.level == "good"
    assert "none skipped" in windows.words
    windows, processor, *_ = health(replace(session(5), n_skipped=7, cpu_share=0.95)).lines
    assert windows.level == "warn"
    assert "7 skipped" in windows.words
    assert processor.level == "warn"
    assert "95 %" in processor.words


def test_the_recording_says_how_long_how_large_and_how_much_is_free() -> None:
    line = recording_line(Recording("/data/a.xdf", 3725.0, 1_500_000_000, 31_200_000_000, 7200.0))
    assert line.words == "1:02:05, 1.5 GB; 31.2 GB free, enough for 2 h; /data/a.xdf"
    assert recording_line(None).level == "off"
    assert recording_line(Recording("/a", 1.0, 5, 5, 60.0)).level == "warn"
    failed = recording_line(Recording("/a", 1.0, 5, 0, 0.0, "the disk is full"))
    assert (failed.level, failed.words) == ("bad", "the disk is full")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (clock_words(65), "1:05"),
        (clock_words(3723.4), "1:02:03"),
        (clock_words(math.nan), NOTHING),
        (duration_words(3.14), "3.1 s"),
        (duration_words(75), "75 s"),
        (duration_words(7199), "2 h"),
        (duration_words(600), "10 min"),
        (age_words(0.0421), "42 ms"),
        (age_words(math.nan), NOTHING),
        (share_words(0.123), "12 %"),
        (size_words(999), "999 bytes"),
        (size_words(48_230_112), "48.2 MB"),
    ],
)
def test_numbers_for_people(words: str, said: str) -> None:
    assert words == said


def lines(*words: str) -> tuple[LogEntry, ...]:
    return tuple(
        LogEntry(float(i), ("good", "warn", "bad")[i % 3], "eeg", word) for i, word in enumerate(words)
    )


def look(table: LogTable, log: tuple[LogEntry, ...]) -> Change:
    change = table.look(log)
    if change.anew:
        table.renew()
    table.drop(change.dropped)
    table.append(change.fresh)
    return change


def test_the_log_grows_by_what_is_new() -> None:
    log, table = EventLog(), LogTable()
    log.add(0.0, "good", "eeg", "live")
    assert len(look(table, log.entries()).fresh) == 1
    assert look(table, log.entries()) == Change()
    log.add(1.0, "bad", "eeg", "lost")
    log.add(2.0, "good", "audio", "live")
    assert look(table, log.entries()).fresh == log.entries()[1:]
    assert table.rows == list(log.entries())
    assert table.sources == ("audio", "eeg")


def test_the_log_is_bounded_and_follows_a_bounded_log() -> None:
    log, table = EventLog(), LogTable()
    for i in range(5000):
        log.add(i, "good", "eeg", str(i))
        if i % 37 == 0:
            look(table, log.entries())
    look(table, log.entries())
    assert len(table.rows) == MOST_ROWS
    assert [row.words for row in table.rows] == [str(i) for i in range(3000, 5000)]


def test_another_session_begins_the_log_anew() -> None:
    table = LogTable()
    look(table, lines("a", "b"))
    assert look(table, lines("c")).anew
    assert [row.words for row in table.rows] == ["c"]
    assert look(table, ()).anew
    assert table.rows == []


def test_filters_keep_what_was_asked_for() -> None:
    table = LogTable()
    look(table, (*lines("good one", "warned", "broken"), LogEntry(9.0, "bad", "audio", "Broken too")))
    table.renew(LogFilter(level="warn"))
    assert [row.words for row in table.rows] == ["warned", "broken", "Broken too"]
    table.renew(LogFilter(source="audio"))
    assert [row.words for row in table.rows] == ["Broken too"]
    table.renew(LogFilter(text="BROKEN"))
    assert [row.words for row in table.rows] == ["broken", "Broken too"]
    assert look(table, (*table._seen, LogEntry(10.0, "good", "eeg", "fine"))).fresh == ()


def test_a_line_is_copied_as_one_line() -> None:
    entry = LogEntry(61.25, "warn", "eeg", "two\nlines <b>")
    assert cells(entry) == ("1:01", "▲ attention", "eeg", "two lines <b>")
    assert copied([entry, entry]) == "61.25\twarn\teeg\ttwo lines <b>\n61.25\twarn\teeg\ttwo lines <b>"


def test_a_dead_worker_is_red_in_the_headline_and_among_the_lines() -> None:
    words = "output OscSink died (X: y): predictions go on without it; end the session and open it anew"
    frame = replace(session(5), troubles=(words,))
    assert headline(frame) == ("bad", words)
    assert [(line.level, line.words) for line in health(frame).lines][-1] == ("bad", words)
    assert health(session(5)).lines[-1].level == "good"
