import io
import json
import zipfile

import pytest

from bci_stream.errors import BundleCorruptError
from bci_stream.model.archive import PARTS, pack, read_sealed, sha256_hex, store_zip, unpack, write_atomically

CONTENT = {name: name.encode() * 10 for name in PARTS}


def seal(parts):
    unsealed = store_zip(parts, b"0" * 64)[:-64]
    return unsealed + sha256_hex(unsealed).encode()


def manifest(**changes):
    content = {"format_version": 2, "sha256": {name: sha256_hex(data) for name, data in CONTENT.items()}}
    return json.dumps(content | changes).encode()


def test_round_trip_and_equal_parts_give_equal_bytes(tmp_path):
    path = tmp_path / "a.bci"
    write_atomically(path, pack(CONTENT))
    assert unpack(read_sealed(path), path) == CONTENT
    assert pack(CONTENT) == path.read_bytes()


def test_any_zip_tool_reads_it_and_nothing_is_compressed():
    with zipfile.ZipFile(io.BytesIO(pack(CONTENT))) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_every_flipped_bit_is_found(tmp_path):
    path, whole = tmp_path / "a.bci", pack(CONTENT)
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << (position % 8)
        path.write_bytes(flipped)
        with pytest.raises(BundleCorruptError):
            read_sealed(path)


def test_every_truncation_is_found(tmp_path):
    path, whole = tmp_path / "a.bci", pack(CONTENT)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleCorruptError):
            read_sealed(path)
    path.write_bytes(whole + b"0")
    with pytest.raises(BundleCorruptError, match="seal does not match"):
        read_sealed(path)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        (
            CONTENT | {"manifest.json": manifest(format_version=1)},
            "format version 1, this bci_stream reads 2",
        ),
        (CONTENT | {"manifest.json": manifest(format_version=True)}, "format version True"),
        (CONTENT | {"manifest.json": manifest(sha256=None)}, "contract.json is not the one in the manifest"),
        (CONTENT | {"manifest.json": b"[]"}, "not a JSON object"),
        (CONTENT | {"manifest.json": b"{"}, "not JSON"),
        (CONTENT | {"manifest.json": b"[" * 100_000}, "not JSON"),
        (CONTENT | {"program.ts": b"x", "manifest.json": manifest()}, "program.ts is not the one"),
        (CONTENT, "holds contract.json, program.ts, weights.safetensors; expected"),
        (CONTENT | {"manifest.json": manifest(), "../x": b""}, "holds ../x"),
        (CONTENT | {"manifest.json": b" " * 2_000_000}, "too large"),
    ],
)
def test_a_sealed_archive_of_something_else_is_refused(tmp_path, parts, complaint):
    with pytest.raises(BundleCorruptError) as caught:
        unpack(seal(parts), tmp_path / "a.bci")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_compressed_parts_are_not_unpacked(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in PARTS:
            archive.writestr(name, b"0" * 1_000_000)
        archive.writestr("manifest.json", manifest())
    with pytest.raises(BundleCorruptError, match="compressed or too large"):
        unpack(buffer.getvalue(), tmp_path / "a.bci")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello" * 100])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    path = tmp_path / "a.bci"
    path.write_bytes(content)
    with pytest.raises(BundleCorruptError):
        read_sealed(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(
        BundleCorruptError, match=r"cannot be read: No such file or directory; check the path"
    ):
        read_sealed(tmp_path / "none.bci")
    with pytest.raises(BundleCorruptError, match="cannot be read"):
        read_sealed(tmp_path)


def test_failed_write_leaves_what_was_there_and_no_litter(tmp_path):
    path = tmp_path / "a.bci"
    path.mkdir()
    with pytest.raises(OSError, match=r"."):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
