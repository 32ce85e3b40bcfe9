"""What the terminal view looks like: pure functions from a state to text, no clock and no console.

Everything that came from a file or the network goes through :func:`clean` and is never read as markup.
No colour says anything that a word beside it does not say too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bci_stream.sinks.terminal_words import (
    BAD,
    GOOD,
    QUIET,
    WARN,
    Health,
    TerminalState,
    age_words,
    clean,
    interval_words,
    latency_words,
    loss_percent,
    note_words,
    number,
    percent,
    role_name,
    stood_on_words,
    verdict,
)

_MAX_WIDTH: Final = 100
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
#: Header, width, and which entry of a stream's health it shows in what format.
_HEALTH_COLUMNS: Final = (
    ("rate Hz", 9, "rate_hz", ".2f"),
    ("loss %", 7, "loss_percent", ".2f"),
    ("jitter ms", 9, "jitter_ms", ".2f"),
    ("drift ppm", 9, "drift_ppm", "+.1f"),
    ("gaps", 5, "n_gaps", ".0f"),
    ("reconnects", 10, "n_reconnects", ".0f"),
)
_STATE_STYLES: Final = {"live": GOOD, "ok": GOOD, "ended": QUIET, "lost": BAD, "dead": BAD, "failed": BAD}


def panel(state: TerminalState, width: int, height: int, ascii_only: bool = False) -> Panel:
    """The whole view for a terminal of ``width`` x ``height``; steady in size while it runs."""
    width = min(width, _MAX_WIDTH)
    blocks: list[RenderableType] = [
        headline(state, ascii_only),
        *([class_bars(state, width - 4, ascii_only)] if state.shown_classes else []),
        facts(state, ascii_only),
        health_table(state.health, ascii_only),
        footer(state.counters, ascii_only),
    ]
    n_facts = 5 if state.recording else 4
    n_rows = 2 + 1 + len(state.shown_classes) + n_facts + 1 + len(state.health) + 1
    n_blank = len(blocks) + 1
    spaced = n_rows + n_blank < height  # a full screen would scroll, and flicker
    return Panel(
        Group(*_spaced(blocks) if spaced else blocks),
        title=Text(f"bci_stream {clean(state.mode, ascii_only)}", style="bold"),
        subtitle=Text(interval_words(state.interval)),
        title_align="left",
        subtitle_align="right",
        width=width,
        padding=(0, 1),
    )


def _spaced(blocks: list[RenderableType]) -> list[RenderableType]:
    rows: list[RenderableType] = [Text()]
    for block in blocks:
        rows += [block, Text()]
    return rows[:-1]


def headline(state: TerminalState, ascii_only: bool = False) -> Text:
    """The emotion now, in spaced capitals on its colour, and how sure it is."""
    words = verdict(state)
    name = clean(words.headline, ascii_only)[:24].upper()
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    text.append(f"  {' '.join(name)}  ", style=f"bold black on {words.style}")
    return text.append(f"   {clean(words.note, ascii_only)}", style=f"bold {words.style}")


def class_bars(state: TerminalState, width: int, ascii_only: bool = False) -> Table:
    """A bar per class; empty when there is nothing to stand on, so that chance is not drawn as evidence."""
    names = [clean(name, ascii_only) for name in state.shown_classes]
    name_width = min(max(map(cell_len, names)), 20) + 2
    bar_width = max(1, width - name_width - 9)
    table = _grid((name_width, "left"), (bar_width, "left"), (6, "right"))
    best = state.prediction.label if state.prediction is not None else None
    probs = state.prediction.probs if state.prediction is not None and best is not None else ()
    for i, name in enumerate(names):
        prob = probs[i] if i < len(probs) else math.nan
        is_best = best is not None and state.shown_classes[i] == best
        style = f"bold {GOOD}" if is_best and not state.stale else QUIET
        cells = (("> " if is_best else "  ") + name, bar(prob, bar_width, ascii_only), percent(prob))
        table.add_row(*(_cut(cell, style) for cell in cells))
    return table


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """``share`` of ``width`` cells as a bar, to an eighth of a cell; exactly ``width`` cells long."""
    if not math.isfinite(share):
        return " " * width
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    if ascii_only:
        return ("#" * full + ("=" if rest >= 4 else "")).ljust(width)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def facts(state: TerminalState, ascii_only: bool = False) -> Table:
    """What the prediction stood on, how old it is, what time it took, and what was unusual."""
    table = _grid((9, "left"), (None, "left"))
    for name, words in (
        ("stood on", stood_on_words(state)),
        ("age", age_words(state)),
        ("latency", latency_words(state.latency)),
        ("notes", note_words(state)),
        *((("record", state.recording),) if state.recording else ()),
    ):
        table.add_row(_cut(name, QUIET), _cut(clean(words, ascii_only)))
    return table


def health_table(health: Health, ascii_only: bool = False) -> Table:
    """A row per stream: state, rate, loss, jitter, drift, gaps, reconnects; ``-`` for what is not known."""
    figures_columns = [(width, "right") for _, width, _, _ in _HEALTH_COLUMNS]
    table = _grid((8, "left"), (12, "left"), *figures_columns)
    heads = ("stream", "state", *(title for title, *_ in _HEALTH_COLUMNS))
    table.add_row(*(_cut(head, QUIET) for head in heads))
    for role, figures in health.items():
        state = clean(str(figures.get("state") or "-"), ascii_only)
        style = _STATE_STYLES.get(state.casefold(), QUIET if state == "-" else WARN)
        cells = [number(_figure(figures, key), spec) for _, _, key, spec in _HEALTH_COLUMNS]
        name = clean(role_name(role), ascii_only)
        table.add_row(_cut(name), _cut(state, style), *map(_cut, cells))
    return table


def _cut(words: str, style: str = "") -> Text:
    return Text(words, style=style, no_wrap=True, overflow="ellipsis")


def _figure(figures: Mapping[str, object], key: str) -> object:
    if key == "loss_percent":
        return loss_percent(figures)
    return figures.get(key, figures.get(key.removeprefix("n_")))


def footer(counters: Mapping[str, int], ascii_only: bool = False) -> Table:
    """The counters, what was skipped in colour, and the key that stops."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for name, count in counters.items():
        label = clean(name, ascii_only).removeprefix("n_").replace("_", " ")
        noticed = count > 0 and any(word in name for word in ("skip", "drop", "lost"))
        text.append(f"{label} {count}", style=WARN if noticed else "").append("   ")
    table = _grid((None, "left"), (12, "right"), expand=True)
    table.add_row(text, Text("Ctrl-C stops", style=QUIET, no_wrap=True))
    return table


def summary_table(rows: Iterable[tuple[str, str]], title: str = "Summary", ascii_only: bool = False) -> Table:
    """The closing summary: a name and a value per row, in the order given."""
    table = Table(title=Text(title, style="bold"), title_justify="left", show_header=False, box=None)
    table.add_column(style=QUIET, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(clean(name, ascii_only)), Text(clean(value, ascii_only)))
    return table


def _grid(*columns: tuple[int | None, str], expand: bool = False) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0), expand=expand)
    for width, justify in columns:
        table.add_column(
            width=width, ratio=None if width else 1, justify="right" if justify == "right" else "left"
        )
    return table
