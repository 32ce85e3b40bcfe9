"""Small files that ask for much: memory, time, or a line for each of a million places."""

from __future__ import annotations

import struct
from collections.abc import Callable

_FILE_HEADER = b"<?xml version='1.0'?><info><version>1.0</version></info>"


def chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def small_chunk(tag: int, content: bytes) -> bytes:
    return b"\x01" + struct.pack("<BH", len(content) + 2, tag) + content


def header(stream: int, n_channels: int, dtype: str, rate: str = "100", extra: str = "") -> bytes:
    xml = (
        f"<info><name>Bomb{stream}</name><type>EEG</type><channel_count>{n_channels}</channel_count>"
        f"<nominal_srate>{rate}</nominal_srate><channel_format>{dtype}</channel_format>{extra}</info>"
    )
    return chunk(2, struct.pack("<I", stream) + xml.encode())


def _promise(n_channels: int, dtype: str, n: int) -> bytes:
    body = struct.pack("<IBQ", 1, 8, n) + b"\x00" * 40
    return _file(header(1, n_channels, dtype), chunk(3, body))


def _file(*chunks: bytes) -> bytes:
    return b"XDF:" + chunk(1, _FILE_HEADER) + b"".join(chunks)


def _texts(n: int, size: int) -> bytes:
    text = b"\x00\x04" + struct.pack("<I", size) + "\N{GRINNING FACE}".encode() * (size // 4)
    return _file(header(1, 1, "string", "0"), chunk(3, struct.pack("<IBI", 1, 4, n) + text * n))


BOMBS: dict[str, Callable[[], bytes]] = {
    "317 bytes that promise 2^27 texts": lambda: _promise(1, "string", 1 << 27),
    "317 bytes that promise 2^20 x 1000 values": lambda: _promise(1000, "double64", 1 << 20),
    "2^62 samples": lambda: _promise(8, "float32", 1 << 62),
    "2^64 - 1 texts of 1024 channels": lambda: _promise(1024, "string", (1 << 64) - 1),
    "a text of 2^40 bytes": lambda: _file(
        header(1, 1, "string", "0"),
        chunk(3, struct.pack("<IBBBBQ", 1, 1, 1, 0, 8, 1 << 40) + b"x" * 50),
    ),
    "a chunk of 2^62 bytes": lambda: _file(
        header(1, 2, "int16"), b"\x08" + struct.pack("<QHI", 1 << 62, 3, 1)
    ),
    "a header of 1 MB of elements": lambda: _file(header(1, 1, "int8", extra="<c/>" * 249_000)),
    "a header of 20 MB": lambda: _file(header(1, 1, "int8", extra="<c/>" * 5_000_000)),
    "a header nested 100 000 deep": lambda: _file(
        header(1, 1, "int8", extra="<desc>" + "<a>" * 100_000 + "</a>" * 100_000 + "</desc>")
    ),
    "a billion laughs": lambda: _file(
        chunk(2, struct.pack("<I", 1) + b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 9000 + b'">]><info>&b;</info>')
    ),
    "5000 streams": lambda: _file(*(header(k, 1, "int8") for k in range(5000))),
    "200 000 chunks of streams without header": lambda: _file(
        *(small_chunk(3, struct.pack("<IBBBB", k, 1, 1, 0, 0)) for k in range(200_000))
    ),
    "100 000 bad clock offsets": lambda: _file(
        header(1, 1, "int8"),
        *(small_chunk(4, struct.pack("<Idd", 1, float("nan"), k)) for k in range(100_000)),
    ),
    "20 000 chunks of one sample": lambda: _file(
        header(1, 1, "int8"), *(small_chunk(3, struct.pack("<IBBBB", 1, 1, 1, 0, 7)) for k in range(20_000))
    ),
    "100 000 empty chunks": lambda: _file(
        header(1, 1, "int8"), *(small_chunk(3, struct.pack("<IBB", 1, 1, 0)) for _ in range(100_000))
    ),
    "boundaries and nothing between": lambda: _file(
        header(1, 1, "int8"),
        (small_chunk(5, bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")) + b"\x07\x07\x07") * 30_000,
    ),
    "damage that looks like chunks": lambda: _file(
        header(1, 1, "int16"), b"\x03\x00\x01\x00\x00\x00" * 300_000
    ),
    "chunks that are longer than the file": lambda: _file(
        header(1, 1, "int8"), (b"\x04" + struct.pack("<IHIBI", 1 << 30, 3, 1, 4, 1 << 30)) * 50_000
    ),
    "3 million samples of a byte in one chunk": lambda: _file(
        header(1, 1, "int8"), chunk(3, struct.pack("<IBI", 1, 4, 3_000_000) + b"\x00\x05" * 3_000_000)
    ),
    "one text of 16 MB": lambda: _texts(1, 16 << 20),
    "texts of 1 MB": lambda: _texts(20, 1 << 20),
    "a million empty texts of 1 channel": lambda: _file(
        header(1, 1, "string", "0"), chunk(3, struct.pack("<IBI", 1, 4, 300_000) + b"\x00\x01\x00" * 300_000)
    ),
    "short texts of 1024 channels": lambda: _file(
        header(1, 1024, "string", "0"),
        chunk(3, struct.pack("<IBI", 1, 4, 1000) + (b"\x00" + b"\x01\x02ab" * 1024) * 1000),
    ),
}
