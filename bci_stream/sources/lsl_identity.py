"""Whether a stream that appeared is the one that went away. Pure.

A stream's uid is new at every start of its program, so it tells a restart but not who restarted;
name, type, source_id, host, the whole shape of the data and the rest of the header do. Anything less is
another stream, unless the user agrees to it (:func:`can_agree`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bci_stream.messages import StreamInfo
from bci_stream.sources.metadata import created_at, header_digest

_ANNOUNCED = ("name", "type", "source_id", "hostname", "n_channels", "sfreq", "dtype")
_DESCRIBED = ("ch_names", "ch_units")
_WORDS = {
    "n_channels": "channels",
    "sfreq": "rate",
    "dtype": "format",
    "ch_names": "labels",
    "ch_units": "units",
}

DESCRIPTION = "description"  #: of a header: all that it says beside what is named here
_AGREEABLE = frozenset(("hostname", "name"))  # what can change and leave each sample what it was
_CLOCK_SLACK_S = 0.05
_MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Match:
    """The stream that may be taken back, or why none may. Both empty: nothing like it is there.

    ``asked``: the one stream that is taken if the user agrees to what has changed.
    """

    info: StreamInfo | None = None
    refusal: str = ""
    asked: StreamInfo | None = None


def differences(
    bound: StreamInfo, found: StreamInfo, *, described: bool = True, agreed: Collection[str] = ()
) -> str:
    """What differs between two headers, in words; empty when nothing does.

    ``described``: compare channel labels, units and the rest of the description too, which only the full
    header tells. ``agreed``: fields that may differ, or :data:`DESCRIPTION`.
    """
    fields = _ANNOUNCED + (_DESCRIBED if described else ())
    changed = [field for field in fields if getattr(bound, field) != getattr(found, field)]
    words = [_change(field, bound, found) for field in changed if field not in agreed]
    if described and not words and DESCRIPTION not in agreed:
        same = header_digest(bound, changed) == header_digest(found, changed)
        words += [] if same else [DESCRIPTION]
    return ", ".join(words)


def can_agree(bound: StreamInfo, found: StreamInfo) -> frozenset[str]:
    """The announced fields that differ, where a user may agree to all of them; else empty.

    With another rate, format, type or number of channels a running session cannot go on: it is begun anew.
    """
    changed = frozenset(field for field in _ANNOUNCED if getattr(bound, field) != getattr(found, field))
    return changed if changed <= _AGREEABLE else frozenset()


def match(bound: StreamInfo, found: Sequence[StreamInfo], alive_until_s: float = math.nan) -> Match:
    """Which of the announced headers is the bound stream come back.

    ``alive_until_s``: when the bound stream last sent, on its own clock; what was made before that is no
    restart of it, but a twin that ran beside it.
    """
    same = [info for info in found if not differences(bound, info, described=False)]
    if len(same) == 1 and _ran_beside(bound, same[0], alive_until_s):
        return Match(
            refusal=f"{bound.name!r} is gone, and the one of that name that is there (uid {same[0].uid}) ran "
            "beside it: stop it, or start anew"
        )
    if len(same) == 1:
        return Match(same[0])
    if same:
        uids = ", ".join(info.uid for info in same)
        return Match(
            refusal=f"{len(same)} streams claim to be {bound.name!r} (uids {uids}): stop all but one"
        )
    kin = [info for info in found if _kin(bound, info)]
    if not kin:
        return Match()
    asked = kin[0] if len(kin) == 1 and can_agree(bound, kin[0]) else None
    words = refusal(bound, differences(bound, kin[0], described=False))
    return Match(refusal=words + (" (or agree to it)" if asked is not None else ""), asked=asked)


def refusal(bound: StreamInfo, changed: str) -> str:
    """The line for a stream that came back changed."""
    return f"{bound.name!r} came back changed and is not taken ({changed}): restore it, or start anew"


def _kin(bound: StreamInfo, found: StreamInfo) -> bool:
    """Whether a stream that differs passes for the bound one: the same id and type, or else name and host."""
    if bound.source_id:
        return (bound.source_id, bound.type) == (found.source_id, found.type)
    return not found.source_id and (bound.name, bound.hostname) == (found.name, found.hostname)


def _ran_beside(bound: StreamInfo, found: StreamInfo, alive_until_s: float) -> bool:
    """Made after the bound one and before that one's end; of one host, so of one clock."""
    made_s = created_at(found)
    return found.uid != bound.uid and created_at(bound) < made_s < alive_until_s - _CLOCK_SLACK_S


def _change(field: str, bound: StreamInfo, found: StreamInfo) -> str:
    return f"{_WORDS.get(field, field)} {_shown(getattr(bound, field))} -> {_shown(getattr(found, field))}"


def _shown(value: object) -> str:
    if isinstance(value, (int, float)):
        return f"{value:g}"
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…")
