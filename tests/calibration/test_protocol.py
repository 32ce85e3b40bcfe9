"""Protocols: what comes with the program is sound, a plan is balanced, and a bad file is one line."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.errors import CalibrationError
from calibration.protocol import load_protocol, load_texts, plan_session, protocol_names

OWN = """
key: own
title: Mine
instruction: Speak
classes: [calm, anger]
trials_per_class: 2
cues: {calm: [Breathe], anger: [Shout]}
"""


def test_the_quick_one_takes_two_minutes():
    assert load_protocol("quick").duration_s < 130


@pytest.mark.parametrize("name", protocol_names())
def test_what_comes_with_the_program_is_sound_and_has_its_texts(name):
    protocol, texts = load_protocol(name), load_texts()
    keys = [protocol.title, protocol.instruction, *(key for cues in protocol.cues.values() for key in cues)]
    assert [key for key in keys if key not in texts] == []
    assert all(f"emotion.{label}" in texts for label in protocol.classes)
    assert protocol.duration_s < 20 * 60


@given(seed=st.integers(0, 2**31), name=st.sampled_from(protocol_names()))
def test_a_plan_is_balanced_and_never_asks_for_the_same_twice_running(seed, name):
    protocol = load_protocol(name)
    plan = plan_session(protocol, seed)
    assert plan == plan_session(protocol, seed)
    labels = [trial.label for trial in plan.trials if not trial.practice]
    assert {label: labels.count(label) for label in protocol.classes} == dict.fromkeys(
        protocol.classes, protocol.trials_per_class
    )
    assert all(a != b for a, b in pairwise(labels))
    timing = protocol.timing
    assert all(timing.rest_s <= trial.rest_s <= timing.rest_s + timing.jitter_s for trial in plan.trials)


def test_seeds_give_other_orders():
    protocol = load_protocol("conversation")
    assert len({plan_session(protocol, seed).trials for seed in range(20)}) == 20


def test_a_protocol_of_ones_own(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    assert load_protocol(path).classes == ("calm", "anger")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("trials_per_class: 2", "trials_per_class: 0"), "trials_per_class"),
        (("title: Mine", "title: Mine\nsurprise: 1"), "surprise"),
        (("anger: [Shout]", "fear: [Run]"), "anger, fear"),
        (("classes: [calm, anger]", "classes: [calm]"), "classes"),
        (("key: own", "key: ../own"), "key"),
        (("key: own", "key: &a own\nother: *a"), "anchors .* and aliases"),
        (("key: own", "key: !!python/object/apply:os.system [true]"), "the tag .* is not read"),
        (("key: own", "key: [own"), "not readable YAML"),
        (("instruction: Speak", "instruction: Speak\nmodalities: [eeg]"), "speech"),
        (("key: own", "key: own\ntiming: {respond_s: .nan}"), "timing.respond_s"),
    ],
)
def test_a_bad_protocol_is_one_line(change, said, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(OWN.replace(*change))
    with pytest.raises(CalibrationError, match=said) as error:
        load_protocol(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nothing", "absent.yaml"])
def test_an_absent_protocol_is_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CalibrationError, match=name):
        load_protocol(name)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(CalibrationError, match="no protocol"):
        load_protocol(path)


def test_an_unknown_language_is_refused():
    with pytest.raises(CalibrationError, match="there are en"):
        load_texts("xx")
