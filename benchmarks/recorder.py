"""What a measured system notes of every window or prediction, the same for all of them."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pylsl

from benchmarks.outlet import PushLog


def cpu_s() -> float:
    """Processor time of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_rss_mb() -> float:
    """The most memory that this process ever held.

    On Linux ``ru_maxrss`` starts with what the parent held at the fork, so the kernel's own mark is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass
class Recorder:
    """Counts from ``settle_s`` after the first result, for ``seconds``.

    ``latencies_ms``: from the push of the EEG sample that made the window due to the result in user code.
    ``ages_ms``: from the instant at which the window's EEG ends to the result in user code.
    """

    log: PushLog
    settle_s: float
    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    _first_s: float | None = None
    _began: tuple[float, float] | None = None
    _share: float = 0.0

    def take(self, due_sample: int, t_end: float) -> bool:
        """Note a result that has just reached user code; whether the measurement goes on."""
        now_s = pylsl.local_clock()
        if self._first_s is None:
            self._first_s = now_s
        if now_s < self._first_s + self.settle_s:
            return True
        if self._began is None:
            self._began = (now_s, cpu_s())
            return True
        self.latencies_ms.append((now_s - self.log.pushed_s(due_sample)) * 1e3)
        self.ages_ms.append((now_s - t_end) * 1e3)
        wall_s = now_s - self._began[0]
        if wall_s < self.seconds:
            return True
        self._share = (cpu_s() - self._began[1]) / wall_s
        return False

    def answer(self) -> dict[str, Any]:
        """As JSON: latencies and ages in ms, share of one core, peak memory."""
        return {
            "latencies_ms": self.latencies_ms,
            "ages_ms": self.ages_ms,
            "cpu_share": self._share,
            "peak_rss_mb": peak_rss_mb(),
        }
