from __future__ import annotations

import numpy as np
import pytest

from bci_stream.dsp.montage import canonical, known, position

TEN_TEN = [
    "Fp1",
    "Fpz",
    "Fp2",
    "AF9",
    "AF7",
    "AF5",
    "AF3",
    "AF1",
    "AFz",
    "AF2",
    "AF4",
    "AF6",
    "AF8",
    "AF10",
    "F9",
    "F7",
    "F5",
    "F3",
    "F1",
    "Fz",
    "F2",
    "F4",
    "F6",
    "F8",
    "F10",
    "FT9",
    "FT7",
    "FC5",
    "FC3",
    "FC1",
    "FCz",
    "FC2",
    "FC4",
    "FC6",
    "FT8",
    "FT10",
    "T9",
    "T7",
    "C5",
    "C3",
    "C1",
    "Cz",
    "C2",
    "C4",
    "C6",
    "T8",
    "T10",
    "TP9",
    "TP7",
    "CP5",
    "CP3",
    "CP1",
    "CPz",
    "CP2",
    "CP4",
    "CP6",
    "TP8",
    "TP10",
    "P9",
    "P7",
    "P5",
    "P3",
    "P1",
    "Pz",
    "P2",
    "P4",
    "P6",
    "P8",
    "P10",
    "PO9",
    "PO7",
    "PO5",
    "PO3",
    "PO1",
    "POz",
    "PO2",
    "PO4",
    "PO6",
    "PO8",
    "PO10",
    "O1",
    "Oz",
    "O2",
    "Iz",
    "Nz",
]


def _at(name: str) -> np.ndarray:
    where = position(name)
    assert where is not None, name
    return where


def test_every_ten_ten_electrode_is_known_and_on_the_sphere() -> None:
    assert all(known(name) for name in TEN_TEN)
    assert np.allclose(np.linalg.norm([_at(name) for name in TEN_TEN], axis=1), 1.0, atol=1e-12)


def test_landmarks_are_where_the_system_puts_them() -> None:
    root = np.sqrt(0.5)
    for name, where in {
        "Cz": (0, 0, 1),
        "Fpz": (0, 1, 0),
        "Oz": (0, -1, 0),
        "T7": (-1, 0, 0),
        "T8": (1, 0, 0),
        "Fz": (0, root, root),
        "C4": (root, 0, root),
    }.items():
        np.testing.assert_allclose(_at(name), where, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("left", [name for name in TEN_TEN if name[-1] in "13579"])
def test_the_right_mirrors_the_left(left: str) -> None:
    stem, number = left.rstrip("0123456789"), int(left.lstrip("AFCOPTpz"))
    assert _at(left)[0] < 0.0
    np.testing.assert_allclose(_at(f"{stem}{number + 1}"), _at(left) * [-1.0, 1.0, 1.0], atol=1e-12)


def test_no_two_electrodes_share_a_place() -> None:
    places = np.array([_at(name) for name in TEN_TEN])
    cosines = places @ places.T - 2.0 * np.eye(len(places))
    assert np.degrees(np.arccos(cosines.max())) > 5.0


@pytest.mark.parametrize(
    ("old", "new"), [("T3", "T7"), ("t4", "T8"), ("T5", "P7"), ("T6", "P8"), ("FP1", "Fp1")]
)
def test_old_names_and_case_mean_the_same_electrode(old: str, new: str) -> None:
    assert canonical(old) == canonical(new)
    assert _at(old).tolist() == _at(new).tolist()


@pytest.mark.parametrize("name", ["", "AUX", "EEG 001", "C11", "Fp9", "O3", "T1", "Right AUX"])
def test_what_is_no_electrode_is_unknown(name: str) -> None:
    assert not known(name)
    assert position(name) is None


def test_a_position_is_the_callers_own() -> None:
    _at("Cz")[:] = 5.0
    assert _at("Cz")[2] == 1.0


@pytest.mark.filterwarnings("ignore:Montage name:FutureWarning")
def test_places_agree_with_mne_to_fifteen_degrees() -> None:
    mne = pytest.importorskip("mne")
    measured = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
    points = np.array(list(measured.values()))
    system = np.hstack([2.0 * points, np.ones((len(points), 1))])
    centre = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0][
        :3
    ]  # of the sphere that fits best
    apart = {}
    for name, point in measured.items():
        cosine = (point - centre) @ _at(name) / np.linalg.norm(point - centre)
        apart[name] = np.degrees(np.arccos(cosine))
    assert len(apart) > 340
    assert {name: angle for name, angle in apart.items() if angle > 15.0} == {}
    assert np.median(list(apart.values())) < 6.0
