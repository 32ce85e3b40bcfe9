"""The proof says what is short, and one person of it runs."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration_proof import Person, examine, proof_of, table
from calibration.finetune import FinetuneSettings
from calibration.ladder import AS_IT_IS, HEAD

ANNA = Person(1, 60, 48, HEAD, 0.01, 0.8, 0.9, True, AS_IT_IS, 0.7, False, 20.0)


def people(gains, n_noise=0):
    return [
        replace(ANNA, fitted=0.8 + gain, accepted=i % 2 == 0, noise_accepted=i < n_noise)
        for i, gain in enumerate(gains)
    ]


def test_a_clear_margin_and_one_accepted_noise_hold():
    proof = proof_of(people(np.linspace(0.02, 0.1, 20), n_noise=1))
    assert proof.short == []
    assert proof.gain == pytest.approx(0.06)
    assert 0 < proof.gain_ci.low < 0.06 < proof.gain_ci.high
    assert proof.kept < proof.gain
    assert "19 of 20" in table(people([0.1] * 20, 1), proof).notes[-1]


@pytest.mark.parametrize(
    ("gains", "n_noise", "words"),
    [
        (np.linspace(-0.05, 0.05, 20), 0, "margin"),
        (np.full(20, 0.05) + np.linspace(-0.01, 0.01, 20), 2, "refused for 18"),
    ],
)
def test_what_is_short_is_said(gains, n_noise, words):
    (said,) = proof_of(people(gains, n_noise)).short
    assert words in said


def test_a_person_is_examined_on_a_session_of_its_own():
    one = examine(91_500, duration_s=230.0, settings=FinetuneSettings((AS_IT_IS, HEAD)))
    assert 20 <= one.n_trials <= 26
    assert 0 < one.n_further < one.n_trials
    assert 0.0 <= one.base <= 1.0
    assert one.kept == (one.gain if one.accepted else 0.0)
