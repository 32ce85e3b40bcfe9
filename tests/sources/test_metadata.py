import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdf_bytes import channels_xml, header_xml

from bci_stream.errors import StreamFormatError
from bci_stream.sources.metadata import (
    is_electrode,
    is_parked,
    normalise_label,
    parse_stream_info,
    unit_to_uv,
)


def test_a_full_header_is_read_field_by_field():
    xml = header_xml(
        "Cap",
        "EEG",
        2,
        250.5,
        "int16",
        channels_xml(["Fp1", "Fp2"], "microvolts", "EEG"),
        source_id="cap-1",
        hostname="lab",
        uid="u-1",
    )
    info = parse_stream_info(xml.encode(), "7")
    assert (info.key, info.name, info.type, info.n_channels, info.sfreq) == ("7", "Cap", "EEG", 2, 250.5)
    assert (info.dtype, info.source_id, info.hostname, info.uid) == ("int16", "cap-1", "lab", "u-1")
    assert info.ch_names == ("Fp1", "Fp2")
    assert info.ch_units == ("microvolts",) * 2
    assert info.ch_types == ("EEG", "EEG")
    assert info.xml == xml


def test_a_bare_header_has_no_channel_words():
    info = parse_stream_info(header_xml(desc=""), "1")
    assert (info.ch_names, info.ch_units, info.ch_types, info.source_id) == ((), (), (), "")


def test_labels_may_be_called_name_and_lie_directly_under_desc():
    mentalab = parse_stream_info(header_xml(desc=channels_xml(["ch1", "ch2"], tag="name")), "1")
    nic2 = parse_stream_info(
        header_xml(desc="<channel><name>C3</name></channel><channel><name>C4</name></channel>"), "1"
    )
    assert mentalab.ch_names == ("ch1", "ch2")
    assert nic2.ch_names == ("C3", "C4")


def test_a_channel_list_of_another_length_is_not_trusted():
    info = parse_stream_info(header_xml(n_channels=3, desc=channels_xml(["A", "B"])), "1")
    assert info.ch_names == ()


@pytest.mark.parametrize(
    "xml",
    [
        header_xml(n_channels=0),
        header_xml(n_channels=1025),
        header_xml(n_channels=-1),
        header_xml(sfreq=-1),
        header_xml(sfreq=float("nan")),
        header_xml(sfreq=float("inf")),
        header_xml(sfreq=200_001),
        header_xml(dtype="float3z"),
        header_xml().replace("<channel_count>2</channel_count>", ""),
    ],
)
def test_an_impossible_header_is_refused_by_the_streams_name(xml):
    with pytest.raises(StreamFormatError, match=r"stream 'Amp': its header says"):
        parse_stream_info(xml, "9")


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<info>",
        b"\xff\xfe\x00\x00",
        "<info>" + "<c/>" * 300_000 + "</info>",
        '<!DOCTYPE x [<!ENTITY a "b">]>' + "<info>&a;</info>",
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY a "b">]><info/>').encode("utf-16"),
        "<c>" * 5000 + "</c>" * 5000,
    ],
)
def test_what_is_no_header_is_refused_by_the_streams_key(xml):
    with pytest.raises(StreamFormatError, match="stream '9'"):
        parse_stream_info(xml, "9")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_header_or_a_format_error(noise):
    with contextlib.suppress(StreamFormatError):
        parse_stream_info(noise, "x")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("V", 1e6),
        ("volts", 1e6),
        ("mV", 1e3),
        ("Millivolts", 1e3),
        ("\N{MICRO SIGN}V", 1.0),
        ("\N{GREEK SMALL LETTER MU}V", 1.0),
        ("uV", 1.0),
        ("microvolts", 1.0),
        (" Microvolt ", 1.0),
        ("nV", 1e-3),
        ("0", 1e6),
        ("-3", 1e3),
        ("-6", 1.0),
        ("-9", 1e-3),
    ],
)
def test_units_that_devices_write(unit, factor):
    assert unit_to_uv(unit) == factor


@pytest.mark.parametrize("unit", ["", "INT_16", "pcm", "g", "a.u.", "MV", "1.5", "code"])
def test_no_voltage_is_no_factor(unit):
    assert unit_to_uv(unit) is None


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("FP1", "Fp1"),
        ("fpz", "Fpz"),
        ("EEG Fp1-REF", "Fp1"),
        ("EEG_TP9", "TP9"),
        ("Fp2 - Pz", "Fp2"),
        ("O1-Ref", "O1"),
        ("AFZ", "AFz"),
        ("Fc5.", "FC5"),
        ("tp10", "TP10"),
        ("T3", "T7"),
        ("t4", "T8"),
        ("T5", "P7"),
        ("EEG T6-LE", "P8"),
        ("AFF5H", "AFF5h"),
        ("PO9", "PO9"),
        ("Ch0", "Ch0"),
        ("S2", "S2"),
        ("C3-C4", "C3-C4"),
    ],
)
def test_labels_as_the_10_05_system_writes_them(label, name):
    assert normalise_label(label) == name
    assert normalise_label(name) == name


def test_electrodes_are_told_from_other_labels():
    assert all(map(is_electrode, ["Fp1", "EEG CZ", "T3", "M1", "POz"]))
    assert not any(map(is_electrode, ["ch1", "ACC_X", "", "TRG", "Fp11", "X1"]))


@pytest.mark.parametrize(
    "label",
    [
        *(
            "Timestamp",
            "Counter",
            "Interpolate",
            "HardwareMarker",
            "Markers",
            "Trigger",
            "DeviceTrigger",
            "STETriggerIn",
            "STESync",
        ),
        *("TRG", "triggerStream", "SampleCounter", "MkIdx", "ACC_X", "ACCX", "GYR_Y", "Gyro1", "MAG_Z"),
        *("BAT", "VALID", "CNT", "AUX", "AUX_1", "AUX_RIGHT", "EEG_AUX", "STATUS", "PPG1"),
        *("ECG", "HEOG", "Right AUX", "Validation Indicator"),
    ],
)
def test_columns_that_are_no_electrodes_are_parked(label):
    assert is_parked(label)


@pytest.mark.parametrize("label", ["Fp1", "Cz", "A1", "ch1", "S2", "P10", "TP9", "F5", "M2", ""])
def test_electrodes_and_unknown_names_are_not_parked(label):
    assert not is_parked(label)
    assert not is_parked(label, "EEG")


@pytest.mark.parametrize("kind", ["AUX", "accelerometer", "Trigger", "misc", "EOG"])
def test_a_channel_type_parks_whatever_the_label(kind):
    assert is_parked("Fp1", kind)


def test_what_would_steer_a_terminal_is_not_shown():
    xml = (
        "<info><name>a\u009b31mred\u202eleft\nx\u00a0y</name><type>EEG</type><channel_count>1</channel_count>"
        "<nominal_srate>100</nominal_srate><channel_format>float32</channel_format></info>"
    )
    assert parse_stream_info(xml, "k").name == "a\ufffd31mred\ufffdleft x y"
