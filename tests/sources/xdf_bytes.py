"""A tiny XDF writer: just enough to make files, sound and broken, byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

BOUNDARY = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")


def chunk(tag: int, content: bytes, length_bytes: int = 4) -> bytes:
    length = (len(content) + 2).to_bytes(length_bytes, "little")
    return bytes([length_bytes]) + length + struct.pack("<H", tag) + content


def header_xml(
    name: str = "Amp",
    kind: str = "EEG",
    n_channels: int = 2,
    sfreq: float = 100,
    dtype: str = "float32",
    desc: str = "",
    **fields: str,
) -> str:
    more = "".join(f"<{tag}>{text}</{tag}>" for tag, text in fields.items())
    return (
        f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type>"
        f"<channel_count>{n_channels}</channel_count><nominal_srate>{sfreq}</nominal_srate>"
        f"<channel_format>{dtype}</channel_format>{more}<desc>{desc}</desc></info>"
    )


def channels_xml(labels: Sequence[str], unit: str = "", kind: str = "", tag: str = "label") -> str:
    each = (
        f"<channel><{tag}>{label}</{tag}><unit>{unit}</unit><type>{kind}</type></channel>" for label in labels
    )
    return f"<channels>{''.join(each)}</channels>"


def file_header() -> bytes:
    return b"XDF:" + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>", 1)


def stream_header(stream_id: int, xml: str | bytes) -> bytes:
    return chunk(2, struct.pack("<I", stream_id) + (xml if isinstance(xml, bytes) else xml.encode()))


def samples(
    stream_id: int, stamps: Sequence[float | None], values: np.ndarray | Sequence[Sequence[str]]
) -> bytes:
    """``stamps``: None where a sample's stamp is omitted."""
    body = struct.pack("<IBI", stream_id, 4, len(stamps))
    for stamp, row in zip(stamps, values, strict=True):
        body += b"\0" if stamp is None else b"\x08" + struct.pack("<d", stamp)
        body += row.tobytes() if isinstance(row, np.ndarray) else b"".join(map(_string, row))
    return chunk(3, body)


def _string(text: str) -> bytes:
    raw = text.encode()
    return b"\x01" + bytes([len(raw)]) + raw


def clock_offset(stream_id: int, remote_s: float, offset_s: float) -> bytes:
    return chunk(4, struct.pack("<Idd", stream_id, remote_s, offset_s), 1)


def boundary() -> bytes:
    return chunk(5, BOUNDARY, 1)


def footer(stream_id: int) -> bytes:
    return chunk(6, struct.pack("<I", stream_id) + b"<info/>")
