"""The slow state of a person, and models of one modality, through the live engine."""

import numpy as np
import pytest
import torch

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.engine.session import Session, replay
from bci_stream.errors import BundleMismatchError
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Flag, StreamWindow
from bci_stream.model.bundle import Bundle, make_program
from bci_stream.model.contract import Contract
from bci_stream.model.network import build_network
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.training.prepare import Preparer
from bci_stream.training.trials import Trial
from tests.engine.conftest import NAMES, SFREQ, T0, specs
from tests.engine.test_session import Kept, ListedSource, wait_until

ALIGNED = {"channels": NAMES, "alignment": "euclidean"}


@pytest.fixture(scope="module")
def make_bundle(tmp_path_factory):
    """A model with random weights that was never written to a file."""

    def make(eeg=ALIGNED, **fields):
        torch.manual_seed(0)
        contract = Contract.model_validate({"eeg": eeg, **fields})
        network = build_network(contract).eval()
        path = tmp_path_factory.mktemp("bundle") / "random.bci"
        return Bundle(contract, network, make_program(network), "0" * 64, path, rebuilt=True)

    return make


def signals(duration_s, seed=0):
    """EEG whose electrodes change their strength all the time, so that the alignment never rests."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(duration_s * SFREQ)) / SFREQ
    strength = 20 * np.exp(np.sin(time_s[:, None] * np.linspace(0.2, 1.0, len(NAMES))))
    eeg = (strength * rng.standard_normal((len(time_s), len(NAMES)))).astype(np.float32)
    return eeg, (0.1 * rng.standard_normal(int(duration_s * 16_000))).astype(np.float32)


def events(eeg, audio, chunk_s=0.1, roles=(EEG, AUDIO)):
    out = [ClockOffset(role, T0, 0.0) for role in roles]
    streams = {EEG: (eeg, SFREQ), AUDIO: (audio[:, None], 16_000.0)}
    for k in range(int(np.ceil(len(eeg) / SFREQ / chunk_s))):
        for role in roles:
            x, sfreq = streams[role]
            start, stop = round(k * chunk_s * sfreq), min(round((k + 1) * chunk_s * sfreq), len(x))
            out.append(Chunk(role, T0 + np.arange(start, stop) / sfreq, x[start:stop]))
    return out


def with_model(bundle, roles=(EEG, AUDIO)):
    contract = bundle.contract
    bound = {role: spec for role, spec in specs().items() if role in roles}
    return Pipeline(plan_for_contract(bound, contract), window_settings(contract), StreamingPredictor(bundle))


def answers(pipeline, all_events):
    said = [p for event in all_events for p in pipeline.feed(event)] + pipeline.finish()
    return {p.index: (p.logits, p.probs, p.stood_on) for p in said}


class Answers(Kept):
    def __init__(self):
        super().__init__()
        self.said = {}

    def put(self, prediction, window):
        super().put(prediction, window)
        self.said[prediction.index] = (prediction.logits, prediction.probs, prediction.stood_on)


@pytest.mark.parametrize("alignment", ["none", "euclidean"])
def test_live_replayed_and_trained_on_are_the_same_bits(make_bundle, alignment):
    """A session's thread, a replay cut otherwise, and training's hops pushed by hand: one answer."""
    bundle = make_bundle({"channels": NAMES, "alignment": alignment}, fusion="gated")
    eeg, audio = signals(9.0)
    sink = Answers()
    session = Session(ListedSource(events(eeg, audio, 0.05)), with_model(bundle), [sink], lambda: T0)
    session.start()
    wait_until(lambda: len(sink.windows) >= 43)
    session.stop()
    replayed = {
        o.prediction.index: (o.prediction.logits, o.prediction.probs, o.prediction.stood_on)
        for o in replay(events(eeg, audio, 0.2), with_model(bundle))
    }
    assert {index: replayed[index] for index in sink.said} == sink.said
    trial = Trial("p1", 0, "anger", "", eeg, SFREQ, audio, 16_000.0)
    predictor = StreamingPredictor(bundle)
    trained = []
    for hop in Preparer(bundle.contract, NAMES).hops(trial):
        predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        raw = predictor.predict()
        trained.append((tuple(raw.logits.tolist()), tuple(raw.probs.tolist()), raw.stood_on))
    assert [replayed[index] for index in sorted(replayed)][: len(trained)] == trained
    assert len(trained) == 45


def test_alignment_counts(make_bundle):
    """Were it left out, the tests here would prove nothing."""
    recording = events(*signals(6.0))
    plain = answers(with_model(make_bundle({"channels": NAMES})), recording)
    assert answers(with_model(make_bundle()), recording) != plain


def test_a_swap_does_not_teach_the_alignment_what_it_has_seen(make_bundle):
    bundle = make_bundle()
    recording = events(*signals(22.0))
    steady, swapped = with_model(bundle), with_model(bundle)
    want = [p for event in recording for p in steady.feed(event)]
    got = []
    for i, event in enumerate(recording):
        if i == len(recording) // 2:
            swapped.swap(StreamingPredictor(bundle))
        got += swapped.feed(event)
    assert got[20].logits == want[20].logits
    assert got[-1].logits == want[-1].logits  # nothing that the swap aligned otherwise is in reach any more


def hop_of(x, mask=None):
    n = len(x)
    mask = np.zeros(n, np.uint8) if mask is None else mask
    return StreamWindow(EEG, 125.0, 0.0, n / 125.0, x, mask, np.zeros(x.shape, np.uint8), 1.0, ())


def test_looking_back_learns_nothing_and_a_reset_is_somebody_else(make_bundle):
    plans = plan_for_contract(specs(), make_bundle().contract)
    maker = HopMaker(plans, {EEG: 25, AUDIO: 3200})
    rng = np.random.default_rng(0)
    parts = [{EEG: hop_of(rng.normal(0, 20, (25, 6)).astype(np.float32))} for _ in range(20)]
    for part in parts:
        maker.hop(part)
    before = maker.hop(parts[3], learn=False).eeg
    for part in parts:
        maker.hop(part, learn=False)
    assert np.array_equal(maker.hop(parts[3], learn=False).eeg, before)
    first = maker.hop(parts[0]).eeg
    maker.reset()
    again = maker.hop(parts[0]).eeg
    assert not np.array_equal(again, first)
    assert np.array_equal(again, HopMaker(plans, {EEG: 25, AUDIO: 3200}).hop(parts[0]).eeg)


def test_a_gap_and_what_is_masked_teach_the_alignment_nothing(make_bundle):
    plans = plan_for_contract(specs(), make_bundle().contract)
    one, other = (HopMaker(plans, {EEG: 25, AUDIO: 3200}) for _ in range(2))
    rng = np.random.default_rng(0)
    mask = np.full(25, Flag.SETTLING, np.uint8)
    for k in range(12):
        x = rng.normal(0, 20, (25, 6)).astype(np.float32)
        spoiled = hop_of(1e4 * x, mask) if k == 5 else hop_of(x)
        absent = hop_of(np.zeros_like(x), mask) if k == 5 else hop_of(x)
        found, wanted = one.hop({EEG: spoiled}), other.hop({EEG: absent})
        assert (found.eeg_valid.any(), wanted.eeg_valid.any()) == (k != 5, k != 5)
    assert np.array_equal(found.eeg, wanted.eeg)


@pytest.mark.parametrize("alone", [EEG, AUDIO])
def test_a_model_of_one_modality_leaves_the_other_stream_aside(make_bundle, alone):
    bundle = make_bundle(modalities=(alone,))
    eeg, audio = signals(6.0)
    both = answers(with_model(bundle), events(eeg, audio))
    only = answers(with_model(bundle, roles=(alone,)), events(eeg, audio, roles=(alone,)))
    assert both == only
    assert len(both) >= 28
    assert both[max(both)][2] == (alone,)


@pytest.mark.parametrize(("wanted", "bound"), [(EEG, AUDIO), (AUDIO, EEG)])
def test_a_model_whose_modality_is_not_bound_is_refused(make_bundle, wanted, bound):
    with pytest.raises(BundleMismatchError, match=f"needs a stream of {wanted}; bound are: {bound}"):
        with_model(make_bundle(modalities=(wanted,)), roles=(bound,))


def test_a_swap_to_other_signals_is_refused_and_changes_nothing(make_bundle):
    pipeline, recording = with_model(make_bundle()), events(*signals(6.0))
    said = [p for event in recording[:60] for p in pipeline.feed(event)]
    for other, part in (
        (make_bundle(modalities=(EEG,)), "modalities"),
        (make_bundle({"channels": NAMES}), "eeg"),
    ):
        with pytest.raises(BundleMismatchError, match=f"its {part} differs"):
            pipeline.swap(StreamingPredictor(other))
    said += [p for event in recording[60:] for p in pipeline.feed(event)]
    steady = with_model(make_bundle())
    assert [p.logits for p in said] == [p.logits for event in recording for p in steady.feed(event)]
