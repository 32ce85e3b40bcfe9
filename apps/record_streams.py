"""Every chosen stream of the network, read as it comes: all its channels in its own format, raw stamps."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import AmbiguousStreamError, StreamLostError, StreamNotFoundError
from bci_stream.messages import Chunk, ClockOffset, Marker, StreamInfo
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import RecordedStream, as_markers, as_received
from bci_stream.sources.binding import MARKERS, Binding, describe_stream, find_stream, looks_like_audio
from bci_stream.sources.lsl_discovery import SETTLE_S, Directory, and_refused
from bci_stream.sources.lsl_inlet import BoundInlet

PULL_S = 0.05  # what a killed recorder can lose; a stream that dies takes at most this with it
_POLL_S = 0.05
_OPEN_S = 5.0
_STALL_S = 0.5
_CLOSE_S = 1.8


class RawBinding(Binding):
    """A binding that changes nothing: every channel, in the stream's own format."""

    def convert(self, raw: NDArray[Any]) -> NDArray[Any]:
        """A copy, because the reader's buffer is used again."""
        return raw.copy()


@dataclass(slots=True)
class _Reader:
    stream: RecordedStream
    inlet: BoundInlet


class NetworkStreams:
    """The chosen streams, connected; one that goes away is taken back when it returns.

    Raises:
        StreamLostError: one that was found does not answer.
    """

    def __init__(self, infos: Sequence[StreamInfo], directory: Directory) -> None:
        self._returned = threading.Event()
        self._readers = [self._reader(info, directory) for info in infos]
        for reader in self._readers:
            reader.inlet.start()
        deadline_s = time.monotonic() + _OPEN_S
        for reader in self._readers:
            if not reader.inlet.wait_ready(max(0.0, deadline_s - time.monotonic())):
                self.close()
                raise reader.inlet.failure or StreamLostError(
                    f"stream {reader.stream.name!r} did not connect within {_OPEN_S:g} s: restart its program"
                )

    @property
    def recorded(self) -> list[RecordedStream]:
        """Their headers for a recorder."""
        return [reader.stream for reader in self._readers]

    def drain(self, recorder: XdfRecorder) -> None:
        """Hand everything that has come to the recorder."""
        for reader in self._readers:
            key = reader.stream.key
            for event in reader.inlet.drain():
                if isinstance(event, Chunk):
                    recorder.numbers(key, event.timestamps, event.data)
                elif isinstance(event, Marker):
                    recorder.texts(key, [event.timestamp], [(event.label,)])
                else:
                    recorder.event(ClockOffset(key, event.remote_s, event.offset_s))

    def troubles(self) -> dict[str, str]:
        """What to say of each stream that is not well, by its key."""
        states = {reader.stream.key: reader.inlet.status() for reader in self._readers}
        return {key: status.note for key, status in states.items() if status.note}

    def close(self) -> None:
        """Disconnect."""
        deadline_s = time.monotonic() + _CLOSE_S
        for reader in self._readers:
            reader.inlet.stop()
        for reader in self._readers:
            reader.inlet.join(deadline_s - time.monotonic())

    def _reader(self, info: StreamInfo, directory: Directory) -> _Reader:
        # A role is all that an inlet's events are called by; text is pulled as text by the role of markers.
        is_text = info.dtype == "string"
        role = MARKERS if is_text else info.uid
        stream = as_markers(info.uid, info) if is_text else as_received(info.uid, info)
        columns = np.arange(info.n_channels, dtype=np.intp)
        names = tuple(f"ch{column + 1}" for column in columns)
        binding = RawBinding(role, info, columns, names, np.ones(info.n_channels), info.sfreq)
        return _Reader(stream, BoundInlet(binding, directory.link(info), _STALL_S, self._returned))


def choose(
    directory: Directory, queries: Sequence[str], want_audio: bool, wait_s: float
) -> tuple[list[StreamInfo], list[str]]:
    """The streams to record, and one line for each that is left out or cannot be used.

    ``queries``: name, type, source_id, or key=value pairs, one stream each; none: all that is there. Audio
    is left out unless it is wanted.

    Raises:
        StreamNotFoundError: nothing fits within ``wait_s``.
        AmbiguousStreamError: several streams fit one query.
    """
    began_s = time.monotonic()
    while True:
        survey = directory.survey()
        waited_s = time.monotonic() - began_s
        final = waited_s >= wait_s
        if waited_s >= SETTLE_S or final:
            try:
                return _fitting(list(survey.streams), survey.refused, queries, want_audio)
            except StreamNotFoundError as error:
                if final:
                    text = f"{error}{and_refused(survey.refused)}"
                    raise StreamNotFoundError(f"{text}; look with `bci-stream streams`") from None
        time.sleep(_POLL_S)


def _fitting(
    there: list[StreamInfo], refused: Sequence[str], queries: Sequence[str], want_audio: bool
) -> tuple[list[StreamInfo], list[str]]:
    chosen = [_one(there, query) for query in queries] if queries else there
    chosen = list({info.uid: info for info in chosen}.values())
    silent = [] if want_audio else [info for info in chosen if looks_like_audio(info)]
    notes = [f"not recorded without --audio: {describe_stream(info)}" for info in silent]
    kept = [info for info in chosen if info not in silent]
    if not kept:
        reason = f": {'; '.join(notes)}" if notes else ""
        raise StreamNotFoundError(f"there is no stream to record{reason}")
    return kept, [*notes, *(refused if not queries else ())]


def _one(there: list[StreamInfo], query: str) -> StreamInfo:
    """The stream that answers a query, whatever it looks like."""
    answers: dict[str, StreamInfo] = {}
    problem: StreamNotFoundError | None = None
    for role in ("eeg", "audio", MARKERS):
        try:
            found = find_stream(there, role, query)
        except StreamNotFoundError as error:
            problem = error
        except AmbiguousStreamError:
            raise
        else:
            answers[found.uid] = found
    if len(answers) > 1:
        listing = "; ".join(describe_stream(info) for info in answers.values())
        raise AmbiguousStreamError(
            f"{len(answers)} streams fit {query!r}: {listing}; choose one by name= or uid="
        )
    if not answers:
        raise StreamNotFoundError(str(problem))
    return next(iter(answers.values()))
