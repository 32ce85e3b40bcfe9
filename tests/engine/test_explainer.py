"""What the model weighs: against an independent predictor, through a live pipeline, over swaps and gaps."""

import time

import numpy as np
import pytest
import torch

from bci_stream.engine.explainer import Explainer, weights_of
from bci_stream.engine.lookback import Lookback
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.messages import AUDIO, EEG
from bci_stream.model.bundle import Bundle, make_program
from bci_stream.model.contract import Contract
from bci_stream.model.network import build_network
from bci_stream.model.occlusion import Occluder
from bci_stream.model.predictor import Hop, StreamingPredictor
from tests.engine.conftest import NAMES, recorded, specs

N_CHANNELS = len(NAMES)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def make_bundle(tmp_path_factory):
    """A model with random weights, far from where training begins."""

    def make(seed=0, eeg=None, front="learned", **fields):
        torch.manual_seed(seed)
        wanted = {"eeg": {"channels": NAMES, **(eeg or {})}, "architecture": {"eeg_front": front}, **fields}
        contract = Contract.model_validate(wanted)
        network = build_network(contract).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        path = tmp_path_factory.mktemp("bundle") / "random.bci"
        return Bundle(contract, network, make_program(network), "0" * 64, path, rebuilt=True)

    return make


def random_hops(contract, n, seed=0, bad=()):
    """``n`` hops of noise; EEG is missing in those of ``bad``."""
    rng = np.random.default_rng(seed)
    hops = []
    for i in range(n):
        eeg = (20 * rng.normal(size=(contract.eeg_hop, N_CHANNELS))).astype(np.float32)
        audio = (0.1 * rng.normal(size=contract.audio_hop)).astype(np.float32)
        valid = (rng.random(contract.eeg_hop) > 0.05).astype(np.float32)
        hops.append(Hop(None if i in bad else eeg, None if i in bad else valid, audio, None))
    return hops


def seen(bundle, hops):
    """A predictor after ``hops``, and what was kept of them."""
    predictor = StreamingPredictor(bundle)
    lookback = Lookback(predictor)
    for i, hop in enumerate(hops):
        predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        lookback.take(i, hop)
    return predictor, lookback


def log_prob(raw, label):
    return float(np.log(raw.probs[label]))


@pytest.mark.parametrize("hop_s", [0.2, 0.6], ids=["hops fill the window", "a hop overlaps its start"])
@pytest.mark.parametrize("fusion", ["gated", "cross_attention", "late"])
def test_a_drop_is_what_a_predictor_loses_that_never_saw_the_electrode(make_bundle, fusion, hop_s):
    bundle = make_bundle(fusion=fusion, hop_s=hop_s)
    contract = bundle.contract
    hops = random_hops(contract, 60, bad=(50,))
    predictor, lookback = seen(bundle, hops)
    raw = predictor.predict()
    label = int(np.argmax(raw.probs))
    moment = lookback.moment(label, [1.0, 1.0])
    drops = Occluder(bundle, at_once=4).drops(moment)
    n_hidden = contract.n_tokens * round(contract.eeg.sfreq / 5)  # samples of the window
    for electrode in (0, N_CHANNELS - 1):
        blind = StreamingPredictor(bundle)
        left = len(hops) * contract.eeg_hop - n_hidden
        for hop in hops:
            eeg = None if hop.eeg is None else hop.eeg.copy()
            if eeg is not None:
                eeg[max(0, left) :, electrode] = 0.0
            left -= contract.eeg_hop
            blind.push(eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        lost = log_prob(raw, label) - log_prob(blind.predict(), label)
        assert drops[electrode] == pytest.approx(lost, abs=2e-4)
    assert np.abs(drops).max() > 1e-3


def test_the_answer_without_the_voice_is_explained_without_it(make_bundle):
    bundle = make_bundle(fusion="gated")
    _, lookback = seen(bundle, random_hops(bundle.contract, 40))
    occluder = Occluder(bundle)
    both = occluder.drops(lookback.moment(0, [1.0, 1.0]))
    alone = occluder.drops(lookback.moment(0, [1.0, 0.0]))
    assert not np.allclose(both, alone, atol=1e-3)


@pytest.mark.parametrize("normalization", ["none", "running"])
def test_a_band_power_model_owes_nothing_to_an_electrode_it_does_not_read(make_bundle, normalization):
    bundle = make_bundle(front="bandpower", fusion="gated", eeg={"normalization": normalization})
    with torch.no_grad():
        bundle.network.encoders[EEG].project.weight[:, 10:15] = 0.0  # the third electrode's bands
    bundle = Bundle(
        bundle.contract, bundle.network, make_program(bundle.network), "1" * 64, bundle.path, True
    )
    _, lookback = seen(bundle, random_hops(bundle.contract, 40))
    drops = Occluder(bundle, at_once=5).drops(lookback.moment(2, [1.0, 1.0]))
    assert drops[2] == pytest.approx(0.0, abs=1e-5)
    assert np.abs(np.delete(drops, 2)).min() > 1e-4
    assert weights_of(bundle).importance[2] == 0.0


def test_the_mean_of_band_powers_is_that_of_the_session_so_far(make_bundle):
    bundle = make_bundle(front="bandpower", fusion="gated")
    _, lookback = seen(bundle, random_hops(bundle.contract, 40))
    moment = lookback.moment(2, [1.0, 1.0])
    steady = Occluder(bundle)
    first = steady.drops(moment)
    assert np.allclose(steady.drops(moment), first, atol=1e-6)  # the same window again: the same mean
    _, later = seen(
        bundle, [Hop(h.eeg * 5, h.eeg_valid, h.audio, None) for h in random_hops(bundle.contract, 40)]
    )
    steady.drops(later.moment(2, [1.0, 1.0]))
    assert not np.allclose(steady.drops(moment), first, atol=1e-3)


def test_nothing_is_known_before_a_whole_window_or_after_a_jump(make_bundle):
    bundle = make_bundle(fusion="gated")
    hops = random_hops(bundle.contract, 60)
    predictor = StreamingPredictor(bundle)
    lookback = Lookback(predictor)
    found = []
    for i, hop in enumerate(hops):
        predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        lookback.take(i if i < 30 else i + 7, hop)
        found.append(lookback.moment(0, [1.0, 1.0]) is not None)
    assert found == [False] * 25 + [True] * 5 + [False] * 25 + [True] * 5


def test_a_moment_changes_no_more(make_bundle):
    bundle = make_bundle(fusion="gated")
    hops = random_hops(bundle.contract, 40)
    predictor, lookback = seen(bundle, hops)
    moment = lookback.moment(1, [1.0, 1.0])
    before = Occluder(bundle).drops(moment)
    for i, hop in enumerate(random_hops(bundle.contract, 40, seed=9)):
        hop.eeg[:] = 7.0
        predictor.push(hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
        lookback.take(40 + i, hop)
    for hop in hops:
        hop.eeg[:] = np.nan
    assert np.array_equal(Occluder(bundle).drops(moment), before)


# -- through the pipeline ---------------------------------------------------------------------------------


def live(bundle, roles=(EEG, AUDIO)):
    contract = bundle.contract
    bound = {role: spec for role, spec in specs().items() if role in roles}
    return Pipeline(plan_for_contract(bound, contract), window_settings(contract), StreamingPredictor(bundle))


def run(pipeline, explainer, events, roles=(EEG, AUDIO)):
    """Feed events as an engine does; wait for the explainer at work, so that time plays no part."""
    newest = None
    for event in events:
        if event.stream not in roles:
            continue
        for outcome in pipeline.step(event):
            explainer.offer(pipeline, outcome)
            newest = outcome.prediction or newest
            settle(explainer)
    return newest


def settle(explainer, timeout_s=60.0):
    until_s = time.monotonic() + timeout_s
    while explainer._busy.is_set():
        assert time.monotonic() < until_s
        time.sleep(0.001)


@pytest.fixture
def explain():
    """Makes explainers that are closed at the end; their clock does not count their work."""
    made = []

    def make(bundle, **options):
        made.append(Explainer(bundle, clock=lambda: 0.0, **options))
        return made[-1]

    yield make
    for explainer in made:
        explainer.close()
        assert explainer.error is None
        assert explainer._thread is None or not explainer._thread.is_alive()


def test_weights_are_there_before_the_first_sample(make_bundle, explain):
    bundle = make_bundle(fusion="gated")
    found = explain(bundle).weights()
    scale = bundle.network.fusion.scale(0).detach().numpy()
    assert np.array_equal(found.scales["eeg_scale"], scale)
    assert set(found.scales) == {"eeg_scale", "audio_scale"}
    assert found.ch_names == NAMES
    assert found.importance.sum() == pytest.approx(1.0)
    assert np.isfinite(found.places).all()
    assert (found.fusion, found.window_s, found.modalities) == ("gated", 5.0, ("eeg", "audio"))
    assert not len(found.electrodes)
    assert not found.importance.flags.writeable


def test_a_freshly_begun_model_has_changed_nothing(bundle):
    found = weights_of(bundle)  # never trained
    assert all(np.all(scale == 1.0) for scale in found.scales.values())


def test_a_session_is_explained_about_once_a_second(make_bundle, explain):
    bundle = make_bundle(fusion="cross_attention")
    pipeline, explainer = live(bundle), explain(bundle)
    newest = run(pipeline, explainer, recorded(12.0))
    found = explainer.weights()
    assert 5 <= explainer.n_explained <= 8  # a window fills first
    assert found.electrodes.shape == (N_CHANNELS,)
    assert np.isfinite(found.electrodes).all()
    # One is left out where the one before is still being worked out.
    assert newest.t_end - 2.2 <= found.electrodes_t_end <= newest.t_end
    assert found.electrodes_label in newest.classes
    assert np.array_equal(found.attention, pipeline.said.attention)
    assert found.attention.shape == (4, 25, 25)


def test_a_swapped_bundle_is_explained_from_then_on(make_bundle, explain):
    first, second = make_bundle(0, fusion="cross_attention"), make_bundle(1, fusion="concat")
    pipeline, explainer = live(first), explain(first)
    events = recorded(24.0)
    half = len(events) // 2
    run(pipeline, explainer, events[:half])
    before = explainer.weights()
    pipeline.swap(StreamingPredictor(second))
    newest = run(pipeline, explainer, events[half:])
    found = explainer.weights()
    assert found.fusion == "concat"
    assert np.array_equal(found.scales["eeg_scale"], second.network.fusion.scale(0).detach().numpy())
    assert not np.array_equal(found.importance, before.importance)
    assert not found.attention.size
    assert found.electrodes_t_end > newest.t_end - 2.0


def test_an_explanation_of_the_bundle_before_is_dropped(make_bundle, explain):
    first, second = make_bundle(0, fusion="gated"), make_bundle(1, fusion="gated")
    explainer = explain(first)
    explainer._show_bundle(second)
    explainer._update(first, electrodes_label="anger")
    assert explainer.weights().electrodes_label == ""


@pytest.mark.parametrize(
    ("roles", "n_electrodes"), [((EEG,), N_CHANNELS), ((AUDIO,), 0)], ids=["eeg", "audio"]
)
def test_a_model_of_one_modality(make_bundle, explain, roles, n_electrodes):
    bundle = make_bundle(fusion="late", modalities=roles)
    pipeline, explainer = live(bundle, roles), explain(bundle)
    run(pipeline, explainer, recorded(8.0), roles)
    found = explainer.weights()
    assert list(found.scales) == [f"{roles[0]}_scale"]
    assert len(found.ch_names) == len(found.importance) == len(found.electrodes) == n_electrodes
    assert not found.attention.size


def test_without_usable_eeg_there_is_nothing_to_explain(make_bundle, explain):
    bundle = make_bundle(fusion="gated")
    pipeline, explainer = live(bundle), explain(bundle)
    run(pipeline, explainer, recorded(8.0, gap=(0.5, 8.0)))
    assert explainer.n_explained == 0


def test_a_gap_is_bridged(make_bundle, explain):
    bundle = make_bundle(fusion="gated")
    pipeline, explainer = live(bundle), explain(bundle)
    newest = run(pipeline, explainer, recorded(20.0, gap=(8.0, 9.0)))
    assert explainer.weights().electrodes_t_end > newest.t_end - 2.0


def test_work_stops_after_a_moment_and_goes_on_after_the_next_answer(make_bundle):
    bundle = make_bundle(fusion="gated")
    explainer = Explainer(bundle, clock=iter(np.arange(0, 1e6, 0.5)).__next__)  # every piece takes long
    pipeline, working = live(bundle), []
    for event in recorded(9.0):
        for outcome in pipeline.step(event):
            explainer.offer(pipeline, outcome)
            until_s = time.monotonic() + 60
            while explainer._busy.is_set() and explainer._slack.is_set() and time.monotonic() < until_s:
                time.sleep(0.001)
            working.append(explainer._busy.is_set())
    explainer.close()
    assert explainer.n_explained >= 3
    answers_each = np.diff(np.flatnonzero(np.diff(np.array([False, *working], int)) > 0))
    assert set(answers_each.tolist()) == {5}  # once a second, although it takes three answers' moments
    assert 2 * explainer.n_explained <= sum(working) <= 3 * (explainer.n_explained + 1)


def test_closing_in_the_middle_of_the_work_ends_it(make_bundle):
    bundle = make_bundle(fusion="gated")
    explainer = Explainer(bundle)
    pipeline = live(bundle)
    for event in recorded(6.0):
        for outcome in pipeline.step(event):
            explainer.offer(pipeline, outcome)
    explainer.close()
    assert explainer._thread is not None
    assert not explainer._thread.is_alive()
    explainer.close()
