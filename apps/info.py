"""``bci-stream info``: what is in a recording, at a glance."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from apps.console import out, say, warn, write_line
from bci_stream.errors import ConfigError
from bci_stream.sources.metadata import is_parked
from bci_stream.sources.overview import Channel, StreamOverview, survey
from bci_stream.sources.recordings import open_recording
from bci_stream.sources.xdf import XdfRecording

FOREIGN_S = 1e6  #: streams that begin further apart than this are stamped on different epochs
_FLAT, _RAILED, _BAD = 0.05, 0.01, 0.0
_SILENT = 0.999  # a microphone may rest for long, a trigger for ever
_USUAL_UV = (0.5, 500.0)  # SD within a second of any EEG, before filtering
_OFF_RATE = 0.005
_FEW = 6


@dataclass(frozen=True, slots=True)
class InfoOptions:
    """The command's options."""

    file: Path
    plot: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A recording that was looked at. ``complete``: its recorder closed it, None where nobody can tell."""

    path: Path
    n_bytes: int
    streams: tuple[StreamOverview, ...]
    damage: tuple[str, ...]
    complete: bool | None


def run(options: InfoOptions) -> None:
    """Look at a recording; raises RecordingError for one that cannot be read at all."""
    if options.plot is not None:
        _check_plot(options.plot)
    report = look(options.file)
    if options.as_json:
        write_line(json.dumps(as_record(report), allow_nan=False))
    else:
        _tell(report)
    if options.plot is not None:
        from apps.info_plot import save

        save(report, options.plot)
        say(f"picture: {options.plot}")


def look(path: Path) -> Report:
    """One pass over the file."""
    with open_recording(path) as recording:
        streams = survey(recording)
        complete = recording.complete if isinstance(recording, XdfRecording) else None
        return Report(path, path.stat().st_size, streams, recording.warnings, complete)


def _check_plot(path: Path) -> None:
    """Before the work, not behind it."""
    from apps.info_plot import FORMATS, require_matplotlib

    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"--plot {path}: a picture ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise ConfigError(f"--plot {path}: there is no folder {path.parent}")
    require_matplotlib()


# -- judging ----------------------------------------------------------------------------------------------


def remarks(channel: Channel, is_eeg: bool) -> list[str]:
    """What is wrong with a channel, in a few words each."""
    figures, found = channel.figures, []
    is_electrode = is_eeg and not is_parked(channel.name)
    if figures.flat > (_FLAT if is_electrode else _SILENT) and not (is_eeg and not is_electrode):
        found.append(f"flat {figures.flat:.0%}")
    if figures.railed > _RAILED:
        found.append(f"railed {figures.railed:.0%}")
    if figures.bad > _BAD:
        found.append(f"not a number {max(figures.bad, 1e-4):.2%}")
    sd_uv = figures.sd * channel.uv if channel.uv is not None else math.nan
    if is_electrode and figures.sd > 0 and not (math.isnan(sd_uv) or _USUAL_UV[0] <= sd_uv <= _USUAL_UV[1]):
        found.append(f"{sd_uv:.3g} µV is no EEG" if figures.flat <= _FLAT else "wrong unit?")
    return found


def stream_remarks(stream: StreamOverview) -> list[str]:
    """What is odd about a stream as a whole."""
    found, info = [], stream.info
    if stream.n_samples == 0:
        return ["empty"]
    if info.sfreq > 0 and abs(stream.sfreq / info.sfreq - 1) > _OFF_RATE:
        found.append(f"runs at {stream.sfreq:.2f} Hz, its header says {info.sfreq:g}")
    if stream.summary.n_clock_offsets == 0:
        found.append("no clock offsets: taken as on the recorder's clock")
    if stream.clock.n_resets:
        times = "once" if stream.clock.n_resets == 1 else f"{stream.clock.n_resets} times"
        found.append(f"its clock was reset {times}")
    if stream.n_bad_stamps:
        found.append(f"{stream.n_bad_stamps} stamps are no finite numbers")
    if stream.is_eeg and info.ch_names == ():
        found.append("its channels have no names")
    if stream.is_eeg and all(channel.uv is None for channel in stream.channels):
        found.append("its channels have no known unit")
    if stream.summary.n_salvaged:
        found.append(f"{stream.summary.n_salvaged} samples kept out of damaged chunks")
    return found


# -- text -------------------------------------------------------------------------------------------------


def _tell(report: Report) -> None:
    out.print(_headline(report), markup=False)
    out.print(_table(report))
    for stream in report.streams:
        for line in _lines(stream):
            out.print(f"{stream.info.name} ({stream.info.type}): {line}", markup=False)
    for line in report.damage:
        warn(line)


def _headline(report: Report) -> str:
    lasts = [s.t_end - s.t_start for s in report.streams if s.n_samples]
    length = f", {seconds_words(max(lasts))}" if lasts else ""
    n_damaged = f"; {counted(len(report.damage), 'warning')}" if report.damage else ""
    cut = "; not closed by its recorder" if report.complete is False else ""
    what = f"{_size(report.n_bytes)}, {counted(len(report.streams), 'stream')}{length}"
    return f"{report.path.name}: {what}{cut}{n_damaged}"


def counted(n: int, thing: str) -> str:
    """1 stream, 2 streams."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _size(n_bytes: int) -> str:
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= step:
            return f"{n_bytes / step:.1f} {unit}"
    return f"{n_bytes} bytes"


def seconds_words(seconds: float) -> str:
    """12.3 s, or 1:02:03."""
    if not math.isfinite(seconds) or abs(seconds) < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"


def _table(report: Report) -> Table:
    table = Table(
        "stream", "type", "channels", "samples", "rate", "jitter", "begins", "length", "gaps", "clock"
    )
    began = first_start(report.streams)
    for stream in report.streams:
        table.add_row(*(escape(cell) for cell in _cells(stream, began)))
    return table


def first_start(streams: Sequence[StreamOverview]) -> float:
    """When the recording begins; streams of another epoch than most do not count."""
    starts = sorted(s.t_start for s in streams if math.isfinite(s.t_start))
    if not starts:
        return 0.0
    middle = starts[len(starts) // 2]
    return next(start for start in starts if middle - start < FOREIGN_S)


def _cells(stream: StreamOverview, began: float) -> list[str]:
    info, is_empty = stream.info, stream.n_samples == 0
    names = ", ".join(info.ch_names[:4]) + (" …" if len(info.ch_names) > 4 else "")
    after = stream.t_start - began
    return [
        info.name,
        info.type,
        f"{info.n_channels} ({names})" if names else str(info.n_channels),
        f"{stream.n_samples}",
        _rate(stream),
        _jitter(stream.jitter_ms),
        "" if is_empty else ("another epoch" if abs(after) > FOREIGN_S else f"{after:+.2f} s"),
        "" if is_empty else seconds_words(stream.t_end - stream.t_start),
        _gaps(stream),
        _clock(stream),
    ]


def _rate(stream: StreamOverview) -> str:
    if stream.info.sfreq == 0:
        return "irregular"
    if math.isnan(stream.sfreq):
        return f"{stream.info.sfreq:g} Hz"
    return f"{stream.info.sfreq:g} Hz, is {stream.sfreq:.3f}"


def _jitter(jitter_ms: float) -> str:
    if math.isnan(jitter_ms):
        return ""
    return f"{jitter_ms:.2g} ms" if jitter_ms >= 1e-3 else "none"


def _gaps(stream: StreamOverview) -> str:
    if stream.info.sfreq == 0 or not stream.n_samples:
        return ""
    return f"{stream.n_gaps}, {stream.n_lost} samples" if stream.n_gaps else "none"


def _clock(stream: StreamOverview) -> str:
    parts = stream.clock.parts
    if not parts:
        return "no offsets"
    drift = stream.clock.drift_ppm
    last = (
        f"{parts[-1].offset_s * 1e3:+.3f} ms"
        if abs(parts[-1].offset_s) < 1
        else f"{parts[-1].offset_s:+.3f} s"
    )
    drifting = "" if math.isnan(drift) else f", {drift:+.1f} ppm"
    return last + drifting


def _lines(stream: StreamOverview) -> list[str]:
    lines = stream_remarks(stream)
    if stream.gaps:
        said = ", ".join(
            f"{g.t_start - stream.t_start:.2f} to {g.t_end - stream.t_start:.2f} s"
            for g in stream.gaps[:_FEW]
        )
        lines.append(
            f"gaps at {said}" + (f" and {stream.n_gaps - _FEW} more" if stream.n_gaps > _FEW else "")
        )
    if stream.channels:
        lines.append(_quality(stream))
    if stream.labels:
        said = ", ".join(f"{label!r} x{n}" for label, n in list(stream.labels.items())[:_FEW])
        more = len(stream.labels) - _FEW
        lines.append(f"markers {said}" + (f" and {more} more kinds" if more > 0 else ""))
    return lines


def _quality(stream: StreamOverview) -> str:
    """Every channel's SD, the odd ones with what is wrong."""
    many = len(stream.channels) > 32
    said = []
    for channel in stream.channels:
        wrong = remarks(channel, stream.is_eeg)
        if wrong or not many:
            said.append(f"{channel.name} {sd_words(channel)}" + (f" ({', '.join(wrong)})" if wrong else ""))
    fine = f"{len(stream.channels) - len(said)} channels fine; " if many else ""
    return f"SD within a second, median: {fine}{', '.join(said)}"


def sd_words(channel: Channel) -> str:
    """The spread in µV where the unit says so, else in the channel's own unit."""
    return amount(channel.figures.sd, channel)


def amount(value: float, channel: Channel) -> str:
    """A value of a channel with its unit, in µV where that is known."""
    value, unit = (value * channel.uv, "µV") if channel.uv is not None else (value, channel.unit)
    number = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {unit}".rstrip()


# -- JSON -------------------------------------------------------------------------------------------------


def as_record(report: Report) -> dict[str, Any]:
    """Everything, for programs; None where there is no finite number."""
    record = {
        "kind": "recording",
        "file": str(report.path),
        "bytes": report.n_bytes,
        "complete": report.complete,
        "damage": list(report.damage),
        "streams": [_stream_record(stream) for stream in report.streams],
    }
    cleaned: dict[str, Any] = _finite(record)
    return cleaned


def _stream_record(stream: StreamOverview) -> dict[str, Any]:
    info, summary = stream.info, stream.summary
    return {
        "key": info.key,
        "name": info.name,
        "type": info.type,
        "source_id": info.source_id,
        "hostname": info.hostname,
        "dtype": info.dtype,
        "n_channels": info.n_channels,
        "nominal_sfreq": info.sfreq,
        "measured_sfreq": stream.sfreq,
        "jitter_ms": stream.jitter_ms,
        "n_samples": stream.n_samples,
        "n_salvaged": summary.n_salvaged,
        "t_start": stream.t_start,
        "t_end": stream.t_end,
        "n_segments": stream.n_segments,
        "n_gaps": stream.n_gaps,
        "n_lost": stream.n_lost,
        "gaps": [[gap.t_start, gap.t_end] for gap in stream.gaps],
        "n_bad_stamps": stream.n_bad_stamps,
        "clock": {
            "n_offsets": summary.n_clock_offsets,
            "n_resets": stream.clock.n_resets,
            "offset_s": stream.clock.parts[-1].offset_s if stream.clock.parts else None,
            "drift_ppm": stream.clock.drift_ppm,
            "noise_ms": stream.clock.parts[-1].noise_s * 1e3 if stream.clock.parts else None,
        },
        "channels": [_channel_record(channel, stream.is_eeg) for channel in stream.channels],
        "markers": dict(stream.labels),
        "remarks": stream_remarks(stream),
    }


def _channel_record(channel: Channel, is_eeg: bool) -> dict[str, Any]:
    figures = channel.figures
    return {
        "name": channel.name,
        "unit": channel.unit,
        "sd": figures.sd,
        "sd_uv": figures.sd * channel.uv if channel.uv is not None else None,
        "mean": figures.mean,
        "low": figures.low,
        "high": figures.high,
        "flat_share": figures.flat,
        "railed_share": figures.railed,
        "bad_share": figures.bad,
        "remarks": remarks(channel, is_eeg),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
