"""A recording to replay: events made in memory as they are needed, or an XDF file on disk."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_stream.messages import AUDIO, EEG, Chunk, ClockOffset, Event
from benchmarks.setups import Setup

T0_S = 1000.0
_LOOP_S = 10  # the same noise over and over
_CHUNK_S = 0.5  # as recorders write


def noise(setup: Setup) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ten seconds of EEG (n, C) in µV and of audio (m, 1)."""
    rng = np.random.default_rng(0)
    eeg = rng.normal(0, 20, (int(_LOOP_S * setup.sfreq), setup.n_channels))
    audio = rng.normal(0, 0.1, (int(_LOOP_S * setup.audio_sfreq), 1))
    return eeg.astype(np.float32), audio.astype(np.float32)


def chunks(setup: Setup, duration_s: float) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float32]]]:
    """(role, stamps, values) of consecutive half seconds; EEG stamps have 1 ms of jitter."""
    rng = np.random.default_rng(1)
    eeg, audio = noise(setup)
    for k in range(int(duration_s / _CHUNK_S)):
        for role, data, sfreq, jitter_s in (
            (EEG, eeg, setup.sfreq, 1e-3),
            (AUDIO, audio, setup.audio_sfreq, 0.0),
        ):
            n = int(_CHUNK_S * sfreq)
            stamps = T0_S + np.arange(k * n, (k + 1) * n) / sfreq
            at = k * n % len(data)
            yield role, stamps + rng.normal(0, jitter_s, n) * (jitter_s > 0), data[at : at + n]


def events(setup: Setup, duration_s: float) -> Iterator[Event]:
    """The recording as the pipeline takes it."""
    yield ClockOffset(EEG, T0_S - 1, 0.0)
    yield ClockOffset(AUDIO, T0_S - 1, 0.0)
    for k, (role, stamps, values) in enumerate(chunks(setup, duration_s)):
        if k % 20 == 0:
            yield ClockOffset(role, float(stamps[0]), 0.0)
        yield Chunk(role, stamps, values)


def write_xdf(path: Path, setup: Setup, duration_s: float, stamp_every: int = 1) -> None:
    """The recording as LabRecorder would write it; ``stamp_every``: samples from one stamp to the next."""
    with path.open("wb") as file:
        file.write(b"XDF:")
        _put(file, 1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
        _put(
            file,
            2,
            struct.pack("<I", 1) + _header("BenchEEG", "EEG", setup.names(), setup.sfreq, "microvolts"),
        )
        _put(
            file,
            2,
            struct.pack("<I", 2) + _header("BenchAudio", "Audio", ["voice"], setup.audio_sfreq, "normalized"),
        )
        for number, (role, stamps, values) in enumerate(chunks(setup, duration_s)):
            stream = 1 if role == EEG else 2
            if number % 20 < 2:
                _put(file, 4, struct.pack("<Idd", stream, stamps[0], 0.0))
            rows = np.empty(len(stamps), [("n", "u1"), ("t", "<f8"), ("v", "<f4", (values.shape[1],))])
            rows["n"], rows["t"], rows["v"] = 8, stamps, values
            content = rows.view(np.uint8).reshape(len(rows), -1)
            keep = np.ones(content.shape, bool)
            bare = np.arange(len(rows)) % stamp_every != 0
            content[bare, 0] = 0
            keep[bare, 1:9] = False
            _put(file, 3, struct.pack("<IBI", stream, 4, len(stamps)) + content[keep].tobytes())


def _put(file: object, tag: int, content: bytes) -> None:
    file.write(struct.pack("<BIH", 4, len(content) + 2, tag) + content)  # type: ignore[attr-defined]


def _header(name: str, kind: str, labels: list[str], sfreq: float, unit: str) -> bytes:
    channels = "".join(
        f"<channel><label>{label}</label><unit>{unit}</unit><type>{kind}</type></channel>" for label in labels
    )
    return (
        f'<?xml version="1.0"?><info><name>{name}</name><type>{kind}</type>'
        f"<channel_count>{len(labels)}</channel_count><nominal_srate>{sfreq}</nominal_srate>"
        f"<channel_format>float32</channel_format><source_id>{name}</source_id>"
        f"<desc><channels>{channels}</channels></desc></info>"
    ).encode()
