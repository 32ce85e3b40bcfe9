"""A training learns, stops, and is the same whether it was killed or not."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from bci_stream.errors import ConfigError, ResultError
from bci_stream.model.network import build_network
from bci_stream.training.augment import NOTHING, augment
from bci_stream.training.batches import BatchMaker, DrawSettings, collate
from bci_stream.training.checkpoint import FileCheckpoint
from bci_stream.training.evaluate import score_sessions, set_temperatures
from bci_stream.training.fit import class_weights, fit
from bci_stream.training.sessions import UNLABELLED, Session


def by_person(prepared, *people):
    return [session for session in prepared.sessions if session.person in people]


@pytest.fixture(scope="module")
def split(corpus, prepared):
    train, valid = corpus.people[:4], corpus.people[4:5]
    return by_person(prepared, *train), by_person(prepared, *valid)


def new_network(corpus, recipe):
    torch.manual_seed(recipe.seed)
    return build_network(recipe.contract(corpus.classes, corpus.ch_names))


def weights(fitted):
    return {name: value.clone() for name, value in fitted.network.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_equal_arguments_give_equal_bits_and_another_seed_does_not(corpus, split, make_recipe):
    recipe = make_recipe(2)
    first = weights(fit(new_network(corpus, recipe), *split, recipe.fit))
    torch.manual_seed(12345)
    torch.randn(7)
    assert_same(first, weights(fit(new_network(corpus, recipe), *split, recipe.fit)))
    other = recipe.seeded(1)
    changed = weights(fit(new_network(corpus, recipe), *split, other.fit))
    assert any(not torch.equal(changed[name], value) for name, value in first.items())


class PowerFailureError(Exception):
    """The power went."""


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("fusion", ["gated", "adaptive"])
def test_taken_up_again_it_ends_bit_for_bit_where_it_would_have(
    corpus, split, make_recipe, tmp_path, after, fusion
):
    recipe = make_recipe(3, fusion=fusion)
    whole = fit(new_network(corpus, recipe), *split, recipe.fit)

    class Dies(FileCheckpoint):
        n = 0

        def save(self, state):
            super().save(state)
            self.n += 1
            if self.n == after:
                raise PowerFailureError

    path = tmp_path / "state"
    with pytest.raises(PowerFailureError):
        fit(new_network(corpus, recipe), *split, recipe.fit, checkpoint=Dies(path, "mine"))
    seen = []
    resumed = fit(
        new_network(corpus, recipe),
        *split,
        recipe.fit,
        checkpoint=FileCheckpoint(path, "mine"),
        progress=seen.append,
    )
    assert [epoch.number for epoch in seen] == [0, 1, 2]
    assert resumed.history == whole.history
    assert_same(weights(whole), weights(resumed))


def test_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "state"
    FileCheckpoint(path, "mine").save({"x": torch.ones(1)})
    with pytest.raises(ResultError, match="other settings or data"):
        FileCheckpoint(path, "yours").load()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"not a checkpoint"])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(ResultError, match="is no checkpoint") as caught:
        FileCheckpoint(path, "mine").load()
    assert "\n" not in str(caught.value)


def test_it_stops_when_nothing_gets_better(corpus, split, make_recipe):
    recipe = make_recipe(40, min_steps=25)
    stubborn = replace(recipe.fit, patience=2, learning_rate=1e-9, mean_decay=0.0)
    fitted = fit(new_network(corpus, recipe), *split, stubborn)
    assert len(fitted.history) < 40
    assert fitted.history[-1].number - fitted.epoch == 2


def test_people_in_training_and_validation_must_differ(corpus, split, make_recipe):
    recipe = make_recipe(1)
    with pytest.raises(ConfigError, match="must differ"):
        fit(new_network(corpus, recipe), split[0], split[0], recipe.fit)
    with pytest.raises(ConfigError, match="both are needed"):
        fit(new_network(corpus, recipe), split[0], [], recipe.fit)


def test_mistake_class_weights_for_balanced_classes(split):
    """EAV, a mistake made before: class weights for an exactly balanced set."""
    train = split[0]
    assert class_weights(train, 5) is None
    fewer = [session for session in train if session.label != 0 or session.trial < 5]
    found = class_weights(fewer, 5)
    assert found[0] == found.max()
    counts = np.bincount([session.label for session in fewer], minlength=5)
    np.testing.assert_allclose(found.numpy() * counts, (found.numpy() * counts)[0], rtol=1e-5)


def test_a_batch_is_decided_by_seed_epoch_and_step_alone(split):
    maker = BatchMaker(split[0], DrawSettings())
    later = maker.draw(3, 2)
    again = BatchMaker(split[0], DrawSettings()).draw(3, 2)
    for name, part in later.parts.items():
        for one, other in zip(part, again.parts[name], strict=True):
            assert torch.equal(one, other)
    assert torch.equal(later.ends, again.ends)
    assert not torch.equal(later.parts["eeg"].features, maker.draw(3, 1).parts["eeg"].features)


def test_an_epoch_draws_every_session_equally_often(split):
    maker = BatchMaker(split[0], DrawSettings(batch_size=8, min_steps=1, augmentation=NOTHING))
    rows = torch.cat([maker.draw(0, step).parts["audio"].features for step in range(maker.n_steps)])
    assert len(rows) == len(split[0])
    sums = sorted(round(float(row.sum()), 3) for row in rows)
    wanted = sorted(round(float(s.parts["audio"].features.sum()), 3) for s in split[0])
    np.testing.assert_allclose(sums, wanted, rtol=1e-3)


def test_no_window_is_left_without_any_modality(split):
    maker = BatchMaker(split[0], DrawSettings(drop_modality=0.5))
    presence = torch.cat([maker.draw(0, step).presence for step in range(maker.n_steps)])
    assert presence.amax(1).min() == 1.0
    assert presence.min(0).values.tolist() == [0.0, 0.0]


def test_augmentation_keeps_what_was_not_valid_at_zero(split):
    parts = collate(split[0][:6], [(0, session.n_tokens) for session in split[0][:6]])
    for part in parts.values():
        part.valid[:, 4:7] = 0.0
    varied = augment(parts, replace(DrawSettings().augmentation, gap_share=1.0), np.random.default_rng(0))
    for name, part in varied.items():
        assert not part.features[:, 4:7].any(), name
        assert (part.valid <= parts[name].valid).all()
        assert part.there.sum() < parts[name].there.sum()


def test_windows_before_a_session_hold_nothing_and_padding_changes_no_score(corpus, prepared, make_recipe):
    network = new_network(corpus, make_recipe()).eval()
    sessions = list(prepared.sessions[:5])
    short = Session(
        sessions[0].person,
        {name: type(part)(*(x[:9] for x in part)) for name, part in sessions[0].parts.items()},
        sessions[0].labels[:9],
        sessions[0].segments[:9],
    )
    alone = score_sessions(network, [short])["both"]
    together = score_sessions(network, [*sessions, short])["both"]
    torch.testing.assert_close(together.logits[-alone.n :], alone.logits, atol=1e-5, rtol=1e-4)
    assert alone.n == int((short.labels != UNLABELLED).sum())


def test_temperatures_make_confidence_honest(corpus, prepared, make_recipe):
    network = new_network(corpus, make_recipe()).eval()
    with torch.no_grad():
        network.classifier[-1].weight *= 40
    sessions = list(prepared.sessions[:20])
    before = score_sessions(network, sessions)["both"].loss()
    set_temperatures(network, sessions)
    scores = score_sessions(network, sessions)["both"]
    cooled = torch.nn.functional.cross_entropy(scores.logits / network.temperatures[0], scores.labels)
    assert float(cooled) < before
    assert float(network.temperatures[0]) > 1


def test_a_short_training_lowers_the_loss(corpus, split, make_recipe):
    recipe = make_recipe(4, min_steps=25)
    fitted = fit(new_network(corpus, recipe), *split, recipe.fit)
    losses = [epoch.train_loss for epoch in fitted.history]
    assert losses[-1] < 0.9 * losses[0]
    assert math.isfinite(fitted.loss)
    assert fitted.accuracy["both"] > 0.3


_KILLED = """
import sys, torch
from pathlib import Path
from bci_stream.training.batches import DrawSettings
from bci_stream.training.experiment import run_experiment, Machine
from bci_stream.training.fit import FitSettings
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.recipe import Recipe
from bci_stream.training.splits import subject_kfold
torch.set_num_threads(1)
corpus = GeneratedCorpus(GeneratorSettings(n_people=4, n_trials=5, trial_s=1.0))
fit = FitSettings(n_epochs=int(sys.argv[2]), patience=0, draw=DrawSettings(min_steps=6))
recipe = Recipe(window_s=1.0, fit=fit)
outcome = run_experiment(
    corpus, recipe, subject_kfold(corpus.people, n_folds=2), Path(sys.argv[1]) / "work",
    machine=Machine(cache=Path(sys.argv[1]) / "cache"),
)
print(outcome.trials.probs["both"].tobytes().hex())
"""


def test_a_process_killed_while_training_ends_with_the_same_answers(tmp_path):
    def command(folder):
        return [sys.executable, "-c", _KILLED, str(folder), "6"]

    whole = subprocess.run(command(tmp_path / "a"), capture_output=True, text=True, check=True, timeout=170)
    victim = subprocess.Popen(command(tmp_path / "b"), stdout=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "b" / "work" / "fold-0.checkpoint"
    while not checkpoint.exists() and victim.poll() is None:
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    resumed = subprocess.run(command(tmp_path / "b"), capture_output=True, text=True, check=True, timeout=170)
    assert resumed.stdout == whole.stdout != ""
