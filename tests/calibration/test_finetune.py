"""The ladder moves what it may, the outcome is what was measured, and shuffled labels are no gain."""

import copy

import numpy as np
import pytest
import torch
from simulated_calibration import BRIEF

from bci_stream.training.personal_head import fit_tempered
from bci_stream.training.sessions import Session
from calibration.errors import CalibrationError
from calibration.finetune import Candidate, FinetuneSettings, calibrate, choose, split_in_time
from calibration.ladder import (
    AS_IT_IS,
    FULL,
    FUSION,
    HEAD,
    LAST_BLOCK,
    LEARNED,
    TEMPERED,
    StepSettings,
    moved,
    normalised,
    walk,
    with_temperature_and_prior,
)
from calibration.verdict import Answers, answers_of, judge

FEW = StepSettings(checkpoints=(1, 2), n_windows=16, n_trials=3)


@pytest.mark.parametrize(
    ("rung", "parts"),
    [
        (FUSION, {"classifier", "heads", "fusion", "encoders.eeg", "encoders.audio"}),
        (LAST_BLOCK, {"classifier", "heads", "fusion", "encoders.eeg", "encoders.audio"}),
        (FULL, {"classifier", "heads", "fusion", "encoders.eeg", "encoders.audio"}),
    ],
)
def test_a_rung_moves_what_it_may_and_leaves_the_base_alone(rung, parts, base, trials):
    before = copy.deepcopy(base.network.state_dict())
    stages = list(walk(base.network, rung, trials.sessions[:6], FEW))
    assert [stage.n_steps for stage in stages] == [1, 2]
    assert not any(torch.isnan(p).any() for p in stages[-1].network.parameters())
    change = moved(base.network, stages[-1].network)
    assert {part for part, share in change.items() if share > 0} == parts
    for name, value in before.items():
        torch.testing.assert_close(base.network.state_dict()[name], value, rtol=0, atol=0)


def test_the_head_moves_the_last_layers_alone(base, trials):
    (stage,) = walk(base.network, HEAD, trials.sessions[:10], FEW)
    before = dict(base.network.named_parameters())
    moved_names = {name for name, p in stage.network.named_parameters() if not torch.equal(p, before[name])}
    last = {f"classifier.6.{part}" for part in ("weight", "bias")}
    assert moved_names == last | {
        f"heads.{m}.{part}" for m in ("eeg", "audio") for part in ("weight", "bias")
    }


def test_the_head_is_the_penalised_logistic_regression_that_it_says(base, trials):
    """Its own answers on what it was fitted to are those of the closed form, not only near to them."""
    sessions = trials.sessions[:12]
    (stage,) = walk(base.network, HEAD, sessions, FEW)
    labels = np.array([session.label for session in sessions])

    def nll(network):
        return answers_of(network, sessions).losses(labels, "both").mean()

    assert nll(stage.network) < nll(base.network) - 0.05
    shifted = copy.deepcopy(stage.network)
    gradients = []
    for k in range(5):  # at the optimum the fused answer's bias has the pull of the penalty and no more
        with torch.no_grad():
            shifted.classifier[6].bias[k] += 0.5
        gradients.append(nll(shifted) - nll(stage.network))
        with torch.no_grad():
            shifted.classifier[6].bias[k] -= 0.5
    assert max(gradients) > 0
    assert min(gradients) > -0.05


def test_the_blocks_of_encoders_move_only_where_they_may(base, trials):
    for rung in (HEAD, FUSION):
        *_, last = walk(base.network, rung, trials.sessions[:6], FEW)
        for name, p in last.network.named_parameters():
            if name.startswith("encoders.") and ".pool." not in name:
                assert torch.equal(p, dict(base.network.named_parameters())[name]), name


@pytest.mark.parametrize("rung", LEARNED)
def test_equal_trials_give_equal_bits(rung, base, trials):
    ends = [list(walk(base.network, rung, trials.sessions[:6], FEW))[-1].network for _ in range(2)]
    a, b = (end.state_dict() for end in ends)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_walk_can_be_cancelled(base, trials):
    assert list(walk(base.network, HEAD, trials.sessions[:4], FEW, lambda: True)) == []
    with pytest.raises(CalibrationError, match="cancelled"):
        calibrate(base.network, trials.sessions, base.contract.classes, BRIEF, cancelled=lambda: True)


def test_temperature_and_prior_do_what_their_formula_says(base, trials):
    sessions = trials.sessions[:8]
    z = np.log(answers_of(base.network, sessions).probs["both"])
    fitted = fit_tempered(z, np.array([session.label for session in sessions]))
    network = with_temperature_and_prior(base.network, fitted.temperature, fitted.bias)
    output = network.fuse(*_window(network, sessions[0]))
    plain = base.network.fuse(*_window(base.network, sessions[0]))
    wanted = fitted.log_probs(torch.log(plain.probs).double().detach().numpy())
    np.testing.assert_allclose(np.log(output.probs.detach().numpy()), wanted, atol=1e-4)


def _window(network, session):
    from bci_stream.training.batches import collate
    from bci_stream.training.evaluate import encode_parts, gather_windows

    tokens = encode_parts(network, collate([session], [(0, session.n_tokens)]))
    row, end = torch.tensor([0]), torch.tensor([session.n_tokens - 1])
    return (*gather_windows(network.n_tokens, tokens, row, end), torch.ones(1, 2))


def test_normalisation_is_taken_from_the_trials(base, trials):
    network = normalised(base.network, trials.sessions)
    assert not torch.equal(network.encoders["audio"].mean, base.network.encoders["audio"].mean)


def test_the_split_is_in_time_and_by_class(base, trials):
    known, test = split_in_time(trials.sessions, base.contract.classes)
    for label in {trial.label for trial in trials.sessions}:
        latest = max(trial.trial for trial in known if trial.label == label)
        assert latest < min(trial.trial for trial in test if trial.label == label)
    assert not {trial.trial for trial in known} & {trial.trial for trial in test}


def test_later_recordings_test_what_all_of_the_first_calibrated(base, trials):
    known, later = trials.sessions[:15], trials.sessions[15:]
    found = calibrate(base.network, known, base.contract.classes, BRIEF, later=later)
    assert found.later
    assert len(found.known) == len(known)
    assert found.labels.tolist() == [session.label for session in later]
    with pytest.raises(CalibrationError, match="hold no good trial"):
        calibrate(base.network, known, base.contract.classes, BRIEF, later=[])
    few = [t for t in known if t.label != known[0].label] + [known[0]]
    with pytest.raises(CalibrationError, match="has 1 good trial"):
        calibrate(base.network, few, base.contract.classes, BRIEF, later=later)
    rest = [t for t in known if t.label != known[0].label]
    with pytest.raises(CalibrationError, match="no trial of it calibrates"):
        calibrate(base.network, rest, base.contract.classes, BRIEF, later=[known[0]])


def test_costly_rungs_are_tried_only_while_the_one_below_was_of_use(base, trials, monkeypatch):
    tried = []

    def losses(network, held, labels):
        return np.stack([np.full(len(labels), next(worth)), np.ones(len(labels))])

    def stages(base, rung, rest, settings, cancelled):
        tried.append(rung)
        return [(0, base)]

    monkeypatch.setattr("calibration.finetune._losses", losses)
    monkeypatch.setattr("calibration.finetune._stages", stages)
    for values, last in (([1.0, 0.9, 0.8, 0.7], LAST_BLOCK), ([1.0, 1.0, 0.8, 0.9], LAST_BLOCK)):
        tried.clear()
        worth = iter(np.repeat(values, 3).tolist() + [0.6] * 99)
        rungs = FinetuneSettings((AS_IT_IS, HEAD, FUSION, LAST_BLOCK))
        calibrate(base.network, trials.sessions, base.contract.classes, rungs)
        assert tried[11] == last
    tried.clear()
    worth = iter(np.repeat([1.0, 0.7, 0.8], 3).tolist() + [0.6] * 99)
    calibrate(base.network, trials.sessions, base.contract.classes, rungs)
    assert LAST_BLOCK not in tried


def test_too_few_trials_say_what_is_missing(base, trials):
    with pytest.raises(CalibrationError, match="record 3 more"):
        split_in_time([t for i, t in enumerate(trials.sessions) if i < 5], base.contract.classes)
    one = [trial for trial in trials.sessions if trial.label == 0]
    with pytest.raises(CalibrationError, match="neutral only"):
        split_in_time(one, base.contract.classes)


def candidate(rung, n_steps, losses):
    return Candidate(rung, n_steps, np.array(losses), 0.5)


def test_the_lowest_rung_that_is_as_good_is_chosen():
    plain = candidate(AS_IT_IS, 0, [1.0, 1.0, 1.0, 1.2])
    tempered = candidate(TEMPERED, 0, [0.6, 0.5, 0.7, 0.6])
    head = candidate(HEAD, 10, [0.5, 0.7, 0.6, 0.5])
    assert choose([plain, tempered, head], (AS_IT_IS, TEMPERED, HEAD)) is tempered
    assert choose([plain, head], (AS_IT_IS, HEAD)) is head
    assert choose([plain, candidate(HEAD, 10, [0.9, 1.1, 1.2, 0.9])], (AS_IT_IS, HEAD)) is plain


def answers(p_right, labels, n_classes=5):
    probs = np.full((len(labels), n_classes), (1 - np.asarray(p_right))[:, None] / (n_classes - 1))
    probs[np.arange(len(labels)), labels] = p_right
    return Answers({"both": probs})


def test_a_model_is_accepted_only_when_it_is_better():
    labels = np.arange(20) % 5
    weak, strong = answers(np.full(20, 0.3), labels), answers(np.full(20, 0.8), labels)
    assert judge(weak, weak, strong, labels, "both", 5, HEAD).better
    assert not judge(weak, weak, weak, labels, "both", 5, HEAD).better
    assert not judge(strong, strong, weak, labels, "both", 5, HEAD).better
    assert not judge(weak, weak, strong, labels, "both", 5, AS_IT_IS).better
    # only more sure of itself than the base, as the base with its temperature fitted is as well
    assert not judge(weak, strong, strong, labels, "both", 5, TEMPERED).better


def test_a_gain_that_could_be_luck_is_not_accepted():
    labels = np.arange(20) % 5
    before = answers(np.full(20, 0.5), labels)
    after = answers(np.where(np.arange(20) < 11, 0.62, 0.42), labels)
    verdict = judge(before, before, after, labels, "both", 5, HEAD)
    assert verdict.nll < verdict.base_nll
    assert not verdict.better
    assert "luck" in verdict.words


def test_shuffled_labels_are_no_gain(base, trials):
    labels = np.random.default_rng(0).permutation([trial.label for trial in trials.sessions])
    shuffled = [
        Session(t.person, t.parts, np.where(t.labels >= 0, label, -1), t.segments)
        for t, label in zip(trials.sessions, labels, strict=True)
    ]
    assert not calibrate(base.network, shuffled, base.contract.classes, BRIEF).verdict.better
