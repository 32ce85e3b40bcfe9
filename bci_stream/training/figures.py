"""What all figures share: size, fonts, colours that colour-blind people tell apart, and the protocol beneath.

Figures are made without pyplot, so nothing is shown, nothing global changes, and threads do not meet.
"""

from __future__ import annotations

import base64
import io
import textwrap
from typing import TYPE_CHECKING, Final

from bci_stream.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patheffects import AbstractPathEffect

# Okabe and Ito (2008), without yellow, which is lost on white.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
GREY: Final = "#6b6b6b"
_LEAK: Final = "#B00020"
_CHARACTERS_PER_INCH = 16.5
_LINE_INCH = 0.15


def new_figure(
    width_in: float, height_in: float, footnote: str, *, leaks: bool = False
) -> tuple[Figure, Axes]:
    """One pair of axes over a footnote that names data and protocol; red, and stamped, where it leaks.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    lines = textwrap.wrap(footnote, int(width_in * _CHARACTERS_PER_INCH))
    figure = _figure(width_in, height_in, (_LINE_INCH * len(lines) + 0.12) / height_in)
    colour = _LEAK if leaks else GREY
    figure.text(0.02, 0.05 / height_in, "\n".join(lines), fontsize=8, color=colour, va="bottom", ha="left")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    if leaks:
        stamp = {
            "fontsize": 40,
            "color": _LEAK,
            "alpha": 0.18,
            "rotation": 20,
            "ha": "center",
            "va": "center",
        }
        figure.text(0.5, 0.55, "LEAKS", **stamp)  # type: ignore[arg-type]
    return figure, axes


def _figure(width_in: float, height_in: float, foot: float) -> Figure:
    """An empty one; its lowest share ``foot`` is kept free of axes."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ConfigError("plots need matplotlib: pip install 'bci-stream[train]'") from error
    layout = ConstrainedLayoutEngine(rect=(0.01, foot, 0.98, 0.99 - foot))
    return Figure(figsize=(width_in, height_in), layout=layout)


def chance_line(axes: Axes, level: float, bound: float | None = None, *, vertical: bool = False) -> None:
    """A dashed line at chance, and the strip up to what guessing passes one time in twenty. In per cent."""
    line, span = (axes.axvline, axes.axvspan) if vertical else (axes.axhline, axes.axhspan)
    line(100 * level, color=GREY, linestyle="--", linewidth=1, label=f"chance {100 * level:.0f} %")
    if bound is not None:
        span(
            100 * level, 100 * bound, color=GREY, alpha=0.13, linewidth=0, label="guessing stays here (95 %)"
        )


def legend_above(axes: Axes) -> None:
    """Above the axes, where it hides nothing, in as many columns as fit."""
    figure = axes.get_figure(root=True)
    if figure is not None:
        columns = max(2, int(figure.get_figwidth() / 2.7))
        figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=9)


def halo() -> list[AbstractPathEffect]:
    """Keeps text readable over whatever is drawn beneath."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.4, foreground="white")]


def as_png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def as_data_url(png: bytes) -> str:
    """For an ``<img>`` that needs no file beside it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
