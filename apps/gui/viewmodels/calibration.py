"""The guide through a calibration: which page comes when, what may be done there, and what goes on. No Qt.

The pages draw what is here. Whatever takes long (finding streams, reading recordings, fitting, closing) is
done in a thread of its own; :meth:`Guide.tick` takes note of what has finished. The session itself is
:class:`~calibration.live.LiveCalibration`, the same that the terminal runs.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apps.calibration_run import close_calibration, fit_person, now_iso, open_calibration
from apps.choice import StreamChoice
from apps.gui.strings import tr
from apps.gui.viewmodels.finder import Check
from apps.gui.viewmodels.readiness import devices_check, electrodes_check, voice_check
from bci_stream.errors import BciStreamError
from bci_stream.messages import AUDIO, EEG
from calibration.errors import TooFewTrialsError
from calibration.journal import Journal, read_journal, remove_journal, under_way, write_journal
from calibration.keys import Keys
from calibration.profile import ProfileStore, check_name
from calibration.protocol import Plan, load_protocol, load_texts, plan_session
from calibration.resume import Earlier, earlier
from calibration.session import Abort, Continue, Pause, Phase, State, with_more

if TYPE_CHECKING:
    from calibration.finetune import FinetuneSettings, Tried
    from calibration.live import LiveCalibration
    from calibration.outcome import Outcome

_WAIT_FOR_A_KEY: Final = (Phase.RATE, Phase.PAUSED, Phase.DONE, Phase.ABORTED)
FEWEST: Final = 4  #: trials of each emotion, so that there are some to fit to and one to test


class Page(enum.Enum):
    """Where the person is; the value is what a journal says."""

    RESUME = "resume"
    CONSENT = "consent"
    DEVICES = "devices"
    ELECTRODES = "electrodes"
    MICROPHONE = "microphone"
    SESSION = "session"
    FIT = "fit"
    REPORT = "report"
    USE = "use"


@dataclass(frozen=True, slots=True)
class GuideOptions:
    """What was asked for. ``seed``: of the order of trials; None: another one for each session."""

    name: str = ""
    protocol: str = "conversation"
    language: str = "en"
    seed: int | None = None
    profiles: Path | None = None
    settings: FinetuneSettings | None = None
    wait_s: float = 8.0
    scope: str | None = None
    session_id: str | None = None


@dataclass
class Fit:
    """A fit under way. ``tried``: for the live curve, as it comes."""

    what: str = ""
    share: float = 0.0
    tried: list[Tried] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def report(self, what: str, share: float) -> None:
        """In the thread that fits."""
        self.what, self.share = what, share


class Guide:
    """One person's way through the pages.

    ``page``; ``problem``: one line on what did not work, for the page that is shown; ``busy``: what is being
    waited for, None when nothing is; ``offers``: sessions that could go on.
    """

    def __init__(self, options: GuideOptions) -> None:
        self.options = options
        self.store = ProfileStore(options.profiles)
        self.page = Page.CONSENT
        self.problem: str | None = None
        self.busy: str | None = None
        self.closed = False
        self.journal: Journal | None = None
        self.plan: Plan | None = None
        self.texts = load_texts(options.language)
        self.keys = Keys()
        self.running: LiveCalibration | None = None
        self.before: Earlier | None = None
        self.fit: Fit | None = None
        self.missing: dict[str, int] = {}  # trials of each emotion that the fit lacked
        self.number: int | None = None  # of the model that came of it
        self.streams: StreamChoice | None = None
        self._went_back = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="calibration")
        self._future: Future[Any] | None = None
        self._then: Callable[[Any], None] = lambda _: None
        self.offers = under_way(self.store)
        if self.offers:
            self.page = Page.RESUME

    # -- how it stands ------------------------------------------------------------------------------------

    @property
    def state(self) -> State | None:
        """The session's, while one is open."""
        return self.running.state if self.running is not None else None

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the protocol records."""
        return self.plan.protocol.modalities if self.plan is not None else (EEG, AUDIO)

    @property
    def looks_for_streams(self) -> bool:
        """Whether the network should be searched now."""
        return self.page is Page.DEVICES and self.busy is None

    @property
    def may_go_back(self) -> bool:
        """Whether there is a page before this one that makes sense."""
        if self.busy is not None:
            return False
        fitting = self.page is Page.FIT and self.fit is not None
        return not fitting and self.page in (
            *(Page.DEVICES, Page.ELECTRODES, Page.MICROPHONE, Page.SESSION, Page.FIT, Page.USE),
        )

    def may_go_on(self) -> Check:
        """Whether the next page may come; ``level`` "bad" says no, and the words say why."""
        if self.busy is not None:
            return Check("off", self.busy)
        if self.page is Page.ELECTRODES:
            return electrodes_check(self.running)
        if self.page is Page.MICROPHONE:
            return voice_check(self.running, speaks=self.plan is not None and self.plan.protocol.speech)
        return Check("good", "")

    def check_devices(self, streams: StreamChoice | None, classes: tuple[str, ...], fits: Check) -> Check:
        """Whether these streams and this model serve the protocol; ``classes``: of the model."""
        return devices_check(self.plan.protocol if self.plan is not None else None, streams, classes, fits)

    # -- the beginning ------------------------------------------------------------------------------------

    def resume(self, journal: Journal) -> None:
        """Go on with a session that was interrupted."""
        self.problem = None
        try:
            self._take(journal)
        except BciStreamError as error:
            self.problem = str(error)
            return
        if journal.model is not None:
            self.number = journal.model
            self._show(Page.USE if journal.page == Page.USE.value else Page.REPORT)
            return
        self._look_back(tr("looking at what was recorded …"), self._resumed)

    def _take(self, journal: Journal) -> None:
        protocol = load_protocol(journal.protocol)
        self.plan = plan_session(protocol, journal.seed)
        self.journal = journal

    def _look_back(self, words: str, then: Callable[[Earlier], None]) -> None:
        plan, journal = self.plan, self.journal
        assert plan is not None
        assert journal is not None
        self._later(words, lambda: earlier(self.store, journal.name, plan), then)

    def _resumed(self, found: Earlier) -> None:
        self.before = found
        assert self.journal is not None
        fit_next = self.journal.page == Page.FIT.value or found.state.phase is Phase.DONE
        if fit_next and found.recordings:
            self.begin_fit()
        else:
            self._show(Page.DEVICES)

    def give_up(self, journal: Journal) -> None:
        """Do not go on with it; its recordings stay."""
        remove_journal(self.store, journal.name)
        self.offers = tuple(one for one in self.offers if one.name != journal.name)
        if not self.offers:
            self.page = Page.CONSENT

    def begin_anew(self) -> None:
        """A new session, whatever else could go on."""
        self.problem, self.page = None, Page.CONSENT

    def agree(self, name: str, protocol: str) -> None:
        """The person has agreed to be recorded; from here on there is something on the disk."""
        self.problem = None
        try:
            self._agree(check_name(name.strip()), protocol)
        except BciStreamError as error:
            self.problem = str(error)

    def _agree(self, name: str, protocol: str) -> None:
        before = read_journal(self.store, name)
        same = self.journal is not None and before is not None and self.journal.seed == before.seed
        if before is not None and not same:
            self.offers, self.page = (before,), Page.RESUME
            return
        place = str(Path(protocol).resolve()) if protocol.endswith((".yaml", ".yml")) else protocol
        if same and self.journal is not None and self.journal.protocol == place:
            self._show(Page.DEVICES)  # what was recorded of it stays in use
            return
        found = load_protocol(protocol)
        if found.trials_per_class < FEWEST:
            self.problem = tr(
                "protocol {key} has {n} trials of each emotion, and {m} are needed to fit and to test"
            ).format(key=found.key, n=found.trials_per_class, m=FEWEST)
            return
        seed = self.options.seed if self.options.seed is not None else _another_seed()
        self.store.create(name, now_iso())
        self._take(
            Journal(
                name=name,
                agreed=now_iso(),
                page=Page.DEVICES.value,
                protocol=place,
                seed=seed,
                language=self.options.language,
            )
        )
        self.before = None
        self._show(Page.DEVICES)

    # -- devices ------------------------------------------------------------------------------------------

    def open(self, streams: StreamChoice, bundle: str, names: tuple[str, str, str]) -> None:
        """Find the streams and begin to record; ``names``: EEG, voice and device, for a journal."""
        assert self.plan is not None
        assert self.journal is not None
        eeg, voice, device = names
        self.streams = streams
        self.journal = self.journal.model_copy(
            update={"bundle": bundle, "eeg": eeg, "voice": voice, "device": device}
        )
        plan, name = self.plan, self.journal.name
        state = self.before.state if self.before is not None and self.before.state.done else None

        def work() -> LiveCalibration:
            running = open_calibration(self.store, name, plan, streams, self.options.wait_s, state)
            running.start()
            return running

        self._later(tr("connecting …"), work, self._opened)

    def _opened(self, running: LiveCalibration) -> None:
        self.running = running
        self._show(Page.ELECTRODES if EEG in self.modalities else Page.MICROPHONE)

    # -- onwards and back -----------------------------------------------------------------------------------

    def go_on(self) -> None:
        """The next page, where nothing has to be said first."""
        if self.may_go_on().level in ("bad", "off"):
            return
        if self.page is Page.ELECTRODES:
            self._show(Page.MICROPHONE if AUDIO in self.modalities else Page.SESSION)
        elif self.page is Page.MICROPHONE:
            self._show(Page.SESSION)
        elif self.page is Page.REPORT:
            self._show(Page.USE)
        if self.page is Page.SESSION and self._went_back and self.running is not None:
            self._went_back = False
            self.running.do(Continue())

    def back(self) -> None:
        """The page before; a session that has begun pauses meanwhile, and a closed one is looked at again."""
        if not self.may_go_back:
            return
        self.problem = None
        if self.page is Page.DEVICES:
            self.page = Page.CONSENT
        elif self.page is Page.SESSION:
            self._pause_to_check()
        elif self.page is Page.MICROPHONE and EEG in self.modalities:
            self._show(Page.ELECTRODES)
        elif self.page in (Page.ELECTRODES, Page.MICROPHONE, Page.FIT):
            self._end_session(lambda: self._look_back("…", self._seen_again))
        elif self.page is Page.USE:
            self._show(Page.REPORT)

    def _pause_to_check(self) -> None:
        assert self.running is not None
        if self.running.begun:
            self.running.do(Pause())
            self._went_back = True
        self._show(Page.MICROPHONE if AUDIO in self.modalities else Page.ELECTRODES)

    def _seen_again(self, found: Earlier) -> None:
        self.before = found
        self._show(Page.DEVICES)

    def _end_session(self, then: Callable[[], None], words: str = "") -> None:
        """Close the recording in the background."""
        running, self.running, self._went_back = self.running, None, False
        if running is None:
            then()
            return
        self._later(
            words or tr("closing the recording …"), lambda: close_calibration(running), lambda _: then()
        )

    # -- the session --------------------------------------------------------------------------------------

    def press(self, key: str) -> bool:
        """A key on the session's page; False where it means nothing there."""
        running = self.running
        if running is not None and key == "a" and running.refused:
            running.agree()
            return True
        if running is None or self.page is not Page.SESSION or key == "q":
            return False
        asked = self.keys.pressed(key, running.state)
        if asked is not None:
            running.do(asked)
        return asked is not None or running.state.phase is Phase.RATE

    def space(self) -> None:
        """Begin, or go on."""
        self.press(" ")

    def hold(self) -> None:
        """Pause while the person is asked something; what waits for a key waits anyway."""
        running = self.running
        if running is not None and running.begun and running.state.phase not in _WAIT_FOR_A_KEY:
            running.do(Pause())

    def tick(self) -> None:
        """Let time pass; take note of what has finished."""
        self._finish_work()
        running = self.running
        if running is None:
            return
        running.tick()
        if running.error is not None or not running.running:
            self._broke(running.error or tr("the engine ended"))
        elif running.state.phase is Phase.DONE and self.page is Page.SESSION and self.busy is None:
            self._end_session(lambda: self._look_back(tr("looking at what was recorded …"), self._recorded))

    def _broke(self, why: str) -> None:
        """The recording or the engine failed: what there is stays, and the session can go on from it."""
        words = tr("the session stopped: {why}").format(why=why)

        def then() -> None:
            self._look_back(tr("looking at what was recorded …"), seen)

        def seen(found: Earlier) -> None:
            self._seen_again(found)
            self.problem = words

        self._end_session(then)

    def _recorded(self, found: Earlier) -> None:
        self.before = found
        self.begin_fit()

    # -- the fit --------------------------------------------------------------------------------------------

    def begin_fit(self) -> None:
        """Fit the base model to what was recorded."""
        assert self.journal is not None
        assert self.before is not None
        journal, recordings = self.journal, list(self.before.recordings)
        self._show(Page.FIT)
        self.missing = {}
        self.fit = fit = Fit(tr("loading the model"))

        def work() -> Outcome:
            return fit_person(
                self.store,
                journal.name,
                Path(journal.bundle) if journal.bundle else None,
                recordings,
                settings=self.options.settings,
                report=fit.report,
                watch=fit.tried.append,
                cancelled=fit.stop.is_set,
            )

        self._later(None, work, self._fitted)

    def cancel_fit(self) -> None:
        """Stop fitting; nothing is changed."""
        if self.fit is not None:
            self.fit.stop.set()

    def _fitted(self, outcome: Outcome) -> None:
        self.fit, self.number = None, outcome.model.number
        assert self.journal is not None
        self.journal = self.journal.model_copy(update={"model": self.number})
        self._show(Page.REPORT)

    def record_missing(self) -> None:
        """Back to the devices, to record the trials that the fit lacked."""
        if self.before is not None and self.missing:
            self.before = replace(self.before, state=with_more(self.before.state, self.missing))
            self._show(Page.DEVICES)

    # -- the end --------------------------------------------------------------------------------------------

    def use(self, calibrated: bool) -> Path | None:
        """Make the calibrated model or the base the person's active one. The bundle; None: the base."""
        assert self.journal is not None
        self.store.activate(self.journal.name, self.number if calibrated else None)
        return self.store.active_bundle(self.journal.name)

    def finish(self) -> None:
        """All is done: nothing has to be gone on with."""
        if self.journal is not None:
            remove_journal(self.store, self.journal.name)
        self.close()

    def leave(self) -> str:
        """Cancel: what was recorded stays, and can be gone on with. What to tell the person."""
        n = len(self.state.done) if self.state is not None else 0
        begun = self.running is not None and self.running.begun
        if self.running is not None and begun:
            self.running.do(Abort())
        self.close()
        if self.journal is None:
            return tr("nothing was recorded")
        if begun:
            return tr("trials kept: {n}; Calibrate goes on with the rest").format(n=n)
        return tr("nothing is lost: Calibrate goes on from here")

    def close(self) -> None:
        """End all in the background; may be called twice."""
        if self.closed:
            return
        self.closed = True
        self.cancel_fit()
        if self._future is not None:
            self._future.add_done_callback(_close_late)
        running, self.running = self.running, None
        if running is not None:
            self._pool.submit(close_calibration, running)
        self._pool.shutdown(wait=False)

    def wait(self) -> None:
        """Until all is closed."""
        self._pool.shutdown(wait=True)

    # -- work in the background -----------------------------------------------------------------------------

    def _show(self, page: Page) -> None:
        """Turn to a page; it is in the journal before it is on the screen."""
        self.problem, self.page = None, page
        if self.journal is None:
            return
        self.journal = self.journal.model_copy(update={"page": page.value})
        try:
            write_journal(self.store, self.journal)
        except BciStreamError as error:
            self.problem = str(error)

    def _later(self, words: str | None, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self.busy, self._then = words, then
        self._future = self._pool.submit(work)

    def _finish_work(self) -> None:
        future = self._future
        if future is None or not future.done() or self.closed:
            return
        self._future, self.busy = None, None
        error = future.exception()
        if error is None:
            self._then(future.result())
            return
        self.fit = None
        self.missing = error.need if isinstance(error, TooFewTrialsError) else {}
        known = isinstance(error, (BciStreamError, OSError))
        self.problem = str(error) if known else f"{type(error).__name__}: {error}"


def _close_late(future: Future[Any]) -> None:
    """A session that was opened after the person had left."""
    from calibration.live import LiveCalibration

    found = future.result() if future.exception() is None else None
    if isinstance(found, LiveCalibration):
        close_calibration(found)


def _another_seed() -> int:
    import secrets

    return secrets.randbelow(2**31)
