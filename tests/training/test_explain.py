import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from apps.explain import ExplainOptions, run
from bci_stream.errors import ConfigError
from bci_stream.model.bundle import export_bundle
from bci_stream.model.contract import Training
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.model.network import build_network
from bci_stream.model.occlusion import ELECTRODE, occlusions
from bci_stream.training import inspection
from bci_stream.training.batches import DrawSettings
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.evaluate import set_temperatures
from bci_stream.training.experiment import Machine, run_experiment
from bci_stream.training.explain import Subject, explain
from bci_stream.training.explain_lags import lag_shares, lags_s
from bci_stream.training.explain_numbers import effect, probs_of
from bci_stream.training.explain_plots import explanation_figures
from bci_stream.training.explain_report import explanation_page, write_explanation
from bci_stream.training.explain_run import explain_bundle, explain_result, thinned
from bci_stream.training.fit import FitSettings, fit
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.inspection import inspect_network
from bci_stream.training.recipe import Recipe
from bci_stream.training.report_page import html_page, markdown
from bci_stream.training.results import read_result
from bci_stream.training.saving import save_outcome
from bci_stream.training.sessions import Part, Session
from bci_stream.training.splits import make_split

CLASSES = ("calm", "anger")
CH_NAMES = ("Fz", "Cz", "Pz", "Oz", "C3", "C4")
N_TOKENS = 10
NOTE = "made up; nobody was recorded"


def recipe_of(fusion="concat", modalities=("eeg", "audio"), front="bandpower"):
    draw = DrawSettings(min_steps=10, ends_per_stretch=4)
    fitting = FitSettings(n_epochs=5, patience=0, mixup=0.0, learning_rate=3e-3, draw=draw)
    return Recipe(modalities=modalities, fusion=fusion, front=front, window_s=1.0, fit=fitting)


def made_up(recipe, *, electrode=None, voice=False, n_people=6, n_trials=16, seed=0):
    """Sessions of noise, but for one electrode's power or the voice's level, which tell the class."""
    rng = np.random.default_rng(seed)
    sessions, ones = [], np.ones(N_TOKENS, np.float32)
    for person in range(n_people):
        for number in range(n_trials):
            label = number % 2
            parts = {}
            if "eeg" in recipe.modalities:
                parts["eeg"] = eeg_part(recipe.front, rng, electrode, label)
            if "audio" in recipe.modalities:
                frames = rng.normal(size=(N_TOKENS, 20, 64)) + (1.5 * (2 * label - 1) if voice else 0.0)
                valid = np.ones((N_TOKENS, 20), np.float32)
                parts["audio"] = Part(frames.astype(np.float32), valid, ones)
            labels, segments = np.full(N_TOKENS, label), np.full(N_TOKENS, number)
            sessions.append(Session(f"p{person}", parts, labels, segments))
    return sessions


def eeg_part(front, rng, electrode, label):
    ones = np.ones(N_TOKENS, np.float32)
    if front == "bandpower":
        features = rng.normal(size=(N_TOKENS, len(CH_NAMES), 5))
        if electrode is not None:
            features[:, electrode, 2] += 1.5 * (2 * label - 1)
        return Part(features.reshape(N_TOKENS, -1).astype(np.float32), ones, ones)
    samples = 10 * rng.normal(size=(N_TOKENS, 25, len(CH_NAMES)))
    if electrode is not None:
        samples[..., electrode] *= 3.0 if label else 1.0
    return Part(samples.astype(np.float32), np.ones((N_TOKENS, 25), np.float32), ones)


def trained(recipe, sessions):
    torch.manual_seed(0)
    network = build_network(recipe.contract(CLASSES, CH_NAMES))
    train = [s for s in sessions if s.person not in ("p4", "p5")]
    valid = [s for s in sessions if s.person == "p4"]
    fitted = fit(network, train, valid, recipe.fit).network
    set_temperatures(fitted, valid)
    return fitted, [s for s in sessions if s.person == "p5" or s.person == "p4"]


def explained(network, sessions, recipe, leaks=False):
    contract = recipe.contract(CLASSES, CH_NAMES)
    one = Subject("network", network, sessions)
    return explain([one], contract, title="a network", footnote=NOTE, leaks=leaks)


def untrained(recipe):
    torch.manual_seed(1)
    return build_network(recipe.contract(CLASSES, CH_NAMES)).eval()


@pytest.mark.parametrize("front", ["bandpower", "learned"])
def test_the_electrode_that_carries_the_class_is_the_most_important(front):
    recipe = recipe_of(modalities=("eeg",), front=front)
    network, test = trained(recipe, made_up(recipe, electrode=3))
    found = explained(network, test, recipe)
    drops = found.drops[ELECTRODE, "eeg"]
    assert found.accuracy["eeg"].value > 0.85
    assert next(iter(drops)) == CH_NAMES[3]
    assert drops[CH_NAMES[3]].low > 0.2
    others = [one.value for name, one in drops.items() if name != CH_NAMES[3]]
    assert max(others) < 0.25 * drops[CH_NAMES[3]].value


def test_the_band_that_carries_the_class_is_the_most_important():
    recipe = recipe_of(modalities=("eeg",))
    network, test = trained(recipe, made_up(recipe, electrode=0))
    assert next(iter(explained(network, test, recipe).drops["band", "eeg"])) == "alpha"


@pytest.mark.parametrize("fusion", ["gated", "adaptive"])
@pytest.mark.parametrize("informative", ["eeg", "audio"])
def test_occlusion_and_adaptive_gate_follow_the_informative_modality(fusion, informative):
    recipe = recipe_of(fusion)
    carried = {"voice": True} if informative == "audio" else {"electrode": 1}
    network, test = trained(recipe, made_up(recipe, **carried))
    found = explained(network, test, recipe)
    other = "audio" if informative == "eeg" else "eeg"
    assert found.modalities[informative][0].low > 0.2
    assert found.modalities[informative][0].value > 4 * abs(found.modalities[other][0].value)
    if fusion == "adaptive":
        assert all(of[informative].value > 0.55 for of in found.gate_by_class.values())
        assert all(of[informative] > 0.55 for of in found.gate_by_person.values())


def test_a_gate_that_is_shut_for_the_eeg_is_reported_so():
    recipe = recipe_of("gated")
    network = untrained(recipe)
    with torch.no_grad():  # the first modality's score is 0: raise the second's
        network.fusion.gated.gate.expand.weight.zero_()
        network.fusion.gated.gate.expand.bias.fill_(3.0)
    found = explained(network, made_up(recipe, n_people=2), recipe)
    expected = 1 / (1 + np.exp(3.0))
    for of in found.gate_by_class.values():
        assert of["eeg"].value == pytest.approx(expected, abs=1e-4)
        assert of["audio"].value == pytest.approx(1 - expected, abs=1e-4)


def test_attention_one_second_back_is_a_peak_at_minus_one_second():
    n = 25
    attention = torch.zeros(2, 4, n, n)
    for query in range(n):
        attention[:, :, query, max(query - 5, 0)] = 1.0
    there = torch.ones(2, n)
    shares, even = lag_shares(attention, there, there)
    seconds = lags_s(2 * n - 1)
    assert seconds[int(shares[0, 0].argmax())] == pytest.approx(-1.0)
    assert shares[0, 0].max() == pytest.approx(20 / 25)
    assert float(even[0, n - 1]) == pytest.approx(1 / n)
    assert seconds[0] == pytest.approx(-4.8)
    np.testing.assert_allclose(shares.sum(2), 1.0)
    np.testing.assert_allclose(even.sum(1), 1.0)


def test_attention_counts_only_what_is_there():
    query, key = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    attention = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    shares, even = lag_shares(attention, query, key)
    np.testing.assert_array_equal(shares[0, 0], [1.0, 0.0, 0.0])  # query 1 to key 0: one token back
    np.testing.assert_array_equal(even[0], [1.0, 0.0, 0.0])


def test_lags_of_a_network_sum_to_one_for_every_class_and_head():
    recipe = recipe_of("cross_attention")
    found = explained(untrained(recipe), made_up(recipe, n_people=2, n_trials=6), recipe)
    assert found.lags is not None
    assert set(found.lags.by_class) == set(CLASSES)
    assert len(found.lags.by_head) == 4
    for share in (*found.lags.by_class.values(), *found.lags.by_head.values(), found.lags.even):
        assert share.sum() == pytest.approx(1.0)
        assert len(share) == len(found.lags.seconds) == 2 * 5 - 1


@pytest.mark.parametrize("front", ["bandpower", "learned"])
@pytest.mark.parametrize("fusion", FUSION_MODES)
def test_every_mode_shows_what_it_has_and_says_what_it_has_not(fusion, front):
    recipe = recipe_of(fusion, front=front)
    found = explained(untrained(recipe), made_up(recipe, n_people=2, n_trials=4), recipe)
    said = " ".join(found.absent)
    assert bool(found.gate_by_class) == (fusion in ("late", "gated", "cross_attention", "adaptive"))
    assert ("no gate" in said) == (fusion in ("concat", "bottleneck"))
    assert ("fixed gate" in said) == (fusion == "late")
    assert (found.lags is not None) == (fusion == "cross_attention")
    assert ("no attention" in said) == (fusion != "cross_attention")
    assert bool(found.weights[0].spatial) == (front == "learned")
    assert any(kind == "band" for kind, _ in found.drops) == (front == "bandpower")
    assert set(found.weights[0].scales) == {"eeg_scale", "audio_scale"}
    assert set(found.modalities) == {"eeg", "audio"}


def test_the_gate_of_the_mean_is_one_half():
    recipe = recipe_of("late")
    found = explained(untrained(recipe), made_up(recipe, n_people=2, n_trials=4), recipe)
    assert found.gate_by_class["calm"]["eeg"].value == 0.5


@pytest.mark.parametrize("modality", ["eeg", "audio"])
def test_one_modality_alone_fakes_nothing(modality):
    recipe = recipe_of(modalities=(modality,))
    found = explained(untrained(recipe), made_up(recipe, n_people=2, n_trials=4), recipe)
    assert not found.gate_by_class
    assert not found.modalities
    assert found.lags is None
    assert bool(found.drops) == (modality == "eeg")
    assert ("takes no EEG" in " ".join(found.absent)) == (modality == "audio")
    figures = explanation_figures(found)
    assert {"gate", "attention", "modalities"}.isdisjoint(figures)


def test_occluding_what_the_network_ignores_costs_nothing():
    recipe = recipe_of(modalities=("eeg",))
    network = untrained(recipe)
    with torch.no_grad():
        network.encoders["eeg"].project.weight[:, 5:10] = 0.0  # the five bands of Cz
    sessions = made_up(recipe, n_people=2, n_trials=4)
    drops = inspect_network(network, sessions, CH_NAMES).drops
    assert np.abs(drops[ELECTRODE, "Cz", "eeg"]).max() == 0.0
    assert all(np.abs(drops[ELECTRODE, name, "eeg"]).max() > 0 for name in CH_NAMES if name != "Cz")


def test_electrodes_and_bands_cover_every_feature_once():
    network = untrained(recipe_of(modalities=("eeg",)))
    for kind in ("electrode", "band"):
        columns = [c for taken in occlusions(network, CH_NAMES) if taken.kind == kind for c in taken.columns]
        assert sorted(columns) == list(range(5 * len(CH_NAMES)))


def test_looking_changes_neither_the_network_nor_the_sessions():
    recipe = recipe_of("gated")
    network, sessions = untrained(recipe), made_up(recipe, n_people=2, n_trials=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    digests = [session.digest() for session in sessions]
    first = inspect_network(network, sessions, CH_NAMES)
    second = inspect_network(network, sessions, CH_NAMES)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [session.digest() for session in sessions] == digests
    np.testing.assert_array_equal(first.log_probs["both"], second.log_probs["both"])


def test_an_effect_weighs_people_alike():
    values = np.array([1.0, 1.0, 1.0, 1.0, 5.0])
    assert effect(values, ["a", "a", "a", "a", "b"]).value == 3.0
    assert np.isnan(effect(np.array([np.nan]), ["a"]).value)


def test_the_interval_of_many_people_is_over_people_and_of_few_over_their_trials():
    rng = np.random.default_rng(0)
    for n_people, wide in ((3, False), (12, True)):
        persons = np.repeat([f"p{i}" for i in range(n_people)], 50)
        values = np.repeat(10.0 * np.arange(n_people), 50) + rng.normal(size=50 * n_people)
        found = effect(values, persons.tolist())
        assert found.low < found.value < found.high
        assert (found.high - found.low > 10.0) == wide  # people differ by tens, trials by one


def test_thinning_keeps_some_of_everybody_in_order():
    sessions = made_up(recipe_of(modalities=("audio",)), n_people=3, n_trials=10)
    kept = thinned(sessions, 4)
    assert [s.person for s in kept] == ["p0"] * 4 + ["p1"] * 4 + ["p2"] * 4
    assert [s.trial for s in kept[:4]] == [0, 3, 6, 9]
    assert thinned(sessions, 0) == sessions


def test_the_report_stands_alone_and_every_figure_carries_its_protocol(tmp_path):
    recipe = recipe_of("cross_attention", front="learned")
    found = explained(untrained(recipe), made_up(recipe, n_people=2, n_trials=4), recipe, leaks=True)
    write_explanation(tmp_path / "out", found)
    write_explanation(tmp_path / "out", found)  # an earlier one is replaced
    page = (tmp_path / "out" / "explanation.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "LEAKS" in page
    written = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert written["n_trials"] == 8
    assert set(written["drops"]) == {"electrode, both", "electrode, eeg"}
    for name in re.findall(r"\]\((.+?\.png)\)", (tmp_path / "out" / "explanation.md").read_text()):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    for figure in explanation_figures(found).values():
        assert NOTE in " ".join(text.get_text() for text in figure.texts)


def test_every_figure_is_in_the_report_and_the_other_way_round():
    for fusion in ("concat", "cross_attention"):
        recipe = recipe_of(fusion)
        found = explained(untrained(recipe), made_up(recipe, n_people=2, n_trials=4), recipe)
        figures = tuple(explanation_figures(found))
        page = explanation_page(found, figures)
        shown = [name for section in page.sections for name in section.figures]
        assert sorted(shown) == sorted(figures)
        images = dict.fromkeys(figures, "x")
        assert markdown(page, images).count("](x)") == html_page(page, images).count('src="x"') == len(shown)


SETTINGS = GeneratorSettings(n_people=4, n_trials=5, trial_s=3.0)


@pytest.fixture(scope="module")
def a_run(tmp_path_factory, cache) -> Path:
    """Two folds of a training on generated people, in a few seconds."""
    folder, corpus = tmp_path_factory.mktemp("run"), GeneratedCorpus(SETTINGS)
    fitting = FitSettings(n_epochs=1, draw=DrawSettings(min_steps=1))
    recipe = Recipe(fusion="gated", window_s=2.0, fit=fitting)
    split = make_split("subject-kfold", corpus.people, n_folds=2)
    outcome = run_experiment(corpus, recipe, split, folder / "work", machine=Machine(cache=cache))
    save_outcome(folder / "result", outcome, corpus, recipe, name="a run", config={})
    return folder / "result"


def test_a_run_is_looked_at_on_each_folds_own_test_trials(a_run, cache):
    found = explain_result(a_run, GeneratedCorpus(SETTINGS), most_trials=0, cache=cache)
    assert [one.name for one in found.weights] == ["fold 1", "fold 2"]
    assert found.n_trials == 20
    assert found.n_people == 4
    assert not found.leaks
    assert "20 of 20 test trials" in found.footnote


def test_looking_at_every_window_gives_the_runs_own_answers(a_run, cache, monkeypatch):
    monkeypatch.setattr(inspection, "STEP_TOKENS", 1)
    found = explain_result(a_run, GeneratedCorpus(SETTINGS), most_trials=0, cache=cache).inspection
    assert found is not None
    said = read_result(a_run).predictions
    mine, theirs = (np.lexsort((one.labels, one.persons)) for one in (found, said))  # a trial of each class
    for pattern in ("both", "eeg", "audio"):
        answers = probs_of(found.log_probs[pattern])[mine]
        np.testing.assert_allclose(answers, said.probs[pattern][theirs], atol=1e-5)


def test_a_run_of_other_data_is_refused(a_run, cache):
    with pytest.raises(ConfigError, match="content hashes differ"):
        explain_result(a_run, GeneratedCorpus(replace(SETTINGS, seed=1)), cache=cache)
    with pytest.raises(ConfigError, match="there is no subject4"):
        explain_result(a_run, GeneratedCorpus(replace(SETTINGS, n_people=3)), cache=cache)


def test_without_its_data_a_run_shows_weights_only(a_run):
    found = explain_result(a_run, None)
    assert found.n_trials == 0
    assert set(explanation_figures(found)) == {"scales"}
    assert "No data were given" in found.absent[0]


def test_a_bundle_on_its_own_data_is_stamped(tmp_path, cache):
    corpus = GeneratedCorpus(SETTINGS)
    contract = Recipe(fusion="late", window_s=2.0).contract(corpus.classes, corpus.ch_names)
    source = prepare_corpus(corpus, contract, cache).source_sha256
    known = contract.model_copy(update={"training": Training(data_sha256=source)})
    torch.manual_seed(0)
    export_bundle(build_network(contract), known, tmp_path / "a.bci")
    assert explain_bundle(tmp_path / "a.bci", corpus, cache=cache, most_trials=2).leaks
    elsewhere = explain_bundle(tmp_path / "a.bci", GeneratedCorpus(replace(SETTINGS, seed=1)), cache=cache)
    assert not elsewhere.leaks
    assert "other than it was trained on" in elsewhere.footnote


def test_the_command_writes_a_report_of_a_bundle(tmp_path, capsys):
    recipe = recipe_of("concat")
    export_bundle(untrained(recipe), recipe.contract(CLASSES, CH_NAMES), tmp_path / "a.bci")
    run(ExplainOptions(tmp_path / "a.bci", out=tmp_path / "out", as_json=True))
    written = json.loads(capsys.readouterr().out)
    assert written["out"] == str(tmp_path / "out")
    assert (tmp_path / "out" / "explanation.html").exists()
    with pytest.raises(ConfigError, match="--trials -1"):
        run(ExplainOptions(tmp_path / "a.bci", most_trials=-1))
