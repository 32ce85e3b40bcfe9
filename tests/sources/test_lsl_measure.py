import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.errors import StreamFormatError, StreamNotFoundError
from bci_stream.messages import StreamInfo
from bci_stream.sources.lsl_discovery import link_to, list_streams
from bci_stream.sources.lsl_measure import describe_samples, measure_stream, rate_of, usual_rate


def header(n_channels, dtype="float32", units=()):
    return StreamInfo("k", "Cap", "EEG", n_channels, 0.0, dtype, ch_units=units)


@given(rate=st.floats(5.0, 50_000.0), start=st.floats(-1e6, 1e6))
def test_an_even_stream_has_its_rate_and_no_jitter(rate, start):
    sfreq, jitter_ms = rate_of(start + np.arange(200) / rate)
    assert sfreq == pytest.approx(rate, rel=1e-3)
    assert jitter_ms < 1e-3


def test_packets_stamped_at_arrival_still_have_their_rate():
    stamps = np.repeat(np.arange(40) * 12 / 250, 12)
    sfreq, jitter_ms = rate_of(stamps)
    assert sfreq == pytest.approx(250, rel=0.005)
    assert jitter_ms == pytest.approx(48 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize(
    "stamps", [np.empty(0), np.arange(5.0), np.full(100, 7.0), np.arange(100.0)[::-1], np.full(100, np.nan)]
)
def test_no_rate_where_the_stamps_do_not_tell(stamps):
    assert rate_of(stamps) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("measured", "usual"), [(249.3, 250), (255.1, 256), (127.2, 128), (47_950, 48_000), (137.23, 137.2)]
)
def test_a_measured_rate_is_read_as_the_maker_wrote_it(measured, usual):
    assert usual_rate(measured) == usual


def test_flat_and_broken_channels_are_told():
    data = np.zeros((500, 4))
    data[:, 0] = 3 * np.sin(np.arange(500))
    data[:, 1] = 1000.0
    data[:, 2] = np.sin(np.arange(500)) + 1e4
    data[7, 3] = np.nan
    seen = describe_samples(header(4, units=("uV", "uV", "uV", "")), data, np.arange(500) / 250)
    assert seen.flat == (False, True, False, True)
    assert seen.rms[0] == pytest.approx(3 / np.sqrt(2), rel=0.01)
    assert seen.rms[2] == pytest.approx(1 / np.sqrt(2), rel=0.01)
    assert (seen.unit, seen.n_samples, seen.regular) == ("uV", 500, True)


def test_a_silent_stream_is_neither_regular_nor_a_fault():
    seen = describe_samples(header(2), np.empty((0, 2)), np.empty(0))
    assert (seen.n_samples, seen.sfreq, seen.regular, seen.flat) == (0, 0.0, False, (True, True))


def test_a_listed_stream_can_be_measured(outlet):
    outlet("measured", rate=250.0)
    (info,) = (each for each in list_streams(0.6) if each.name == "measured")
    seen = measure_stream(info, 1.0)
    assert seen.sfreq == pytest.approx(250, rel=1e-4)
    assert seen.jitter_ms < 0.01
    assert seen.flat == (False,) + (True,) * 7
    assert seen.unit == "microvolts"


def test_strings_have_no_rate():
    with pytest.raises(StreamFormatError, match="strings"):
        measure_stream(header(1, "string"))


def test_a_stream_that_is_gone_is_named(lsl_isolation):
    with pytest.raises(StreamNotFoundError, match="'Cap'"):
        link_to(header(1), timeout_s=0.2)
