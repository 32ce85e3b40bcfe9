"""The picture of ``bci-stream info --plot``: when each stream delivered, its clock, markers and traces."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from apps.info import FOREIGN_S, Report, amount, counted, first_start, remarks, sd_words, seconds_words
from bci_stream.errors import ConfigError
from bci_stream.messages import TimeArray
from bci_stream.sources.overview import GAP_S, StreamOverview
from bci_stream.training.figures import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = (".png", ".svg", ".pdf", ".jpg")
_RED: Final = "#B00020"
_MAX_STREAMS = 16
_LONGEST_S = 1e8  # longer than three years is a damaged stamp
_MAX_TRACES = 12
_MAX_LABELS = 40
_WIDTH_IN = 11.0
_CALM_MS = 0.5


def require_matplotlib() -> None:
    """Raises ConfigError where matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ConfigError("--plot needs matplotlib: pip install 'bci-stream[train]'") from error


def save(report: Report, path: Path) -> None:
    """Draw and write. Raises ConfigError when the file cannot be written."""
    figure = draw(report)
    try:
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def draw(report: Report) -> Figure:
    """The whole picture: timeline above, clocks beneath, then traces; one axis of time for all."""
    from matplotlib.figure import Figure

    began = first_start(report.streams)
    shown = [s for s in report.streams if s.n_samples and abs(s.t_end - s.t_start) < _LONGEST_S]
    shown = shown[:_MAX_STREAMS]
    traced = _traced([s for s in shown if abs(s.t_start - began) < FOREIGN_S])
    heights = [0.6 + 0.34 * max(1, len(shown)), 1.3, *(_trace_height(s) for s in traced)]
    figure = Figure(figsize=(_WIDTH_IN, sum(heights) + 0.9), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    _timeline(axes[0], shown, began)
    _clocks(axes[1], shown, began)
    for each, stream in zip(axes[2:], traced, strict=True):
        _traces(each, stream, began)
    axes[-1].set_xlabel("seconds from the start, on the recorder's clock")
    ends = [s.t_end - began for s in shown if abs(s.t_start - began) < FOREIGN_S]
    axes[-1].set_xlim(0, max([*ends, 1e-3]))
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    figure.suptitle(_title(report, ends), fontsize=12, x=0.01, ha="left")
    return figure


def _title(report: Report, ends: list[float]) -> str:
    length = f", {seconds_words(max(ends))}" if ends else ""
    damage = f" — {counted(len(report.damage), 'warning')}" if report.damage else ""
    return f"{report.path.name}: {counted(len(report.streams), 'stream')}{length}{damage}"


def _traced(streams: list[StreamOverview]) -> list[StreamOverview]:
    """EEG first, then the other regular streams, as many as there is room for."""
    able = [s for s in streams if s.outline is not None and s.info.sfreq > 0]
    return sorted(able, key=lambda s: not s.is_eeg)[:4]


def _n_traces(stream: StreamOverview) -> int:
    return min(len(stream.channels), _MAX_TRACES, stream.outline.low.shape[1] if stream.outline else 0)


def _trace_height(stream: StreamOverview) -> float:
    return 0.5 + 0.38 * _n_traces(stream)


# -- timeline ---------------------------------------------------------------------------------------------


def _timeline(axes: Axes, streams: list[StreamOverview], began: float) -> None:
    for row, stream in enumerate(streams):
        colour = COLOURS[row % len(COLOURS)]
        at = began if abs(stream.t_start - began) < FOREIGN_S else stream.t_start
        if stream.info.dtype == "string" or stream.info.sfreq == 0:
            _markers(axes, row, stream, at, colour)
        else:
            _presence(axes, row, stream, at, colour)
    axes.set_yticks(range(len(streams)), [_row_label(stream, began) for stream in streams], fontsize=9)
    axes.set_ylim(len(streams) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_title("what was delivered; gaps in red", fontsize=10, loc="left")


def _row_label(stream: StreamOverview, began: float) -> str:
    info = stream.info
    name = info.name if len(info.name) <= 28 else info.name[:27] + "…"
    rate = f"{info.sfreq:g} Hz" if info.sfreq else f"{stream.n_samples} events"
    own = " (own epoch)" if abs(stream.t_start - began) >= FOREIGN_S else ""
    return f"{name}, {info.type} {rate}{own}".replace("$", r"\$")


def _presence(axes: Axes, row: int, stream: StreamOverview, began: float, colour: str) -> None:
    gaps = [gap for gap in stream.gaps if stream.t_start <= gap.t_start <= gap.t_end <= stream.t_end]
    edges = [stream.t_start, *(t for gap in gaps for t in (gap.t_start, gap.t_end)), stream.t_end]
    bars = [
        (begin - began, max(0.0, end - begin)) for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    axes.broken_barh(bars, (row - 0.32, 0.64), color=colour, linewidth=0)
    if gaps:
        holes = [(g.t_start - began, g.t_end - g.t_start) for g in gaps]
        axes.broken_barh(holes, (row - 0.32, 0.64), facecolor="#f6d5da", edgecolor=_RED, linewidth=0.8)


def _markers(axes: Axes, row: int, stream: StreamOverview, began: float, colour: str) -> None:
    markers = [(t, label) for t, label in stream.markers if stream.t_start <= t <= stream.t_end]
    times = np.array([t - began for t, _ in markers] or [stream.t_start - began, stream.t_end - began])
    axes.vlines(times, row - 0.32, row + 0.32, color=colour, linewidth=1.0)
    width = stream.t_end - stream.t_start
    if not (0 < len(markers) <= _MAX_LABELS and width > 0):
        return
    after = [t for t, _ in markers[1:]] + [math.inf]
    for (t, label), until in zip(markers, after, strict=True):
        room = int((until - t) / (width * 0.0085)) - 1 if until < math.inf else 18
        text = label if len(label) <= min(room, 18) else label[: max(0, min(room, 18) - 1)] + "…"
        if room >= min(4, len(label)):  # not into the next one
            axes.annotate(
                text.replace("$", r"\$"),
                (t - began, row),
                xytext=(2, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
            )


# -- clocks -----------------------------------------------------------------------------------------------


def _clocks(axes: Axes, streams: list[StreamOverview], began: float) -> None:
    any_drawn = False
    for row, stream in enumerate(streams):
        for part in stream.clock.parts:
            ends = np.array([part.start_s, part.end_s])
            offsets = part.offset_s + part.drift * (ends - part.centre_s)
            local = ends + offsets - began
            if abs(local[0]) > FOREIGN_S:
                continue
            moved_ms = (offsets - offsets[0]) * 1e3
            axes.plot(
                local, moved_ms, color=COLOURS[row % len(COLOURS)], linewidth=1.6, marker="o", markersize=3
            )
            any_drawn = True
    axes.axhline(0, color=GREY, linewidth=0.6, linestyle=":")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -_CALM_MS), max(high, _CALM_MS))  # what is measured to 0.03 ms is no movement
    axes.set_ylabel("ms")
    axes.set_title("how each clock moved against the recorder's", fontsize=10, loc="left")
    if not any_drawn:
        axes.text(0.5, 0.5, "no clock offsets", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])


# -- traces -----------------------------------------------------------------------------------------------


def _traces(axes: Axes, stream: StreamOverview, began: float) -> None:
    assert stream.outline is not None
    n, outline = _n_traces(stream), stream.outline
    times = np.linspace(stream.t_start - began, stream.t_end - began, len(outline.low))
    holes = max(1, int(GAP_S / max(times[1] - times[0], 1e-6)))
    rows = [
        _centred(_bridged(outline.low[:, k], holes), _bridged(outline.high[:, k], holes)) for k in range(n)
    ]
    step, labels = _step_of(rows), []
    for row, channel in enumerate(stream.channels[:n]):
        wrong = remarks(channel, stream.is_eeg)
        low, high = rows[row]
        _trace(axes, times, low / step, high / step, row, _RED if wrong else COLOURS[0])
        words = f"{channel.name} {sd_words(channel)}" + (f"\n{wrong[0]}" if wrong else "")
        labels.append(words.replace("$", r"\$"))
    axes.set_yticks(range(n), labels, fontsize=8)
    axes.set_ylim(n - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    more = f", the first {n} of {len(stream.channels)} channels" if len(stream.channels) > n else ""
    what = f"{stream.info.name} ({stream.info.type}){more}: a row is {amount(step, stream.channels[0])}"
    axes.set_title(
        f"{what}, what is larger is cut; beside it the SD within a second".replace("$", r"\$"),
        fontsize=10,
        loc="left",
    )


def _bridged(values: NDArray[np.float64], n_most: int) -> NDArray[np.float64]:
    """An outline, its holes of at most ``n_most`` bins filled: no gaps, but a device that sends bursts."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return np.where(np.isfinite(values), values, np.nan)
    filled = np.interp(np.arange(len(values)), known, values[known], left=np.nan, right=np.nan)
    for before in np.flatnonzero(np.diff(known) > n_most + 1):
        filled[known[before] + 1 : known[before + 1]] = np.nan
    return filled


def _step_of(rows: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """Value per row: by what the typical channel does nearly all of the time."""
    sizes = []
    for low, high in rows:
        size = np.fmax(np.abs(low), np.abs(high))
        size = size[np.isfinite(size)]
        if len(size) and size.max() > 0:
            sizes.append(float(np.percentile(size, 97)))
    sizes = [size for size in sizes if size > 0]
    return 2.0 * float(np.median(sizes)) if sizes else 1.0


def _centred(
    low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An outline about its slow middle, so that offsets and drift do not push traces off their row."""
    middle = (low + high) / 2
    half = max(5, len(middle) // 30)
    slow = np.array([_median(middle[max(0, i - half) : i + half]) for i in range(0, len(middle), half)])
    base = np.interp(np.arange(len(middle)), np.arange(len(slow)) * half, slow)
    return low - base, high - base


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _trace(
    axes: Axes,
    times: TimeArray,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    row: int,
    colour: str,
) -> None:
    known = np.isfinite(low) & np.isfinite(high)
    low, high = np.clip(low, -0.55, 0.55), np.clip(high, -0.55, 0.55)
    pad = 0.012  # a flat line is a line, too
    axes.fill_between(times, row - high - pad, row - low + pad, where=known, color=colour, linewidth=0.3)
