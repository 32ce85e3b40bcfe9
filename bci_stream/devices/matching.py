"""Which device a stream is of, by its header, and why. Pure.

Of all profiles whose rule the header satisfies the most specific one wins: each thing that agreed counts
by how little it leaves open (a name in full more than a pattern, a pattern more than a type).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring

from bci_stream.devices.profile import DeviceProfile, MatchRule
from bci_stream.messages import StreamInfo

_EXACT, _PATTERN, _LABELS, _SHAPE, _KIND = 8, 6, 6, 3, 1
_SAME_RATE: Final = 1e-3
_DEPTH: Final = 6
_RECORDED: Final = (
    "bci_stream/recorded"  # in the header of what we recorded bound: no device's header any more
)


@dataclass(frozen=True, slots=True)
class Match:
    """A profile that fits a stream, how specifically, and what agreed, in words."""

    profile: DeviceProfile
    score: int
    reasons: tuple[str, ...]

    @property
    def words(self) -> str:
        """What agreed, in one breath."""
        return ", ".join(self.reasons)


def match_profile(info: StreamInfo, profiles: Sequence[DeviceProfile]) -> Match | None:
    """The most specific profile that fits a header; of equals the first. None: no profile fits."""
    best: Match | None = None
    for profile in profiles:
        found = agreement(info, profile)
        if found is not None and (best is None or found.score > best.score):
            best = found
    return best


def agreement(info: StreamInfo, profile: DeviceProfile) -> Match | None:
    """How a header agrees with one profile's rule; None where it does not, or there is no rule."""
    rule = profile.match
    if rule is None or info.dtype == "string" or _RECORDED in _desc(info.xml):
        return None
    score, reasons = 0, []
    for found in (*_by_shape(info, rule), *_by_name(info, rule), *_by_description(info, rule)):
        if found is None:
            return None
        score += found[0]
        reasons.append(found[1])
    return Match(profile, score, tuple(reasons))


_Finding = tuple[int, str] | None


def _by_shape(info: StreamInfo, rule: MatchRule) -> Iterator[_Finding]:
    if rule.type:
        fits = any(_fits(info.type, pattern) for pattern in rule.type)
        yield (_KIND, f"type {info.type or '(none)'}") if fits else None
    if rule.channels:
        several = "s" if info.n_channels > 1 else ""
        yield (_SHAPE, f"{info.n_channels} channel{several}") if info.n_channels in rule.channels else None
    if rule.sfreq:
        words = f"{info.sfreq:g} Hz" if info.sfreq else "no rate declared"
        yield (_SHAPE, words) if any(_same_rate(info.sfreq, rate) for rate in rule.sfreq) else None
    if rule.format:
        yield (_KIND, info.dtype) if info.dtype in rule.format else None


def _by_name(info: StreamInfo, rule: MatchRule) -> Iterator[_Finding]:
    for word, text, patterns in (
        ("named", info.name, rule.name),
        ("source_id", info.source_id, rule.source_id),
    ):
        if patterns:
            scores = [_EXACT if _plain(p) else _PATTERN for p in patterns if _fits(text, p)]
            yield (max(scores), f"{word} {text!r}") if scores else None


def _by_description(info: StreamInfo, rule: MatchRule) -> Iterator[_Finding]:
    if rule.described is not None:
        words = "labelled channels" if rule.described else "no channel list"
        yield (_SHAPE, words) if bool(info.ch_names) == rule.described else None
    if rule.labels:
        found = all(any(_fits(label, p) for label in info.ch_names) for p in rule.labels)
        yield (_LABELS, f"labels {', '.join(rule.labels)}") if found else None
    for path, pattern in rule.desc.items():
        text = _desc(info.xml).get(path)
        fits = text is not None and _fits(text, pattern)
        yield (_LABELS, f"{path} {text}") if fits else None


def _fits(text: str, pattern: str) -> bool:
    return fnmatchcase(text.strip().casefold(), pattern.casefold())


def _plain(pattern: str) -> bool:
    return not any(sign in pattern for sign in "*?[")


def _same_rate(sfreq: float, rate: float) -> bool:
    return abs(sfreq - rate) <= _SAME_RATE * rate


@lru_cache(maxsize=256)
def _desc(xml: str) -> Mapping[str, str]:
    """The first text at each path below ``<desc>``; nothing where there is none."""
    try:
        root = fromstring(xml) if xml else None
    except (ParseError, ValueError):
        return {}
    desc = root.find("desc") if root is not None else None
    return dict(_texts(desc, "", _DEPTH)) if desc is not None else {}


def _texts(element: Element, above: str, depth: int) -> Iterator[tuple[str, str]]:
    """(path, text), the first of each path last, so that it stays in a dict."""
    for child in reversed(element):
        path = f"{above}{child.tag}"
        if depth > 1:  # a header can be nested as deep as it is long
            yield from _texts(child, f"{path}/", depth - 1)
        yield path, (child.text or "").strip()
