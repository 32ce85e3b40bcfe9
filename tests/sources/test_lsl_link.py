import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.errors import StreamFormatError, StreamLostError
from bci_stream.messages import StreamInfo
from bci_stream.sources.lsl_discovery import link_to, list_streams
from bci_stream.sources.lsl_link import MAX_BUFFER_BYTES, buffer_length, check_bounds, sample_bytes
from bci_stream.sources.metadata import NUMPY_FORMATS


def header(n_channels, sfreq, dtype="float32"):
    return StreamInfo("k", "Cap", "EEG", n_channels, sfreq, dtype)


def linked(name):
    (info,) = (each for each in list_streams(0.6) if each.name == name)
    return link_to(info)


@given(
    n_channels=st.integers(1, 1024),
    sfreq=st.one_of(st.just(0.0), st.floats(1e-6, 200_000)),
    dtype=st.sampled_from(sorted(NUMPY_FORMATS)),
)
def test_a_buffer_is_bounded_in_bytes_whatever_the_header_says(n_channels, sfreq, dtype):
    info = header(n_channels, sfreq, dtype)
    try:
        check_bounds(info)
    except StreamFormatError as error:
        assert "MB" in str(error)  # noqa: PT017 - either outcome is lawful
        return
    length = buffer_length(info)
    assert length >= 1
    assert length * (sfreq or 100) * sample_bytes(info) <= MAX_BUFFER_BYTES


@pytest.mark.parametrize(
    ("n_channels", "sfreq"), [(32, 500), (64, 2000), (256, 2000), (1, 48_000), (2, 192_000)]
)
def test_real_devices_fit(n_channels, sfreq):
    info = header(n_channels, float(sfreq))
    check_bounds(info)
    assert buffer_length(info) >= 2


@pytest.mark.parametrize(("n_channels", "sfreq"), [(1024, 20_000), (512, 200_000)])
def test_absurd_rates_are_refused_with_what_they_would_cost(n_channels, sfreq):
    with pytest.raises(StreamFormatError, match=f"{n_channels} channels at {sfreq:g} Hz"):
        check_bounds(header(n_channels, float(sfreq)))


def test_what_came_before_a_loss_is_kept(outlet, wait_until):
    sender = outlet("dying", n_samples=100)
    link = linked("dying")
    link.subscribe()
    pulled = []
    puller = threading.Thread(target=lambda: pulled.append(link.pull(200, 60.0)))
    puller.start()
    wait_until(lambda: np.isfinite(link._stamps[99]))  # it is inside the pull, with half of it
    sender.kill()
    puller.join(30)
    (data, stamps) = pulled[0]
    assert link.lost
    np.testing.assert_array_equal(data[:, 0], np.arange(100))
    np.testing.assert_allclose(stamps, 100 + np.arange(100) / 250)


def test_a_dead_outlet_is_told_and_does_not_hang(outlet):
    sender = outlet("gone")
    link = linked("gone")
    link.subscribe()
    link.measure_offset()
    sender.kill()
    while not link.lost:
        link.pull(100, 1.0)
    with pytest.raises(StreamLostError, match="'gone'"):
        link.measure_offset()


def test_a_clock_measurement_is_told_once(outlet):
    outlet("clock")
    link = linked("clock")
    remote_s, offset_s = link.measure_offset()
    assert abs(offset_s) < 0.05  # one machine, one clock
    assert remote_s > 0
    assert link.measure_offset() is None
