"""A report as sections of text, tables and figures, written as Markdown and as one HTML page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Table = tuple[Sequence[str], Sequence[Sequence[str]]]  #: head and rows; first column is text, others numbers
STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}"
    "img{max-width:100%;height:auto}figure{margin:1.5rem 0}figcaption,.protocol{color:#555;font-size:.9rem}"
    ".leaks{color:#b00020;font-weight:700}"
)


@dataclass(frozen=True, slots=True)
class Section:
    """``figures``: caption by the figure's name."""

    title: str
    lines: Sequence[str] = ()
    table: Table | None = None
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """``protocol``: stands under the title and every table. ``warning``: in red beneath the title."""

    title: str
    protocol: str
    sections: Sequence[Section]
    warning: str = ""


def markdown(page: Page, images: Mapping[str, str]) -> str:
    """The page; ``images``: address of each figure, by name."""
    parts = [f"# {page.title}", f"*{page.protocol}*"]
    if page.warning:
        parts.append(f"**{page.warning}**")
    for section in page.sections:
        parts.append(f"## {section.title}")
        parts += section.lines
        if section.table is not None:
            parts.append(_markdown_table(section.table))
        parts += [f"![{text}]({images[name]})\n\n{text}" for name, text in section.figures.items()]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    head, rows = table
    ruler = [":--", *["--:"] * (len(head) - 1)]
    lines = (head, ruler, *rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def html_page(page: Page, images: Mapping[str, str]) -> str:
    """The same; it needs no file beside it when ``images`` are data addresses."""
    protocol = f'<p class="protocol">{html.escape(page.protocol)}</p>'
    parts = [f"<h1>{html.escape(page.title)}</h1>", protocol]
    if page.warning:
        parts.append(f'<p class="leaks">{html.escape(page.warning)}</p>')
    for section in page.sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(line)}</p>" for line in section.lines]
        if section.table is not None:
            parts.append(_html_table(section.table) + protocol)
        parts += [_html_figure(text, images[name]) for name, text in section.figures.items()]
    head = f"<meta charset='utf-8'><title>{html.escape(page.title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, rows = table
    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"


def _html_figure(caption: str, address: str) -> str:
    text = html.escape(caption)
    return f'<figure><img src="{address}" alt="{text}"><figcaption>{text}</figcaption></figure>'
