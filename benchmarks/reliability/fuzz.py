"""Damaged recordings, bundles, settings, profiles and headers by the thousand; flipped bits of a bundle."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reliability.peers import beside, damaged
from benchmarks.reliability.row import Row, command
from tests.fuzz import files, xdf
from tests.fuzz.xdf import LIMIT_CPU_S, LIMIT_MB

_GOAL = (
    "0 crashes, 0 hangs > 2 s, RSS < 200 MB + 2x file, one error class, every flipped bit of a bundle found"
)


def measure(short: bool = False) -> Row:
    """10,000 recordings, 3,000 other files and 1,000 headers; ``short``: a hundredth."""
    n_xdf, n_files, n_headers = (100, 60, 40) if short else (10_000, 3_000, 1_000)
    recordings = xdf.run(n_xdf, seed=1)
    others = files.run(n_files, n_headers, seed=1)
    with TemporaryDirectory(prefix="bci-flip-") as name:
        files.bases(Path(name))
        n_flips, missed = files.missed_flips(Path(name) / "sound.bci", step=61 if short else 1)
    bad = [*recordings.bad, *others.bad, *(f"the bit of byte {at} was not seen" for at in missed)]
    cpu_s, mb = (max(report.most[key] for report in (recordings, others)) for key in ("cpu_s", "mb_over_2x"))
    figure = (
        f"{recordings.n} recordings, {others.n} other files and headers: {len(bad)} broken promises, most "
        f"{cpu_s:.2f} s and {mb:.0f} MB over twice the file; {n_flips - len(missed)} of {n_flips} flipped "
        "bits of a bundle found (structural, seeded mutations; no coverage guides them)"
    )
    met = not bad and cpu_s < LIMIT_CPU_S and mb < LIMIT_MB
    peers = "" if short else beside({"pyxdf": lambda: damaged.words(500, seed=1)})
    return Row("fuzz", "; ".join((figure, *bad[:5])), _GOAL, met, peers)


if __name__ == "__main__":
    command(measure)
