from __future__ import annotations

import numpy as np
import pytest

from bci_stream.dsp.montage import position
from bci_stream.dsp.splines import interpolation_matrix
from bci_stream.errors import ConfigError

CAP = [
    "Fp1",
    "Fp2",
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "FC5",
    "FC1",
    "FC2",
    "FC6",
    "T7",
    "C3",
    "Cz",
    "C4",
    "T8",
    "CP5",
    "CP1",
    "CP2",
    "CP6",
    "P7",
    "P3",
    "Pz",
    "P4",
    "P8",
    "O1",
    "Oz",
    "O2",
]


def _field(names: list[str]) -> np.ndarray:
    """A dipole-like field, smooth over the head, in µV."""
    places = np.array([position(name) for name in names])
    source = np.array([0.3, 0.4, 0.5])
    return 20.0 * places @ np.array([0.2, -1.0, 0.4]) / np.linalg.norm(places - source, axis=1)


def test_present_electrodes_pass_exactly() -> None:
    wanted = ["Cz", "fp1", "T3", "POz"]
    matrix = interpolation_matrix(CAP, wanted)
    for row, name in ((0, "Cz"), (1, "Fp1"), (2, "T7")):
        assert matrix[row].tolist() == [float(n == name) for n in CAP]
    assert (matrix[3] != 0.0).all()


def test_the_same_electrodes_need_no_known_place() -> None:
    assert interpolation_matrix(["EEG1", "EEG2"], ["EEG2", "EEG1"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_constant_stays_constant() -> None:
    matrix = interpolation_matrix(["AF7", "AF8", "TP9", "TP10"], ["Fz", "Cz", "O1", "T8"])
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-9)


def test_a_smooth_field_is_recovered() -> None:
    wanted = ["AFz", "C5", "CPz", "PO3", "FC3"]
    made = interpolation_matrix(CAP, wanted) @ _field(CAP)
    assert np.abs(made - _field(wanted)).max() < 0.05 * np.ptp(_field(CAP))


def test_channels_of_unknown_place_get_no_weight() -> None:
    matrix = interpolation_matrix(["AUX", *CAP, "AUX"], ["POz", "Cz"])
    assert matrix[:, [0, -1]].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_array_equal(matrix[:, 1:-1], interpolation_matrix(CAP, ["POz", "Cz"]))


def test_mastoids_and_their_neighbours_may_both_be_there() -> None:
    assert np.isfinite(interpolation_matrix([*CAP, "TP9", "M1", "T9", "A1"], ["POz"])).all()


@pytest.mark.parametrize("bad", ["Cz", "F7", "O2"])
def test_it_is_mnes_interpolation(bad: str) -> None:
    mne = pytest.importorskip("mne")
    info = mne.create_info(CAP, 100.0, "eeg")
    places = {name: position(name) * 0.095 for name in CAP}
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    raw = mne.io.RawArray(np.repeat(_field(CAP)[:, None], 10, axis=1) * 1e-6, info, verbose="error")
    raw.info["bads"] = [bad]
    raw.interpolate_bads(origin=(0.0, 0.0, 0.0), verbose="error")
    rest = [name for name in CAP if name != bad]
    ours = interpolation_matrix(rest, [bad]) @ _field(rest)
    assert ours[0] == pytest.approx(raw.get_data(picks=[bad])[0, 0] * 1e6, rel=1e-3)


@pytest.mark.parametrize(
    ("from_names", "to_names", "words"),
    [
        (["Fz", "Cz", "AUX", "Pz"], ["Oz", "C3"], "Oz, C3 need at least 4 .* known are Fz, Cz, Pz"),
        (["1", "2", "3", "4"], ["Oz"], "known are none"),
        (CAP, ["AUX"], "AUX cannot be made"),
        (["T3", *CAP], ["POz"], "T3, T7 name one electrode more than once"),
        ([], ["Cz"], "no channels"),
    ],
)
def test_what_cannot_be_made_is_refused(from_names: list[str], to_names: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        interpolation_matrix(from_names, to_names)
