"""Files and headers that mean harm: what they did, and how long and with how much memory they were read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.reliability.row import Row, command
from tests.fuzz.files import ALLOWED, SUFFIX, bases, reader_of, seen
from tests.fuzz.malicious import CASES, Case, Workshop

LIMIT_CPU_S, LIMIT_MB = 1.0, 20.0


def measure(short: bool = False) -> Row:
    """Every case, read by a child as the product reads it; ``short``: as the whole, it takes seconds."""
    wrongs: list[str] = []
    most = {"cpu_s": 0.0, "mb": 0.0}
    with TemporaryDirectory(prefix="bci-harm-") as name:
        folder = Path(name)
        sound = bases(folder)
        shop = Workshop(folder / "sound.bci", folder / "traps")
        shop.traps.mkdir()
        reader = reader_of(folder, sound)
        try:
            for what, case in CASES.items():
                path = folder / f"harm.{SUFFIX.get(case.kind, case.kind)}"
                path.write_bytes(case.make(shop))
                before = seen(folder)
                answer = reader.read(f"{case.kind} {path}")
                strays = [made for made in seen(folder) - before if not made.startswith(ALLOWED)]
                wrongs += [f"{what} made {made}" for made in strays]
                wrongs += _wrongs(what, case, answer)
                if not case.read:
                    most = {key: max(value, answer.get(key, 0.0)) for key, value in most.items()}
        finally:
            reader.close()
        wrongs += [f"{trap.name} was sprung" for trap in shop.traps.iterdir()]
    n_read = sum(case.read for case in CASES.values())
    figure = (
        f"{len(wrongs)} side effects or lapses in {len(CASES)} cases ({n_read} read without running "
        f"anything, the others refused), to refuse one at most {most['cpu_s']:.2f} s and {most['mb']:.1f} MB"
    )
    met = not wrongs and most["cpu_s"] < LIMIT_CPU_S and most["mb"] < LIMIT_MB
    return Row("malicious set", "; ".join((figure, *wrongs)), "0 side effects, < 1 s, < 20 MB", met)


def _wrongs(what: str, case: Case, answer: dict[str, Any]) -> list[str]:
    expected = ("read", "refused") if case.read else ("refused",)
    wrongs = [] if answer["outcome"] in expected else [f"{what}: {answer['outcome']} {answer['lines']}"[:300]]
    return wrongs + [f"{what}: said {line!r}"[:200] for line in answer["lines"] if len(line) > 600]


if __name__ == "__main__":
    command(measure)
