"""pyxdf on damaged recordings, the very files of the fuzz row: loaded, refused how, hung, how much memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz import xdf

LIMIT_MB = 12_288  # of addresses: a reader may ask for much that it never touches
HANG_S = 20.0
_MODULE = "benchmarks.reliability.peers.damaged_reader"


def reader_of_pyxdf() -> xdf.Reader:
    """Children that load files with pyxdf."""
    return xdf.Reader(_MODULE, str(LIMIT_MB), hang_s=HANG_S)


@dataclass
class Fared:
    """How files fared; ``n_slow``: over two seconds, those that were ended for it too.

    ``most_mb``: of those that were not ended.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    n_slow: int = 0
    most_mb: float = 0.0

    def take(self, answer: dict[str, Any]) -> None:
        """One file's."""
        self.outcomes[answer["outcome"]] += 1
        self.n_slow += answer["cpu_s"] > xdf.LIMIT_CPU_S
        self.most_mb = max(self.most_mb, answer["mb"])

    @property
    def line(self) -> str:
        """In few words."""
        raised = Counter({k: n for k, n in self.outcomes.items() if k not in ("read", "died")})
        each = f" ({', '.join(f'{k} {n}' for k, n in raised.most_common())})" if raised else ""
        slow = f"{self.n_slow} took over {xdf.LIMIT_CPU_S:g} s"
        if self.outcomes["died"]:
            slow += f" ({self.outcomes['died']} ended)"
        return (
            f"{self.outcomes['read']} of {self.outcomes.total()} loaded, {raised.total()} raised one of "
            f"{len(raised)} classes{each}, {slow}, the rest at most {self.most_mb:,.0f} MB"
        )


def fared(reader: xdf.Reader, n: int, seed: int, *, reals: bool = True) -> tuple[Fared, Fared]:
    """(Damaged files, bombs) of the fuzz row, as a reader takes them."""
    mutated, bombs = Fared(), Fared()
    with TemporaryDirectory(prefix="bci-fuzz-") as name:
        path = Path(name) / "damaged.xdf"
        try:
            sound = list(xdf.bases(Path(name), reals))
            for _, _, damaged in xdf.damaged_files(sound, n, seed):
                path.write_bytes(damaged.data)
                mutated.take(reader.read(path))
            for _, content in xdf.bombs():
                path.write_bytes(content)
                bombs.take(reader.read(path))
        finally:
            reader.close()
    return mutated, bombs


def words(n: int, seed: int) -> str:
    """pyxdf, and ours on the very same."""
    damaged, bombs = fared(reader_of_pyxdf(), n, seed)
    ours, our_bombs = fared(xdf.Reader(), n, seed)
    return (
        f"pyxdf on {n} of them: {damaged.line}; on the {bombs.outcomes.total()} bombs among them: "
        f"{bombs.line} (each was given {HANG_S:g} s and {LIMIT_MB:,} MB); ours on the same: "
        f"{ours.outcomes['read']} and "
        f"{our_bombs.outcomes['read']} read, the others refused"
    )
