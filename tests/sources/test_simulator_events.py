"""Faults do what was ordered, and no more; the true times are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.errors import ConfigError
from bci_stream.messages import Chunk, ClockOffset, Marker
from bci_stream.sources.simulator import Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events, truth_times
from bci_stream.sources.simulator_faults import (
    RAIL,
    ChannelFault,
    ClockReset,
    Faults,
    Outage,
    StreamFaults,
    Transport,
)

PERSON = SimulatorSettings(seed=1, ch_names=("Fz", "Oz"), audio_sfreq=8_000.0, dwell_s=(1.0, 2.0))


def constant(role, times):
    """Content that costs nothing, for tests of time alone."""
    return np.zeros((len(times), 2 if role == "eeg" else 1), np.float32)


def session(faults=None, duration_s=10.0, chunk_s=0.02, content=constant):
    return list(simulated_events(PERSON, faults, duration_s, chunk_s, content=content))


def of(events, stream, kind=Chunk):
    return [event for event in events if event.stream == stream and isinstance(event, kind)]


def stamps(events, stream):
    return np.concatenate([chunk.timestamps for chunk in of(events, stream)])


def samples(events, stream):
    return np.concatenate([chunk.data for chunk in of(events, stream)])


def test_without_faults_the_events_are_the_persons_signals_on_the_local_clock():
    events = session(content=None)
    eeg, audio = Simulator(PERSON).render(0.0, 10.0)
    np.testing.assert_array_equal(samples(events, "eeg"), eeg)
    np.testing.assert_array_equal(samples(events, "audio")[:, 0], audio)
    np.testing.assert_allclose(stamps(events, "eeg"), T0_S + np.arange(2500) / 250, atol=1e-9)
    np.testing.assert_allclose(stamps(events, "audio"), T0_S + np.arange(80_000) / 8000, atol=1e-9)


def test_markers_name_the_truth_when_it_changes():
    found = [(m.label, m.timestamp) for m in of(session(), "markers", Marker)]
    assert found == [(f"class:{s.label}", T0_S + s.t_start) for s in Simulator(PERSON).truth(10.0)]


def test_the_clock_is_known_before_the_first_sample_and_again_every_few_seconds():
    events = session(Faults(offset_noise_s=0.0), duration_s=30.0)
    for stream in ("eeg", "audio"):
        mine = [event for event in events if event.stream == stream]
        assert isinstance(mine[0], ClockOffset)
        assert mine[0].remote_s < T0_S
        at = [offset.remote_s for offset in of(events, stream, ClockOffset)]
        assert np.all((np.diff(at) >= 2.0) & (np.diff(at) <= 5.0))


def test_arrival_is_in_order_and_never_before_the_sample():
    events = session(Faults(eeg=StreamFaults(burst_n=12)))
    arrivals = [event.arrival_s for event in events if isinstance(event, Chunk)]
    assert arrivals == sorted(arrivals)
    assert all(chunk.timestamps[-1] <= chunk.arrival_s for chunk in of(events, "eeg"))


EVERYTHING = Faults(
    eeg=StreamFaults(
        clock_offset_s=-50.0,
        drift_ppm=80.0,
        rate_ppm=-40.0,
        burst_n=12,
        jitter_s=0.01,
        loss=0.1,
        gaps=(Outage(1.0, 0.3),),
        disconnects=(Outage(2.0, 0.5),),
        clock_resets=(ClockReset(3.0, -7.0),),
        channel_faults=(ChannelFault(0.5, 0.7, 1, "nan"),),
    ),
    audio=StreamFaults(jitter_s=1e-4, loss=0.01),
)


@settings(max_examples=10, deadline=None)
@given(chunk_s=st.floats(0.005, 1.0))
def test_no_chunk_length_changes_a_sample_or_a_stamp(chunk_s):
    one, other = (session(EVERYTHING, 4.0, length_s, content=None) for length_s in (0.02, chunk_s))
    for stream in ("eeg", "audio"):
        np.testing.assert_array_equal(samples(one, stream), samples(other, stream))
        np.testing.assert_array_equal(stamps(one, stream), stamps(other, stream))
        assert of(one, stream, ClockOffset) == of(other, stream, ClockOffset)


def test_there_is_a_true_time_for_every_stamp():
    events, truth = session(EVERYTHING, 4.0), truth_times(PERSON, EVERYTHING, 4.0)
    assert len(stamps(events, "eeg")) == len(truth["eeg"])
    assert len(stamps(events, "audio")) == len(truth["audio"])


def test_content_is_asked_for_at_the_true_times():
    def clock(role, times):
        return np.repeat(times[:, None] - T0_S, 2 if role == "eeg" else 1, axis=1).astype(np.float32)

    events, truth = session(EVERYTHING, 4.0, content=clock), truth_times(PERSON, EVERYTHING, 4.0)
    np.testing.assert_allclose(samples(events, "audio")[:, 0], truth["audio"] - T0_S, atol=1e-5)


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_offsets_follow_a_drifting_clock_and_lead_back_to_the_true_time(ppm):
    faults = Faults(eeg=StreamFaults(clock_offset_s=123.0, drift_ppm=ppm), offset_noise_s=0.0)
    events = session(faults, duration_s=60.0)
    measured = of(events, "eeg", ClockOffset)
    at, offset = np.array([(m.remote_s, m.offset_s) for m in measured]).T
    slope = np.polyfit(at - at[0], offset, 1)[0]
    assert slope == pytest.approx(-ppm * 1e-6, rel=1e-3)
    assert offset[0] == pytest.approx(123.0, abs=1e-3)
    local = stamps(events, "eeg") + np.interp(stamps(events, "eeg"), at, offset)
    inside = stamps(events, "eeg") < at[-1]
    np.testing.assert_allclose(local[inside], truth_times(PERSON, faults, 60.0)["eeg"][inside], atol=1e-6)


def test_offsets_are_as_noisy_as_ordered():
    measured = of(session(Faults(offset_noise_s=1e-3, offset_every_s=(0.01, 0.01))), "eeg", ClockOffset)
    assert np.std([m.offset_s for m in measured]) == pytest.approx(1e-3, rel=0.1)


def test_a_fast_crystal_takes_more_samples_in_the_same_time():
    faults = Faults(eeg=StreamFaults(rate_ppm=10_000.0))
    times = stamps(session(faults), "eeg")
    assert len(times) == 2525
    assert np.diff(times) == pytest.approx(1 / 252.5, abs=1e-9)


def test_jitter_moves_whole_packets_and_is_as_large_as_ordered():
    faults = Faults(eeg=StreamFaults(burst_n=12, jitter_s=0.01))
    error = stamps(session(faults, 60.0), "eeg") - truth_times(PERSON, faults, 60.0)["eeg"]
    packets = error.reshape(-1, 12)
    np.testing.assert_allclose(packets, packets[:, :1].repeat(12, axis=1), atol=1e-9)
    assert packets[:, 0].std() == pytest.approx(0.01, rel=0.1)
    assert packets[:, 0].mean() == pytest.approx(0.0, abs=0.001)


def test_equal_stamps_give_a_packet_the_time_of_its_last_sample():
    faults = Faults(eeg=StreamFaults(burst_n=5, burst_stamps="equal"))
    packets = stamps(session(faults), "eeg").reshape(-1, 5)
    np.testing.assert_allclose(packets[:, 0], T0_S + (np.arange(len(packets)) * 5 + 4) / 250, atol=1e-9)
    assert np.all(packets == packets[:, :1])


@pytest.mark.parametrize("kind", ["gaps", "disconnects"])
def test_a_gap_is_where_and_as_long_as_ordered_and_the_rest_is_untouched(kind):
    faults = Faults(eeg=StreamFaults(**{kind: (Outage(2.0, 0.5), Outage(7.0, 2.0))}))
    events, good = session(faults, content=None), session(content=None)
    times = stamps(events, "eeg") - T0_S
    assert not np.any((times >= 2.0) & (times < 2.5 - 1e-9))
    assert not np.any((times >= 7.0) & (times < 9.0 - 1e-9))
    assert len(times) == 2500 - 125 - 500
    kept = np.isin(stamps(good, "eeg"), stamps(events, "eeg"))
    np.testing.assert_array_equal(samples(good, "eeg")[kept], samples(events, "eeg"))
    np.testing.assert_array_equal(stamps(good, "audio"), stamps(events, "audio"))


def test_a_disconnected_stream_is_not_measured_until_it_is_back():
    faults = Faults(eeg=StreamFaults(disconnects=(Outage(10.0, 20.0),)), offset_noise_s=0.0)
    at = np.array([m.remote_s for m in of(session(faults, 60.0), "eeg", ClockOffset)]) - T0_S
    assert not np.any((at >= 10.0) & (at < 30.0))
    assert np.any(np.abs(at - 30.0) < 1e-9)
    before_return = [e for e in session(faults, 60.0) if e.stream == "eeg"]
    back = next(
        k for k, e in enumerate(before_return) if isinstance(e, Chunk) and e.timestamps[0] > T0_S + 29
    )
    assert isinstance(before_return[back - 1], ClockOffset)


@pytest.mark.parametrize("noticed_after_s", [0.0, 6.0])
def test_a_reset_clock_jumps_and_is_measured_again(noticed_after_s):
    reset = ClockReset(20.0, -500.0, noticed_after_s)
    faults = Faults(eeg=StreamFaults(clock_resets=(reset,)), offset_noise_s=0.0)
    events = session(faults, duration_s=40.0)
    jumps = np.diff(stamps(events, "eeg"))
    assert np.flatnonzero(jumps < 0).tolist() == [20 * 250 - 1]
    assert jumps.min() == pytest.approx(-500.0 + 1 / 250)
    offsets = of(events, "eeg", ClockOffset)
    after = [m for m in offsets if m.offset_s > 1.0]
    assert after[0].remote_s + after[0].offset_s == pytest.approx(T0_S + 20.0 + noticed_after_s)
    assert {round(m.offset_s, 6) for m in offsets} == {0.0, 500.0}


def test_packets_are_lost_whole_and_as_often_as_ordered():
    faults = Faults(eeg=StreamFaults(burst_n=10, loss=0.2), seed=4)
    times = truth_times(PERSON, faults, 100.0)["eeg"]
    indices = np.round((times - T0_S) * 250).astype(int)
    _, n_in_packet = np.unique(indices // 10, return_counts=True)
    assert set(n_in_packet) == {10}
    assert len(n_in_packet) / 2500 == pytest.approx(0.8, abs=0.03)


def test_everything_lost_is_no_chunk_and_no_error():
    events = session(Faults(eeg=StreamFaults(loss=1.0)))
    assert not of(events, "eeg")
    assert of(events, "audio")


@pytest.mark.parametrize(("kind", "value"), [("nan", np.nan), ("flat", 0.0), ("rail", RAIL["eeg"])])
def test_a_faulty_channel_is_faulty_in_its_interval_alone(kind, value):
    fault = ChannelFault(2.0, 3.0, 1, kind)
    good, bad = (
        samples(session(faults, content=None), "eeg")
        for faults in (None, Faults(eeg=StreamFaults(channel_faults=(fault,))))
    )
    np.testing.assert_array_equal(bad[500:750, 1], np.full(250, value, np.float32))
    bad[500:750, 1] = good[500:750, 1]
    np.testing.assert_array_equal(bad, good)


def test_sessions_with_other_fault_seeds_lose_other_packets():
    lossy = Faults(eeg=StreamFaults(loss=0.5))
    one, other = (truth_times(PERSON, replace(lossy, seed=seed), 10.0)["eeg"] for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_nothing_arrives_before_the_first_packet_is_whole():
    transport = Transport("eeg", 100.0, StreamFaults(burst_n=5), t0=10.0)
    assert [len(transport.advance(now)) for now in (9.0, 10.0, 10.039, 10.04, 10.04, 10.2)] == [
        0,
        0,
        0,
        5,
        0,
        15,
    ]


@pytest.mark.parametrize(
    "wrong", [{"burst_n": 0}, {"jitter_s": -1.0}, {"loss": 1.5}, {"gaps": (Outage(1.0, 0.0),)}]
)
def test_faults_without_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match="stream faults"):
        StreamFaults(**wrong)


def test_a_fault_of_a_channel_that_is_not_there_is_refused():
    faults = Faults(eeg=StreamFaults(channel_faults=(ChannelFault(0.0, 1.0, 2, "nan"),)))
    with pytest.raises(ConfigError, match="channel 2 of eeg, which has only 2"):
        session(faults)


def test_a_chunk_length_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="chunk_s"):
        session(chunk_s=0.0)
