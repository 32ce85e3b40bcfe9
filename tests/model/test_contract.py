import pytest
from pydantic import ValidationError

from bci_stream.model.contract import Contract, EegContract

EEG = {"channels": ("Fz", "Cz")}


def test_defaults_are_eav_s_classes_and_the_design_s_windows():
    contract = Contract(eeg=EegContract(channels=("Fz",)))
    assert contract.classes == ("neutral", "sadness", "anger", "happiness", "calm")
    assert (contract.window_s, contract.hop_s, contract.lateness_s) == (5.0, 0.2, 0.3)
    assert (contract.n_tokens, contract.tokens_per_hop, contract.eeg_hop, contract.audio_hop) == (
        25,
        1,
        25,
        3200,
    )


def test_survives_json():
    contract = Contract.model_validate(
        {"eeg": EEG | {"notch": 50.0}, "metrics": {"f1": 0.3}, "lineage": "a" * 64}
    )
    assert Contract.model_validate_json(contract.model_dump_json()) == contract


def test_longer_hops():
    contract = Contract.model_validate({"eeg": EEG, "hop_s": 0.6, "window_s": 3.0})
    assert (contract.n_tokens, contract.tokens_per_hop, contract.eeg_hop, contract.audio_hop) == (
        15,
        3,
        75,
        9600,
    )


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"eeg": EEG, "window_s": 5.1}, "5.1 s is not a multiple of 0.2 s"),
        ({"eeg": EEG, "hop_s": 0.3}, "0.3 s is not a multiple of 0.2 s"),
        ({"eeg": {"channels": ("Cz", "Fz", "Cz")}}, "named twice: Cz"),
        ({"eeg": {"channels": ()}}, "at least 1 item"),
        ({"eeg": EEG | {"sfreq": 128.0}}, "128 Hz does not fit; use a multiple of 5 Hz"),
        ({"eeg": EEG | {"sfreq": 2000.0}}, "at most 1000 Hz"),
        ({"eeg": EEG | {"lowpass_hz": 70.0}}, "band 1-70 Hz does not fit 125 Hz"),
        ({"eeg": EEG | {"unit": "V"}}, "Input should be 'uV'"),
        ({"eeg": EEG, "classes": ("calm",)}, "at least 2 items"),
        ({"eeg": EEG, "classes": ("calm", "calm")}, "given twice"),
        ({"eeg": EEG, "fusion": "sum"}, "'cross_attention', 'bottleneck' or 'adaptive'"),
        ({"eeg": EEG, "audio": {"sfreq": 48000}}, "16000"),
        ({"eeg": EEG, "metrics": {"f1": float("nan")}}, "finite number"),
        ({"eeg": EEG, "lineage": "../etc"}, "should match pattern"),
        ({"eeg": EEG, "sfrequ": 1}, "Extra inputs are not permitted"),
        ({"eeg": EEG, "format_version": 1}, "Input should be 2"),
        ({"eeg": EEG, "architecture": {"width": 4096}}, "less than or equal to 256"),
    ],
)
def test_nonsense_is_refused_by_name(fields, complaint):
    with pytest.raises(ValidationError) as caught:
        Contract.model_validate(fields)
    assert complaint in str(caught.value)
