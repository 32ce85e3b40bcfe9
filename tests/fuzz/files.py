"""``python -m tests.fuzz.files --files 3000 --headers 1000``: damaged bundles, settings, profiles, headers.

Each must be read, or refused by one BciStreamError of one line, in under 2 s of the processor and with a
memory of 200 MB and twice the file over that of the process before; and nothing may be written but where it
was asked to. The mutations are structural and seeded (no coverage guides them).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from bci_stream.engine.ledger import VERSION, LedgerEnd, LedgerEntry, LedgerHeader, Sealer
from bci_stream.errors import BundleCorruptError
from bci_stream.model.archive import read_sealed
from bci_stream.training.recipe import Recipe
from calibration.profile import Model, Profile, ProfileStore
from calibration.protocol import protocol_names
from tests.fuzz.files_mutations import mutate
from tests.fuzz.xdf import LIMIT_CPU_S, ROOT, Reader, Report

SHARES = {
    "bundle": 0.3,
    "devices": 0.17,
    "protocol": 0.13,
    "recipe": 0.08,
    "profile": 0.08,
    "archive": 0.08,
    "name": 0.08,
    "ledger": 0.08,
}
_LINE = 1000  # characters that a person still reads


def bases(folder: Path) -> dict[str, bytes]:
    """A sound file of each kind."""
    os.environ["BCI_STREAM_HOME"] = str(folder / "home")
    return {
        "bundle": _bundle(folder),
        "devices": _DEVICES,
        "protocol": (ROOT / "calibration" / "protocols" / f"{protocol_names()[0]}.yaml").read_bytes(),
        "recipe": json.dumps(Recipe().as_dict()).encode(),
        "profile": _profile().model_dump_json(indent=1).encode(),
        "archive": _archive(folder),
        "name": b"Person-1",
        "ledger": _ledger(),
        "header": _HEADER,
    }


_DEVICES = b"""version: 1
devices:
  own-amp:
    label: My amplifier
    match: {name: "Amp*", type: EEG, channels: [4, 8], sfreq: 256}
    channels: [Fz, Cz, Pz, Oz]
    use: [Fz, Cz]
    unit: uV
    reference: Fpz
    clip_uv: [-1000, 999.5]
    stamps: unix
    sfreq: 256
    verified: true
  other:
    label: Another (one)
    match: {name: Other, channels: 2}
    unit: mV
"""
_HEADER = (
    b"<?xml version='1.0'?><info><name>Amp 7</name><type>EEG</type><channel_count>4</channel_count>"
    b"<channel_format>float32</channel_format><nominal_srate>250.0</nominal_srate><source_id>amp-7</source_id>"
    b"<version>1.1</version><created_at>1.0</created_at><uid>u-1</uid><session_id>default</session_id>"
    b"<hostname>lab</hostname><desc><manufacturer>Acme</manufacturer><channels>"
    + b"".join(
        b"<channel><label>%s</label><unit>microvolts</unit><type>EEG</type></channel>" % name
        for name in (b"Fz", b"Cz", b"Pz", b"Oz")
    )
    + b"</channels></desc></info>"
)


def _bundle(folder: Path) -> bytes:
    from bci_stream.model.bundle import export_bundle
    from bci_stream.model.contract import Architecture, Contract, EegContract
    from bci_stream.model.network import build_network

    small = Architecture(n_filters=4, n_taps=5, width=32, hidden=8)
    contract = Contract(eeg=EegContract(channels=("Fz", "Cz")), architecture=small, fusion="gated")
    export_bundle(build_network(contract).eval(), contract, folder / "sound.bci")
    return (folder / "sound.bci").read_bytes()


def _profile() -> Profile:
    fields = dict.fromkeys(("sha256", "weights_sha256", "base_sha256"), "a" * 64)
    model = Model(
        number=1, created="2026-01-01", rung="head", better=True, base_accuracy=0.3, accuracy=0.5,
        gain=0.2, p=0.01, n_test=20, words="better", **fields,
    )  # fmt: skip
    return Profile(name="P1", created="2026-01-01", device="x", montage=("Cz",), models=(model,), active=1)


def _archive(folder: Path) -> bytes:
    store = ProfileStore(folder / "people")
    store.save(_profile())
    store.bundle_path("P1", 1).write_bytes(b"x" * 500)
    return store.export("P1", folder / "p1.zip").read_bytes()


def _ledger() -> bytes:
    sealer = Sealer()
    entry = LedgerEntry(
        index=5, t_start=0.0, t_end=1.0, deadline=False, masks={"eeg": "a"}, inputs={"eeg": "b"},
        bundle="c", logits=[0.1, 0.2], latency={"queue_ms": 1.0},
    )  # fmt: skip
    header = LedgerHeader(version=VERSION, settings={"roles": "eeg"}, libraries={})
    return b"".join(map(sealer.line, [header, *[entry] * 5, LedgerEnd(n_windows=5)]))


def run(n_files: int, n_headers: int, seed: int, limit_cpu_s: float = LIMIT_CPU_S) -> Report:
    """Damage and read; the report says what was broken."""
    report = Report(limit_cpu_s=limit_cpu_s)
    counts = {kind: round(share * n_files) for kind, share in SHARES.items()} | {"header": n_headers}
    with TemporaryDirectory(prefix="bci-fuzz-") as name:
        folder = Path(name)
        sound = bases(folder)
        reader = reader_of(folder, sound)
        before = seen(folder)
        try:
            for kind, n in counts.items():
                _read_all(report, reader, folder, kind, sound[kind], range(seed * 10**6, seed * 10**6 + n))
        finally:
            reader.close()
        strays = seen(folder) - before - {"damaged." + SUFFIX.get(kind, kind) for kind in sound}
        report.bad += [f"a reader wrote {stray}" for stray in strays if not stray.startswith(ALLOWED)]
    return report


SUFFIX = {"protocol": "yaml", "devices": "yml"}
ALLOWED = ("place/profiles/P1", "place/imported", "home/")


def reader_of(folder: Path, sound: dict[str, bytes]) -> Reader:
    """A reader that works in a place of its own and has read a sound file of each kind."""
    place = folder / "place"
    place.mkdir()
    warm = []
    for kind, content in sound.items():
        path = folder / f"sound.{SUFFIX.get(kind, kind)}"
        path.write_bytes(content)
        warm += [f"{kind}={path}"] if kind != "archive" else []
    return Reader("tests.fuzz.files_reader", str(place), *warm, n_files=250)


def missed_flips(path: Path, step: int = 1) -> tuple[int, list[int]]:
    """Flip a bit of every ``step``-th byte of a sound bundle, one at a time: how many, which went unseen."""
    missed, n_bytes = [], path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        for at in range(0, n_bytes, step):
            file.seek(at)
            sound = file.read(1)[0]
            _put(file, at, sound ^ 1 << at // step % 8)
            try:
                read_sealed(path)
                missed.append(at)
            except BundleCorruptError:
                pass
            _put(file, at, sound)
    read_sealed(path)  # sound again
    return (n_bytes + step - 1) // step, missed


def _put(file: BinaryIO, at: int, byte: int) -> None:
    file.seek(at)
    file.write(bytes((byte,)))


def seen(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _read_all(report: Report, reader: Reader, folder: Path, kind: str, sound: bytes, seeds: range) -> None:
    path = folder / f"damaged.{SUFFIX.get(kind, kind)}"
    path.write_bytes(sound)
    answer = reader.read(f"{kind} {path}")
    if answer["outcome"] != "read":
        report.bad.append(f"{kind}: the sound file is {answer['outcome']}: {answer['lines']}")
    for seed in seeds:
        damaged = mutate(kind, seed, sound)
        path.write_bytes(damaged)
        answer = reader.read(f"{kind} {path}")
        what = f"{kind} seed {seed}"
        report.take(what, len(damaged), answer)
        report.outcomes[f"{kind} {answer['outcome']}"] += 1
        if answer["outcome"] == "crashed":
            report.bad.append(f"{what}: {answer['lines']}")
        report.bad += [
            f"{what}: said {len(line)} characters" for line in answer["lines"] if len(line) > _LINE
        ]


def main() -> None:
    """Run and tell; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.files", description=__doc__)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--headers", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began_s = time.monotonic()
    report = run(asked.files, asked.headers, asked.seed)
    with TemporaryDirectory(prefix="bci-flip-") as name:
        bases(Path(name))
        n_flips, missed = missed_flips(Path(name) / "sound.bci")
    report.bad += [f"a flipped bit of byte {at} of a bundle was not seen" for at in missed]
    sys.stdout.write(f"{report.n} files in {time.monotonic() - began_s:.0f} s\n")
    for outcome, count in sorted(Counter(report.outcomes).items()):
        sys.stdout.write(f"  {count:6d} {outcome}\n")
    sys.stdout.write(f"  most: {', '.join(f'{name} {value:.2f}' for name, value in report.most.items())}\n")
    sys.stdout.write(f"  {n_flips - len(missed)} of {n_flips} flipped bits of a bundle found (one a byte)\n")
    sys.stdout.writelines(f"BROKEN {line}\n" for line in report.bad)
    sys.exit(1 if report.bad else 0)


if __name__ == "__main__":
    main()
