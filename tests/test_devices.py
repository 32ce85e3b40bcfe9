"""Files of device profiles: what is read, what is refused and in which words; and how profiles are chosen."""

import textwrap
import time

import numpy as np
import pytest

from bci_stream.devices import DeviceProfile, builtin_profiles, load_catalogue, match_profile, read_profiles
from bci_stream.devices.catalogue import with_user_profiles
from bci_stream.devices.matching import agreement
from bci_stream.errors import ConfigError
from bci_stream.messages import StreamInfo
from bci_stream.sinks.xdf_headers import as_bound
from bci_stream.sources.binding import bind_eeg
from bci_stream.sources.metadata import parse_stream_info

MINE = """
version: 1
devices:
  my-amp:
    label: my amplifier
    match: {name: "Amp*", channels: 2}
    channels: [Cz, Oz]
    unit: mV
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "devices.yaml"

    def write(text):
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    return tmp_path


def profile(key="p", **fields):
    return DeviceProfile.model_validate({"label": key, **fields}).model_copy(update={"name": key})


def stream(name="Amp", kind="EEG", n_channels=2, sfreq=250.0, dtype="float32", **more):
    return StreamInfo("1", name, kind, n_channels, sfreq, dtype, **more)


# -- the file ---------------------------------------------------------------------------------------------


def test_a_users_file_stands_before_the_built_in_profiles(own_folder, file):
    file(MINE)
    catalogue = load_catalogue()
    assert catalogue.names[0] == "my-amp"
    assert len(catalogue.profiles) == len(builtin_profiles()) + 1
    match = catalogue.match(stream())
    assert match.profile.label == "my amplifier"
    assert match.words == "2 channels, named 'Amp'"


def test_without_a_users_file_there_are_the_built_in_ones(own_folder):
    assert load_catalogue().profiles == builtin_profiles()


BASE = "version: 1\ndevices:\n  a:\n    label: A\n"
BAD = [
    ("", "is empty"),
    ("version: 1\n", "devices: is missing"),
    ("version: 2\ndevices: {}\n", r"line 1: version: 2 is not 1"),
    ("devices: [\n", r"line \d: not readable YAML"),
    (BASE + "    chanels: [Cz]\n", r"line 5: devices\.a\.chanels: unknown key, did you mean 'channels'\?"),
    (
        BASE + "    match: {nam: x}\n",
        r"line 5: devices\.a\.match\.nam: unknown key, did you mean 'name'\?; keys",
    ),
    ("version: 1\ndevises: {}\n", "did you mean 'devices'"),
    (BASE + "    unit: furlong\n", r"line 5: devices\.a\.unit: 'furlong' is not 'uV', 'mV', 'V' or 'nV'"),
    (BASE + "    stamps: utc\n", r"devices\.a\.stamps: 'utc' is not 'lsl' or 'unix'"),
    (BASE + "  a:\n    label: B\n", r"line 5: devices\.a is there twice, first in line 3"),
    (BASE + "    label: B\n", r"line 5: devices\.a\.label is there twice, first in line 4"),
    (BASE + "    channels: [Fz, NO]\n", r"line 5: .*False is no text: put it in quotes"),
    (BASE + "    channels: [Fz, fz]\n", r"channels names fz twice"),
    (BASE + "    channels: [Fz]\n    use: [Cz]\n", r"line 3: devices\.a: use asks for Cz"),
    (BASE + "    clip_uv: [5, -5]\n", "low below high"),
    (BASE + "    clip_uv: [1]\n", r"devices\.a\.clip_uv"),
    (BASE + "    sfreq: -1\n", r"devices\.a\.sfreq\.0: .*greater than or equal to 0, found -1"),
    (BASE + "    sfreq: .nan\n", r"devices\.a\.sfreq\.0"),
    (BASE + "    sfreq: fast\n", r"devices\.a\.sfreq\.0: .*number, found 'fast'"),
    (BASE + "    match: {}\n", "match is empty and would fit every stream"),
    (BASE + "    match: {channels: 0}\n", r"devices\.a\.match\.channels\.0"),
    (BASE + "    match: {channels: 2.5}\n", r"devices\.a\.match\.channels\.0"),
    (BASE + "    verified: 1\n", "say true or false"),
    (BASE + "    unit_overrules: true\n", "needs the unit"),
    (BASE + "    name: b\n", "named by its key"),
    (BASE + "    label: 2026-01-01\n", "there twice"),
    ("version: 1\ndevices:\n  a:\n    label: 2026-01-01\n", r"devices\.a\.label"),
    ("version: 1\ndevices:\n  My Amp:\n    label: A\n", r"line 3: the name 'My Amp' is not of small letters"),
    ("version: 1\ndevices:\n  none:\n    label: A\n", "'none'"),
    ("version: 1\ndevices:\n  1:\n    label: A\n", "a key must be text; put it in quotes"),
    ("version: 1\ndevices:\n  ? [a, b]\n  : {label: A}\n", "a key must be text"),
    ("version: 1\ndevices:\n  a: &x {label: A}\n", r"line 3: anchors \(&\) and aliases"),
    ("version: 1\ndevices:\n  a: *x\n", "anchors"),
    (
        "version: 1\ndevices:\n  a: !!python/object/apply:os.system ['true']\n",
        "the tag .*os.system is not read",
    ),
    ("version: 1\ndevices:\n  a: {label: !!str A}\n", "the tag"),
    ("version: 1\ndevices: {}\n---\nversion: 1\n", "more than one document"),
    ("- 1\n", "line 1: the file: "),
    ("just text\n", "the file: "),
    ("version: 1\ndevices: " + "[" * 200 + "]" * 200, "levels: no file of settings has that"),
    ("version: 1\ndevices: [" + "1," * 60_000 + "]", "50000 values"),
    ("x" * 1_000_001, "has 1000001 bytes"),
    ("version: 1\ndevices:\n  a: {label: '\x07'}\n", "not readable YAML"),
    ("version: 1" + "0" * 5000 + "\ndevices: {}\n", "not readable YAML|version"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, text, words):
    path = tmp_path / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words) as caught:
        read_profiles(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    assert len(line) < 700


def test_a_billion_laughs_are_refused_at_once(file):
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    began_s = time.monotonic()
    with pytest.raises(ConfigError, match="anchors"):
        read_profiles(file(laughs))
    assert time.monotonic() - began_s < 30


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read \(No such file"):
        read_profiles(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_profiles(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"label: \xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_profiles(tmp_path / "latin.yaml")


def test_a_built_in_name_is_taken_only_where_it_is_said(file):
    text = "version: 1\ndevices:\n  muse-lsl:\n    label: mine\n"
    with pytest.raises(
        ConfigError, match=r"line 3: devices\.muse-lsl is a built-in device too: rename it, or say"
    ):
        with_user_profiles(builtin_profiles(), file(text))
    profiles = with_user_profiles(builtin_profiles(), file(text + "    replace: true\n"))
    assert [p.label for p in profiles if p.name == "muse-lsl"] == ["mine"]
    with pytest.raises(ConfigError, match=r"replaces no built-in device, did you mean 'muse-lsl'"):
        with_user_profiles(
            builtin_profiles(), file("version: 1\ndevices: {muse-lsk: {label: x, replace: true}}\n")
        )


def test_an_unknown_device_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no device 'muse-lls', did you mean 'muse-lsl'"):
        load_catalogue("muse-lls")
    with pytest.raises(ConfigError, match="is no EEG device"):
        load_catalogue("audiocapture")
    assert load_catalogue("None").profiles == ()
    assert load_catalogue("Muse_LSL").forced.name == "muse-lsl"


def test_every_built_in_profile_is_sound():
    for each in builtin_profiles():
        assert each.label
        assert each.role != "eeg" or each.unit or each.note, each.name
        assert len(set(each.channels)) == len(each.channels)


# -- matching ---------------------------------------------------------------------------------------------


def test_the_most_specific_profile_wins_whatever_the_order():
    wide = profile("wide", match={"type": "EEG"})
    pattern = profile("pattern", match={"type": "EEG", "name": "A*"})
    exact = profile("exact", match={"type": "EEG", "name": "amp"})
    for order in ([wide, pattern, exact], [exact, pattern, wide]):
        assert match_profile(stream(), order).profile is exact
        assert match_profile(stream("Aha"), order).profile is pattern
        assert match_profile(stream("B"), order).profile is wide
        assert match_profile(stream("B", kind="ACC"), order) is None


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"name": ["x", "AM?"]}, True),
        ({"type": "eeg"}, True),
        ({"source_id": "id-*"}, True),
        ({"source_id": "*"}, True),
        ({"source_id": "other"}, False),
        ({"channels": [1, 2]}, True),
        ({"channels": 3}, False),
        ({"sfreq": 250}, True),
        ({"sfreq": 0}, False),
        ({"format": ["int16", "float32"]}, True),
        ({"format": "int16"}, False),
        ({"labels": ["fz", "c*"]}, True),
        ({"labels": ["Fz", "Oz"]}, False),
        ({"described": True}, True),
        ({"described": False}, False),
        ({"desc": {"manufacturer": "ACME"}}, True),
        ({"desc": {"channels/channel/label": "fz"}}, True),
        ({"desc": {"manufacturer": "other"}}, False),
        ({"desc": {"nothing": "*"}}, False),
        ({"name": "Amp", "channels": 3}, False),
    ],
)
def test_all_of_a_rule_must_agree(rule, fits):
    channels = "<channels><channel><label>Fz</label></channel></channels>"
    xml = f"<info><desc><manufacturer>Acme</manufacturer>{channels}</desc></info>"
    info = stream(source_id="id-7", ch_names=("Fz", "Cz"), xml=xml)
    found = agreement(info, profile(match=rule))
    assert (found is not None) == fits
    if found is not None:
        assert found.reasons
        assert found.score > 0


def test_a_header_nested_as_deep_as_it_is_long_is_no_trouble():
    xml = f"<info><desc>{'<a>' * 50_000}x{'</a>' * 50_000}<b>y</b></desc></info>"
    assert agreement(stream(xml=xml), profile(match={"desc": {"b": "y"}})) is not None


def test_text_streams_and_what_we_recorded_bound_are_of_no_device():
    rule = profile(match={"name": "Amp"})
    assert agreement(stream(dtype="string"), rule) is None
    binding = bind_eeg(stream(ch_names=("Fz", "Cz")))
    recorded = parse_stream_info(as_bound(binding.info, binding.spec).xml, key="1")
    assert recorded.name == "Amp"
    assert agreement(recorded, rule) is None


# -- what a profile does to a binding -----------------------------------------------------------------------


def bound(info, **fields):
    return bind_eeg(info, match=agreement(info, profile(match={"name": "*"}, **fields)))


def test_electrode_names_of_the_header_stand_against_the_profiles():
    info = stream(ch_names=("Fz", "T3"))
    assert bound(info, channels=["Cz", "Oz"]).ch_names == ("Fz", "T7")


@pytest.mark.parametrize("labels", [(), ("1", "2"), ("EEG", "EEG"), ("Cz", "Cz")])
def test_missing_numbered_and_doubled_names_are_the_profiles(labels):
    binding = bound(stream(ch_names=labels), channels=["T5", "Oz"])
    assert binding.ch_names == ("P7", "Oz")
    assert any("as p usually is" in note and "--channels" in note for note in binding.notes)


def test_columns_that_the_profile_does_not_know():
    assert bound(stream(n_channels=3), channels=["Cz", "Oz"]).ch_names == ("ch1", "ch2", "ch3")
    more = bound(stream(n_channels=3), channels=["Cz", "Oz"], extra_columns=True)
    assert more.ch_names == ("Cz", "Oz")
    assert any("left out, no EEG: extra1" in note for note in more.notes)
    assert bound(stream(n_channels=1), channels=["Cz", "Oz"]).ch_names == ("Cz",)


def test_drop_and_use():
    info = stream(n_channels=3, ch_names=("Fz", "Link Quality", "Cz"))
    assert bound(info, drop=["link*"]).ch_names == ("Fz", "Cz")
    assert bound(info, use=["Cz", "Oz", "Fz"]).ch_names == ("Cz", "Fz")


@pytest.mark.parametrize(
    ("units", "fields", "scale", "words"),
    [
        ((), {"unit": "nV"}, 1e-3, "stream declares no unit: taken as nV, as p sends"),
        (("mV", "mV"), {"unit": "nV"}, 1e3, ""),
        (("mV", "mV"), {"unit": "nV", "unit_overrules": True}, 1e-3, "the header's unit is not believed"),
        (("furlong",) * 2, {"unit": "nV"}, 1e-3, "declares the unit furlong: taken as nV"),
        ((), {}, 1.0, "stream declares no unit: taken as µV"),
    ],
)
def test_whose_unit_holds(units, fields, scale, words):
    binding = bound(stream(ch_names=("Fz", "Cz"), ch_units=units), **fields)
    assert binding.scale.tolist() == [scale] * 2
    assert words in "; ".join(binding.notes)
    assert (words == "") == (len(binding.notes) == 1)


def test_counts_without_a_factor_are_not_called_the_profiles_unit():
    info = stream(dtype="int16", ch_names=("Fz", "Cz"), ch_units=("INT_16",) * 2)
    binding = bound(info, unit="uV", scale_tags=["scalingfactor"])
    assert binding.notes[-1] == "stream declares the unit INT_16: raw int16 counts taken as µV"


def test_an_average_is_subtracted_of_the_columns_that_are_numbers():
    binding = bound(
        stream(n_channels=3, ch_names=("Fz", "Cz", "Oz"), ch_units=("uV",) * 3), rereference="average"
    )
    raw = np.array([[1.0, 2.0, 6.0], [np.nan, 1.0, 3.0]])
    np.testing.assert_array_equal(binding.convert(raw), [[-2, -1, 3], [np.nan, -1, 1]])
    np.testing.assert_array_equal(
        np.concatenate([binding.convert(raw[:1]), binding.convert(raw[1:])]), binding.convert(raw)
    )
    assert any("mean of its 3 electrodes" in note for note in binding.notes)


def test_rails_are_known_in_microvolts_only_and_survive_a_recording():
    info = stream(ch_names=("Fz", "Cz"), ch_units=("uV",) * 2)
    binding = bound(info, clip_uv=[-1000, 999.5])
    low, high = binding.spec.rail_uv
    assert -1000 < low < -999.7
    assert 999.2 < high < 999.5
    recorded = parse_stream_info(as_bound(info, binding.spec).xml, key="1")
    assert bind_eeg(recorded).spec == binding.spec
    in_volts = stream(ch_names=("Fz", "Cz"), ch_units=("V",) * 2)
    assert bound(in_volts, clip_uv=[-1000, 999.5]).spec.rail_uv is None
    assert bind_eeg(info).spec.rail_uv is None


def test_a_value_at_a_known_rail_is_marked_at_once():
    from bci_stream.engine.plan import plan_without_model
    from bci_stream.engine.track import StreamTrack
    from bci_stream.messages import EEG, Chunk, ClockOffset, Flag

    binding = bound(stream(ch_names=("Fz", "Cz"), ch_units=("uV",) * 2), clip_uv=[-1000, 999.5])
    track = StreamTrack(plan_without_model({EEG: binding.spec})[EEG], 10.0)
    track.add_offset(ClockOffset(EEG, 0.0, 0.0))
    rng = np.random.default_rng(1)
    data = rng.normal(0, 10, (500, 2)).astype(np.float32)
    data[250, 0] = 999.5
    track.feed(Chunk(EEG, np.arange(500) / 250, data))
    track.finish()
    track.grid.advance(2**40)
    first = round(track.grid.start_s * 250)
    _, _, marks = track.grid.view(first, track.grid.end)
    assert np.any(marks[:, 0] & Flag.RAIL)
    assert not np.any(marks[:, 1] & Flag.RAIL)


def test_a_profile_that_was_not_verified_says_so():
    assert "not verified" in bound(stream(ch_names=("Fz", "Cz"))).notes[0]
    assert "not verified" not in bound(stream(ch_names=("Fz", "Cz")), verified=True).notes[0]
    noted = bound(
        stream(ch_names=("Fz", "Cz")), verified=True, note="mind the gap", reference="Pz", sfreq=100
    )
    assert noted.notes[0].endswith(": reference Pz; mind the gap; it declares 250 Hz, the device has 100 Hz")
