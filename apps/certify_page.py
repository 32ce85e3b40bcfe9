"""The certificate as one HTML page that needs no other file."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from apps.certify import Certificate, figure_words
from apps.certify_figures import SETTLE_S, Figure, settled

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}
.badge{display:inline-block;padding:.2rem .9rem;border-radius:.4rem;color:#fff;font-weight:700}
.pass{background:#00704f}.fail{background:#b00020}
td.pass,td.fail{background:none;font-weight:700}td.pass{color:#00704f}td.fail{color:#b00020}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.3rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
th{white-space:nowrap}th.n,td.n{text-align:right;white-space:nowrap}
.note{color:#555;font-size:.92rem}tr.bad td{background:#fdf1f2}
.warn{border-left:.3rem solid #b36b00;padding-left:.7rem}
svg{width:100%;height:auto}
@media print{body{margin:0;max-width:none}}
"""
_WIDTH, _HEIGHT, _LEFT, _FOOT, _TOP = 900, 240, 56, 32, 12
_SERIES = (
    ("arrival_ms", "newest sample to prediction", "#0072B2"),
    ("age_ms", "end of window to prediction", "#D55E00"),
)


def page(certificate: Certificate) -> str:
    """The whole page."""
    verdict = "pass" if certificate.passed else "fail"
    failed = [figure for figure in certificate.figures if not figure.passed]
    parts = [
        f'<h1>Real-time certificate <span class="badge {verdict}">{verdict.upper()}</span></h1>',
        f'<p class="note">{_text(certificate.date)}, {certificate.seconds:g} s of a live session</p>',
        _summary(failed, len(certificate.figures)),
        '<p class="warn">The devices were simulated: this says what the computer can do, and nothing about a '
        "headset, a microphone or their radio.</p>"
        if certificate.simulated
        else "",
        f"<h2>Figures</h2>{_figures(certificate.figures)}",
        f'<p class="note">The first {SETTLE_S:g} s of predictions count only for loss, gaps and clocks. '
        "The figures hold for this computer, these devices and this load.</p>",
        f"<h2>Latency through the session</h2>{_chart(certificate)}",
        f"<h2>Devices</h2>{_devices(certificate.devices)}",
        f"<h2>Computer</h2>{_pairs(certificate.machine)}",
        f"<h2>Versions</h2>{_pairs({**certificate.versions, 'model': certificate.model})}",
    ]
    head = f"<meta charset='utf-8'><title>Certificate: {verdict.upper()}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _text(value: object) -> str:
    return html.escape(str(value))


def _summary(failed: Sequence[Figure], n: int) -> str:
    if not failed:
        return f"<p>All {n} figures are within their limits.</p>"
    names = _text(", ".join(figure.name for figure in failed))
    return f"<p>{len(failed)} of {n} figures are beyond their limits: {names}.</p>"


def _figures(figures: Sequence[Figure]) -> str:
    rows = []
    for figure in figures:
        verdict = "pass" if figure.passed else "fail"
        measured, limit = (figure_words(value, figure.unit) for value in (figure.value, figure.limit))
        bad = "" if figure.passed else ' class="bad"'
        rows.append(
            f"<tr{bad}><td>{_text(figure.name)}</td><td class='n'>{_text(measured)}</td>"
            f"<td class='n'>{_text(limit)}</td><td class='{verdict}'>{verdict.upper()}</td>"
            f"<td class='note'>{_text(figure.meaning)}</td></tr>"
        )
    head = (
        "<tr><th>figure</th><th class='n'>measured</th><th class='n'>at most</th><th></th>"
        "<th>what it is</th></tr>"
    )
    return f"<table>{head}{''.join(rows)}</table>"


def _pairs(pairs: Mapping[str, str]) -> str:
    rows = (f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in pairs.items())
    return f"<table>{''.join(rows)}</table>"


def _devices(devices: Sequence[Mapping[str, str]]) -> str:
    names = list(dict.fromkeys(name for device in devices for name in device))
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    rows = (
        "<tr>" + "".join(f"<td>{_text(device.get(name, ''))}</td>" for name in names) + "</tr>"
        for device in devices
    )
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


# -- the chart --------------------------------------------------------------------------------------------


def _chart(certificate: Certificate) -> str:
    notes = settled(certificate.notes)
    times = [note.at_s - notes[0].at_s for note in notes]
    series = {name: [getattr(note, name) for note in notes] for name, _, _ in _SERIES}
    known = [value for values in series.values() for value in values if math.isfinite(value)]
    top = _ceiling(max(known, default=1.0))
    span_s = max(times[-1], 1e-3)

    def at(t: float, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 8) * t / span_s
        y = _HEIGHT - _FOOT - (_HEIGHT - _FOOT - _TOP) * min(max(value, 0.0), top) / top
        return f"{x:.1f},{y:.1f}"

    parts = [_grid(top, span_s, at)]
    for name, words, colour in _SERIES:
        dots = "".join(
            f"<circle cx='{x}' cy='{y}' r='2'/>"
            for t, value in zip(times, series[name], strict=True)
            if math.isfinite(value)
            for x, y in [at(t, value).split(",")]
        )
        parts.append(f"<g fill='{colour}' fill-opacity='.7'><title>{_text(words)}</title>{dots}</g>")
    legend = " &nbsp; ".join(f"<span style='color:{c}'>&#9679;</span> {_text(w)}" for _, w, c in _SERIES)
    label = f"Latency of {len(times)} predictions in milliseconds over {span_s:.0f} seconds"
    return (
        f"<p class='note'>{legend}; milliseconds over seconds</p>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{label}'>{''.join(parts)}</svg>"
    )


def _ceiling(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-3)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _grid(top: float, span_s: float, at: object) -> str:
    assert callable(at)
    parts = []
    for k in range(5):
        value = top * k / 4
        left, right = at(0.0, value).split(","), at(span_s, value).split(",")
        parts.append(
            f"<line x1='{left[0]}' y1='{left[1]}' x2='{right[0]}' y2='{right[1]}' stroke='#ddd'/>"
            f"<text x='{_LEFT - 6}' y='{float(left[1]) + 4:.1f}' text-anchor='end' font-size='12'>"
            f"{value:g}</text>"
        )
    every_s = _ceiling(span_s / 8)
    for k in range(int(span_s / every_s) + 1):
        second = every_s * k
        x = at(second, 0.0).split(",")[0]
        anchor = "end" if second > 0.97 * span_s else "middle"
        parts.append(
            f"<text x='{x}' y='{_HEIGHT - 10}' text-anchor='{anchor}' font-size='12'>{second:g} s</text>"
        )
    return "".join(parts)
