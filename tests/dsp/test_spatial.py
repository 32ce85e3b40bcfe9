from __future__ import annotations

import numpy as np
import pytest

from bci_stream.dsp.spatial import SpatialMix
from bci_stream.errors import ConfigError
from bci_stream.messages import Flag


def test_it_is_the_matrix_product() -> None:
    rng = np.random.default_rng(3)
    matrix, x = rng.normal(size=(7, 32)), rng.normal(size=(50, 32)).astype(np.float32)
    y = SpatialMix(matrix).step(x)
    assert y.shape == (50, 7)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, x.astype(np.float64) @ matrix.T, rtol=1e-6, atol=1e-6)


def test_the_identity_changes_no_bit() -> None:
    x = np.random.default_rng(3).normal(size=(50, 5)).astype(np.float32) * 1e4
    assert SpatialMix(np.eye(5)).step(x).tobytes() == x.tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_value_reaches_only_what_depends_on_it(bad: float) -> None:
    mix = SpatialMix(np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]))
    y = mix.step(np.array([[1.0, bad, 3.0], [1.0, 2.0, 3.0]], np.float32))
    assert np.isfinite(y).tolist() == [[True, False, True], [True, True, True]]
    assert y[1].tolist() == [1.0, 2.5, 3.0]


def test_marks_follow_the_weights_that_matter() -> None:
    mix = SpatialMix(np.array([[1.0, 0.0, 0.0], [0.0, 0.45, 0.55], [0.95, 0.05, 0.0]]))
    marks = np.array([[0, Flag.RAIL, Flag.FLAT], [Flag.JUMP, 0, 0], [0, 0, 0]], np.uint8)
    assert mix.step_marks(marks).tolist() == [
        [0, Flag.RAIL | Flag.FLAT, 0],
        [Flag.JUMP, 0, Flag.JUMP],
        [0, 0, 0],
    ]


def test_the_matrix_given_may_change_afterwards() -> None:
    matrix = np.eye(2)
    mix = SpatialMix(matrix)
    matrix[:] = 9.0
    assert mix.step(np.array([[1.0, 2.0]], np.float32)).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("matrix", [np.ones(3), np.array([[1.0, np.nan]])])
def test_what_is_no_matrix_of_weights_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="spatial mix"):
        SpatialMix(matrix)
