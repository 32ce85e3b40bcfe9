"""Files and headers that mean harm, each with what it would do where it succeeded.

Every case is read by the child of the fuzz runner, as the product reads it and without ``--trust``. It must
be refused, or (a bundle with an evil program but sound weights) read without running the program.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bci_stream.model.archive import MANIFEST, PARTS, pack, read_sealed, sha256_hex, store_zip, unpack

Made = Callable[["Workshop"], bytes]


@dataclass(frozen=True)
class Case:
    """``kind``: how it is read. ``read``: it may be read, but nothing of it may run."""

    kind: str
    make: Made
    read: bool = False


@dataclass
class Workshop:
    """Where the cases are made: a sound bundle's parts, and the place where a file would tell of success."""

    bundle: Path
    traps: Path
    parts: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = unpack(read_sealed(self.bundle), self.bundle)

    def trap(self, name: str) -> Path:
        """A file that nobody should make."""
        return self.traps / name


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def _pickle(shop: Workshop) -> bytes:
    return pickle.dumps(_Runs(shop.trap("pickle")))


def program(shop: Workshop, statement: str) -> bytes:
    """A TorchScript program whose ``__setstate__``, which runs when it is loaded, does what is said."""
    import torch

    class Evil(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = torch.zeros(1)

        @torch.jit.export
        def __getstate__(self):  # type: ignore[no-untyped-def]
            return (self.x, self.training)

        @torch.jit.export
        def __setstate__(self, state: tuple[torch.Tensor, bool]):  # type: ignore[no-untyped-def]
            self.x = state[0]
            self.training = state[1]
            print("HERE")  # noqa: T201 - becomes the statement

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Evil()), buffer)
    made = io.BytesIO()
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".py"):
                content = content.replace(b'print("HERE")', statement.encode())
            target.writestr(name, content)
    return made.getvalue()


WRITES = 'ops.aten.save(self.x, "{}")'
ENDLESS = "while True:\n      self.x = torch.add(self.x, 1)"


def _evil(statement: str) -> Made:
    def make(shop: Workshop) -> bytes:
        return pack(shop.parts | {"program.ts": program(shop, statement.format(shop.trap("setstate")))})

    return make


def _scripted_writer(shop: Workshop) -> bytes:
    """A program with every method that is called, of which each writes a file."""
    content = shop.parts["program.ts"]
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith(".py"):
                lines = data.decode().split("\n")
                writes = f'    ops.aten.save(torch.zeros([1]), "{shop.trap("method")}")'
                at = [i for i, line in enumerate(lines) if line.startswith("  def ")]
                for i in reversed(at):
                    body = next(k for k in range(i, len(lines)) if lines[k].endswith(":")) + 1
                    lines.insert(body, writes)
                data = "\n".join(lines).encode()
            target.writestr(name, data)
    return pack(shop.parts | {"program.ts": made.getvalue()})


def _sealed(parts: dict[str, bytes]) -> bytes:
    unsealed = store_zip(parts, b"0" * 64)[:-64]
    return unsealed + sha256_hex(unsealed).encode()


def _zip_bomb(shop: Workshop) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*PARTS, MANIFEST):
            archive.writestr(name, b"\0" * (1 << 28 if name == PARTS[1] else 100))
        archive.comment = b"0" * 64
    unsealed = buffer.getvalue()[:-64]
    return unsealed + sha256_hex(unsealed).encode()


def _quine_like(shop: Workshop) -> bytes:
    """Members that lie over one another: the tables name the same bytes again and again."""
    whole = bytearray(_sealed(shop.parts | {MANIFEST: b"{}"})[:-64])
    first = whole.find(b"PK\x01\x02")
    at = whole.find(b"PK\x01\x02", first + 4)
    whole[at + 42 : at + 46] = whole[first + 42 : first + 46]
    return bytes(whole) + sha256_hex(bytes(whole)).encode()


def _archive(name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> Made:
    def make(shop: Workshop) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("profile.json", b'{"name": "P9", "created": "2026"}')
            archive.writestr(name, content, method)
        return buffer.getvalue()

    return make


def _profile_bomb(shop: Workshop) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("profile.json", b" " * (1 << 28))
    return buffer.getvalue()


def _contract(**changes: object) -> Made:
    def make(shop: Workshop) -> bytes:
        content = json.loads(shop.parts["contract.json"])
        content.update(changes)
        return pack(shop.parts | {"contract.json": json.dumps(content).encode()})

    return make


def _weights(header: dict[str, object] | bytes) -> Made:
    """A safetensors file whose header promises what is not there."""

    def make(shop: Workshop) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return pack(shop.parts | {"weights.safetensors": len(text).to_bytes(8, "little") + text})

    return make


_LAUGHS = b"a: &a [ha]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9)) for name in b"bcdefghi"
)
_TAG = b"version: 1\ndevices: !!python/object/apply:os.mkdir ['%s']\n"


def _yaml_tag(shop: Workshop) -> bytes:
    return _TAG % str(shop.trap("yaml")).encode()


def _header(name: str = "Amp", count: str = "8", rate: str = "250", extra: str = "") -> Made:
    xml = (
        f"<?xml version='1.0'?><info><name>{name}</name><type>EEG</type>"
        f"<channel_count>{count}</channel_count><nominal_srate>{rate}</nominal_srate><channel_format>float32</channel_format>{extra}</info>"
    )
    return lambda shop: xml.encode()


_NESTED = "<desc>" + "<a>" * 60_000 + "</a>" * 60_000 + "</desc>"
_ENTITIES = "<desc>&lol;</desc>"

CASES: dict[str, Case] = {
    "a pickle as a bundle": Case("bundle", _pickle),
    "a pickle as weights": Case("bundle", lambda s: pack(s.parts | {"weights.safetensors": _pickle(s)})),
    "a pickle as contract": Case("bundle", lambda s: pack(s.parts | {"contract.json": _pickle(s)})),
    "a pickle as program": Case("bundle", lambda s: pack(s.parts | {"program.ts": _pickle(s)}), read=True),
    "a program whose __setstate__ writes": Case("bundle", _evil(WRITES), read=True),
    "a program whose __setstate__ never ends": Case("bundle", _evil(ENDLESS), read=True),
    "a program whose methods write": Case("bundle", _scripted_writer, read=True),
    "a zip bomb as a bundle": Case("bundle", _zip_bomb),
    "members that lie over one another": Case("bundle", _quine_like),
    "a member named ../": Case("bundle", lambda s: _sealed(s.parts | {MANIFEST: b"{}", "../../x": b"x"})),
    "a contract nested deep": Case("bundle", lambda s: pack(s.parts | {"contract.json": b"[" * 900_000})),
    "a contract of 10^9 classes": Case("bundle", _contract(classes=["c"] * 90_000)),
    "a network as large as can be": Case(
        "bundle",
        _contract(architecture={"n_filters": 512, "n_taps": 1023, "width": 256, "hidden": 1024}, window_s=60),
    ),
    "weights that promise 2^60 bytes": Case(
        "bundle", _weights({"a": {"dtype": "F32", "shape": [1 << 58], "data_offsets": [0, 1 << 60]}})
    ),
    "weights with a header of 2^62 bytes": Case(
        "bundle", lambda s: pack(s.parts | {"weights.safetensors": (1 << 62).to_bytes(8, "little") + b"{}"})
    ),
    "weights with a deep header": Case("bundle", _weights(b"[" * 500_000)),
    "a YAML tag in devices": Case("devices", _yaml_tag),
    "a YAML tag in a protocol": Case("protocol", _yaml_tag),
    "a billion laughs in devices": Case("devices", lambda s: _LAUGHS),
    "a billion laughs in a protocol": Case("protocol", lambda s: _LAUGHS),
    "YAML nested deep in devices": Case("devices", lambda s: b"[" * 200_000),
    "YAML nested deep in a protocol": Case("protocol", lambda s: b"[" * 60_000),
    "JSON nested deep as a recipe": Case("recipe", lambda s: b"[" * 900_000),
    "JSON nested deep as a profile": Case("profile", lambda s: b"[" * 900_000),
    "JSON nested deep as a ledger": Case("ledger", lambda s: b"[" * 60_000 + b"\n"),
    "a pickle as a profile": Case("profile", _pickle),
    "a zip bomb as an exported profile": Case("archive", _profile_bomb),
    "a bomb among a profile's models": Case(
        "archive", _archive("models/0001.bci", b"\0" * (1 << 28), zipfile.ZIP_DEFLATED)
    ),
    "../ in an exported profile": Case("archive", _archive("models/../../../out", b"x")),
    "an absolute path in an exported profile": Case("archive", _archive("/tmp/bci-stream-out", b"x")),
    "a profile named ../": Case("name", lambda s: b"../../etc"),
    "a profile named with a NUL": Case("name", lambda s: b"a\0b"),
    "a profile named .": Case("name", lambda s: b"."),
    "a header of 0 channels": Case("header", _header(count="0")),
    "a header of 10^9 channels": Case("header", _header(count="1000000000")),
    "a header of 1e6 Hz": Case("header", _header(rate="1e6")),
    "a header of infinite rate": Case("header", _header(rate="inf")),
    "a header of 1024 channels at 200 kHz": Case("header", _header(count="1024", rate="200000")),
    "a quote for XPath in a name": Case("header", _header(name="x' or '1'='1"), read=True),
    "an XPath that takes every stream": Case("header", _header(name="'] | //*['"), read=True),
    "entities in a header": Case("header", _header(extra=_ENTITIES)),
    "a DTD in a header": Case(
        "header", lambda s: b"<!DOCTYPE a [<!ENTITY lol 'ha'>]>" + _header(extra=_ENTITIES)(s)
    ),
    "an outside entity in a header": Case(
        "header", lambda s: b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><info>&x;</info>"
    ),
    "a header nested deep": Case("header", _header(extra=_NESTED)),
    "a header of 900 kB of channels": Case("header", _header(extra="<channel/>" * 90_000), read=True),
}
