"""``live --record``: a session recorded while it runs, so that a replay says the very same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from apps.choice import FIT
from apps.live_ledger import WHAT, LedgerRecorder, ledger_of
from apps.record import LOW_S, Destination, finish_earlier, recording_record, status_line
from bci_stream.engine.plan import MAINS_HZ
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, StreamSpec
from bci_stream.sinks.whole_file import check_free
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import RecordedStream, as_bound, as_markers, own_stream, prediction_streams
from bci_stream.sinks.xdf_session import (
    EventSource,
    RecordedPipeline,
    RecordedSource,
    RecordingSink,
    a_second,
)

if TYPE_CHECKING:
    from apps.choice import Prepared
    from bci_stream.engine.pipeline import Pipeline
    from bci_stream.sources.binding import Binding

_TASK = "live"


@dataclass(frozen=True, slots=True)
class RecordingChoice:
    """What the user asked for; ``where`` is an ``.xdf`` file or a folder, None for no recording.

    The entities make a name in BIDS' manner under a folder; None for what was not given.
    """

    where: Path | None = None
    audio: bool = False
    subject: str | None = None
    session: str | None = None
    task: str | None = None
    run: int | None = None

    def destination(self) -> Destination | None:
        """Where it goes. Raises ConfigError for what makes no sense or is taken."""
        entities = (self.subject, self.session, self.task, self.run)
        named = any(entity is not None for entity in entities)
        if self.where is None:
            if self.audio or named:
                raise ConfigError(
                    "--record-audio, --subject, --session, --task and --run say what to record and how to "
                    "name it: add --record FILE.xdf or --record FOLDER"
                )
            return None
        if self.where.suffix and not self.where.is_dir():
            if named:
                raise ConfigError(
                    f"--record {self.where} is a file's name already: give a folder to have one made of "
                    "--subject, --session, --task and --run"
                )
            destination = Destination(file=self.where)
        else:
            destination = Destination(
                self.where, None, self.subject or "unknown", self.session, self.task or _TASK, self.run
            )
        destination.path()
        return destination


class LiveRecording:
    """A session on its way to a file.

    Give ``source`` and ``pipeline(…)`` to the session in place of what they wrap, put ``sink`` among its
    sinks, call ``ledger.take`` with every outcome, and close it when the sinks are closed.
    """

    def __init__(
        self,
        recorder: XdfRecorder,
        ledger: LedgerRecorder,
        source: EventSource,
        specs: Mapping[str, StreamSpec],
    ) -> None:
        self.recorder, self.ledger = recorder, ledger
        rates_hz = {role: spec.sfreq for role, spec in specs.items()}
        self.source = RecordedSource(source, recorder, a_second(rates_hz))
        self.sink = RecordingSink(recorder, tuple(specs))
        self._told: set[str] = set()

    def pipeline(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline, its wall-clock deadlines recorded."""
        return cast("Pipeline", RecordedPipeline(pipeline, self.recorder))

    def mark(self, label: str, t_s: float) -> None:
        """Write a person's own marker at that local time (s)."""
        self.recorder.texts(OWN_MARKERS, [t_s], [(label,)])

    def words(self) -> str:
        """How it stands, in one line: duration, size and free space, or why it has ended."""
        status = self.recorder.status()
        return status_line(status) if status.error is None else f"ENDED: {status.error}"

    def new_troubles(self) -> list[str]:
        """What has not been told yet: that it has ended, or that the disk is soon full."""
        status = self.recorder.status()
        found = {"ledger": self.ledger.error} if self.ledger.error is not None else {}
        if status.error is not None:
            found["ended"] = f"{status.error}; predictions go on"
        elif status.left_s < LOW_S:
            found["low"] = f"the disk is full in {status.left_s / 60:.0f} min: free some space"
        news = [text for key, text in found.items() if key not in self._told]
        self._told |= set(found)
        return news

    def close(self) -> None:
        """Write what is queued, and the end."""
        self.recorder.close()
        self.ledger.close()

    @property
    def error(self) -> str | None:
        """Why recording or ledger is not whole, None while all is well."""
        return self.recorder.error or self.ledger.error

    def record(self) -> dict[str, object]:
        """For a program, when it is over."""
        return recording_record(self.recorder.status())

    def row(self) -> tuple[str, str]:
        """For the summary."""
        status = self.recorder.status()
        counts = ", ".join(f"{name} {n}" for name, n in status.n_samples.items())
        return "recording", f"{status.path}: {self.words()}; samples: {counts}; ledger beside it"


def begin(
    destination: Destination,
    source: EventSource,
    bindings: Mapping[str, Binding],
    prepared: Prepared,
    *,
    audio: bool,
    keyboard: bool = False,
) -> LiveRecording:
    """Begin to record a live session; the voice only when ``audio``, and what is typed when ``keyboard``.

    Raises ConfigError when the file cannot be made.
    """
    path = destination.path()
    check_free(ledger_of(path), WHAT)
    finish_earlier(destination.root)
    specs = {role: b.spec for role, b in bindings.items() if role in (EEG, AUDIO)}
    streams = recorded_streams(bindings, prepared, audio=audio)
    recorder = XdfRecorder(path, [*streams, keyboard_stream()] if keyboard else streams)
    try:
        ledger = LedgerRecorder(ledger_of(path), prepared, tuple(specs))
    except ConfigError:
        recorder.close()
        raise
    return LiveRecording(recorder, ledger, source, specs)


OWN_MARKERS = "markers:keyboard"  #: what the recorder calls what a person typed or clicked


def keyboard_stream() -> RecordedStream:
    """The markers that a person sets in a session."""
    own = own_stream("bci-stream-keyboard", "Markers", ("marker",), "", dtype="string")
    return replace(own, key=OWN_MARKERS)


def recorded_streams(
    bindings: Mapping[str, Binding], prepared: Prepared, *, audio: bool
) -> list[RecordedStream]:
    """What a recording of a live session holds; the voice only when ``audio``."""
    bound = [
        as_bound(b.info, b.spec) for role, b in bindings.items() if role == EEG or (role == AUDIO and audio)
    ]
    markers = [as_markers(role, b.info) for role, b in bindings.items() if role not in (EEG, AUDIO)]
    roles = [role for role in bindings if role in (EEG, AUDIO)]
    own = prediction_streams("bci-stream", _classes(prepared), roles, session_facts(prepared, roles))
    return [*bound, *markers, *own]


def session_facts(prepared: Prepared, roles: Sequence[str]) -> dict[str, str]:
    """What a replay needs to do the same: the window's settings, the model, and what the session heard."""
    settings, choice = prepared.settings, prepared.choice
    return {
        "window_s": repr(settings.window_s),
        "hop_s": repr(settings.hop_s),
        "lateness_s": repr(settings.lateness_s),
        "bundle_sha256": prepared.bundle.sha256 if prepared.bundle else "",
        "fit": choice.fit or FIT,
        "mains_hz": repr(choice.mains_hz or MAINS_HZ),
        "roles": ",".join(roles),
        "voice_gate": str(any(plan.voice_gate for plan in prepared.plans.values())).lower(),
    }


def _classes(prepared: Prepared) -> tuple[str, ...]:
    return tuple(prepared.bundle.contract.classes) if prepared.bundle else ()
