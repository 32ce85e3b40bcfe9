"""Each electrode before a session: how it is, and what to do about it. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.gui.strings import tr
from bci_stream.dsp.montage import position, seen_from_above
from bci_stream.engine.frame import ChannelQuality


@dataclass(frozen=True, slots=True)
class Electrode:
    """``at``: on a head of radius 1 from above, nose up; None where nobody knows. ``advice``: "" if good."""

    name: str
    state: str
    words: str
    advice: str
    at: tuple[float, float] | None


_ADVICE = {
    "noisy": "sit still and loosen the jaw; press it on, wet it, part the hair",
    "hum": "press it and the reference on; unplug mains adapters near you",
    "flat": "it is not connected: press it on, check its plug",
    "clipped": "press it on and wait some seconds; check the reference",
    "gone": "the headset sends nothing for it: check its cable and battery",
}


def electrodes(found: Sequence[ChannelQuality]) -> tuple[Electrode, ...]:
    """All of them, in the headset's order."""
    return tuple(_electrode(one) for one in found)


def _electrode(one: ChannelQuality) -> Electrode:
    key = "hum" if one.words.startswith("mains hum") else one.state
    place = position(one.name)
    at = None if place is None else tuple(float(x) for x in seen_from_above(place))
    advice = tr(_ADVICE[key]) if key in _ADVICE else ""
    words = one.words.replace("?,", "?")
    return Electrode(one.name, one.state, words, advice, (at[0], at[1]) if at is not None else None)


def to_see_to(found: Sequence[Electrode]) -> list[Electrode]:
    """Those that are not good, the worst first."""
    order = ("gone", "flat", "clipped", "noisy")
    poor = [one for one in found if one.state != "good"]
    return sorted(poor, key=lambda one: order.index(one.state) if one.state in order else len(order))
