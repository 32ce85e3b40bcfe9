"""What a recorded live session says of itself, so that a replay of it does the very same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast
from xml.etree.ElementTree import ParseError, fromstring

from apps.choice import ModelChoice
from bci_stream.sinks.xdf_headers import ENGINE, OWN_TEXT_TYPES
from bci_stream.sinks.xdf_session import ReplayedPipeline

if TYPE_CHECKING:
    from bci_stream.engine.pipeline import Pipeline
    from bci_stream.model.bundle import Bundle
    from bci_stream.sources.recordings import Recording


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """The settings of a session, None where the recording does not say."""

    window_s: float | None
    hop_s: float | None
    lateness_s: float | None
    mains_hz: float | None
    fit: str | None
    voice_gate: bool | None
    bundle_sha256: str
    roles: tuple[str, ...]

    def completed(self, choice: ModelChoice) -> ModelChoice:
        """The user's choice, and the session's where the user has made none."""
        return replace(
            choice,
            fit=choice.fit or self.fit,
            mains_hz=choice.mains_hz or self.mains_hz,
            window_s=self.window_s if choice.window_s is None else choice.window_s,
            hop_s=self.hop_s if choice.hop_s is None else choice.hop_s,
            voice_gate=self.voice_gate if choice.voice_gate is None else choice.voice_gate,
        )

    def differences(self, bundle: Bundle | None, roles: Mapping[str, object]) -> Iterator[str]:
        """Why this replay will not say the same, one line each."""
        if bundle is not None and self.bundle_sha256 not in ("", bundle.sha256):
            yield (
                f"the session was recorded with the bundle {self.bundle_sha256[:12]}…, this is "
                f"{bundle.sha256[:12]}…: predictions differ (choose it with --bundle)"
            )
        for role in self.roles:
            if role not in roles:
                yield f"the session heard {role}, which is not replayed: predictions differ"


def recorded_session(recording: Recording) -> RecordedSession | None:
    """The session in a recording; None where it holds none."""
    for info in recording.streams:
        if info.type == ENGINE and (facts := _facts(info.xml)):
            return RecordedSession(
                window_s=_positive(facts, "window_s"),
                hop_s=_positive(facts, "hop_s"),
                lateness_s=_positive(facts, "lateness_s"),
                mains_hz=_positive(facts, "mains_hz"),
                fit=facts.get("fit") or None,
                voice_gate={"true": True, "false": False}.get(facts.get("voice_gate", "")),
                bundle_sha256=facts.get("bundle_sha256", ""),
                roles=tuple(role for role in facts.get("roles", "").split(",") if role),
            )
    return None


def foreign_markers(recording: Recording, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Of some marker streams, those to replay: all but our own texts, and the wall clock's moments."""
    types = {info.key: info.type for info in recording.streams}
    return tuple(key for key in keys if types[key] == ENGINE or types[key] not in OWN_TEXT_TYPES)


def replayed(pipeline: Pipeline) -> Pipeline:
    """A pipeline for :func:`~bci_stream.engine.session.replay` that heeds recorded wall-clock deadlines."""
    return cast("Pipeline", ReplayedPipeline(pipeline))


def _facts(xml: str) -> dict[str, str]:
    try:
        session = fromstring(xml).find("desc/session")
    except (ParseError, ValueError):
        return {}
    return {} if session is None else {child.tag: child.text or "" for child in session}


def _positive(facts: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(facts[name])
    except (KeyError, ValueError):
        return None
    return value if 0 <= value < 1e6 else None
