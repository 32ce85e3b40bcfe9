"""Real files: read back by the csv module, and on disks that are full."""

import csv
import os
import resource
import stat
from dataclasses import replace

import pytest
from sink_outcomes import CLASSES, make_prediction, no_decision

from bci_stream.errors import ConfigError
from bci_stream.sinks.base import SinkRunner
from bci_stream.sinks.csv import CsvSink
from bci_stream.sinks.jsonl import JsonLinesFile
from bci_stream.sinks.whole_file import check_free

ROLES = ("eeg", "audio")


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_per_prediction_at_once_and_every_number_is_the_very_same(tmp_path):
    path = tmp_path / "deep" / "down" / "p.csv"
    sink = CsvSink(path, CLASSES, ROLES)
    puts = [make_prediction(0, valid_until=1003.1), no_decision(1), make_prediction(5, t_end=1 / 3)]
    for number, prediction in enumerate(puts, start=1):
        sink.put(prediction, None)
        sink.put(None, None)
        assert len(rows(path)) == number
    first, second, third = rows(path)
    assert [float(first[f"p_{name}"]) for name in CLASSES] == list(puts[0].probs)
    assert [float(first[f"logit_{name}"]) for name in CLASSES] == list(puts[0].logits)
    assert float(third["t_end"]) == 1 / 3
    assert (first["label"], first["stood_on"], first["tags"]) == (
        "happiness",
        "eeg+audio",
        "interpolated 25%+gap",
    )
    assert (first["coverage_eeg"], first["coverage_audio"], first["valid_until"]) == ("1.0", "0.8", "1003.1")
    assert (first["gate"], second["label"], second["stood_on"]) == ("", "", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sink.close()


def test_names_that_a_table_must_quote_read_back(tmp_path):
    classes = ('say "hi"', "a,b", "line\nbreak")
    sink = CsvSink(tmp_path / "p.csv", classes, ())
    sink.put(make_prediction(classes=classes, label="a,b"), None)
    (row,) = rows(tmp_path / "p.csv")
    assert row["label"] == "a,b"
    assert float(row["p_line\nbreak"]) == 0.125


def test_another_models_classes_are_refused(tmp_path):
    sink = CsvSink(tmp_path / "p.csv", CLASSES, ROLES)
    with pytest.raises(ConfigError, match="cannot take calm, tense"):
        sink.put(replace(make_prediction(), classes=("calm", "tense")), None)


@pytest.mark.parametrize("make", [lambda path: CsvSink(path, CLASSES, ROLES), JsonLinesFile, check_free])
def test_what_cannot_be_made_is_one_line_and_nothing_is_overwritten(tmp_path, make):
    (tmp_path / "mine.csv").write_text("mine")
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere" / "else")
    for name, words in (
        ("mine.csv", "never overwritten"),
        ("dangling.csv", "never overwritten"),
        ("mine.csv/p.csv", "no folder"),
        (".", "never overwritten"),
        ("a\0b", "null"),
        ("n" * 300, "name too long"),
    ):
        with pytest.raises(ConfigError) as caught:
            make(tmp_path / name)
        assert words in str(caught.value).lower()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling.csv", "mine.csv"]


def test_a_folder_that_may_not_be_written_to_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    is_root = os.geteuid() == 0
    if is_root:  # whom nothing is forbidden
        os.seteuid(65534)
    try:
        for make in (check_free, JsonLinesFile):
            with pytest.raises(ConfigError, match=r"may not be written|Permission denied") as caught:
                make(tmp_path / "p.csv")
            assert "\n" not in str(caught.value)
    finally:
        if is_root:
            os.seteuid(0)
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_full_disk_ends_the_file_behind_the_last_whole_line(tmp_path, kind):
    path = tmp_path / "p"
    sink = CsvSink(path, CLASSES, ROLES) if kind == "csv" else JsonLinesFile(path)
    runner = SinkRunner(sink, capacity=1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        for index in range(300):
            runner.put(make_prediction(index))
        runner.close(20.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "File too large" in runner.error
    assert "\n" not in runner.error
    lines = path.read_text().splitlines()
    assert path.read_bytes().endswith(b"\n")
    assert len(lines) - (kind == "csv") == runner.n_delivered > 5
    assert runner.n_delivered + runner.n_dropped in (299, 300)  # the one that did not fit is neither
