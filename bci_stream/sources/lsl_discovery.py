"""What is on the LSL network: every stream's full header, judged before anything connects to it.

Streams are resolved all together and chosen in Python: liblsl's own queries paste a name into an XPath
expression, where a quote in it matches other streams.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pylsl

from bci_stream.errors import StreamFormatError, StreamLostError, StreamNotFoundError
from bci_stream.messages import StreamInfo
from bci_stream.sources.lsl_link import Link, check_bounds, header_text
from bci_stream.sources.metadata import parse_stream_info, plain_text

_FORGET_S: Final = 2.0  # a stream that no longer answers is listed for this long
_N_AT_ONCE: Final = 8
_POLL_S: Final = 0.05
SETTLE_S: Final = 0.6  # every outlet of a local network answers within this


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found: ``streams`` with full headers, and ``refused``, one line for each that is unusable."""

    streams: tuple[StreamInfo, ...]
    refused: tuple[str, ...] = ()


class Announcements:
    """The headers that outlets announce, kept up to date by liblsl in the background."""

    def __init__(self) -> None:
        self._resolver = pylsl.ContinuousResolver(forget_after=_FORGET_S)
        self._handles: dict[str, pylsl.StreamInfo] = {}

    def poll(self) -> Survey:
        """Announced headers (without channel lists) of the streams that are there now."""
        streams: dict[str, StreamInfo] = {}
        handles: dict[str, pylsl.StreamInfo] = {}
        refused: list[str] = []
        for handle in self._resolver.results():
            try:
                info = _announced(handle)
            except StreamFormatError as error:
                refused.append(str(error))
                continue
            streams[info.uid], handles[info.uid] = info, handle
        self._handles = handles
        return Survey(tuple(streams.values()), tuple(dict.fromkeys(refused)))

    def link(self, info: StreamInfo) -> Link:
        """A link to a stream that the last :meth:`poll` returned."""
        return Link(self._handles[info.uid], info)


def _announced(handle: pylsl.StreamInfo) -> StreamInfo:
    info = parse_stream_info(header_text(handle), key=plain_text(handle.uid()))
    check_bounds(info)
    return info


class Directory:
    """Announcements completed by each stream's full header, which is asked for once."""

    def __init__(self) -> None:
        self._announcements = Announcements()
        self._known: dict[str, StreamInfo | str] = {}

    def survey(self) -> Survey:
        """The streams that are there now; a stream that does not answer counts as refused."""
        announced = self._announcements.poll()
        unknown = [info for info in announced.streams if info.uid not in self._known]
        if unknown:
            with ThreadPoolExecutor(_N_AT_ONCE) as pool:
                self._known.update(zip((i.uid for i in unknown), pool.map(self._full, unknown), strict=True))
        known = [self._known[info.uid] for info in announced.streams]
        return Survey(
            tuple(found for found in known if isinstance(found, StreamInfo)),
            announced.refused + tuple(found for found in known if isinstance(found, str)),
        )

    def _full(self, info: StreamInfo) -> StreamInfo | str:
        try:
            return self._announcements.link(info).full_header()
        except (StreamLostError, StreamFormatError) as error:
            return str(error)

    def link(self, info: StreamInfo) -> Link:
        """A link to a stream of the last survey."""
        return self._announcements.link(info)


def survey_streams(wait_s: float = 1.0) -> Survey:
    """Listen for ``wait_s`` and tell what is there, the unusable included."""
    directory = Directory()
    deadline = time.monotonic() + wait_s
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(_POLL_S, left_s))
    return directory.survey()


def list_streams(wait_s: float = 1.0) -> list[StreamInfo]:
    """The usable streams on the network, with full headers, ordered by name; see :func:`survey_streams`."""
    return sorted(survey_streams(wait_s).streams, key=lambda info: (info.name, info.source_id, info.uid))


def link_to(info: StreamInfo, timeout_s: float = 5.0) -> Link:
    """Connect to a stream that was listed before. Raises StreamNotFoundError when it is gone."""
    announcements = Announcements()
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if present := [found for found in announcements.poll().streams if found.uid == info.uid]:
            return announcements.link(present[0])
        time.sleep(_POLL_S)
    raise StreamNotFoundError(
        f"stream {info.name!r} ({info.uid}) is no longer there after {timeout_s:g} s: list the streams again"
    )


def and_refused(refused: Iterable[str]) -> str:
    """What to add to "not found" when streams were there that could not be used."""
    lines: Sequence[str] = tuple(refused)
    return f"; refused: {'; '.join(lines)}" if lines else ""
