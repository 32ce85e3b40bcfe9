"""Where nobody speaks the EEG answers; live, replayed and in training alike."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset
from bci_stream.model.bundle import Bundle, make_program
from bci_stream.model.contract import Contract
from bci_stream.model.network import build_network
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.training.prepare import Preparer
from bci_stream.training.trials import Trial
from tests.engine.conftest import NAMES, SFREQ, T0, specs
from tests.engine.test_pipeline import recut, run
from tests.voices import noise, vowel

SLOW = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RNG = np.random.default_rng(5)
SPEECH = (3.4, 6.4)  # seconds within TALK
TALK = np.concatenate([noise("pink", 3.4, -55, RNG), vowel(3.0, 0.1), noise("pink", 5.0, -55, RNG)])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As a live session has it; several threads on small hops only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def gated():
    torch.manual_seed(0)
    contract = Contract.model_validate({"eeg": {"channels": NAMES}, "audio": {"voice_gate": True}})
    network = build_network(contract).eval()
    return Bundle(contract, network, make_program(network), "0" * 64, None, rebuilt=True)


def events(audio=TALK, chunk_s=0.1):
    rng = np.random.default_rng(1)
    eeg = (20 * rng.standard_normal((int(len(audio) / 16_000 * SFREQ), len(NAMES)))).astype(np.float32)
    streams = {EEG: (eeg, SFREQ), AUDIO: (audio[:, None], 16_000.0)}
    out = [ClockOffset(role, T0, 0.0) for role in streams]
    for k in range(int(np.ceil(len(audio) / 16_000 / chunk_s))):
        for role, (x, sfreq) in streams.items():
            a, b = (min(round(i * chunk_s * sfreq), len(x)) for i in (k, k + 1))
            out.append(Chunk(role, T0 + np.arange(a, b) / sfreq, x[a:b]))
    return out


def pipeline(bundle, voice_gate=None):
    plans = plan_for_contract(specs(), bundle.contract, voice_gate=voice_gate)
    return Pipeline(plans, window_settings(bundle.contract), StreamingPredictor(bundle))


def answers(pipe, given_events):
    found = [p for event in given_events for p in pipe.feed(event)] + pipe.finish()
    return {round(p.t_end - T0, 3): p for p in found}


def test_without_speech_the_eeg_answers_and_says_so(gated):
    said = answers(pipeline(gated), events())
    quiet, spoken, over = said[3.2], said[6.8], said[11.0]
    assert quiet.stood_on == (EEG,)
    assert {"eeg only", "no speech"} <= set(quiet.tags)
    assert quiet.coverage[AUDIO] == 0.0
    assert spoken.stood_on == (EEG, AUDIO)
    assert "no speech" not in spoken.tags
    assert over.stood_on == (EEG,)
    assert "no speech" in over.tags


def test_the_gate_can_be_left_open_and_is_unless_a_bundle_asks(gated, bundle):
    left_open = answers(pipeline(gated, voice_gate=False), events())
    assert all("no speech" not in p.tags for p in left_open.values())
    assert not bundle.contract.audio.voice_gate
    assert not plan_for_contract(specs(), bundle.contract)[AUDIO].voice_gate
    shut = answers(pipeline(bundle, voice_gate=True), events())
    assert "no speech" in shut[3.2].tags


def test_a_microphone_that_is_gone_is_no_silence(gated):
    only_eeg = [event for event in events() if event.stream == EEG]
    assert all("no speech" not in p.tags for p in answers(pipeline(gated), only_eeg).values())


@SLOW
@given(st.data())
def test_chunking_changes_no_bit(gated, draw):
    given_events = events(TALK[2 * 16_000 : 5 * 16_000])
    assert run(pipeline(gated), given_events) == run(pipeline(gated), recut(given_events, draw))


def test_training_is_fed_the_very_hops_of_a_live_session(gated):
    contract = gated.contract
    given_events = events()
    eeg = np.concatenate([e.data for e in given_events if isinstance(e, Chunk) and e.stream == EEG])
    trial = Trial("p", 0, contract.classes[0], "speaking", eeg, SFREQ, TALK, 16_000.0)
    preparer = Preparer(contract, NAMES)
    preparer.hops(trial)
    preparer.reset()  # what somebody else said leaves nothing
    offline = preparer.hops(trial)
    plans = plan_for_contract(specs(), contract)
    maker = HopMaker(plans, {EEG: contract.eeg_hop, AUDIO: contract.audio_hop})
    pipe, n_speech = Pipeline(plans, window_settings(contract)), 0
    for event in given_events:
        for outcome in pipe.step(event):
            hop = maker.newest(outcome.window)
            k = round((outcome.window.t_end - T0) / contract.hop_s) - 1
            np.testing.assert_array_equal(hop.audio_valid, offline[k].audio_valid)
            np.testing.assert_array_equal(hop.audio, offline[k].audio)
            n_speech += bool(hop.audio_valid.any())
    assert n_speech == pytest.approx((SPEECH[1] - SPEECH[0] + 1.0) / contract.hop_s, abs=2)


def test_a_swapped_model_hears_the_same_speech(gated):
    given_events = events()
    steady, swapped = pipeline(gated), pipeline(gated)
    want, got = answers(steady, given_events), {}
    for i, event in enumerate(given_events):
        if i == len(given_events) // 2:
            swapped.swap(StreamingPredictor(gated))
        got |= {round(p.t_end - T0, 3): p for p in swapped.feed(event)}
    assert len(got) > 45
    for t_end, prediction in got.items():
        assert prediction.stood_on == want[t_end].stood_on
        np.testing.assert_allclose(prediction.logits, want[t_end].logits, atol=1e-5)
