"""``bci-stream export``: the EEG of a recording for other programs, through MNE."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.choice import StreamChoice
from apps.console import say, warn, write_line
from apps.recording import find_recorded
from bci_stream.errors import ConfigError, RecordingError, StreamNotFoundError
from bci_stream.messages import EEG
from bci_stream.sinks.bids_name import BidsName, parse
from bci_stream.sources.binding import Binding, bind_eeg, describe_stream
from bci_stream.sources.mne_raw import import_mne, to_raw
from bci_stream.sources.recordings import Recording, open_recording

if TYPE_CHECKING:
    import mne

_RATE_OFF = 0.01  # a rate that is further off than this was declared wrongly


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The command's options, checked by the parser for type only. One of the three targets is given."""

    file: Path
    streams: StreamChoice
    bids: Path | None
    fif: Path | None
    edf: Path | None
    subject: str | None
    session: str | None
    task: str | None
    run: int | None
    mains_hz: float
    as_json: bool


def run(options: ExportOptions) -> None:
    """Convert; raises BciStreamError for what cannot be converted. Nothing is ever overwritten."""
    targets = [target for target in (options.bids, options.fif, options.edf) if target is not None]
    if len(targets) != 1:
        raise ConfigError("say where to: one of --bids DIR, --fif FILE or --edf FILE")
    if options.fif is not None:
        _check_free(options.fif, ".fif")
    if options.edf is not None:
        _check_free(options.edf, ".edf")
    name = _bids_name(options) if options.bids is not None else None
    with open_recording(options.file) as recording:
        binding = _bound(recording, options.streams)
        raw = to_raw(recording, binding)
        for warning in (*recording.warnings, *binding.notes):
            warn(warning)
    raw.info["line_freq"] = options.mains_hz
    written = _write(raw, options, name)
    _report(raw, written, options.as_json)


def _write(raw: mne.io.Raw, options: ExportOptions, name: BidsName | None) -> Path:
    with _one_line():
        if options.fif is not None:
            raw.save(options.fif, verbose="error")
            return options.fif
        if options.edf is not None:
            _need("edfio", "EDF")
            warn("EDF keeps 16 bits of a sample: small differences to the recording are normal")
            import_mne().export.export_raw(options.edf, raw, fmt="edf", verbose="error")
            return options.edf
        assert options.bids is not None
        assert name is not None
        return _write_bids(raw, options.bids, name)


def _write_bids(raw: mne.io.Raw, root: Path, name: BidsName) -> Path:
    mne_bids = _need("mne_bids", "BIDS", "mne-bids")
    _need("pybv", "BIDS")
    run = f"{name.run:03d}" if name.run else None
    path = mne_bids.BIDSPath(
        subject=name.subject, session=name.session, task=name.task, run=run, datatype="eeg", root=root
    )
    with contextlib.suppress(RuntimeError):  # raised by mne-bids where nothing is there yet
        if path.fpath.exists():
            raise ConfigError(f"{path.fpath} exists and is never overwritten: choose another --run")
    written = mne_bids.write_raw_bids(
        raw, path, format="BrainVision", allow_preload=True, overwrite=False, verbose="error"
    )
    return Path(written.fpath)


def _bids_name(options: ExportOptions) -> BidsName:
    """The entities given, else those of the recording's own name."""
    own = parse(options.file) or BidsName("unknown", "recording")
    return BidsName(
        options.subject or own.subject,
        options.task or own.task,
        options.session or own.session,
        options.run if options.run is not None else own.run,
    )


def _bound(recording: Recording, choice: StreamChoice) -> Binding:
    catalogue, notes = choice.catalogue(), list[str]()
    info = find_recorded(recording, EEG, choice.eeg, catalogue, notes)
    if info is None:
        listing = "; ".join(describe_stream(info) for info in recording.streams)
        raise StreamNotFoundError(
            f"the recording has no EEG with samples; found {listing}; choose with --eeg"
        )
    measured = recording.measure_sfreq(info.key)
    off = not info.sfreq or abs(measured / info.sfreq - 1) > _RATE_OFF
    if off:
        measured = round(measured, 3)
        warn(
            f"{info.name!r} declares {info.sfreq:g} Hz, its stamps run at {measured:g} Hz: taken as measured"
        )
    return bind_eeg(
        info,
        channels=choice.channels,
        pick=choice.pick,
        unit=choice.unit,
        sfreq=measured if off else None,
        match=catalogue.binding_match(info),
    )


def _check_free(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise ConfigError(f"{path.name!r} is no {suffix} name: call it {path.with_suffix(suffix).name}")
    if path.exists():
        raise ConfigError(f"{path} exists and is never overwritten: choose another name")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write {path}: there is no folder {path.parent}")


def _need(module: str, what: str, package: str | None = None) -> Any:
    try:
        return __import__(module)
    except ImportError as error:
        raise ConfigError(
            f"{what} needs {package or module}: pip install 'bci-stream[mne]' and {package or module}"
        ) from error


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """MNE's own words about a target that cannot be written, as one line; its naming habits are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            raise RecordingError(f"the export was refused: {' '.join(str(error).split())}") from error


def _report(raw: mne.io.Raw, written: Path, as_json: bool) -> None:
    gaps = [a for a in raw.annotations if a["description"] == "BAD_gap"]
    facts = {
        "file": str(written),
        "n_channels": len(raw.ch_names),
        "sfreq": float(raw.info["sfreq"]),
        "n_samples": int(raw.n_times),
        "n_gaps": len(gaps),
        "gap_s": float(sum(a["duration"] for a in gaps)),
        "n_annotations": len(raw.annotations),
    }
    if as_json:
        write_line(json.dumps({"kind": "export", **facts}))
    else:
        say(
            f"{written}: {facts['n_channels']} channels, {raw.n_times / raw.info['sfreq']:.1f} s at "
            f"{facts['sfreq']:g} Hz, {len(gaps)} gaps of {facts['gap_s']:.2f} s together (BAD_gap, zeros), "
            f"{len(raw.annotations) - len(gaps)} other annotations"
        )
