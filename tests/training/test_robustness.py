"""A model that knows what it knows: trained once on generated people, then disturbed."""

from dataclasses import replace

import numpy as np
import pytest

from bci_stream.errors import ConfigError
from bci_stream.model.contract import TOKEN_S
from bci_stream.training.batches import DrawSettings
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.disturbed import (
    SNR_BANDS_HZ,
    ChannelsLostCorpus,
    NoisyCorpus,
    ShiftedCorpus,
    power_in_band,
)
from bci_stream.training.experiment import Machine, run_experiment
from bci_stream.training.fit import FitSettings
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.held_out import Examinee, HeldOut
from bci_stream.training.prepare import prepare_person
from bci_stream.training.recipe import Recipe
from bci_stream.training.robustness import (
    UNDISTURBED,
    RobustnessSettings,
    _replayed,
    robustness,
    shifted_session,
)
from bci_stream.training.splits import subject_kfold

CH_NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4")
FITTING = FitSettings(n_epochs=4, patience=0, learning_rate=2e-3, draw=DrawSettings(min_steps=15))
RECIPE = Recipe(window_s=3.0, fit=FITTING)


def hold_out(corpus, outcome, sessions):
    """Networks of an outcome with their test people, as evaluate has them of a result directory."""
    examinees = tuple(
        Examinee(
            fold.name,
            fold.network,
            frozenset((s.person, s.trial) for s in sessions if s.person in fold.people.test),
        )
        for fold in outcome.folds
    )
    return HeldOut(
        title="a run",
        footnote="generated",
        leaks=False,
        generated=True,
        contract=outcome.contract,
        corpus=corpus,
        examinees=examinees,
        sessions=tuple(sessions),
        split=outcome.split,
    )


@pytest.fixture(scope="module")
def held(cache, tmp_path_factory):
    """The voice tells nearly everything, the EEG some."""
    settings = GeneratorSettings(
        n_people=9, n_trials=15, trial_s=3.0, ch_names=CH_NAMES, audio_separation=4.0, eeg_separation=2.5
    )
    corpus = GeneratedCorpus(settings)
    split = subject_kfold(corpus.people, n_folds=3)
    outcome = run_experiment(
        corpus, RECIPE, split, tmp_path_factory.mktemp("work"), machine=Machine(cache=cache)
    )
    sessions = prepare_corpus(corpus, outcome.contract, cache).sessions
    return hold_out(corpus, outcome, sessions)


@pytest.fixture(scope="module")
def found(held):
    settings = RobustnessSettings(snrs_db=(0.0,), lost=(1, 7), n_draws=2, shifts_s=(-0.2, 1.0))
    said = []
    return robustness(held, settings, report=said.append), said


def test_conditions_are_named_scored_and_told(found, held):
    result, said = found
    names = [condition.name for condition in result.conditions]
    assert names == [
        UNDISTURBED,
        "EEG removed",
        "voice removed",
        "voice noise 0 dB",
        "EEG noise 0 dB",
        "1 of 8 electrodes lost",
        "7 of 8 electrodes lost",
        "voice 0.2 s early",
        "voice 1 s late",
    ]
    assert len(said) == len(names) - 1
    assert result[UNDISTURBED].accuracy == pytest.approx(held.answers().accuracy("both"))
    assert result["1 of 8 electrodes lost"].n_draws == 2
    assert result.n_trials == 9 * 15
    assert result.n_people == 9
    for one in result.conditions:
        assert one.ci.low <= one.accuracy <= one.ci.high
        assert one.cost == pytest.approx(result[UNDISTURBED].accuracy - one.accuracy)  # equal trials each


def test_losing_the_voice_costs_about_what_the_voice_was_worth(found, held):
    """The oracle says how much: here the voice tells nearly everything and the EEG little beside it."""
    result, _ = found
    oracle = held.corpus.oracle
    worth = {"voice removed": oracle["both"] - oracle["eeg"], "EEG removed": oracle["both"] - oracle["audio"]}
    assert worth["voice removed"] > 0.15 > worth["EEG removed"]
    lost = result["voice removed"]
    assert lost.cost_ci.low > 0
    assert lost.cost == pytest.approx(worth["voice removed"], abs=0.2)
    assert lost.cost > result["EEG removed"].cost + 0.05


def test_noise_on_the_voice_costs_more_than_noise_on_what_hardly_tells(found):
    result, _ = found
    assert result["voice noise 0 dB"].cost_ci.low > 0
    assert result["voice noise 0 dB"].cost > result["EEG noise 0 dB"].cost


def test_a_model_that_lost_nearly_all_electrodes_still_answers_by_voice(found):
    result, _ = found
    assert result["7 of 8 electrodes lost"].accuracy == pytest.approx(result["EEG removed"].accuracy)


def test_the_lines_say_what_the_figures_do(found):
    result, _ = found
    text = " ".join(result.lines())
    clear = text.split("Clearly worse", 1)[1].split("No clear cost")[0]
    assert "voice removed" in clear
    assert f"{-100 * result['voice removed'].cost:+.1f} points" in clear


def test_replaying_undisturbed_samples_gives_the_same_answers(held):
    plain = held.answers()
    again = _replayed(held, ChannelsLostCorpus(held.corpus, 0), 1)
    order = [list(zip(x.persons, x.trials.tolist(), strict=True)) for x in (plain, again)]
    rows = [order[1].index(key) for key in order[0]]
    np.testing.assert_allclose(again.probs["both"][rows], plain.probs["both"], atol=1e-5)


def test_one_modality_has_fewer_conditions(held):
    voice = Recipe(modalities=("audio",), window_s=3.0)
    contract = voice.contract(held.corpus.classes, held.corpus.ch_names)
    from bci_stream.model.network import build_network

    sessions = [s for p in ("subject1", "subject2") for s in prepare_person(held.corpus, p, contract)]
    one = Examinee("voice", build_network(contract).eval(), frozenset((s.person, s.trial) for s in sessions))
    alone = replace(held, contract=contract, examinees=(one,), sessions=tuple(sessions))
    result = robustness(alone, RobustnessSettings(snrs_db=(5.0,)))
    assert [condition.name for condition in result.conditions] == [UNDISTURBED, "voice noise 5 dB"]


@pytest.mark.parametrize("pink", [True, False])
@pytest.mark.parametrize("snr_db", [0.0, 10.0])
@pytest.mark.parametrize("modality", ["eeg", "audio"])
def test_noise_has_the_power_that_was_asked_for(corpus, modality, snr_db, pink):
    trial = next(corpus.trials("subject1"))
    noisy = NoisyCorpus(corpus, modality, snr_db, pink=pink).disturb(trial)
    if modality == "eeg":
        signal, noise, sfreq = trial.eeg, noisy.eeg - trial.eeg, trial.eeg_sfreq
        assert noisy.audio is trial.audio
    else:
        signal, noise, sfreq = trial.audio[:, None], (noisy.audio - trial.audio)[:, None], trial.audio_sfreq
        assert noisy.eeg is trial.eeg
    band = SNR_BANDS_HZ[modality]
    ratio = power_in_band(signal, sfreq, band) / power_in_band(noise, sfreq, band)
    np.testing.assert_allclose(10 * np.log10(ratio), snr_db, atol=0.05)


def test_a_loud_voice_in_noise_is_not_clipped(corpus):
    trial = next(corpus.trials("subject1"))
    loud = replace(trial, audio=trial.audio / np.abs(trial.audio).max())
    noisy = NoisyCorpus(corpus, "audio", 0.0).disturb(loud).audio
    assert np.abs(noisy).max() == pytest.approx(1.0)
    assert (np.abs(noisy) > 0.999).sum() < 5


def test_noise_depends_on_person_and_trial_and_not_on_their_order(corpus):
    noisy = NoisyCorpus(corpus, "eeg", 5.0)
    in_order = [trial.eeg for trial in noisy.trials("subject2")]
    backwards = [noisy.disturb(trial).eeg for trial in reversed(list(corpus.trials("subject2")))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(in_order, backwards, strict=True))
    clean = [trial.eeg for trial in corpus.trials("subject2")]
    assert not np.allclose(in_order[0] - clean[0], in_order[1] - clean[1])
    other = next(NoisyCorpus(corpus, "eeg", 5.0, seed=1).trials("subject2")).eeg
    assert not np.allclose(other, in_order[0])


def test_lost_electrodes_are_flat_in_every_trial_and_fewer_are_among_more(corpus):
    n = len(corpus.ch_names)
    few, more = ChannelsLostCorpus(corpus, 2), ChannelsLostCorpus(corpus, 5)
    assert set(few.lost("subject1")) < set(more.lost("subject1"))
    assert len({ChannelsLostCorpus(corpus, 4, seed=seed).lost("subject1") for seed in range(5)}) > 1
    for trial, plain in zip(few.trials("subject1"), corpus.trials("subject1"), strict=True):
        flat = [i for i in range(n) if not trial.eeg[:, i].any()]
        assert flat == list(few.lost("subject1"))
        left = [i for i in range(n) if i not in flat]
        assert np.array_equal(trial.eeg[:, left], plain.eeg[:, left])


def test_no_cache_takes_a_disturbed_corpus_for_another(corpus, make_recipe, tmp_path):
    changed = [
        corpus,
        NoisyCorpus(corpus, "eeg", 5.0),
        NoisyCorpus(corpus, "eeg", 10.0),
        NoisyCorpus(corpus, "audio", 5.0),
        NoisyCorpus(corpus, "eeg", 5.0, seed=1),
        NoisyCorpus(corpus, "eeg", 5.0, pink=False),
        ChannelsLostCorpus(corpus, 2),
        ChannelsLostCorpus(corpus, 2, seed=1),
        ShiftedCorpus(corpus, 0.5),
        ShiftedCorpus(ChannelsLostCorpus(corpus, 2), 0.5),
    ]
    assert len({one.digest() for one in changed}) == len(changed)
    contract = make_recipe().contract(corpus.classes, corpus.ch_names)
    few = [prepare_corpus(one, contract, tmp_path, people=("subject1",)) for one in changed[:2]]
    assert few[0].source_sha256 != few[1].source_sha256
    assert few[0].sessions[0].digest() != few[1].sessions[0].digest()


def test_a_shift_of_frames_is_a_shift_of_samples(corpus, make_recipe):
    """Two ways of the same: before the live pipeline, and after it."""
    contract = make_recipe(normalized=False).contract(corpus.classes, corpus.ch_names)
    plain = prepare_person(corpus, "subject1", contract)
    late = prepare_person(ShiftedCorpus(corpus, 0.5), "subject1", contract)
    for before, wanted in zip(plain[:3], late[:3], strict=True):
        moved = shifted_session(before, 0.5)
        frames = [s.parts["audio"].features.reshape(-1, 64)[60:-5] for s in (moved, wanted)]
        unmoved = before.parts["audio"].features.reshape(-1, 64)[60:-5]
        error = np.abs(frames[0] - frames[1]).mean()
        assert error < 0.1 * np.abs(unmoved - frames[1]).mean()
        assert np.array_equal(moved.parts["eeg"].features, before.parts["eeg"].features)


def test_a_shift_goes_around_and_back(prepared):
    session = prepared.sessions[0]
    there_and_back = shifted_session(shifted_session(session, 0.7), -0.7)
    for one, other in zip(there_and_back.parts["audio"], session.parts["audio"], strict=True):
        np.testing.assert_array_equal(one, other)
    token = shifted_session(session, TOKEN_S).parts["audio"].features
    np.testing.assert_array_equal(token[1:], session.parts["audio"].features[:-1])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda corpus: ChannelsLostCorpus(corpus, 17), "17 electrodes cannot be lost"),
        (lambda corpus: ChannelsLostCorpus(corpus, -1), "-1 electrodes cannot be lost"),
        (lambda corpus: NoisyCorpus(corpus, "video", 5.0), "use eeg or audio"),
        (lambda corpus: NoisyCorpus(corpus, "eeg", float("nan")), "makes no sense"),
        (lambda corpus: ShiftedCorpus(corpus, float("inf")), "makes no sense"),
        (lambda corpus: RobustnessSettings(n_draws=0), "0 draws"),
    ],
)
def test_bad_input_is_one_clear_line(corpus, make, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        make(corpus)
    assert "\n" not in str(caught.value)
