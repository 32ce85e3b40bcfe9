import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bci_stream.errors import ConfigError, ResultError
from bci_stream.training.compare_report import write_report
from bci_stream.training.compare_tables import as_dict, conclusion, method_table, pair_table
from bci_stream.training.comparison import METRICS, compare_directories, compare_runs
from bci_stream.training.planted import BETTER, Plant, planted_results, power_check, study, write_planted
from bci_stream.training.results import write_result
from bci_stream.training.run_result import Predictions, make_result
from bci_stream.training.splits import make_split

SMALL = Plant(n_people=8, n_trials=20)


@pytest.fixture(scope="module")
def runs():
    """Three methods under one seed."""
    return planted_results(SMALL, 0)


@pytest.fixture(scope="module")
def leaking():
    return with_split(planted_results(SMALL, 0)[1], "pooled")


def with_split(run, kind, seed=None, n_folds=4):
    seed = run.seed if seed is None else seed
    people = sorted(set(run.predictions.persons))
    split = make_split(kind, people, seed=seed, n_folds=n_folds, leak_ok=True)
    return replace(run, split=kind, protocol=split.protocol, leaks=split.leaks, folds=split.folds, seed=seed)


def compare(runs, **options):
    return compare_runs(runs, [f"DIR{i}" for i in range(len(runs))], **options)


@pytest.mark.timeout(120)
def test_a_planted_difference_is_found_and_none_is_made_up(tmp_path):
    """42 people, 100 trials each, 5 points, three methods: at least 18 of 20, and at most 2 of 20."""
    check = power_check(n=20, folder=tmp_path)
    assert check.found >= 18
    assert check.false <= 2
    assert 0.06 <= check.paired_sd <= 0.08
    assert check.passed
    assert len(list(tmp_path.glob("*/*/predictions.npz"))) == 6  # the first studies went through files


def test_written_results_compare_as_those_in_memory(tmp_path):
    paths = write_planted(tmp_path, SMALL, 3)
    from_files, in_memory = compare_directories(paths), study(SMALL, 3)
    assert as_dict(from_files) == as_dict(in_memory)


def test_trials_are_planted_as_they_are_in_reality():
    """Methods agree on what is hard, people differ, and the planted method is better by what was asked."""
    plant = Plant(n_people=200)
    right = {
        run.mode: run.predictions.probs["both"].argmax(1) == run.predictions.labels
        for run in planted_results(plant, 1)
    }
    a, b = right["plain-a"], right["plain-b"]
    assert 0.2 < np.corrcoef(a, b)[0, 1] < 0.5
    per_person = a.reshape(200, 100).mean(1)
    assert per_person.std() > 1.5 * math.sqrt(0.25 / 100)  # more than coins would
    assert right[BETTER].mean() - (a.mean() + b.mean()) / 2 == pytest.approx(0.05, abs=0.01)


def test_seeds_are_averaged_within_people(runs):
    """Two seeds of each method: a person's score is their mean, and people stay the unit."""
    again = [with_split(run, "subject-kfold", 1, n_folds=7) for run in runs]
    swapped = [replace(again[0], mode=runs[1].mode), replace(again[1], mode=runs[0].mode)]
    found = compare([runs[0], runs[1], *swapped])
    assert [method.seeds for method in found.methods] == [(0, 1), (0, 1)]
    pair = found.pairs[0].paired
    assert pair.n == 8
    assert pair.difference == pytest.approx(0, abs=1e-12)  # each got the other's predictions at seed 1
    assert pair.permutation_p == 1


def test_a_difference_is_the_mean_over_people(runs):
    found = compare(runs)
    scores = {run.mode: np.array(list(run.per_person["both"].values())) for run in runs}
    for method in found.methods:
        assert method.scores == pytest.approx(scores[method.name])
    for pair in found.pairs:
        assert pair.paired.difference == pytest.approx((scores[pair.a] - scores[pair.b]).mean())
        assert pair.holm_p >= pair.paired.p
    assert [m.mean for m in found.methods] == sorted((m.mean for m in found.methods), reverse=True)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric(runs, metric):
    found = compare(runs, metric=metric)
    assert all(np.isfinite(method.scores).all() for method in found.methods)
    if metric == "balanced_accuracy":  # classes are balanced here
        assert found.methods[0].mean == pytest.approx(compare(runs).methods[0].mean)


def test_one_modality_against_both(runs):
    """ "both" of a run that only hears is what it hears."""
    said = runs[1].predictions
    alone = replace(
        runs[1],
        mode="audio",
        modalities=("audio",),
        predictions=replace(said, probs={"audio": said.probs["both"]}),
    )
    found = compare([runs[0], alone])
    assert {method.name: method.pattern for method in found.methods} == {BETTER: "both", "audio": "audio"}
    with pytest.raises(ResultError, match="no predictions of pattern 'eeg'; it has both"):
        compare(runs, pattern="eeg")


def other_people(run):
    said = run.predictions
    names = tuple("zoe" if person == "person1" else person for person in said.persons)
    return replace(run, predictions=replace(said, persons=names))


def other_trials(run):
    said = run.predictions
    return replace(run, predictions=replace(said, trials=said.trials + 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_people, r"different people \(person1, zoe only in one\)"),
        (other_trials, "different trials"),
        (lambda run: replace(run, data_sha256="f" * 64), "differ in data"),
        (lambda run: replace(run, classes=("v", "w", "x", "y", "z")), "differ in classes"),
        (lambda run: with_split(run, "loso"), "differ in split"),
        (lambda run: with_split(run, "subject-kfold"), "differ in split"),  # 4 folds, not 7
        (lambda run: with_split(run, "pooled"), "DIR1 LEAKS .* and DIR0 does not"),
        (lambda run: replace(run, folds=run.folds[::-1]), "split the people differently at seed 0"),
    ],
)
def test_unlike_runs_are_refused_in_one_line(runs, change, words):
    with pytest.raises(ResultError, match=words) as caught:
        compare([runs[0], change(runs[1]), runs[2]])
    assert "\n" not in str(caught.value)


def test_leaking_runs_compare_among_themselves_and_say_so(leaking, tmp_path):
    other = with_split(planted_results(SMALL, 0)[2], "pooled")
    found = compare([leaking, other])
    assert found.leaks
    assert "LEAKS" in found.footnote
    write_report(tmp_path / "report", found)
    for name in ("report.md", "report.html"):
        assert "LEAKS: test people were seen" in (tmp_path / "report" / name).read_text()


def test_what_cannot_be_a_comparison(runs, tmp_path):
    with pytest.raises(ResultError, match="both planted-0 with seed 0; give each run once"):
        compare([runs[0], runs[0]])
    with pytest.raises(ResultError, match="all runs are of planted"):
        compare([runs[0], with_split(runs[0], "subject-kfold", 1, n_folds=7)])
    with pytest.raises(ConfigError, match="metric 'luck'"):
        compare(runs, metric="luck")
    with pytest.raises(ConfigError, match="two or more"):
        compare_directories([tmp_path])


def test_one_mode_twice_is_told_apart_by_name(runs):
    """The same mode trained in two ways: names, not modes, are the methods."""
    found = compare([replace(runs[0], mode="late"), replace(runs[1], mode="late")])
    assert {method.name for method in found.methods} == {"planted-0", "plain-a-0"}


def test_it_says_what_could_have_been_found(runs):
    found = compare(runs)
    text = conclusion(found)
    assert "not proof of equality" in text
    assert f"{100 * found.detectable:.1f} points" in text
    assert found.detectable == max(pair.paired.detectable for pair in found.pairs)
    assert any("Fewer than three seeds" in note for note in found.notes)


def test_too_few_people_to_find_anything_is_said():
    found = study(Plant(n_people=4, n_trials=20), 0)
    assert any("no difference could be found" in note for note in found.notes)
    assert not any(pair.found for pair in found.pairs)


def test_tables_hold_every_pair(runs):
    found = compare(runs)
    for head, rows in (method_table(found), pair_table(found)):
        assert len(rows) == 3
        assert {len(row) for row in rows} == {len(head)}


def test_the_report_stands_alone(runs, tmp_path):
    found = compare(runs)
    write_report(tmp_path / "report", found)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page.replace("http-equiv", "")
    assert page.count(found.footnote) >= 3
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.count(found.footnote) >= 3
    for name in ("ranks", "differences", "people"):
        assert f"({name}.png)" in text
        assert (tmp_path / "report" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "report" / "comparison.json").read_text()) == as_dict(found)
    write_report(tmp_path / "report", found)  # an earlier report is replaced


def test_a_report_replaces_nothing_else(runs, tmp_path):
    write_result(tmp_path / "run", runs[0])
    with pytest.raises(ResultError, match="not empty"):
        write_report(tmp_path / "run", compare(runs))


def test_names_cannot_break_the_report(runs, tmp_path):
    """A person can call a run what they like."""
    odd = replace(runs[0], mode="<script>alert(1)</script> | a")
    write_report(tmp_path / "report", compare([odd, runs[1]]))
    assert "<script>" not in (tmp_path / "report" / "report.html").read_text()
    assert r"\| a" in (tmp_path / "report" / "report.md").read_text()


def test_somebody_with_one_class_has_no_kappa():
    people = ("a", "b", "c")
    predictions = Predictions(
        tuple(p for p in people for _ in range(2)),
        np.tile([0, 1], 3),
        np.zeros(6, dtype=np.int64),
        {"both": np.tile([[0.9, 0.1]], (6, 1))},
    )
    made = [
        make_result(
            make_split("loso", people),
            predictions,
            name=name,
            mode=name,
            modalities=("eeg", "audio"),
            data_name="d",
            data_sha256="0",
            generated=True,
            classes=("x", "y"),
            seed=0,
        )
        for name in ("one", "two")
    ]
    with pytest.raises(ResultError, match="kappa of run one is undefined"):
        compare(made, metric="kappa")
    found = compare(made)
    assert math.isnan(found.pairs[0].paired.cohen_d)
    assert found.pairs[0].verdict == "no difference found"
