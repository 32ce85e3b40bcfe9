"""Whether a stream that appeared is the one that went away. Pure.

A stream's uid is new at every start of its program, so it tells a restart but not who restarted;
name, type, source_id, host and the whole shape of the data do. Anything less is another stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bci_stream.messages import StreamInfo

_ANNOUNCED = ("name", "type", "source_id", "hostname", "n_channels", "sfreq", "dtype")
_DESCRIBED = ("ch_names", "ch_units")
_WORDS = {
    "n_channels": "channels",
    "sfreq": "rate",
    "dtype": "format",
    "ch_names": "labels",
    "ch_units": "units",
}

_MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Match:
    """The stream that may be taken back, or why none may. Both empty: nothing like it is there."""

    info: StreamInfo | None = None
    refusal: str = ""


def differences(bound: StreamInfo, found: StreamInfo, *, described: bool = True) -> str:
    """What differs between two headers, in words; empty when nothing does.

    ``described``: compare channel labels and units too, which only the full header tells.
    """
    fields = _ANNOUNCED + (_DESCRIBED if described else ())
    changed = [field for field in fields if getattr(bound, field) != getattr(found, field)]
    return ", ".join(_change(field, bound, found) for field in changed)


def match(bound: StreamInfo, found: Sequence[StreamInfo]) -> Match:
    """Which of the announced headers is the bound stream come back."""
    same = [info for info in found if not differences(bound, info, described=False)]
    if len(same) == 1:
        return Match(same[0])
    if same:
        uids = ", ".join(info.uid for info in same)
        return Match(
            refusal=f"{len(same)} streams claim to be {bound.name!r} (uids {uids}): stop all but one"
        )
    for info in found:
        if _kin(bound, info):
            return Match(refusal=refusal(bound, differences(bound, info, described=False)))
    return Match()


def refusal(bound: StreamInfo, changed: str) -> str:
    """The line for a stream that came back changed."""
    return f"{bound.name!r} came back changed and is not taken ({changed}): restore it, or start anew"


def _kin(bound: StreamInfo, found: StreamInfo) -> bool:
    """Whether a stream that differs passes for the bound one: the same id and type, or else name and host."""
    if bound.source_id:
        return (bound.source_id, bound.type) == (found.source_id, found.type)
    return not found.source_id and (bound.name, bound.hostname) == (found.name, found.hostname)


def _change(field: str, bound: StreamInfo, found: StreamInfo) -> str:
    return f"{_WORDS.get(field, field)} {_shown(getattr(bound, field))} -> {_shown(getattr(found, field))}"


def _shown(value: object) -> str:
    if isinstance(value, (int, float)):
        return f"{value:g}"
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…")
