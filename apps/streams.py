"""``bci-stream streams``: what is on the network, measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from apps.console import out, say, warn, write_line
from apps.live_streams import configure, elsewhere_hint
from bci_stream.errors import StreamError
from bci_stream.messages import StreamInfo

if TYPE_CHECKING:
    from bci_stream.sources.lsl_measure import Measurement

Row = tuple[StreamInfo, "Measurement | None"]


def run(wait_s: float, measure_s: float, scope: str | None, session_id: str | None, as_json: bool) -> None:
    """List every stream with its measured rate, unit and quality."""
    configure(scope, session_id)
    from bci_stream.sources.lsl_discovery import survey_streams

    survey = survey_streams(wait_s)
    for refused in survey.refused:
        warn(refused)
    rows = [(info, _measured(info, measure_s)) for info in survey.streams]
    if as_json:
        for info, measured in rows:
            header = {name: value for name, value in asdict(info).items() if name != "xml"}
            write_line(json.dumps({**header, "measured": asdict(measured) if measured else None}))
    elif rows:
        out.print(_table(rows))
    else:
        hint = elsewhere_hint()
        say(f"no stream answered in {wait_s:g} s; start a device's connector, or `bci-stream simulate`{hint}")


def _measured(info: StreamInfo, measure_s: float) -> Measurement | None:
    if measure_s <= 0 or info.dtype == "string":
        return None
    from bci_stream.sources.lsl_measure import measure_stream

    try:
        return measure_stream(info, measure_s)
    except StreamError as error:
        warn(str(error))
        return None


def _table(rows: list[Row]) -> Table:
    table = Table("name", "type", "channels", "nominal", "measured", "quality", "source_id", "host")
    for info, measured in rows:
        table.add_row(*(escape(text) for text in _cells(info, measured)))
    return table


def _cells(info: StreamInfo, measured: Measurement | None) -> list[str]:
    names = ", ".join(info.ch_names[:4]) + (" …" if len(info.ch_names) > 4 else "")
    nominal = f"{info.sfreq:g} Hz" if info.sfreq else "irregular"
    return [
        info.name,
        info.type,
        f"{info.n_channels} ({names})" if names else str(info.n_channels),
        nominal,
        _rate_words(measured),
        _quality_words(measured),
        info.source_id,
        info.hostname,
    ]


def _rate_words(measured: Measurement | None) -> str:
    if measured is None:
        return ""
    if measured.sfreq == 0:
        return f"{measured.n_samples} samples"
    return f"{measured.sfreq:.2f} Hz ±{measured.jitter_ms:.1f} ms"


def _quality_words(measured: Measurement | None) -> str:
    if measured is None or not measured.rms:
        return ""
    flat = sum(measured.flat)
    alive = sorted(rms for rms, dead in zip(measured.rms, measured.flat, strict=True) if not dead)
    typical = f"SD {alive[len(alive) // 2]:.3g} {measured.unit or '(no unit)'}" if alive else "no signal"
    return f"{typical}, {flat} flat" if flat else typical
