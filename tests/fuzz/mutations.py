"""Ways to damage an XDF file. Each takes a random generator and a file's chunks and gives a file's bytes.

``touched`` says which streams may differ from the original; None: nobody can tell.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

SAMPLES, OFFSET, HEADER = 3, 4, 2
NUMBERS = [0, 1, 2, 7, 255, 2**15, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1]
DOUBLES = [float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 5e-324, 0.0, -1.0, 1.7e9]
COUNTS = [b"0", b"-1", b"1025", b"1000000", b"1e3", b"", b"nan", b"9" * 5000, b"8"]
RATES = [b"0", b"-5", b"nan", b"inf", b"1e309", b"1e6", b"abc", b"", b"250.00001"]
FORMATS = [b"float3z", b"string", b"int8", b"int64", b"double64", b"undefined", b""]
BOMBS = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]>',
    b"<" * 4000,
    b"<a>" * 1100 + b"</a>" * 1100,
    b"<c/>" * 20_000,
    b"\xff\xfe\x00\x00",
    b"]]>&#0;&lt;",
)


@dataclass(frozen=True)
class Piece:
    """One chunk: ``n_bytes`` of its length field, that field, and the rest."""

    n_bytes: int
    length: int
    tag: int
    content: bytes

    @property
    def stream(self) -> int | None:
        if self.tag in (2, 3, 4, 6) and len(self.content) >= 4:
            return int(struct.unpack_from("<I", self.content)[0])
        return None

    def bytes(self) -> bytes:
        length = (self.length % (1 << 8 * self.n_bytes)).to_bytes(self.n_bytes, "little")
        return bytes([self.n_bytes]) + length + struct.pack("<H", self.tag) + self.content

    def with_content(self, content: bytes) -> Piece:
        """The same chunk about something else, its length right."""
        n_bytes = self.n_bytes if len(content) + 2 < 1 << 8 * self.n_bytes else 4
        return replace(self, content=content, length=len(content) + 2, n_bytes=n_bytes)


@dataclass(frozen=True)
class Damaged:
    data: bytes
    touched: frozenset[int] | None
    how: str


def chunks_of(data: bytes) -> list[Piece]:
    """A sound file's chunks."""
    pieces, at = [], 4
    while at < len(data):
        n_bytes = data[at]
        length = int.from_bytes(data[at + 1 : at + 1 + n_bytes], "little")
        begin, end = at + 1 + n_bytes, at + 1 + n_bytes + length
        if end > len(data):  # a recording that was cut off: that much of it is sound
            break
        tag = struct.unpack_from("<H", data, begin)[0]
        pieces.append(Piece(n_bytes, length, tag, data[begin + 2 : end]))
        at = end
    return pieces


def file_of(pieces: list[Piece]) -> bytes:
    return b"XDF:" + b"".join(piece.bytes() for piece in pieces)


Mutation = Callable[[random.Random, list[Piece]], tuple[bytes, frozenset[int] | None]]
_NOBODY: frozenset[int] = frozenset()


def _one(rng: random.Random, pieces: list[Piece], *tags: int) -> int:
    """The index of a random chunk, of one of these kinds where there is one."""
    able = [i for i, piece in enumerate(pieces) if not tags or piece.tag in tags]
    return rng.choice(able) if able else rng.randrange(len(pieces))


def _changed(pieces: list[Piece], at: int, piece: Piece) -> tuple[bytes, frozenset[int] | None]:
    owners = {pieces[at].stream, piece.stream} - {None}
    return file_of([*pieces[:at], piece, *pieces[at + 1 :]]), frozenset(owners)  # type: ignore[arg-type]


def flip_bits(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    data = bytearray(file_of(pieces))
    for _ in range(rng.randint(1, 16)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data), None


def flip_content(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    """Bits of one chunk, behind its stream id."""
    at = _one(rng, pieces, SAMPLES, HEADER, OFFSET)
    content = bytearray(pieces[at].content)
    for _ in range(rng.randint(1, 8) if len(content) > 4 else 0):
        content[rng.randrange(4, len(content))] ^= 1 << rng.randrange(8)
    return _changed(pieces, at, replace(pieces[at], content=bytes(content)))


def truncate(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    data = file_of(pieces)
    return data[: rng.randrange(len(data) + 1)], None


def delete_chunk(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    at = rng.randrange(len(pieces))
    owner = pieces[at].stream
    return file_of(pieces[:at] + pieces[at + 1 :]), frozenset(() if owner is None else (owner,))


def repeat_chunk(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    at, to = rng.randrange(len(pieces)), rng.randrange(len(pieces) + 1)
    owner = pieces[at].stream
    copies = [pieces[at]] * rng.choice((1, 1, 2, 50))
    return file_of([*pieces[:to], *copies, *pieces[to:]]), frozenset(() if owner is None else (owner,))


def reorder(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    mixed = list(pieces)
    for _ in range(rng.randint(1, 10)):
        i, j = rng.randrange(len(mixed)), rng.randrange(len(mixed))
        mixed[i], mixed[j] = mixed[j], mixed[i]
    return file_of(mixed), None


def wrong_length(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    at = _one(rng, pieces, *rng.choice([(SAMPLES,), (HEADER,), (OFFSET,), ()]))
    length = rng.choice(
        [pieces[at].length + rng.randint(-40, 40), rng.choice(NUMBERS), pieces[at].length * 2, 0, 1, 2]
    )
    return _changed(pieces, at, replace(pieces[at], length=max(0, length)))


def wrong_length_bytes(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    data = bytearray(file_of(pieces))
    at = _one(rng, pieces)
    data[4 + len(file_of(pieces[:at])) - 4] = rng.choice([0, 2, 3, 4, 8, 9, 255, rng.randrange(256)])
    return bytes(data), None


def wrong_count(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    """The number of samples that a chunk promises."""
    at = _one(rng, pieces, SAMPLES)
    content = pieces[at].content
    if pieces[at].tag != SAMPLES or len(content) < 6:
        return flip_content(rng, pieces)
    n_bytes = content[4] if content[4] in (1, 4, 8) else 1
    wide = rng.choice((1, 4, 8))
    said = rng.choice([*NUMBERS, int.from_bytes(content[5 : 5 + n_bytes], "little") + rng.randint(-3, 3)])
    count = bytes([wide]) + (max(0, said) % (1 << 8 * wide)).to_bytes(wide, "little")
    return _changed(pieces, at, pieces[at].with_content(content[:4] + count + content[5 + n_bytes :]))


def _field(xml: bytes, name: bytes, value: bytes) -> bytes:
    before, opened, rest = xml.partition(b"<" + name + b">")
    _, closed, behind = rest.partition(b"</" + name + b">")
    return before + opened + value + closed + behind if closed else xml


def wrong_header(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    at = _one(rng, pieces, HEADER)
    stream_id, xml = pieces[at].content[:4], pieces[at].content[4:]
    kind = rng.randrange(8)
    if kind == 0:
        xml = _field(xml, b"channel_count", rng.choice(COUNTS))
    elif kind == 1:
        xml = _field(xml, b"nominal_srate", rng.choice(RATES))
    elif kind == 2:
        xml = _field(xml, b"channel_format", rng.choice(FORMATS))
    elif kind == 3:
        xml = _field(xml, b"name", rng.choice([b"x" * 200_000, b"a\nb\x1b[31m", b"\xff\xfe", b""]))
    elif kind == 4:
        bomb, place = rng.choice(BOMBS), rng.randrange(len(xml) + 1)
        xml = xml[:place] + bomb + xml[place:]
    elif kind == 5:
        xml = xml[: rng.randrange(len(xml) + 1)]
    elif kind == 6:
        xml = rng.randbytes(rng.choice([0, 1, 100, 5000]))
    else:
        xml = bytes(b if rng.random() > 0.02 else rng.randrange(256) for b in xml)
    return _changed(pieces, at, pieces[at].with_content(stream_id + xml))


def wrong_tag(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    at = _one(rng, pieces)
    tag = rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 256, 65535])
    return file_of([*pieces[:at], replace(pieces[at], tag=tag), *pieces[at + 1 :]]), None


def wrong_stream(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    at = _one(rng, pieces, SAMPLES, OFFSET, HEADER)
    streams = sorted({p.stream for p in pieces if p.stream is not None})
    other = rng.choice([*streams, 0, 99, 2**32 - 1])
    content = struct.pack("<I", other) + pieces[at].content[4:]
    return _changed(pieces, at, replace(pieces[at], content=content))


def overwrite(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    data = bytearray(file_of(pieces))
    begin = rng.randrange(len(data))
    n = min(len(data) - begin, rng.choice([1, 10, 100, 1000, 20_000]))
    data[begin : begin + n] = rng.choice([bytes(n), b"\xff" * n, rng.randbytes(n), b"\x08" * n])
    return bytes(data), None


def insert_noise(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    data, noise = file_of(pieces), rng.randbytes(rng.choice([1, 7, 100, 3000]))
    at = rng.randrange(len(data) + 1)
    return data[:at] + noise + data[at:], None


def wrong_offset(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    at = _one(rng, pieces, OFFSET)
    if pieces[at].tag != OFFSET:
        return flip_content(rng, pieces)
    content = pieces[at].content[:4] + struct.pack("<dd", rng.choice(DOUBLES), rng.choice(DOUBLES))
    return _changed(pieces, at, pieces[at].with_content(content))


def wrong_stamp(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, frozenset[int] | None]:
    """The first stamp of a chunk, when it has one."""
    at = _one(rng, pieces, SAMPLES)
    content = pieces[at].content
    if pieces[at].tag != SAMPLES or len(content) < 16:
        return flip_content(rng, pieces)
    place = 5 + (content[4] if content[4] in (1, 4, 8) else 1)
    stamp = b"\x08" + struct.pack("<d", rng.choice(DOUBLES))
    return _changed(pieces, at, replace(pieces[at], content=content[:place] + stamp + content[place + 9 :]))


def splice(rng: random.Random, pieces: list[Piece]) -> tuple[bytes, None]:
    """The file behind a piece of itself."""
    data = file_of(pieces)
    return data[: rng.randrange(len(data))] + data[rng.randrange(len(data)) :], None


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_content,
    truncate,
    delete_chunk,
    repeat_chunk,
    reorder,
    wrong_length,
    wrong_length_bytes,
    wrong_count,
    wrong_header,
    wrong_tag,
    wrong_stream,
    overwrite,
    insert_noise,
    wrong_offset,
    wrong_stamp,
    splice,
)


def mutate(seed: int, pieces: list[Piece]) -> Damaged:
    """The file of this seed: one kind of damage, now and then another one on top."""
    rng = random.Random(seed)
    kind = MUTATIONS[seed % len(MUTATIONS)]
    data, touched = kind(rng, pieces)
    how = kind.__name__
    if rng.random() < 0.25:
        second = rng.choice((flip_bits, truncate, overwrite, insert_noise))
        noisy = bytearray(data)
        if second is truncate:
            noisy = noisy[: rng.randrange(len(noisy) + 1)]
        elif noisy:
            for _ in range(rng.randint(1, 4)):
                noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        data, touched, how = bytes(noisy), None, f"{how}+{second.__name__}"
    return Damaged(data, touched, how)
