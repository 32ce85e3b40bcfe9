import json
import math
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bci_stream.errors import ResultError
from bci_stream.training.results import is_result, read_result, write_result
from bci_stream.training.run_result import Predictions, make_result
from bci_stream.training.splits import make_split
from tests.apps.command import ROOT

CLASSES = ("neutral", "sadness", "anger")
PEOPLE = ("a", "b", "c", "d")


def predictions(seed=0, n_trials=9, people=PEOPLE, patterns=("both", "eeg", "audio")):
    rng = np.random.default_rng(seed)
    persons = tuple(person for person in people for _ in range(n_trials))
    return Predictions(
        persons,
        np.tile(np.arange(n_trials), len(people)),
        np.tile(np.arange(n_trials) % 3, len(people)),
        {name: rng.dirichlet(np.ones(3), len(persons)) for name in patterns},
    )


def result(seed=0, people=PEOPLE, **changes):
    said = predictions(seed, people=people)
    asked = {
        "name": "late-0",
        "mode": "late",
        "modalities": ("eeg", "audio"),
        "data_name": "generated people",
        "data_sha256": "0" * 64,
        "generated": True,
        "classes": CLASSES,
        "seed": seed,
        "oracle": 0.87,
        "versions": {"numpy": np.__version__},
        "config": {"lr": 1e-3, "nothing": math.nan},
    }
    return make_result(make_split("loso", people, seed=seed), said, **(asked | changes))


def contents(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def written(tmp_path):
    write_result(tmp_path / "run", result())
    return tmp_path / "run"


def test_what_was_written_is_read(written):
    found, expected = read_result(written), result()
    for name in ("mode", "modalities", "protocol", "folds", "classes", "metrics", "per_person", "oracle"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.predictions.persons == expected.predictions.persons
    for pattern, probs in expected.predictions.probs.items():
        assert np.array_equal(found.predictions.probs[pattern], probs)
    assert found.config == {"lr": 1e-3, "nothing": None}
    assert contents(written) == ["config.json", "metrics.json", "predictions.npz"]
    assert contents(written.parent) == ["run"]


def test_metrics_are_of_format_1(written):
    found = json.loads((written / "metrics.json").read_text())
    assert found["format"] == 1
    assert found["folds"][0].keys() == {"test", "valid", "train"}
    assert found["data"] == {"name": "generated people", "sha256": "0" * 64}
    said = result().predictions
    right = said.probs["eeg"].argmax(1) == said.labels
    assert found["metrics"]["eeg"]["accuracy"] == pytest.approx(right.mean())
    assert found["per_person"]["eeg"]["b"] == pytest.approx(right[9:18].mean())


def test_mistake_an_accuracy_printed_as_a_literal(written):
    """A figure that does not follow from the predictions is refused."""
    path = written / "metrics.json"
    found = json.loads(path.read_text())
    found["per_person"]["both"]["c"] = 0.8342
    path.write_text(json.dumps(found))
    with pytest.raises(ResultError, match=r"both accuracy of c in metrics\.json does not follow"):
        read_result(written)


def test_more_files_come_with_it(tmp_path):
    write_result(tmp_path / "run", result(), fill=lambda folder: (folder / "card.txt").write_text("hello"))
    assert (tmp_path / "run" / "card.txt").read_text() == "hello"


def test_a_failing_filler_leaves_nothing(tmp_path):
    def fill(folder):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_result(tmp_path / "run", result(), fill=fill)
    assert contents(tmp_path) == []


def test_what_is_no_result_is_never_replaced(tmp_path):
    path = tmp_path / "thesis"
    path.mkdir()
    (path / "chapter1.txt").write_text("years of work")
    for replaced in (False, True):
        with pytest.raises(ResultError, match="thesis exists and is not empty"):
            write_result(path, result(), replace=replaced)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResultError, match="no directory"):
        write_result(tmp_path / "file", result(), replace=True)
    assert (path / "chapter1.txt").read_text() == "years of work"
    assert contents(tmp_path) == ["file", "thesis"]


def test_an_earlier_result_is_replaced_only_when_asked(written):
    with pytest.raises(ResultError, match="not empty"):
        write_result(written, result(1))
    assert read_result(written).seed == 0
    write_result(written, result(1), replace=True)
    assert read_result(written).seed == 1
    assert contents(written.parent) == ["run"]


def test_an_empty_folder_is_used(tmp_path):
    write_result(tmp_path, result())
    assert is_result(tmp_path)


FULL_DISK = """
import resource, sys
from pathlib import Path
from bci_stream.errors import ResultError
from bci_stream.training.results import write_result
from tests.training.test_results import result
path, limit, replaced = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
value = result(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_result(path, value, replace=replaced)
except ResultError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_full_disk_leaves_nothing_half_written(written, share):
    """No file may grow beyond the limit, as on a disk that fills up: the earlier result stays whole."""
    limit = int(share * max(file.stat().st_size for file in written.iterdir()))
    for path, replaced in ((written, True), (written.parent / "other", False)):
        command = [sys.executable, "-c", FULL_DISK, str(path), str(limit), str(replaced)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"cannot write {path}: ")
        assert done.stderr.count("\n") == 1
    assert contents(written.parent) == ["run"]
    assert read_result(written).seed == 0


def test_a_folder_nobody_may_write_to(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResultError, match="cannot write"):
        write_result(tmp_path / "file" / "run", result())


def shorten(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "harm", "words"),
    [
        ("metrics.json", Path.unlink, "metrics.json is missing"),
        ("config.json", Path.unlink, "config.json is missing"),
        ("predictions.npz", Path.unlink, "predictions.npz is missing"),
        ("metrics.json", shorten, "cannot be read as JSON"),
        ("predictions.npz", shorten, "cut short"),
        ("predictions.npz", lambda p: p.write_bytes(b""), "cut short"),
        ("predictions.npz", lambda p: np.savez(p, x=np.zeros(2)), "lacks persons, trials, labels"),
        ("config.json", lambda p: p.write_text("[]"), "no settings"),
        ("metrics.json", lambda p: p.write_text("[1]"), "format None"),
        ("metrics.json", lambda p: p.write_bytes(b"\xff\xfe\x00"), "cannot be read as JSON"),
        ("metrics.json", lambda p: edit(p, format=2), "format 2, and this version reads 1"),
        ("metrics.json", lambda p: edit(p, seed="one"), "seed: "),
        ("metrics.json", lambda p: edit(p, folds=[{"test": []}]), r"folds.0.valid"),
        ("metrics.json", lambda p: edit(p, extra=1), "extra: "),
    ],
)
def test_harmed_results_are_refused_in_one_line(written, name, harm, words):
    harm(written / name)
    with pytest.raises(ResultError, match=words) as caught:
        read_result(written)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_to_nothing(tmp_path):
    with pytest.raises(ResultError, match="nowhere is no directory"):
        read_result(tmp_path / "nowhere")


def test_predictions_that_are_none_are_refused():
    good = predictions()
    twice = {"trials": np.zeros_like(good.trials)}
    no_probs = {"probs": {"both": good.probs["both"] * 2}}
    not_a_number = {"probs": {"both": np.full_like(good.probs["both"], math.nan)}}
    unknown_class = {"labels": good.labels + 2}
    for change, words in (
        (twice, "predicted twice"),
        (no_probs, "no probability"),
        (not_a_number, "no probability"),
        (unknown_class, "of 36 trials"),
        ({"probs": {}}, "one of each"),
    ):
        with pytest.raises(ResultError, match=words):
            replace(good, **change)
    with pytest.raises(ResultError, match="3 classes, the run 2"):
        result(classes=("x", "y"))


def test_limits_of_this_process_are_untouched():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
