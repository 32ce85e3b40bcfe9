import numpy as np
import pytest

from bci_stream.engine.plan import plan_for_contract, plan_without_model
from bci_stream.errors import BundleMismatchError, ConfigError
from bci_stream.messages import AUDIO, EEG, StreamSpec
from bci_stream.model.contract import Contract, EegContract

CONTRACT = Contract(eeg=EegContract(channels=("AF7", "AF8", "TP9", "TP10", "Fz"), reference="as recorded"))


def eeg(*names, sfreq=256.0):
    return {EEG: StreamSpec(EEG, names, sfreq)}


def test_electrodes_are_found_by_name_in_any_order_and_case():
    plan = plan_for_contract(eeg("fz", "TP10", "tp9", "Cz", "AF8", "AF7"), CONTRACT)[EEG]
    assert plan.mix.argmax(axis=1).tolist() == [5, 4, 2, 1, 0]
    assert plan.interpolated == 0.0
    assert plan.sfreq == 125.0


def test_missing_electrodes_are_named_with_the_flag_that_helps():
    with pytest.raises(
        BundleMismatchError, match=r"lacks 1 of the model's 5 electrodes \(Fz\).*--fit interpolate"
    ):
        plan_for_contract(eeg("AF7", "AF8", "TP9", "TP10"), CONTRACT)


def test_unnamed_channels_are_told_apart_from_missing_ones():
    with pytest.raises(BundleMismatchError, match="--channels"):
        plan_for_contract(eeg("ch1", "ch2", "ch3", "ch4", "ch5"), CONTRACT)


def test_interpolation_says_how_much_of_it_there_is():
    plan = plan_for_contract(eeg("AF7", "AF8", "TP9", "TP10"), CONTRACT, fit="interpolate")[EEG]
    assert plan.interpolated == pytest.approx(0.2)
    np.testing.assert_array_equal(plan.mix[:4], np.eye(4))


def test_interpolation_from_too_few_is_refused():
    with pytest.raises(BundleMismatchError, match="cannot interpolate"):
        plan_for_contract(eeg("AF7", "AF8", "Cz"), CONTRACT, fit="interpolate")


def test_a_rate_that_cannot_carry_the_band_is_refused():
    with pytest.raises(BundleMismatchError, match=r"64 Hz.*more than 90 Hz"):
        plan_for_contract(eeg("AF7", "AF8", "TP9", "TP10", "Fz", sfreq=64.0), CONTRACT)


def test_a_telephone_microphone_is_refused():
    with pytest.raises(BundleMismatchError, match="audio stream has 4000 Hz"):
        plan_for_contract({AUDIO: StreamSpec(AUDIO, ("mono",), 4000.0)}, CONTRACT)


def test_nothing_bound_and_nonsense_fits_are_refused():
    with pytest.raises(BundleMismatchError, match="bound are: none"):
        plan_for_contract({}, CONTRACT)
    with pytest.raises(ConfigError, match="exact or interpolate"):
        plan_for_contract(eeg("Fz"), CONTRACT, fit="guess")


def test_without_a_model_streams_keep_their_rate():
    plan = plan_without_model(eeg("a", "b", sfreq=256.0))[EEG]
    assert plan.sfreq == 256.0
    assert plan.sos is None
    assert plan.mix is None
