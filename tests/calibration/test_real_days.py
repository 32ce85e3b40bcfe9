"""The ladder on real recordings of two days: it runs, and says what it found, whatever that is."""

import pytest

from scripts.figures_ladder import run
from tests.calibration.simulated_calibration import BRIEF
from tests.recordings import DATA

MUSIC = DATA / "eeg" / "affective_music"


@pytest.mark.skipif(not MUSIC.is_dir(), reason="the affective-music recordings are not beside this checkout")
def test_the_first_day_calibrates_and_the_second_tests(tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    lines, found = run(MUSIC, n_epochs=1, n_seeds=1, settings=BRIEF)
    assert (found.n, found.n_fits) == (12, 2)
    low, high = found.fitted_ci
    assert low <= found.fitted <= high
    assert high - low > 0.3  # twelve trials say little, and the interval must say so
    assert found.gain == pytest.approx(found.fitted - found.base)
    assert [line for line in lines if line.startswith(("P01 S02", "P02 S02"))]
