"""``python -m tests.fuzz.xdf --n 10000 --seed 1``: damaged recordings, read in a process that may die.

Every file must be read, or refused by one RecordingError of one line; in under 2 s of the processor and
200 MB more than twice the file; and damage within one stream's chunks must not change another stream.
"""

from __future__ import annotations

import argparse
import json
import math
import selectors
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bci_stream.messages import AUDIO, EEG, StreamInfo, StreamSpec
from bci_stream.sinks.xdf import XdfRecorder
from bci_stream.sinks.xdf_headers import as_bound, as_markers
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_events import simulated_events
from bci_stream.sources.simulator_faults import Faults
from tests.fuzz.bombs import BOMBS
from tests.fuzz.mutations import Damaged, Piece, chunks_of, file_of, mutate
from tests.recordings import XDF_DEV

ROOT = Path(__file__).resolve().parents[2]
LIMIT_CPU_S, LIMIT_MB, HANG_S = 2.0, 200.0, 60.0
_PER_CHILD = 500
_NAMES = ("Fz", "Cz", "Pz")
Base = tuple[str, list[Piece]]  #: a sound file's name and chunks


class Reader:
    """A child that reads files; a new one when it dies, hangs or has read enough.

    ``module``: what it runs, with ``arguments``. ``n_files``: how many one reads. ``hang_s``: for how long
    it is waited for.
    """

    def __init__(
        self,
        module: str = "tests.fuzz.reader",
        *arguments: str,
        n_files: int = _PER_CHILD,
        hang_s: float = HANG_S,
    ) -> None:
        self._n_files, self._hang_s = n_files, hang_s
        self._command = [sys.executable, "-W", "error", "-m", module, *arguments]
        self._process: subprocess.Popen[str] | None = None
        self._n_left = 0

    def warm_up(self, path: Path) -> None:
        """Let a child compile what is compiled once a machine: the compiler's memory is not the reader's."""
        self.read(path)
        self.close()

    def read(self, path: Path | str) -> dict[str, Any]:
        """How a file, or what else a line asks for, fared; ``died``: the child did not live to tell."""
        if self._process is None or self._n_left == 0:
            self.close()
            self._start()
        self._n_left -= 1
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        answer = self._answer(self._hang_s)
        if answer is None:
            process.kill()
            code = process.wait()
            self._process = None
            return {"outcome": "died", "lines": [f"exit code {code}"], "cpu_s": self._hang_s, "mb": 0}
        return answer

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(HANG_S)
            self._process.stdout.close()
            self._process = None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._n_left = self._n_files
        ready = self._answer(HANG_S)
        assert ready is not None, "the reader did not start"

    def _answer(self, timeout_s: float) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else None


@dataclass
class Report:
    """What came of it; ``bad``: one line for each file that broke a promise."""

    limit_cpu_s: float = LIMIT_CPU_S
    n: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    most: dict[str, float] = field(default_factory=lambda: {"cpu_s": 0.0, "mb_over_2x": 0.0})
    n_shielded: int = 0
    bad: list[str] = field(default_factory=list)

    def take(self, what: str, size: int, answer: dict[str, Any]) -> None:
        """Judge one file of ``size`` bytes."""
        self.n += 1
        self.outcomes[answer["outcome"]] += 1
        if "refused" in answer:
            self.outcomes[f"read, replay refused by {answer['refused']}"] += 1
        over_mb = answer["mb"] - 2 * size / 2**20
        figures = {"cpu_s": answer["cpu_s"], "mb_over_2x": over_mb}
        self.most = {name: max(self.most[name], value) for name, value in figures.items()}
        wrongs = {
            f"died ({answer['lines'][0] if answer['lines'] else ''})": answer["outcome"] == "died",
            f"took {answer['cpu_s']:.1f} s": answer["cpu_s"] > self.limit_cpu_s,
            f"took {over_mb:.0f} MB over twice the file": over_mb > LIMIT_MB,
            f"said more than a line: {answer['lines']}"[:300]: any("\n" in line for line in answer["lines"]),
            "said a line that nobody reads": any(len(line) > 2000 for line in answer["lines"]),
            f"said {len(answer['lines'])} lines": len(answer["lines"]) > 250,
        }
        self.bad += [f"{what}: {wrong}" for wrong, is_so in wrongs.items() if is_so]

    def compare(
        self, what: str, found: dict[str, str], sound: dict[str, str], touched: frozenset[int]
    ) -> None:
        """Streams that were not touched must read as ever."""
        for key, digest in sound.items():
            if int(key) not in touched:
                self.n_shielded += 1
                if found.get(key) != digest:
                    self.bad.append(f"{what}: stream {key} was not touched, yet reads as {found.get(key)}")


def run(
    n: int, seed: int, *, reals: bool = True, largest: float = math.inf, limit_cpu_s: float = LIMIT_CPU_S
) -> Report:
    """Read the bombs of at most ``largest`` bytes and then ``n`` damaged files."""
    report, reader = Report(limit_cpu_s=limit_cpu_s), Reader()
    with TemporaryDirectory(prefix="bci-fuzz-") as name:
        folder = Path(name)
        path = folder / "damaged.xdf"
        try:
            sound = list(bases(folder, reals))
            reader.warm_up(folder / "session.xdf")
            for what, content in bombs(largest):
                path.write_bytes(content)
                report.take(what, path.stat().st_size, reader.read(path))
            _mutated(report, reader, path, sound, n, seed)
        finally:
            reader.close()
    return report


def _mutated(report: Report, reader: Reader, path: Path, sound: list[Base], n: int, seed: int) -> None:
    streams = {}
    for name, pieces in sound:
        path.write_bytes(file_of(pieces))
        streams[name] = reader.read(path)["streams"]
    for name, k, damaged in damaged_files(sound, n, seed):
        path.write_bytes(damaged.data or b"")
        answer = reader.read(path)
        what = f"{name} seed {k} {damaged.how}"
        report.take(what, len(damaged.data), answer)
        if damaged.touched is not None and answer["outcome"] == "read":
            report.compare(what, answer["streams"], streams[name], damaged.touched)


def bombs(largest: float = math.inf) -> Iterator[tuple[str, bytes]]:
    """(What it is, the file) of those of at most ``largest`` bytes."""
    for what, make in BOMBS.items():
        content = make()
        if len(content) <= largest:
            yield what, content


def damaged_files(sound: list[Base], n: int, seed: int) -> Iterator[tuple[str, int, Damaged]]:
    """(Name of the sound file, seed, what was made of it)."""
    for k in range(seed * 1_000_000, seed * 1_000_000 + n):
        name, pieces = sound[(k % 17 * 31 + k // 17) % len(sound)]
        yield name, k, mutate(k, pieces)


def bases(folder: Path, reals: bool) -> Iterator[Base]:
    """Sound files: our recorder's, and real ones where they are at hand."""
    for name, duration_s in (("short", 2.0), ("session", 12.0)):
        path = folder / f"{name}.xdf"
        _record(path, duration_s)
        yield name, chunks_of(path.read_bytes())
    for path in sorted(XDF_DEV.glob("*.xdf")) if reals else ():
        if path.stat().st_size < 500_000:
            yield path.stem, chunks_of(path.read_bytes())


def _record(path: Path, duration_s: float) -> None:
    person = SimulatorSettings(ch_names=_NAMES, audio_sfreq=8000.0)
    infos = [
        as_bound(
            StreamInfo("a", "Amp", "EEG", 3, 250.0, "float32", "amp-1", ch_names=_NAMES),
            StreamSpec(EEG, _NAMES, 250.0),
        ),
        as_bound(
            StreamInfo("b", "Mic", "Audio", 1, 8000.0, "float32", "mic-1", ch_names=("voice",)),
            StreamSpec(AUDIO, ("audio",), 8000.0),
        ),
        as_markers("markers", StreamInfo("c", "Cues", "Markers", 1, 0.0, "string", "cues-1")),
    ]
    recorder = XdfRecorder(path, infos)
    for event in simulated_events(person, Faults(), duration_s):
        recorder.event(event)
    recorder.close()


def main() -> None:
    """Run and tell; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.xdf", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began_s = time.monotonic()
    report = run(asked.n, asked.seed)
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"{report.n} files in {took_s:.0f} s\n")
    for outcome, count in report.outcomes.most_common():
        sys.stdout.write(f"  {count:6d} {outcome}\n")
    sys.stdout.write(f"  most: {', '.join(f'{name} {value:.2f}' for name, value in report.most.items())}\n")
    sys.stdout.write(f"  {report.n_shielded} streams beside a damaged one read as ever\n")
    sys.stdout.writelines(f"BROKEN {line}\n" for line in report.bad)
    sys.exit(1 if report.bad else 0)


if __name__ == "__main__":
    main()
