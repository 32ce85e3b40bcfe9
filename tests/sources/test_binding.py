from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_stream.errors import AmbiguousStreamError, ConfigError, StreamFormatError, StreamNotFoundError
from bci_stream.messages import AUDIO, EEG, StreamInfo, StreamSpec
from bci_stream.sources.binding import MARKERS, bind_audio, bind_eeg, find_stream
from bci_stream.sources.selection import looks_like_audio, looks_like_eeg, looks_like_markers


def stream(name="Amp", kind="EEG", n_channels=4, sfreq=250.0, dtype="float32", key="1", **more):
    return StreamInfo(key, name, kind, n_channels, sfreq, dtype, **more)


MUSE = [
    stream("Muse", "ACC", 3, 52, key="3", source_id="m", ch_names=("ACCX", "ACCY", "ACCZ")),
    stream("Muse", "GYRO", 3, 52, key="2", source_id="m", ch_names=("GYRX", "GYRY", "GYRZ")),
    stream("Muse", "PPG", 3, 64, key="4", source_id="m"),
    stream(
        "Muse", "EEG", 5, 256, key="1", source_id="m", ch_names=("TP9", "AF7", "AF8", "TP10", "Right AUX")
    ),
]
MIC = stream("Mic", "Audio", 1, 16000, "int16", key="5", hostname="laptop")
CUES = stream("Cues", "Markers", 1, 0, "string", key="6")


@pytest.mark.parametrize(
    "info",
    [
        stream(kind="EEG"),
        stream(kind="eeg", dtype="double64"),
        stream(kind="ExG"),
        stream(kind="signal"),
        stream(kind="Data", ch_names=("Fz", "C3", "CNT", "BAT")),
        stream(kind="Signal", ch_names=("Fz", "C3", "Cz", "C4")),
    ],
)
def test_what_looks_like_eeg(info):
    assert looks_like_eeg(info)


@pytest.mark.parametrize(
    "info",
    [
        stream(dtype="string"),
        stream(kind="Data"),
        stream(kind="ACC"),
        stream(kind="Signal", n_channels=2, ch_names=("ACC_X", "ACC_Y")),
        stream(kind="EEG", n_channels=2, ch_names=("Counter", "TRG")),
        stream(kind="data", n_channels=1, ch_names=("counter",)),
        MIC,
        CUES,
    ],
)
def test_what_does_not_look_like_eeg(info):
    assert not looks_like_eeg(info)


def test_audio_and_markers_are_told_by_type():
    assert looks_like_audio(MIC)
    assert not looks_like_audio(stream())
    assert looks_like_markers(CUES)
    assert looks_like_markers(stream("Unity", "LSL_Marker_Strings", 1, 0, "string"))
    assert looks_like_markers(stream("Trig", "Event", 1, 0, "int32"))
    assert not looks_like_markers(MIC)


def test_a_role_finds_its_only_stream():
    assert find_stream([*MUSE, MIC, CUES], EEG).key == "1"
    assert find_stream([*MUSE, MIC, CUES], AUDIO) is MIC
    assert find_stream([*MUSE, MIC, CUES], MARKERS) is CUES


@pytest.mark.parametrize(
    "query", ["Muse", "muse", "m", "EEG", "eeg", "1", "name=Muse,type=eeg", "source_id=m,type=EEG"]
)
def test_a_query_prefers_what_looks_like_the_role(query):
    assert find_stream([*MUSE, MIC, CUES], EEG, query).key == "1"


def test_a_query_may_name_a_stream_that_does_not_look_like_the_role():
    odd = stream("Odd", "Gaze", key="8")
    assert find_stream([odd, MIC], EEG, "Odd") is odd
    assert find_stream([odd, MIC], AUDIO, "hostname=laptop") is MIC


def test_a_name_with_an_equals_sign_is_a_name_first():
    odd = stream("gain=24", key="8")
    assert find_stream([odd, *MUSE], EEG, "gain=24") is odd


def test_nothing_found_lists_what_is_there():
    with pytest.raises(StreamNotFoundError, match=r"no audio stream; found 'Muse' \(ACC, 3 ch, 52 Hz"):
        find_stream(MUSE, AUDIO)
    with pytest.raises(StreamNotFoundError, match="no eeg stream matching 'Cyton'; found 'Muse'"):
        find_stream(MUSE, EEG, "Cyton")
    with pytest.raises(StreamNotFoundError, match="no stream at all"):
        find_stream([], EEG)


def test_several_found_are_listed_with_how_to_choose():
    twins = [stream(key="1", source_id="a"), stream(key="2", source_id="b")]
    with pytest.raises(
        AmbiguousStreamError, match=r"2 streams fit .*source_id=a.*source_id=b.*choose one by"
    ):
        find_stream(twins, EEG)
    with pytest.raises(AmbiguousStreamError):
        find_stream(twins, EEG, "Amp")
    assert find_stream(twins, EEG, "source_id=b").key == "2"


@pytest.mark.parametrize("query", ["colour=red", "name=Muse,", "name=Muse,EEG"])
def test_a_query_that_makes_no_sense_is_refused(query):
    with pytest.raises(ConfigError, match="stream query"):
        find_stream(MUSE, EEG, query)


def test_a_role_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="no stream role 'ecg'"):
        find_stream(MUSE, "ecg")


def test_eeg_parks_the_aux_input_and_says_so():
    binding = bind_eeg(MUSE[3])
    assert binding.spec == StreamSpec(EEG, ("TP9", "AF7", "AF8", "TP10"), 256)
    assert "left out, no EEG: Right AUX" in binding.notes
    assert "stream declares no unit: taken as µV" in binding.notes


def test_eeg_in_volts_becomes_microvolts():
    info = stream(dtype="double64", n_channels=2, ch_names=("EEG FP1-REF", "T3"), ch_units=("0", "mV"))
    binding = bind_eeg(info)
    raw = np.array([[1e-5, 0.02], [-2e-5, 1.0]])
    kept = raw.copy()
    data = binding.convert(raw)
    np.testing.assert_array_equal(data, np.array([[10, 20], [-20, 1000]], dtype=np.float32))
    np.testing.assert_array_equal(raw, kept)
    assert binding.ch_names == ("Fp1", "T7")
    assert data.dtype == np.float32
    assert data.flags.c_contiguous
    assert binding.notes == ()


def test_a_given_unit_wins_over_the_header():
    info = stream(n_channels=1, ch_names=("Cz",), ch_units=("microvolts",))
    assert bind_eeg(info, unit="V").scale.tolist() == [1e6]
    with pytest.raises(ConfigError, match="unknown unit 'furlong'"):
        bind_eeg(info, unit="furlong")


def test_raw_counts_and_odd_units_are_noted():
    raw = stream(dtype="int16", n_channels=1, ch_names=("Cz",), ch_units=("INT_16",))
    odd = stream(n_channels=1, ch_names=("Cz",), ch_units=("furlong",))
    assert bind_eeg(raw).notes == ("stream declares the unit INT_16: raw int16 counts taken as µV",)
    assert bind_eeg(odd).notes == ("stream declares the unit furlong: taken as µV",)


def test_unlabelled_channels_are_numbered_or_named_in_order():
    assert bind_eeg(stream()).ch_names == ("ch1", "ch2", "ch3", "ch4")
    assert bind_eeg(stream(), channels=["FP1", "t5", "Aux", "Oz"]).ch_names == ("Fp1", "P7", "Oz")
    with pytest.raises(ConfigError, match="2 channel names were given, stream 'Amp' has 4 channels"):
        bind_eeg(stream(), channels=["Fp1", "Fp2"])
    with pytest.raises(ConfigError, match="given twice: T7"):
        bind_eeg(stream(), channels=["T3", "T7", "C3", "C4"])


def test_one_label_for_all_channels_is_no_label():
    binding = bind_eeg(stream(n_channels=2, ch_names=("EEG", "EEG")))
    assert binding.ch_names == ("ch1", "ch2")
    assert any("one name to several" in note for note in binding.notes)


def test_picks_come_in_the_order_asked_for():
    info = stream(n_channels=3, ch_names=("Fp1", "AUX", "Cz"), ch_units=("uV",) * 3)
    binding = bind_eeg(info, pick=["CZ", "AUX"])
    assert binding.ch_names == ("Cz", "AUX")
    np.testing.assert_array_equal(binding.convert(np.array([[1.0, 2.0, 3.0]])), [[3.0, 2.0]])
    with pytest.raises(StreamFormatError, match="has no channel Oz; it has Fp1, AUX, Cz"):
        bind_eeg(info, pick=["Oz"])


@pytest.mark.parametrize("bind", [bind_eeg, bind_audio])
def test_strings_and_missing_rates_are_refused(bind):
    with pytest.raises(StreamFormatError, match="carries strings"):
        bind(CUES)
    with pytest.raises(StreamFormatError, match="declares no sampling rate"):
        bind(stream(sfreq=0.0))
    assert bind(stream(sfreq=0.0), sfreq=185.9).spec.sfreq == 185.9


def test_a_stream_of_counters_has_no_eeg():
    with pytest.raises(StreamFormatError, match="no EEG-like channels, only Counter, TRG"):
        bind_eeg(stream(n_channels=2, ch_names=("Counter", "TRG")))


@pytest.mark.parametrize(("dtype", "low"), [("int8", -(2**7)), ("int16", -(2**15)), ("int32", -(2**31))])
def test_integer_audio_is_scaled_by_its_full_scale(dtype, low):
    binding = bind_audio(stream("Mic", "Audio", 1, 16000, dtype))
    raw = np.array([[low], [0], [-(low + 1)]], dtype=dtype)
    data = binding.convert(raw)
    assert data.shape == (3, 1)
    assert data[0, 0] == -1.0
    assert data[1, 0] == 0.0
    assert 0.99 < data[2, 0] <= 1.0


def test_stereo_is_averaged_and_floats_stay():
    binding = bind_audio(stream("Mic", "Audio", 2, 48000, "float32"))
    np.testing.assert_array_equal(binding.convert(np.array([[0.5, -0.25]], np.float32)), [[0.125]])
    assert binding.spec == StreamSpec(AUDIO, ("audio",), 48000)
    assert binding.notes == ("2 audio channels are averaged into one",)


def test_samples_of_another_width_are_refused():
    with pytest.raises(StreamFormatError, match=r"delivers samples of shape \(1, 3\)"):
        bind_eeg(stream()).convert(np.zeros((1, 3)))


def test_values_beyond_float32_become_infinite_without_a_warning():
    binding = bind_eeg(stream(dtype="double64", n_channels=1, ch_units=("V",)))
    assert np.isinf(binding.convert(np.array([[1e300], [-1e300]]))).all()


@given(st.lists(st.integers(0, 40), max_size=6), st.sampled_from(["eeg", "audio"]))
def test_any_chunking_converts_to_the_same_bits(cuts, role):
    info = stream(n_channels=11, dtype="int32", ch_units=("nV",) * 11)
    binding = bind_eeg(info) if role == "eeg" else bind_audio(info)
    raw = np.random.default_rng(3).integers(-(2**31), 2**31, (40, 11)).astype(np.int32)
    edges = [0, *sorted(cuts), 40]
    parts = [binding.convert(raw[a:b]) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), binding.convert(raw))
