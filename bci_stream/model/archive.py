"""The container of a bundle: a stored zip whose comment seals every byte before it.

A ``.bci`` file is a plain zip without compression. ``manifest.json`` holds the sha256 of each other part,
and the zip's comment, its last 64 bytes, is the sha256 of all bytes before it, in hex. So a flipped bit or
a missing byte is found wherever it is, the zip's own tables included, before anything is parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bci_stream.errors import BundleCorruptError
from bci_stream.model.contract import FORMAT_VERSION

CONTRACT, WEIGHTS, PROGRAM, MANIFEST = "contract.json", "weights.safetensors", "program.ts", "manifest.json"
PARTS = (CONTRACT, WEIGHTS, PROGRAM)
MAX_BYTES = 128 * 2**20
MAX_JSON_BYTES = 2**20
_SEAL_LENGTH = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)


def sha256_hex(data: bytes) -> str:
    """Sha256 of ``data``, in hex."""
    return hashlib.sha256(data).hexdigest()


def store_zip(parts: Mapping[str, bytes], comment: bytes = b"") -> bytes:
    """Zip without compression and without the time of day: equal parts give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            archive.writestr(info, data)
        archive.comment = comment
    return buffer.getvalue()


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Make the bytes of a bundle from its three parts."""
    manifest = {"format_version": FORMAT_VERSION, "sha256": {name: sha256_hex(parts[name]) for name in PARTS}}
    members = {name: parts[name] for name in PARTS} | {MANIFEST: json.dumps(manifest, indent=1).encode()}
    unsealed = store_zip(members, b"0" * _SEAL_LENGTH)[:-_SEAL_LENGTH]
    return unsealed + sha256_hex(unsealed).encode()


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data``, for its owner alone, so that ``path`` holds all of it or what it held before."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_sealed(path: Path) -> bytes:
    """Read a bundle's bytes and check their seal.

    Raises:
        BundleCorruptError: missing, too large, not a bundle, truncated or altered.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BundleCorruptError(f"{path} is no bundle: {size} bytes, at most {MAX_BYTES} are allowed")
        data = path.read_bytes()
    except OSError as error:
        raise BundleCorruptError(f"bundle {path} cannot be read: {error.strerror}; check the path") from error
    if data[:4] != b"PK\x03\x04":
        raise BundleCorruptError(
            f"{path} is not a bundle: a .bci file is a zip, and this does not begin as one"
        )
    sealed = memoryview(data)[:-_SEAL_LENGTH]  # no copy: a bundle may be large
    if hashlib.sha256(sealed).hexdigest().encode() != data[-_SEAL_LENGTH:]:
        raise BundleCorruptError(
            f"bundle {path} is altered or truncated (seal does not match); copy it again"
        )
    return data


def unpack(data: bytes, path: Path) -> dict[str, bytes]:
    """Parts of a sealed bundle, each checked against the manifest.

    Raises:
        BundleCorruptError: another format version, other parts than expected, or a part that was exchanged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, path)
            parts = {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise BundleCorruptError(f"bundle {path} is not a sound zip ({error}); export it again") from error
    manifest = parse_json(parts.pop(MANIFEST), MANIFEST, path)
    check_version(manifest, MANIFEST, path)
    hashes = manifest.get("sha256")
    for name in PARTS:
        if not isinstance(hashes, dict) or hashes.get(name) != sha256_hex(parts[name]):
            raise BundleCorruptError(f"bundle {path}: {name} is not the one in the manifest; export it again")
    return parts


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    names = sorted(member.filename for member in members)
    if names != sorted((*PARTS, MANIFEST)):
        raise BundleCorruptError(f"bundle {path} holds {', '.join(names)[:200]}; expected {', '.join(PARTS)}")
    for member in members:
        limit = MAX_JSON_BYTES if member.filename.endswith(".json") else MAX_BYTES
        if member.compress_type != zipfile.ZIP_STORED or member.file_size > limit:
            raise BundleCorruptError(
                f"bundle {path}: {member.filename} is compressed or too large; export it again"
            )


def parse_json(data: bytes, name: str, path: Path) -> dict[str, object]:
    """Parse one JSON object of a bundle.

    Raises:
        BundleCorruptError: it is not one.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleCorruptError(f"bundle {path}: {name} is not JSON; export it again") from error
    if not isinstance(value, dict):
        raise BundleCorruptError(f"bundle {path}: {name} is not a JSON object; export it again")
    return value


def check_version(content: Mapping[str, object], name: str, path: Path) -> None:
    """Refuse another format version before anything else of it is read.

    Raises:
        BundleCorruptError: it is another one.
    """
    found = content.get("format_version")
    if found != FORMAT_VERSION or isinstance(found, bool):
        raise BundleCorruptError(
            f"bundle {path}: {name} has format version {found!r:.40}, this bci_stream reads {FORMAT_VERSION};"
            " export it again with this version, or update bci_stream"
        )
