"""What every stage obeys: any chunking gives the same bits, and inputs stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bci_stream.dsp.artifacts import ArtifactDetector, ArtifactSettings
from bci_stream.dsp.filters import SosFilter, design_sos
from bci_stream.dsp.quality import QualityMeter
from bci_stream.dsp.spatial import SpatialMix

SFREQ = 32.0  # low, so that a second and a few hundred samples are the same thing
N_CHANNELS = 3
LIMITS = ArtifactSettings(rail_uv=(-900.0, 900.0), line_hz=(8.0, 12.0))
SOS = design_sos(SFREQ, 0.5, 12.0, 8.0)
MATRIX = np.array([[1.0, -0.5, -0.5], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4], [0.1, 0.0, -0.1]])

Step = Callable[[np.ndarray], np.ndarray]


def _as_marks(x: np.ndarray) -> np.ndarray:
    """Some marks or other, with every bit in use, laid out in memory as ``x`` is."""
    finite = np.where(np.isfinite(x), x, 0.0).astype(np.int64)
    return (finite % 256).astype(np.uint8, order="K")


def _marks_stage() -> Step:
    mix = SpatialMix(MATRIX)
    return lambda x: mix.step_marks(_as_marks(x))


class _Quality:
    """The meter as a stage whose output is its last summary."""

    def __init__(self) -> None:
        self._meter = QualityMeter(["a", "b", "c"], SFREQ, span_s=2.0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self._meter.step(x, _as_marks(x))
        return np.array([[q.rms_uv, q.n_samples, *q.shares.values()] for q in self._meter.summary()])


STAGES: dict[str, Callable[[], Step]] = {
    "filter": lambda: SosFilter(SOS, N_CHANNELS).step,
    "artifacts": lambda: ArtifactDetector(LIMITS, SFREQ, N_CHANNELS).step,
    "spatial": lambda: SpatialMix(MATRIX).step,
    "marks": _marks_stage,
}

values = st.one_of(
    st.sampled_from([0.0, 1.5, 900.0, -900.0, 62000.0, np.nan, np.inf, -np.inf]),
    st.floats(-5000.0, 5000.0, width=32),
)
signals = st.integers(0, 120).flatmap(
    lambda n: hnp.arrays(np.float32, (n, N_CHANNELS), elements=values, fill=st.just(np.float32(4.25)))
)


@st.composite
def cut_signals(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    x = draw(signals)
    cuts = draw(st.lists(st.integers(0, len(x)), max_size=12))  # twice the same place is an empty chunk
    return x, [0, *sorted(cuts), len(x)]


def _chunks(x: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return [x[a:b] for a, b in pairwise(cuts)]


@pytest.mark.parametrize("name", STAGES)
@given(cut_signals())
@settings(max_examples=60, deadline=None)
def test_any_chunking_gives_the_same_bits(name: str, case: tuple[np.ndarray, list[int]]) -> None:
    x, cuts = case
    whole, step = STAGES[name]()(x), STAGES[name]()
    parts = np.concatenate([step(chunk) for chunk in _chunks(x, cuts)])
    assert parts.tobytes() == whole.tobytes()


@given(cut_signals())
@settings(max_examples=60, deadline=None)
def test_quality_does_not_depend_on_the_chunking(case: tuple[np.ndarray, list[int]]) -> None:
    x, cuts = case
    whole, step = _Quality()(x), _Quality()
    parts = [step(chunk) for chunk in _chunks(x, cuts)][-1]
    assert parts.tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", STAGES)
@given(x=signals)
@settings(max_examples=25, deadline=None)
def test_inputs_are_not_modified_and_may_be_read_only_or_strided(name: str, x: np.ndarray) -> None:
    before = x.copy()
    frozen = x.copy()
    frozen.flags.writeable = False
    expected = STAGES[name]()(x)
    assert x.tobytes() == before.tobytes()
    assert STAGES[name]()(frozen).tobytes() == expected.tobytes()
    assert STAGES[name]()(np.asfortranarray(x)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", STAGES)
def test_an_empty_chunk_gives_an_empty_answer(name: str) -> None:
    empty = np.empty((0, N_CHANNELS), np.float32)
    out = STAGES[name]()(empty)
    assert len(out) == 0
    assert out.ndim == 2


@pytest.mark.parametrize("make", [lambda: SosFilter(SOS, 3), lambda: ArtifactDetector(LIMITS, SFREQ, 3)])
@given(before=signals, after=signals)
@settings(max_examples=30, deadline=None)
def test_reset_forgets_everything(
    make: Callable[[], SosFilter], before: np.ndarray, after: np.ndarray
) -> None:
    stage = make()
    stage.step(before)
    stage.reset()
    assert stage.step(after).tobytes() == make().step(after).tobytes()


@pytest.mark.parametrize("name", ["filter", "artifacts"])
@given(x=signals)
@settings(max_examples=30, deadline=None)
def test_channels_do_not_touch_one_another(name: str, x: np.ndarray) -> None:
    disturbed = x.copy()
    disturbed[:, 1] = np.nan
    expected, found = STAGES[name]()(x), STAGES[name]()(disturbed)
    assert found[:, [0, 2]].tobytes() == expected[:, [0, 2]].tobytes()
