"""Speech is told from silence and from noise, causally, however the signal is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.dsp.voice import VoiceActivity, VoiceSettings
from bci_stream.errors import ConfigError
from tests.laws import assert_same_bits, cuts, joined
from tests.speech import needs_speech, talk
from tests.voices import SFREQ, noise, vowel

RNG = np.random.default_rng(3)
MIXED = np.concatenate(
    [noise("pink", 1.0, -60, RNG), vowel(0.7, 0.1), noise("white", 0.6, -30, RNG), vowel(0.4, 0.05)]
)


def share(x, **options):
    return float(VoiceActivity(SFREQ, VoiceSettings(**options)).step(x).mean())


@given(cuts(len(MIXED)))
@settings(max_examples=25, deadline=None)
def test_any_chunking_gives_the_same_bits(parts):
    whole, stage = VoiceActivity(SFREQ).step(MIXED), VoiceActivity(SFREQ)
    assert_same_bits([joined([stage.step(MIXED[part]) for part in parts])], [whole])


@given(st.integers(0, len(MIXED)))
@settings(max_examples=15, deadline=None)
def test_what_comes_later_changes_nothing(n):
    later = np.concatenate([MIXED[:n], np.zeros(len(MIXED) - n, np.float32)])
    assert_same_bits([VoiceActivity(SFREQ).step(later)[:n]], [VoiceActivity(SFREQ).step(MIXED)[:n]])


def test_inputs_are_not_modified_and_may_be_read_only_or_strided():
    before = MIXED.copy()
    frozen = MIXED.copy()
    frozen.flags.writeable = False
    wide = np.stack([MIXED, MIXED], axis=1)
    expected = VoiceActivity(SFREQ).step(MIXED)
    assert_same_bits([MIXED], [before])
    assert_same_bits([VoiceActivity(SFREQ).step(frozen)], [expected])
    assert_same_bits([VoiceActivity(SFREQ).step(wide[:, 0])], [expected])


def test_reset_forgets_everything_and_an_interruption_all_but_the_noise():
    stage = VoiceActivity(SFREQ)
    stage.step(noise("pink", 6.0, -35, RNG))
    stage.step(vowel(0.5, 0.3))
    floor = stage.floor_dbfs
    assert floor > -50
    stage.interrupt()
    assert stage.floor_dbfs == floor
    assert not stage.step(np.zeros(100, np.float32)).any()
    stage.reset()
    assert_same_bits([stage.step(MIXED)], [VoiceActivity(SFREQ).step(MIXED)])


@pytest.mark.parametrize("kind", ["white", "pink", "hum", "clicks", "gusts"])
@pytest.mark.parametrize("dbfs", [-60, -40, -20])
def test_noise_is_not_speech(kind, dbfs):
    assert share(noise(kind, 20.0, dbfs, np.random.default_rng(-dbfs))) == 0.0


def test_noise_that_starts_is_not_speech():
    assert share(np.concatenate([noise("pink", 5.0, -60, RNG), noise("pink", 10.0, -25, RNG)])) == 0.0


def test_silence_and_nothing_are_not_speech():
    assert share(np.zeros(3 * SFREQ, np.float32)) == 0.0
    assert len(VoiceActivity(SFREQ).step(np.empty(0, np.float32))) == 0


def test_speech_begins_within_50_ms_and_ends_after_the_hangover():
    x = np.concatenate([noise("pink", 2.0, -60, RNG), vowel(1.0, 0.1), noise("pink", 3.0, -60, RNG)])
    active = np.flatnonzero(VoiceActivity(SFREQ, VoiceSettings(hangover_s=0.5)).step(x)) / SFREQ
    assert active.min() == pytest.approx(2.0, abs=0.08)
    assert active.max() == pytest.approx(3.5, abs=0.08)


def test_samples_that_are_missing_or_no_numbers_are_not_speech_and_teach_nothing():
    voice = vowel(2.0, 0.1)
    stage = VoiceActivity(SFREQ)
    assert not stage.step(voice, np.zeros(len(voice), np.float32)).any()
    assert stage.floor_dbfs == VoiceActivity(SFREQ).floor_dbfs
    assert not VoiceActivity(SFREQ).step(np.full(SFREQ, np.nan, np.float32)).any()
    stage.reset()
    stage.step(np.full(SFREQ, np.inf, np.float32))
    assert stage.step(voice).mean() > 0.8


@needs_speech
@pytest.mark.parametrize("snr_db", [40, 20, 10])
def test_real_speech_is_found_and_the_noise_around_it_is_not(snr_db):
    speech = talk(60.0, first=100, pause_s=0.2)
    level = 20 * np.log10(np.std(speech)) - snr_db
    rng = np.random.default_rng(snr_db)
    before, after = noise("pink", 5.0, level, rng), noise("pink", 6.0, level, rng)
    x = np.concatenate([before, speech + noise("pink", 60.0, level, rng), after])
    active = VoiceActivity(SFREQ).step(x)
    assert active[len(before) : len(before) + len(speech)].mean() > 0.9
    assert not active[: len(before)].any()
    assert not active[-int(4.9 * SFREQ) :].any()


@pytest.mark.parametrize(
    "options", [{"voicing": 1.0}, {"snr_db": 0.0}, {"hangover_s": 0.0}, {"floor_s": 0.1}]
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError, match="voice:"):
        VoiceSettings(**options)


def test_a_rate_too_low_for_speech_is_refused():
    with pytest.raises(ConfigError, match="8000 Hz or more"):
        VoiceActivity(4000.0)
