"""``bci-stream verify``: a recorded session once more, held window by window to what its ledger says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from apps.choice import ModelChoice, Prepared, StreamChoice, load_model
from apps.console import fail, out, say, warn, write_line
from apps.live_ledger import Ledger, ledger_of, libraries, settings_of
from apps.recorded_session import foreign_markers, replayed
from apps.recording import BoundRecording, bind_recording
from apps.replay import ReplayOptions, fitted
from bci_stream.engine.ledger import BUNDLE, INPUT, INTERVAL, LOGITS, MASK, difference, entry_of
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.session import replay
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO
from bci_stream.sources.recordings import Recording, open_recording
from bci_stream.sources.xdf import XdfSource

if TYPE_CHECKING:
    from bci_stream.engine.ledger import LedgerEntry

_MODEL = "bundle_sha256"  # of the settings
_ONLY_HERE = "a window that the session did not have"
_ONLY_THEN = "a window that the replay does not have"
_MEANING = {
    INTERVAL: "the window itself: its bounds, or what closed it",
    BUNDLE: "another model answered",
    MASK: "other samples were missing or bad",
    INPUT: "other samples, or treated otherwise",
    LOGITS: "the same model said something else of the same samples",
}


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The command's options, checked by the parser for type only. ``ledger``: None for the one beside."""

    file: Path
    ledger: Path | None
    model: ModelChoice
    lateness_s: float | None
    want_audio: bool
    as_json: bool


@dataclass
class Verdict:
    """How a session compares with its replay.

    ``n_same``: windows that are the same; ``n_unfused``: of them, those that live left out and that only the
    replay answers; ``n_open``: where the voice is left out, windows whose samples counted as late or not by
    when the voice came, which nobody can tell any more. ``index`` and ``why`` are of the first window that
    differs, None and () where none does.
    ``settings``: those that differ, as (ledger, here).
    """

    n_windows: int
    n_same: int = 0
    n_unfused: int = 0
    n_open: int = 0
    n_different: int = 0
    index: int | None = None
    interval_s: tuple[float, float] | None = None
    why: tuple[str, ...] = ()
    bundles: tuple[str, str] | None = None
    settings: dict[str, tuple[str, str]] = field(default_factory=dict)
    libraries: dict[str, tuple[str, str]] = field(default_factory=dict)
    compared: tuple[str, ...] = ()
    whole: bool = True  # nothing was left out: deadlines and logits were compared too
    ended: bool = True

    @property
    def is_same(self) -> bool:
        """Every window of the ledger is there, and the same, and there is one."""
        return self.index is None and self.n_same > 0 and self.n_same + self.n_open == self.n_windows


def run(options: VerifyOptions) -> None:
    """Compare and tell; exit code 1 when a window differs. Raises BciStreamError, see :func:`verify`."""
    verdict = verify(options)
    if options.as_json:
        write_line(json.dumps({"kind": "verdict", "same": verdict.is_same, **asdict(verdict)}))
    else:
        _tell(verdict)
    if not verdict.is_same:
        sys.exit(1)


def verify(options: VerifyOptions) -> Verdict:
    """Replay the recording and compare every window.

    Raises:
        BciStreamError: the recording, the ledger or the bundle cannot be read, or a stream is missing.
    """
    ledger = Ledger(options.ledger or ledger_of(options.file))
    model = _as_recorded(options.model, ledger)
    bundle = load_model(model)
    with open_recording(options.file) as recording:
        bound = bind_recording(recording, StreamChoice(want_audio=options.want_audio), any_numeric=False)
        roles = _roles(ledger, bound, options)
        prepared, _ = fitted(_as_replay(options, model), bundle, recording, bound)
        verdict = Verdict(len(ledger.entries), compared=roles, ended=ledger.ended)
        verdict.settings = _unlike(ledger.settings, settings_of(prepared, ledger.roles))
        assert ledger.header is not None
        verdict.libraries = _unlike(ledger.header.libraries, libraries())
        verdict.whole = roles == ledger.roles
        _compare(verdict, ledger, _entries(recording, bound, prepared))
    return verdict


def _as_recorded(choice: ModelChoice, ledger: Ledger) -> ModelChoice:
    """Without a model where the session had none."""
    if ledger.settings.get(_MODEL):
        return choice
    if choice.bundle is not None:
        raise ConfigError("the session ran without a model: leave --bundle out")
    return ModelChoice(wanted=False, mains_hz=choice.mains_hz)


def _as_replay(options: VerifyOptions, model: ModelChoice) -> ReplayOptions:
    return ReplayOptions(
        file=options.file,
        speed="max",
        t_from_s=None,
        t_to_s=None,
        streams=StreamChoice(want_audio=options.want_audio),
        model=model,
        lateness_s=options.lateness_s,
        reanchor=False,
        windows=False,
        as_json=False,
    )


def _roles(ledger: Ledger, bound: BoundRecording, options: VerifyOptions) -> tuple[str, ...]:
    """The streams to compare. Raises ConfigError when one that the session heard is not to be had."""
    for role in ledger.roles:
        if role not in bound.bindings and (role != AUDIO or options.want_audio):
            advice = (
                "--no-audio compares the EEG alone; `live --record-audio` would have kept it"
                if role == AUDIO
                else "it is another session's recording"
            )
            raise ConfigError(f"the session heard {role}, which {options.file} does not hold: {advice}")
    roles = tuple(role for role in ledger.roles if role in bound.bindings)
    if not roles:
        raise ConfigError(f"{options.file} holds no stream that the ledger is of")
    return roles


def _unlike(recorded: Mapping[str, str], here: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys((*recorded, *here))
    pairs = {name: (recorded.get(name, "unknown"), here.get(name, "unknown")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _entries(recording: Recording, bound: BoundRecording, prepared: Prepared) -> Iterator[LedgerEntry]:
    """What the ledger of this replay would be."""
    source = XdfSource(recording, bound.bindings, foreign_markers(recording, bound.markers))
    pipeline = Pipeline(prepared.plans, prepared.settings, prepared.predictor)
    bundle = prepared.bundle.sha256 if prepared.bundle is not None else ""
    for outcome in replay(source.events(), replayed(pipeline)):
        yield entry_of(outcome.window, outcome.prediction, prepared.settings.hop_s, bundle)


def _compare(verdict: Verdict, ledger: Ledger, again: Iterator[LedgerEntry]) -> None:
    """Fill in the verdict. What a replay says after the ledger's last window the session never came to."""
    last, expected = max(ledger.entries), dict(ledger.entries)
    for entry in again:
        recorded = expected.pop(entry.index, None)
        if recorded is None:
            if entry.index < last:
                _differs(verdict, entry, (_ONLY_HERE,))
            continue
        why = difference(recorded, entry, verdict.compared, whole=verdict.whole)
        if why:
            _differs(verdict, recorded, tuple(why), (recorded.bundle, entry.bundle))
            continue
        verdict.n_same += 1
        verdict.n_unfused += recorded.logits is None and entry.logits is not None
    for recorded in expected.values():
        _differs(verdict, recorded, (_ONLY_THEN,))


def _differs(
    verdict: Verdict, entry: LedgerEntry, why: tuple[str, ...], bundles: tuple[str, str] | None = None
) -> None:
    if not verdict.whole and why[0].startswith((MASK, _ONLY_HERE, _ONLY_THEN)):
        verdict.n_open += why[0] != _ONLY_HERE
        return
    verdict.n_different += 1
    if verdict.index is None or entry.index < verdict.index:
        verdict.index, verdict.interval_s, verdict.why = entry.index, (entry.t_start, entry.t_end), why
        verdict.bundles = bundles if BUNDLE in why else None


def _tell(verdict: Verdict) -> None:
    if not verdict.ended:
        warn("the ledger has no end: its session was killed; what it holds is compared")
    if verdict.is_same:
        for name, (before, now) in verdict.settings.items():
            warn(f"{name} was {before}, here it is {now}: it makes no difference")
        out.print(_same_words(verdict), markup=False)
        return
    for name, (before, now) in verdict.libraries.items():
        say(f"{name} was {before}, here it is {now}")
    if verdict.interval_s is None:
        fail("no window can be compared without the voice")
        return
    t_start, t_end = verdict.interval_s
    words = ", ".join(verdict.why)
    fail(
        f"window {verdict.index} [{t_start:.3f}, {t_end:.3f}) s is the first of {verdict.n_different} that "
        f"differ: {words} ({_reason(verdict)})"
    )


def _same_words(verdict: Verdict) -> str:
    words = f"{verdict.n_same} windows are the same: masks and inputs of {' and '.join(verdict.compared)}"
    words += ", bundle and logits" if verdict.whole else "; logits were not compared"
    if verdict.n_open:
        words += f"; {verdict.n_open} depended on when the voice came"
    if verdict.n_unfused:
        words += f" ({verdict.n_unfused} were skipped live, newer ones being due)"
    return words


def _reason(verdict: Verdict) -> str:
    cause = verdict.why[0]
    changed = [
        f"{name} was {a}, here it is {b}" for name, (a, b) in verdict.settings.items() if name != _MODEL
    ]
    if cause == BUNDLE and verdict.bundles is not None:
        before, now = (sha256[:12] or "none" for sha256 in verdict.bundles)
        return f"{before}… answered then, {now}… now: choose it with --bundle"
    if changed:
        return "; ".join(changed)
    return _MEANING.get(cause.split(" ")[0], cause)
