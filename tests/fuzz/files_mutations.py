"""Ways to damage texts, bundles, archives and headers; each file by its seed."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

from bci_stream.model.archive import MANIFEST, PARTS, pack, sha256_hex, store_zip

HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1e308, -1e308, 2**63, 2**200, 1e-320, float("nan"), float("inf"), "NaN",
    "1e999", "", " ", "x" * 5000, "\x00", "../../x", "/etc/passwd", "a\nb", "💀" * 50, "{", "' or '1'='1",
    "<x>", "&amp;", [], {}, [[]] * 50, {"a": {"a": {"a": {}}}}, ["Cz"] * 600,
]  # fmt: skip
FRAGMENTS = [
    b"&a [*a,*a]", b"!!python/object/apply:os.system ['true']", b"!!binary aaaa", b"*x", b"&x", b"? ",
    b"- - - -", b"{" * 3000, b"[" * 3000, b"<<: *a", b"---\n", b"%TAG ! tag:x,2000:\n", b"\t", b"\xff\xfe",
    b"\x00", b"|2\n", b"'", b'"', b": ", b"#", b"\xef\xbb\xbf", b"1" * 5000, b"0x", b"9" * 400, b"\r",
    b"\xe2\x80\xa8", b"2001-99-99", b"1:2:3", b".inf", b"~",
]  # fmt: skip
XML = [
    b"<!DOCTYPE a [<!ENTITY b 'bb'>]>", b"&b;", b"&#0;", b"&#xD800;", b"<a>" * 1500, b"</info>", b"<info>",
    b"<![CDATA[", b"]]>", b"<?x ?>", b"<!--", b"-->", b"<channels/>" * 50, b"<channel/>" * 2000, b"'",
    b"\"] | //*[\"", b"' or name()='", b"\xff", b"\x00", b"<desc>", b"\xed\xa0\x80", b"xmlns:a='b'",
    b"<name>" + b"n" * 90_000 + b"</name>",
]  # fmt: skip
COUNTS = [
    b"0",
    b"-1",
    b"1025",
    b"1024",
    b"1e3",
    b"",
    b"nan",
    b"9" * 5000,
    b"8.0",
    b" 8 ",
    b"\xd9\xa8",
    b"0x8",
    b"1_0",
    b"+8",
]
RATES = [
    b"0",
    b"-5",
    b"nan",
    b"inf",
    b"1e309",
    b"1e6",
    b"200000",
    b"200001",
    b"abc",
    b"",
    b"5e-324",
    b"1_0",
    b"-0.0",
    b"1e-9",
]


def mutate(kind: str, seed: int, base: bytes) -> bytes:
    """One damaged file of a kind."""
    rng = random.Random(f"{kind} {seed}")
    return _WAYS[kind](rng, base)


def _bytes(rng: random.Random, data: bytes, fragments: list[bytes] = FRAGMENTS) -> bytes:
    """Flipped, cut, doubled, swapped, spliced: any file."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, to = rng.randrange(len(found) + 1), rng.randrange(len(found) + 1)
        low, high = min(at, to), max(at, to)
        way = rng.randrange(7)
        if way == 0 and found:
            for _ in range(rng.randint(1, 8)):
                found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
        elif way == 1:
            del found[low : low + rng.choice((1, 4, 40, high - low))]
        elif way == 2:
            found[at:at] = rng.choice(fragments)
        elif way == 3:
            found[at:at] = found[low : min(high, low + 3000)]
        elif way == 4:
            del found[at:]
        elif way == 5:
            found[low : low + 8] = rng.randbytes(8)
        else:
            found[at:at] = rng.choice(fragments) * rng.choice((1, 3, 30))
    return bytes(found)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [place]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*place, key))
    return found


def _hostile(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(HOSTILE))


def _json(rng: random.Random, data: bytes) -> bytes:
    """A value, somewhere, that has no business there; or a key too many, or one too few."""
    if rng.random() < 0.35:
        return _bytes(rng, data)
    whole = [json.loads(data)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.choice(_places(whole)[1:])
        holder = whole
        for step in place[:-1]:
            holder = holder[step]
        way = rng.randrange(4)
        if way == 0 and isinstance(holder, dict):
            holder[str(_hostile(rng))[:300]] = _hostile(rng)
        elif way == 1 and len(holder) > 1:
            del holder[place[-1]]
        else:
            holder[place[-1]] = _hostile(rng)
        if not whole:
            whole = [{}]
    text = json.dumps(whole[0])
    if rng.random() < 0.1:
        text = text.replace("{", '{"a": 1, "a": 2, ', 1)
    return text.encode()


def _bundle(rng: random.Random, data: bytes) -> bytes:
    """Raw damage; or parts exchanged and all sealed anew, so that what is behind the seal is reached."""
    if rng.random() < 0.15:
        return _bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in (*PARTS, MANIFEST)}
    way = rng.random()
    if way < 0.45:
        name = rng.choice(PARTS)
        damaged = _json(rng, parts[name]) if name.endswith(".json") else _binary(rng, parts[name])
        return pack(parts | {name: damaged})
    if way < 0.6:
        parts[MANIFEST] = _json(rng, parts[MANIFEST])
    elif way < 0.8:  # the zip's own tables
        whole = bytearray(store_zip(parts, b"0" * 64)[:-64])
        tables = whole.rfind(b"PK\x01\x02", 0, len(whole)) - rng.choice((0, 0, 60, 200))
        for _ in range(rng.randint(1, 6)):
            whole[rng.randrange(max(0, tables), len(whole))] = rng.randrange(256)
        return bytes(whole) + sha256_hex(bytes(whole)).encode()
    elif way < 0.9:
        parts[rng.choice(["../x", "/x", "contract.json ", "x" * 60_000, "CON", "a\\b"])] = b"x"
    else:
        del parts[rng.choice(list(parts))]
    unsealed = store_zip(parts, b"0" * 64)[:-64]
    return unsealed + sha256_hex(unsealed).encode()


def _binary(rng: random.Random, data: bytes) -> bytes:
    """Mostly in its first bytes, where a file says what it is."""
    if rng.random() < 0.5:
        return _bytes(rng, data)
    head = bytearray(data[:4000])
    for _ in range(rng.randint(1, 4)):
        head[rng.randrange(len(head)) if rng.random() < 0.5 else rng.randrange(8)] = rng.randrange(256)
    return bytes(head) + data[4000:]


def _archive(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3:
        return _bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    way = rng.random()
    if way < 0.5:
        parts["profile.json"] = _json(rng, parts["profile.json"])
    elif way < 0.8:
        odd = [
            "../x",
            "/tmp/x",
            "models/../../x",
            "models/0001.bci/x",
            "C:\\x",
            "models/",
            "profile.json/x",
            "reports/0001/..",
        ]
        parts[rng.choice(odd)] = b"x" * 10
    else:
        del parts["profile.json"]
    buffer = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _yaml(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.4:
        return _bytes(rng, data)
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(len(lines))
        key, colon, _ = lines[at].partition(b":")
        way = rng.randrange(5)
        if way == 0:
            lines[at] = key + colon + b" " + json.dumps(_hostile(rng)).encode()
        elif way == 1:
            lines[at] = b"  " * rng.randrange(6) + lines[at].lstrip()
        elif way == 2:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif way == 3:
            del lines[at : at + rng.randint(1, 5)]
            lines = lines or [b""]
        else:
            lines[at] += b" " + rng.choice(FRAGMENTS)
    return b"\n".join(lines)


def _name(rng: random.Random, data: bytes) -> bytes:
    made = [
        lambda: rng.choice(
            [
                b"..",
                b".",
                b"/",
                b"\\",
                b"~",
                b"-rf",
                b"con",
                b"COM1",
                b"a/../b",
                b"a\x00b",
                b"a\n",
                b" a",
                b"a ",
            ]
        ),
        lambda: rng.randbytes(rng.randint(0, 80)),
        lambda: "".join(chr(rng.randrange(1, 0x2FFF)) for _ in range(rng.randint(1, 70))).encode(
            "utf-8", "replace"
        ),
        lambda: _bytes(rng, data, [b"../", b"\x00", b"%2e", b"\n"]),
        lambda: data * rng.randint(1, 40),
    ]
    return rng.choice(made)()


def _header(rng: random.Random, data: bytes) -> bytes:
    way = rng.random()
    if way < 0.35:
        return _bytes(rng, data, XML)
    for tag, values in ((b"channel_count", COUNTS), (b"nominal_srate", RATES)):
        if rng.random() < 0.5:
            data = _set(data, tag, rng.choice(values))
    if rng.random() < 0.3:
        odd = rng.choice([b"float32", b"string", b"int64", b"float3z", b"", b"undefined"])
        data = _set(data, b"channel_format", odd)
    if rng.random() < 0.5:
        tag = rng.choice([b"name", b"type", b"source_id", b"hostname", b"uid", b"label", b"unit"])
        data = _set(
            data, tag, rng.choice([*XML, b"", b"\xc2\xb5V", b"10", b"-99", b"name='x'", b"a=b,c=d", b"\t\n"])
        )
    return data if way < 0.9 else _bytes(rng, data, XML)


def _set(data: bytes, tag: bytes, text: bytes) -> bytes:
    before, opened, rest = data.partition(b"<" + tag + b">")
    _, closed, after = rest.partition(b"</" + tag + b">")
    return before + opened + text + closed + after if opened and closed else data


_WAYS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "bundle": _bundle,
    "archive": _archive,
    "devices": _yaml,
    "protocol": _yaml,
    "recipe": _json,
    "profile": _json,
    "ledger": _bytes,
    "name": _name,
    "header": _header,
}
