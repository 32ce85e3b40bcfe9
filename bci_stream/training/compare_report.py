"""A comparison as a report: Markdown and HTML that stand alone, with the protocol under every table."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bci_stream.training.compare_tables import (
    HOW,
    LEAKS,
    Table,
    as_dict,
    conclusion,
    facts,
    method_table,
    pair_table,
)
from bci_stream.training.comparison import Comparison
from bci_stream.training.comparison_plots import comparison_figures
from bci_stream.training.figures import as_data_url, as_png
from bci_stream.training.folders import new_folder

MARKDOWN_FILE: Final = "report.md"
HTML_FILE: Final = "report.html"
JSON_FILE: Final = "comparison.json"
_CAPTIONS: Final = {
    "differences": "Difference of every pair. Grey: found in fewer than 4 of 5 studies of this many people.",
    "people": "Every test person under every method.",
    "ranks": "Mean rank over people; a bar joins methods of which no two were told apart.",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}"
    "img{max-width:100%;height:auto}figure{margin:1.5rem 0}figcaption,.protocol{color:#555;font-size:.9rem}"
    ".leaks{color:#b00020;font-weight:700}"
)


def markdown(comparison: Comparison, images: Mapping[str, str]) -> str:
    """The report; ``images``: address of each figure, by name."""
    protocol = f"*{comparison.footnote}*"
    parts = [f"# Comparison of {len(comparison.methods)} methods", conclusion(comparison)]
    if comparison.leaks:
        parts.insert(1, f"**{LEAKS}**")
    parts += ["\n".join(f"- {line}" for line in facts(comparison)), "## Methods"]
    parts += [_markdown_table(method_table(comparison)), protocol, "## Pairs"]
    parts += [_markdown_table(pair_table(comparison)), protocol, HOW, "## Figures"]
    parts += [f"![{_CAPTIONS[name]}]({address})\n\n{_CAPTIONS[name]}" for name, address in images.items()]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    head, rows = table
    ruler = [":--", *["--:"] * (len(head) - 2), ":--"]
    lines = (head, ruler, *rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def html_page(comparison: Comparison, images: Mapping[str, str]) -> str:
    """The same as one page that needs no file beside it when ``images`` are data addresses."""
    protocol = f'<p class="protocol">{html.escape(comparison.footnote)}</p>'
    leaks = f'<p class="leaks">{html.escape(LEAKS)}</p>'
    parts = [
        f"<h1>Comparison of {len(comparison.methods)} methods</h1>",
        leaks if comparison.leaks else "",
        f"<p>{html.escape(conclusion(comparison))}</p>",
        "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in facts(comparison)) + "</ul>",
        f"<h2>Methods</h2>{_html_table(method_table(comparison))}{protocol}",
        f"<h2>Pairs</h2>{_html_table(pair_table(comparison))}{protocol}<p>{html.escape(HOW)}</p>",
        "<h2>Figures</h2>",
        *(_html_figure(_CAPTIONS[name], address) for name, address in images.items()),
    ]
    head = f"<meta charset='utf-8'><title>Comparison</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, rows = table
    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"


def _html_figure(caption: str, address: str) -> str:
    text = html.escape(caption)
    return f'<figure><img src="{address}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def is_report(path: Path) -> bool:
    """Whether the folder was written by :func:`write_report`, as far as a glance can tell."""
    return (path / JSON_FILE).is_file() and (path / HTML_FILE).is_file()


def write_report(path: Path, comparison: Comparison) -> None:
    """Write the report's folder, whole or not at all; an earlier report is replaced, nothing else is.

    Raises:
        ResultError: something else is there, or it cannot be written.
        ConfigError: matplotlib is not installed.
    """
    pictures = {name: as_png(figure) for name, figure in comparison_figures(comparison).items()}
    embedded = {name: as_data_url(png) for name, png in pictures.items()}
    beside = {name: f"{name}.png" for name in pictures}
    with new_folder(path, replaceable=is_report) as folder:
        for name, png in pictures.items():
            (folder / beside[name]).write_bytes(png)
        (folder / MARKDOWN_FILE).write_text(markdown(comparison, beside), encoding="utf-8")
        (folder / HTML_FILE).write_text(html_page(comparison, embedded), encoding="utf-8")
        text = json.dumps(as_dict(comparison), indent=1, allow_nan=False)
        (folder / JSON_FILE).write_text(text, encoding="utf-8")
