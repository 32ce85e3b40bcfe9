import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.errors import BundleMismatchError
from bci_stream.model.bundle import Bundle, make_program
from bci_stream.model.contract import Contract
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.model.network import build_network
from bci_stream.model.predictor import Hop, StreamingPredictor

N_CHANNELS = 6


@pytest.fixture(scope="module")
def make_bundle(make_contract, make_network, bundle_path):
    def make(**fields):
        contract = make_contract(N_CHANNELS, **fields)
        network = make_network(contract)
        return Bundle(contract, network, make_program(network), "", bundle_path, rebuilt=True)

    return make


@pytest.fixture(scope="module")
def predictor(make_bundle):
    return StreamingPredictor(make_bundle(fusion="gated"))


def stretch(n_tokens, seed=0):
    """EEG (T, C), its validity, voice (T',), its validity: with gaps."""
    rng = np.random.default_rng(seed)
    eeg = (20 * rng.standard_normal((25 * n_tokens, N_CHANNELS))).astype(np.float32)
    audio = (0.1 * rng.standard_normal(3200 * n_tokens)).astype(np.float32)
    return eeg, rng.random(25 * n_tokens) > 0.1, audio, rng.random(3200 * n_tokens) > 0.1


def hops(signals, n_tokens=1):
    eeg, eeg_valid, audio, audio_valid = signals
    n_eeg, n_audio = 25 * n_tokens, 3200 * n_tokens
    for i in range(len(eeg) // n_eeg):
        e, a = slice(i * n_eeg, (i + 1) * n_eeg), slice(i * n_audio, (i + 1) * n_audio)
        yield Hop(eeg[e], eeg_valid[e], audio[a], audio_valid[a])


def run(predictor, all_hops):
    predictor.warm_up(all_hops)
    return predictor.predict()


def assert_same_bits(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.tobytes() == b.tobytes(), field.name
        elif isinstance(a, dict):
            assert a.keys() == b.keys()
            assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in a), field.name
        else:
            assert a == b or (a != a and b != b), field.name


@pytest.mark.parametrize("mode", FUSION_MODES)
@pytest.mark.parametrize("n_tokens", [10, 25, 40])
def test_streaming_is_the_whole_window(make_bundle, mode, n_tokens):
    bundle, signals = make_bundle(fusion=mode), stretch(n_tokens)
    found = run(StreamingPredictor(bundle), hops(signals))
    eeg, eeg_valid, audio, audio_valid = (
        torch.from_numpy(np.asarray(x, np.float32)).unsqueeze(0) for x in signals
    )
    presence = torch.tensor([[float("eeg" in found.stood_on), float("audio" in found.stood_on)]])
    with torch.inference_mode():
        wanted = bundle.network([eeg.transpose(1, 2), audio], [eeg_valid, audio_valid], presence)
    np.testing.assert_allclose(found.logits, wanted.logits[0], atol=1e-5)
    np.testing.assert_allclose(found.probs, wanted.probs[0], atol=1e-5)
    for name, logits in zip(bundle.network.head_names, wanted.heads[0], strict=True):
        np.testing.assert_allclose(found.heads[name], logits, atol=1e-5)
    for name, weight in zip(("eeg", "audio"), wanted.gate[0], strict=True):
        np.testing.assert_allclose(found.gate[name], weight, atol=1e-5)
    if mode == "cross_attention":
        assert found.attention.shape == (4, 25, 25)
    else:
        assert found.attention.size == 0


@pytest.mark.parametrize("front", ["learned", "bandpower"])
@pytest.mark.parametrize("modalities", [("eeg", "audio"), ("eeg",), ("audio",)])
def test_streaming_with_running_normalisation_is_the_whole_window(make_bundle, front, modalities):
    """Both front ends, each modality alone too; the normalisation goes on from hop to hop."""
    bundle = make_bundle(
        eeg={"channels": tuple(f"E{i}" for i in range(N_CHANNELS)), "normalization": "running"},
        audio={"normalization": "running"},
        architecture={"eeg_front": front, "n_taps": {"learned": 63, "bandpower": 125}[front]},
        modalities=modalities,
    )
    signals = stretch(45)
    found = run(StreamingPredictor(bundle), hops(signals))
    eeg, eeg_valid, audio, audio_valid = (
        torch.from_numpy(np.asarray(x, np.float32)).unsqueeze(0) for x in signals
    )
    by_name = {"eeg": (eeg.transpose(1, 2), eeg_valid), "audio": (audio, audio_valid)}
    inputs, valid = zip(*(by_name[name] for name in modalities), strict=True)
    with torch.inference_mode():
        wanted = bundle.network(list(inputs), list(valid), torch.ones(1, len(modalities)))
    assert found.stood_on == modalities
    np.testing.assert_allclose(found.logits, wanted.logits[0], atol=1e-4)
    np.testing.assert_allclose(found.probs, wanted.probs[0], atol=1e-5)


def test_longer_hops_give_the_same_bits(make_bundle):
    signals = stretch(36)
    found = [run(StreamingPredictor(make_bundle(hop_s=0.2 * n)), hops(signals, n)) for n in (1, 2, 3, 6)]
    for other in found[1:]:
        assert_same_bits(found[0], other)


def test_same_hops_twice_and_a_second_predictor_give_the_same_bits(make_bundle, predictor):
    signals = stretch(30)
    first = run(predictor, hops(signals))
    assert_same_bits(first, run(predictor, hops(signals)))
    assert_same_bits(first, run(StreamingPredictor(make_bundle(fusion="gated")), hops(signals)))


@settings(max_examples=15, deadline=None)
@given(offset=st.integers(1, 31), dtype=st.sampled_from([np.uint8, np.bool_, np.float32, np.int64]))
def test_where_the_arrays_lie_and_what_says_valid_does_not_matter(predictor, offset, dtype):
    signals = stretch(3)
    wanted = run(predictor, hops(signals))
    moved = []
    for array in signals:
        room = np.empty(array.size + offset, array.dtype)
        view = room[offset:].reshape(array.shape)
        view[:] = array
        view.flags.writeable = False
        moved.append(view)
    moved[1], moved[3] = moved[1].astype(dtype), moved[3].astype(dtype)
    before = [array.copy() for array in moved]
    assert_same_bits(wanted, run(predictor, hops(moved)))
    assert all(np.array_equal(a, b) for a, b in zip(before, moved, strict=True))


def test_nothing_is_an_invalid_hop(predictor):
    eeg, eeg_valid, audio, audio_valid = stretch(30)
    eeg_valid[250:500] = False
    audio_valid[3200 * 5 : 3200 * 9] = False
    marked = run(predictor, hops((np.where(eeg_valid[:, None], eeg, np.nan), eeg_valid, audio, audio_valid)))
    absent = [
        Hop(
            None if 10 <= i < 20 else hop.eeg,
            None if 10 <= i < 20 else hop.eeg_valid,
            None if 5 <= i < 9 else hop.audio,
            None if 5 <= i < 9 else hop.audio_valid,
        )
        for i, hop in enumerate(hops((eeg, eeg_valid, audio, audio_valid)))
    ]
    assert_same_bits(marked, run(predictor, absent))


def test_no_validity_means_all_good(predictor):
    eeg, _, audio, _ = stretch(5)
    good = (np.ones(125, bool), np.ones(16000, bool))
    wanted = run(predictor, hops((eeg, good[0], audio, good[1])))
    found = run(
        predictor, [Hop(hop.eeg, None, hop.audio, None) for hop in hops((eeg, good[0], audio, good[1]))]
    )
    assert_same_bits(wanted, found)


@pytest.mark.parametrize(
    ("n_eeg", "n_audio", "stood_on"),
    [(25, 25, ("eeg", "audio")), (13, 12, ("eeg",)), (0, 13, ("audio",)), (12, 0, ()), (0, 0, ())],
)
def test_stands_on_what_covers_half_of_the_window(predictor, n_eeg, n_audio, stood_on):
    predictor.reset()
    for i, hop in enumerate(hops(stretch(25))):
        predictor.push(
            hop.eeg if i >= 25 - n_eeg else None, None, hop.audio if i >= 25 - n_audio else None, None
        )
    found = predictor.predict()
    assert found.stood_on == stood_on
    assert found.coverage == {"eeg": pytest.approx(n_eeg / 25), "audio": pytest.approx(n_audio / 25)}
    assert np.isfinite(found.probs).all()
    assert found.probs.sum() == pytest.approx(1)


def test_modality_that_the_contract_leaves_out_never_counts(make_bundle):
    predictor = StreamingPredictor(make_bundle(modalities=("audio",)))
    both = run(predictor, hops(stretch(25)))
    voice = run(predictor, [Hop(None, None, hop.audio, hop.audio_valid) for hop in hops(stretch(25))])
    assert both.stood_on == voice.stood_on == ("audio",)
    assert both.logits.tobytes() == voice.logits.tobytes()


def test_no_coverage_is_no_ground_even_when_none_is_asked_for(make_bundle):
    assert StreamingPredictor(make_bundle(min_coverage=0.0)).predict().stood_on == ()


def test_warm_up_with_the_last_hops_is_as_if_it_had_run_from_the_start(make_bundle):
    predictor = StreamingPredictor(make_bundle())
    signals = list(hops(stretch(80)))
    wanted = run(predictor, signals)
    assert_same_bits(wanted, run(predictor, signals[-predictor.warm_up_hops :]))
    shorter = run(predictor, signals[-predictor.warm_up_hops + 8 :])
    assert shorter.logits.tobytes() != wanted.logits.tobytes()


def test_results_are_the_caller_s_own(predictor):
    predictor.warm_up(hops(stretch(25)))
    first = predictor.predict()
    before = first.logits.copy()
    predictor.warm_up(hops(stretch(25, seed=1)))
    second = predictor.predict()
    assert np.array_equal(first.logits, before)
    assert not np.array_equal(first.logits, second.logits)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"eeg": np.zeros((25, 5), np.float32)}, "eeg has shape (25, 5), one hop of this bundle is (25, 6)"),
        ({"eeg": np.zeros((24, 6), np.float32)}, "eeg has shape (24, 6)"),
        ({"eeg": None, "audio": np.zeros((3200, 1), np.float32)}, "audio has shape (3200, 1)"),
        ({"eeg": None, "audio_valid": np.ones(25)}, "audio_valid has shape (25,)"),
    ],
)
def test_hops_of_another_shape_are_refused(predictor, arguments, complaint):
    with pytest.raises(BundleMismatchError) as caught:
        predictor.push(**arguments)
    assert complaint in str(caught.value)


def test_after_a_silence_it_still_knows_the_person(make_bundle):
    """Running normalisation goes on; everything else is as at the start."""
    eeg = {"channels": tuple(f"E{i}" for i in range(N_CHANNELS)), "normalization": "running"}
    sizes = {"eeg_front": "bandpower", "n_taps": 125}
    fields = {"audio": {"normalization": "running"}, "architecture": sizes}
    contract = Contract.model_validate({"eeg": eeg, **fields})
    network = build_network(contract).eval()
    bundle = Bundle(contract, network, make_program(network), "", Path(), rebuilt=True)
    known, fresh, swapped = (StreamingPredictor(bundle) for _ in range(3))
    loud = stretch(60)
    run(known, hops((5 * loud[0], loud[1], 5 * loud[2], loud[3])))
    swapped.warm_up([], known)
    known.reconnect()
    assert known.predict().stood_on == ()
    after = list(hops(stretch(25, seed=1)))
    answers = []
    for predictor in (known, swapped, fresh):
        for hop in after:
            predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        answers.append(predictor.predict())
    assert_same_bits(answers[0], answers[1])
    assert np.abs(answers[0].logits - answers[2].logits).max() > 1e-4


def test_without_running_normalisation_a_silence_is_a_new_start(make_bundle):
    predictor, signals = StreamingPredictor(make_bundle()), list(hops(stretch(25)))
    first = run(predictor, signals)
    predictor.reconnect()
    for hop in signals:
        predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
    assert_same_bits(first, predictor.predict())
