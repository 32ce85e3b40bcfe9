import sys

import numpy as np
import pytest

from bci_stream.dsp.mne_montages import _places_of, places_of
from bci_stream.dsp.montage import from_above, position, seen_from_above


@pytest.fixture(autouse=True)
def _fresh():
    _places_of.cache_clear()
    yield
    _places_of.cache_clear()


def test_names_of_the_ten_twenty_system_are_placed_by_our_own_table(monkeypatch):
    monkeypatch.setitem(sys.modules, "mne", None)
    found = places_of(["Cz", "Oz", "EOG"])
    assert np.allclose(found[0], [0, 0, 1])
    assert np.allclose(found[1], position("Oz"))
    assert np.isnan(found[2]).all()
    assert places_of([]).shape == (0, 3)


def test_caps_that_we_do_not_know_come_from_mne():
    pytest.importorskip("mne")
    names = [f"E{i}" for i in range(1, 129)]
    found = places_of(names)
    assert np.isfinite(found).all()
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0)
    vertex = found[names.index("E55")]  # beside the vertex of this net
    assert vertex[2] > 0.9
    assert found[names.index("E17")][1] > 0.8  # on the face
    assert found[names.index("E75")][1] < -0.8  # Oz


def test_mne_s_ten_five_lies_where_ours_does():
    mne = pytest.importorskip("mne")
    cap = next(name for name in mne.channels.get_builtin_montages() if name.endswith("_1005"))
    from bci_stream.dsp.mne_montages import _on_sphere

    there = mne.channels.make_standard_montage(cap).get_positions()["ch_pos"]
    sphere = dict(zip(there, _on_sphere(np.array(list(there.values()))), strict=True))
    angles = [
        np.degrees(np.arccos(np.clip(sphere[name] @ position(name), -1, 1)))
        for name in ("Cz", "F3", "P8", "Oz")
    ]
    assert max(angles) < 15


def test_without_mne_unknown_caps_have_no_place(monkeypatch):
    monkeypatch.setitem(sys.modules, "mne.channels", None)
    assert np.isnan(places_of(["E1", "E2"])).all()


def test_seen_from_above_and_back():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.8, 0.8, (50, 2))
    sphere = from_above(points)
    assert np.allclose(np.linalg.norm(sphere, axis=1), 1.0)
    assert np.allclose([seen_from_above(place) for place in sphere], points)
