"""Colours of the window, dark and light, without Qt: whoever draws or tests a picture takes them from here.

Hues are those of Okabe and Ito, which people with any colour vision tell apart; on white they are darkened
until text in them has a contrast of 4.5 to 1. No state is told by its colour alone: see :data:`SYMBOLS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: What stands beside the colour of a quality or a light.
SYMBOLS: Final = {
    "good": "●",
    "noisy": "▲",
    "flat": "▬",
    "clipped": "■",
    "gone": "✕",
    "warn": "▲",
    "bad": "✕",
    "off": "○",
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as "#rrggbb". ``series``: of words about classes and the like, in order; ``fills``: of
    their areas. ``eeg``, ``voice``: of areas of the modalities. ``heat``: stops of a map from
    nothing to most; ``signed``: from most negative over nothing to most positive.
    """

    name: str
    window: str
    panel: str
    field: str
    border: str
    text: str
    muted: str
    accent: str
    good: str
    warn: str
    bad: str
    flat: str
    gone: str
    trace: str
    gap: str
    marker: str
    edge: str
    series: tuple[str, ...]
    fills: tuple[str, ...]
    eeg: str
    voice: str
    heat: tuple[str, ...]
    signed: tuple[str, ...]

    def modality(self, name: str) -> str:
        """The colour of an area that stands for EEG or for the voice; no class has it."""
        return self.voice if name == "audio" else self.eeg

    def quality(self, state: str) -> str:
        """The colour of a channel's quality or of a light."""
        colours = {
            "good": self.good,
            "warn": self.warn,
            "noisy": self.warn,
            "bad": self.bad,
            "clipped": self.bad,
            "flat": self.flat,
        }
        return colours.get(state, self.gone)


DARK: Final = Theme(
    name="dark",
    window="#14181d",
    panel="#1b2027",
    field="#232a33",
    border="#39424e",
    text="#e8ecf1",
    muted="#a3adba",
    accent="#56b4e9",
    good="#2fc89b",
    warn="#e69f00",
    bad="#ff7a3d",
    flat="#f0e442",
    gone="#8e98a5",
    trace="#8ecbf2",
    gap="#5a6472",
    marker="#f0e442",
    edge="#cc79a7",
    series=("#56b4e9", "#e69f00", "#2fc89b", "#e08fbd", "#f0e442", "#ff7a3d", "#9db4ff", "#c8ccd2"),
    fills=("#56b4e9", "#e69f00", "#2fc89b", "#e08fbd", "#f0e442", "#ff7a3d", "#9db4ff", "#c8ccd2"),
    eeg="#8597bd",
    voice="#cdb68f",
    heat=("#1b2027", "#1f4e79", "#2f86b7", "#6fc0c9", "#f2e9a0"),
    signed=("#f2a65a", "#9a5a22", "#1b2027", "#256b9c", "#8ecbf2"),
)
LIGHT: Final = Theme(
    name="light",
    window="#f3f5f7",
    panel="#ffffff",
    field="#ffffff",
    border="#c4ccd4",
    text="#161b21",
    muted="#55606c",
    accent="#0067a3",
    good="#00734f",
    warn="#8a5a00",
    bad="#b03e00",
    flat="#6b6300",
    gone="#66707c",
    trace="#005a94",
    gap="#aab4bf",
    marker="#8a5a00",
    edge="#9c3f74",
    series=("#0067a3", "#9e6000", "#00734f", "#9c3f74", "#6b6300", "#b03e00", "#4453b8", "#4a525b"),
    fills=("#56b4e9", "#e69f00", "#2bb488", "#d98bb6", "#efe24d", "#e8743b", "#93a5ee", "#a9b2bb"),
    eeg="#7286b0",
    voice="#cbb287",
    heat=("#ffffff", "#cfe3ee", "#7fb6d6", "#2f7fb0", "#0b3a63"),
    signed=("#8a4b00", "#e0a25a", "#ffffff", "#74b0d6", "#0b4a7a"),
)
THEMES: Final = {theme.name: theme for theme in (DARK, LIGHT)}


def readable_on(colour: str) -> str:
    """Black or white, whichever is read better on ``colour``."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, colour))


@lru_cache(maxsize=1024)
def mixed(one: str, other: str, share: float) -> str:
    """A colour on the way from ``one`` (0) to ``other`` (1)."""
    a, b = (np.array(_parts(colour)) for colour in (one, other))
    return "#" + "".join(f"{round(value):02x}" for value in a + (b - a) * share)


def colour_table(stops: tuple[str, ...], n: int = 256) -> NDArray[np.uint32]:
    """``n`` colours 0xffRRGGBB evenly from the first stop through all to the last."""
    at = np.linspace(0, len(stops) - 1, n)
    parts = np.array([_parts(stop) for stop in stops], np.float64)
    red, green, blue = (
        np.interp(at, np.arange(len(stops)), parts[:, i]).round().astype(np.uint32) for i in range(3)
    )
    return np.asarray(0xFF000000 | red << 16 | green << 8 | blue, np.uint32)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [part / 255 for part in _parts(colour)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
