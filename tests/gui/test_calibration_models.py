"""What the pages of the guided calibration decide and say, without Qt."""

import json
import sys

import pytest

from apps.choice import StreamChoice
from apps.gui.viewmodels.calibration import Guide, GuideOptions, Page
from apps.gui.viewmodels.cue import cue, progress_words, step_of, taken_back
from apps.gui.viewmodels.curve import curve
from apps.gui.viewmodels.electrodes import electrodes, to_see_to
from apps.gui.viewmodels.finder import Check
from apps.gui.viewmodels.outcome import outcome_view
from apps.gui.viewmodels.readiness import protocol_offers
from bci_stream.engine.frame import ChannelQuality
from calibration.errors import ProfileError
from calibration.finetune import Tried
from calibration.journal import Journal, read_journal, remove_journal, under_way, write_journal
from calibration.keys import Keys
from calibration.profile import ProfileStore
from calibration.protocol import load_protocol, load_texts, plan_session
from calibration.session import (
    Begin,
    Continue,
    Judged,
    Lost,
    Pause,
    Phase,
    Rated,
    Show,
    Tick,
    advance,
    begin,
    with_more,
)

WHEN = "2026-01-02T03:04:05+00:00"
TEXTS = load_texts()


@pytest.fixture
def guide(tmp_path):
    made = []

    def make(**fields):
        one = Guide(GuideOptions(profiles=tmp_path / "profiles", **fields))
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
        one.wait()


def journal(name="anna", **fields):
    return Journal(
        **{"name": name, "agreed": WHEN, "page": "devices", "protocol": "quick", "seed": 3, **fields}
    )


class Session:
    """A session that is driven by hand."""

    def __init__(self, name="conversation", seed=1):
        self.state = begin(plan_session(load_protocol(name), seed))
        self.now_s, self.shown = 10.0, None

    def do(self, happened):
        self.state, outputs = advance(self.state, happened, self.now_s)
        self.shown = next((one for one in reversed(outputs) if isinstance(one, Show)), self.shown)

    def come_to(self, *phases):
        while self.state.phase not in phases:
            self.now_s += 0.1
            self.do(Tick())
        return self

    def cue(self, half_rated=False):
        return cue(self.state, self.shown, TEXTS, self.now_s, half_rated=half_rated)


# -- what stands before the person ---------------------------------------------------------------


def test_each_phase_says_what_to_do_and_how_long_still():
    session = Session()
    assert (session.cue().level, session.cue().large) == ("wait", "Space: begin")
    assert step_of(session.state) == "Baseline"
    session.do(Begin())
    assert session.cue().large == "+"
    assert session.cue().left == "20 s"
    assert session.cue().left_share == 1.0
    session.now_s += 5
    assert session.cue().left == "15 s"
    assert session.cue().left_share == 0.75
    assert "Close" in session.come_to(Phase.CLOSED_EYES).cue().large
    session.come_to(Phase.CUE)
    assert step_of(session.state) == "Practice"
    assert "Practice" in session.cue().head
    session.come_to(Phase.REST).come_to(Phase.RESPOND)
    assert step_of(session.state) == "Trials"
    assert (session.cue().head, session.cue().level) == ("Now: speak", "now")
    assert session.cue().large == TEXTS[f"emotion.{session.state.running.label}"]
    assert session.cue().words == TEXTS[session.state.running.cue]


def test_a_lost_stream_is_named_and_a_pause_says_that_the_trial_comes_again():
    session = Session()
    session.do(Begin())
    session.come_to(Phase.RESPOND)
    session.do(Lost("eeg"))
    assert (session.cue().level, session.cue().large) == ("bad", "eeg lost")
    session = Session()
    session.do(Begin())
    session.come_to(Phase.RESPOND)
    session.do(Pause())
    assert "again" in session.cue().words
    assert session.cue().left == ""


def test_progress_counts_each_trial_once():
    session = Session("recall")
    n = sum(not trial.practice for trial in session.state.plan.trials)
    session.do(Begin())
    for number in range(3):
        session.come_to(Phase.INSTRUCT, Phase.CUE)
        while session.state.running.practice:
            session.now_s += 0.1
            session.do(Tick())
        session.come_to(Phase.CUE)
        share = session.state.progress
        assert progress_words(session.state).startswith(f"trial {number + 1} of {n},")
        session.come_to(Phase.RESPOND)
        assert progress_words(session.state).startswith(f"trial {number + 1} of {n},")
        assert session.state.progress == share == number / n
        session.come_to(Phase.RATE)
        assert progress_words(session.state).startswith(f"trial {number + 1} of {n},")
        session.do(Rated(5, 5))
        assert progress_words(session.state).startswith(f"{number + 1} of {n} trials done,")
    session.do(Judged(1, "noisy"))
    assert taken_back(session.state) == [("noisy", 1)]
    assert progress_words(session.state).endswith("1 x again: noisy")


def test_keys_mean_the_same_everywhere():
    session, keys = Session("recall"), Keys()
    assert keys.pressed("p", session.state) is None
    assert keys.pressed("7", session.state) is None
    assert keys.pressed(" ", session.state) == Begin()
    session.do(Begin())
    assert keys.pressed(" ", session.state) is None
    assert keys.pressed("p", session.state) == Pause()
    session.do(Pause())
    assert keys.pressed("p", session.state) == keys.pressed(" ", session.state) == Continue()
    session.do(Continue())
    session.come_to(Phase.RATE)
    assert keys.pressed("7", session.state) is None
    assert session.cue(half_rated=True).head != session.cue(half_rated=False).head
    keys.pressed("0", session.state)  # taken back
    assert keys.pressed("2", session.state) is None
    assert keys.pressed("9", session.state) == Rated(2, 9)
    assert keys.valence is None


def test_recording_more_asks_for_what_was_lacking_only():
    session = Session("quick")
    more = with_more(session.state, {"anger": 2, "calm": 1, "nobody": 3})
    assert [trial.label for trial in more.queue] == ["anger", "anger", "calm"]
    assert more.phase is Phase.READY


# -- electrodes, curve, report ---------------------------------------------------------------


def test_electrodes_have_a_place_and_advice_the_worst_first():
    found = electrodes(
        [
            ChannelQuality("Cz", "good", "good, 12 µV", 12.0),
            ChannelQuality("Fp1", "noisy", "mains hum: check its contact and the ground, 30 µV", 30.0),
            ChannelQuality("AUX7", "gone", "no signal", float("nan")),
            ChannelQuality("O2", "flat", "flat: not connected?, 0.0 µV", 0.0),
        ]
    )
    assert found[0].at == pytest.approx((0.0, 0.0))
    assert found[0].advice == ""
    assert "mains" in found[1].advice
    assert found[2].at is None
    assert [one.name for one in to_see_to(found)] == ["AUX7", "O2", "Fp1"]
    assert all(one.advice for one in to_see_to(found))


def test_the_curve_is_the_mean_over_the_parts_so_far():
    assert curve([]).lines == ()
    found = curve([Tried("head", 10, 0, 1.0), Tried("head", 10, 1, 2.0), Tried("as it is", 0, 0, 1.2)])
    points = {line.words: line.points for line in found.lines}
    assert points == {"head": ((10, 1.5),), "as it is": ((0, 1.2),)}
    assert found.steps == (0, 10)
    assert "as it is" in found.words
    assert found.low < 1.2 < 1.5 < found.high


def test_a_report_that_is_gone_or_damaged_is_one_line(tmp_path):
    store = ProfileStore(tmp_path)
    store.create("anna", WHEN)
    with pytest.raises(ProfileError, match="calibrate again"):
        outcome_view(store, "anna", 1)
    folder = store.report_path("anna", 1)
    folder.mkdir(parents=True)
    for text in ("{", "[]", json.dumps({"verdict": {}}), json.dumps({"verdict": 3})):
        (folder / "report.json").write_text(text)
        with pytest.raises(ProfileError, match="calibrate again"):
            outcome_view(store, "anna", 1)


# -- the guide ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "../x", "a b", "con", "x" * 65])
def test_a_name_that_cannot_be_a_folder_is_refused_and_nothing_is_written(guide, name, tmp_path):
    one = guide()
    one.agree(name, "quick")
    assert one.page is Page.CONSENT
    assert "cannot be" in one.problem
    assert not (tmp_path / "profiles").exists()


def test_a_protocol_that_cannot_be_tested_is_refused(guide, tmp_path):
    path = tmp_path / "few.yaml"
    path.write_text(
        "key: few\ntitle: x\ninstruction: y\nclasses: [a, b]\ntrials_per_class: 3\ncues: {a: [c], b: [d]}\n"
    )
    one = guide()
    one.agree("anna", str(path))
    assert "4 are needed" in one.problem
    assert one.page is Page.CONSENT
    one.agree("anna", str(tmp_path / "absent.yaml"))
    assert "absent.yaml" in one.problem


def test_what_was_agreed_is_offered_again_and_can_be_given_up(guide):
    one = guide(seed=7)
    one.agree("anna", "quick")
    assert one.page is Page.DEVICES
    two = guide()
    assert two.page is Page.RESUME
    assert [(found.name, found.seed) for found in two.offers] == [("anna", 7)]
    two.give_up(two.offers[0])
    assert two.page is Page.CONSENT
    assert guide().page is Page.CONSENT


def test_the_same_name_again_goes_on_and_does_not_begin_over_it(guide):
    guide(seed=7).agree("anna", "quick")
    one = guide()
    one.begin_anew()
    one.agree("anna", "recall")
    assert one.page is Page.RESUME
    one.begin_anew()
    one.agree("berta", "quick")
    assert one.page is Page.DEVICES


def test_back_to_the_consent_and_on_again_is_the_same_session(guide):
    one = guide()
    one.agree("anna", "quick")
    seed = one.journal.seed
    one.back()
    assert one.page is Page.CONSENT
    one.agree("anna", "quick")
    assert one.page is Page.DEVICES
    assert one.journal.seed == seed


def test_a_disk_that_takes_no_journal_is_said(guide, tmp_path):
    (tmp_path / "profiles").write_text("a file where the folder should be")
    one = guide()
    one.agree("anna", "quick")
    assert one.page is Page.CONSENT
    assert "cannot be written" in one.problem


def test_devices_that_do_not_serve_are_refused_with_the_reason(guide):
    one = guide()
    one.agree("anna", "quick")
    classes = one.plan.protocol.classes
    good = Check("good", "fits")
    both = StreamChoice(eeg="uid=1", audio="uid=2")
    assert one.check_devices(both, classes, good).level == "good"
    assert "stream" in one.check_devices(None, classes, good).words
    assert "voice" in one.check_devices(StreamChoice(want_audio=False), classes, good).words
    refused = one.check_devices(both, ("anger", "calm"), good)
    assert refused.level == "bad"
    assert "neutral" in refused.words
    assert one.check_devices(both, classes, Check("bad", "Cz is missing")).words == "Cz is missing"
    eeg_only = guide()
    eeg_only.agree("berta", "words")
    assert eeg_only.check_devices(StreamChoice(want_audio=False), classes, good).level == "good"


def test_leaving_before_anything_was_recorded_says_so(guide):
    one = guide()
    assert one.leave() == "nothing was recorded"
    two = guide()
    two.agree("anna", "quick")
    assert "goes on" in two.leave()


def test_protocols_are_offered_with_what_they_need_and_last(tmp_path):
    offers = {key: words for words, key in protocol_offers("quick", TEXTS)}
    assert set(offers) == {"conversation", "read-aloud", "recall", "words", "quick"}
    assert "voice" in offers["conversation"]
    assert "voice" not in offers["words"]
    own = protocol_offers(str(tmp_path / "own.yaml"), TEXTS)[-1]
    assert "own.yaml" in own[0]


# -- the journal ---------------------------------------------------------------


def test_a_journal_is_kept_whole_read_by_its_owner_only_and_goes_with_the_person(tmp_path):
    store = ProfileStore(tmp_path)
    store.create("anna", WHEN)
    kept = journal(page="session", eeg="Muse", voice="mic:USB", model=2)
    write_journal(store, kept)
    assert read_journal(store, "anna") == kept
    assert (tmp_path / "anna" / "session.json").stat().st_mode & 0o777 == 0o600
    assert under_way(store) == (kept,)
    archive = store.export("anna", tmp_path / "anna.zip")
    store.forget("anna")
    assert under_way(store) == ()
    assert read_journal(store, "anna") is None
    store.import_from(archive)
    assert under_way(store) == ()  # how far a session came is no part of what is passed on


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', "null", "\x00\xff"])
def test_a_damaged_journal_is_no_session(tmp_path, text):
    store = ProfileStore(tmp_path)
    store.create("anna", WHEN)
    (tmp_path / "anna" / "session.json").write_bytes(text.encode("latin-1"))
    assert read_journal(store, "anna") is None
    assert under_way(store) == ()
    remove_journal(store, "anna")
    remove_journal(store, "anna")


def test_none_of_it_needs_qt():
    import subprocess

    names = "calibration cue curve electrodes outcome resume"
    code = "import sys\n" + "".join(f"import apps.gui.viewmodels.{name}\n" for name in names.split())
    code += "sys.exit(any(name.startswith(('PyQt', 'PySide')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
