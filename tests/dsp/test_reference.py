from __future__ import annotations

import numpy as np
import pytest

from bci_stream.dsp.reference import reference_matrix
from bci_stream.errors import ConfigError

NAMES = ["Fz", "Cz", "TP9", "TP10"]
X = np.array([[1.0, 2.0, 3.0, 6.0]])


def _referenced(reference: str | list[str], names: list[str] = NAMES) -> list[float]:
    return (X @ reference_matrix(names, reference).T)[0].tolist()


def test_as_recorded_is_the_identity() -> None:
    assert reference_matrix(NAMES).tolist() == np.eye(4).tolist()


def test_average_leaves_no_mean() -> None:
    assert _referenced("average") == [-2.0, -1.0, 0.0, 3.0]


def test_named_channels_are_subtracted() -> None:
    assert _referenced("cz") == [-1.0, 0.0, 1.0, 4.0]
    assert _referenced(["TP9", "TP10"]) == [-3.5, -2.5, -1.5, 1.5]


@pytest.mark.parametrize("ears", [("TP9", "TP10"), ("M1", "m2"), ("A1", "A2")])
def test_linked_mastoids_takes_the_pair_that_is_there(ears: tuple[str, str]) -> None:
    assert _referenced("linked mastoids", ["Fz", "Cz", *ears]) == [-3.5, -2.5, -1.5, 1.5]


@pytest.mark.parametrize(
    ("names", "reference", "words"),
    [
        (NAMES, "Oz", "Oz was asked for, but no channel has that name; there are Fz, Cz, TP9, TP10"),
        (NAMES, ["TP9", "M2"], "M2 was asked for"),
        (["Fz", "fz"], "Fz", "2 channels have that name"),
        (["Fz", "TP9"], "linked mastoids", "the channels are Fz, TP9"),
        (NAMES, [], "empty"),
        (["Fz"], "average", "leaves nothing"),
    ],
)
def test_what_is_not_there_is_named(names: list[str], reference: str | list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        reference_matrix(names, reference)
