"""``bci-stream certify``: a live session on this machine and these devices, measured and judged.

As BCI2000's certification does: the figures hold for this computer, these devices and this load; each is
stated with the limit that it was held against.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.table import Table

from apps.certify_figures import SETTLE_S, Figure, Limits, Note, figures_of, settled
from apps.choice import DEMO_BUNDLE, ModelChoice, StreamChoice
from apps.console import out, say, write_line
from apps.doctor import available_memory
from apps.live import Finished, run_live
from apps.live_streams import LiveOptions, configure
from bci_stream.engine.pipeline import Outcome
from bci_stream.errors import ConfigError, StreamError
from bci_stream.messages import AUDIO, EEG, StreamInfo
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_faults import Faults
from bci_stream.sources.simulator_process import SimulatorProcess

_PARTS = ("pylsl", "torch", "numpy", "scipy", "numba")
_LEAD_S = 90.0  # the simulator outlives the session: imports and resolving take their time
_LEAST_S = 2 * SETTLE_S
_MEMORY_EVERY_S = 0.5
_LISTEN_S = 1.0


@dataclass(frozen=True, slots=True)
class CertifyOptions:
    """The command's options. ``faults``: what goes wrong with the simulated devices, for trying it out."""

    seconds: float = 60.0
    folder: Path = Path("certificates")
    simulate: bool = False
    streams: StreamChoice = field(default_factory=StreamChoice)
    model: ModelChoice = field(default_factory=ModelChoice)
    wait_s: float = 5.0
    scope: str | None = None
    session_id: str | None = None
    as_json: bool = False
    limits: Limits = field(default_factory=Limits)
    faults: Faults | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was measured, where, and with what."""

    passed: bool
    simulated: bool
    seconds: float
    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    devices: list[dict[str, str]]
    model: str
    figures: list[Figure]
    notes: list[Note]

    def record(self) -> dict[str, Any]:
        """JSON-safe; the notes of single predictions stay out."""
        return {
            "kind": "certificate",
            "passed": self.passed,
            "simulated": self.simulated,
            "seconds": self.seconds,
            "date": self.date,
            "machine": self.machine,
            "versions": self.versions,
            "devices": self.devices,
            "model": self.model,
            "figures": [figure.record() for figure in self.figures],
        }


def run(options: CertifyOptions) -> None:
    """Measure, tell, and write; exit code 1 when a figure is beyond its limit."""
    certificate = certify(options)
    paths = write(certificate, options.folder)
    if options.as_json:
        write_line(json.dumps(certificate.record(), allow_nan=False))
    else:
        out.print(_table(certificate))
    verdict = "PASS" if certificate.passed else "FAIL"
    say(f"{verdict}: {', '.join(map(str, paths))}")
    if not certificate.passed:
        sys.exit(1)


def certify(options: CertifyOptions) -> Certificate:
    """One session. Raises BciStreamError for what cannot start, and for one that stopped early."""
    if not options.seconds >= _LEAST_S:
        raise ConfigError(f"--seconds {options.seconds:g} is too short to settle: give {_LEAST_S:g} or more")
    _check_folder(options.folder)
    session_id = options.session_id or (f"bci-certify-{uuid.uuid4().hex[:12]}" if options.simulate else None)
    scope = "machine" if options.simulate else options.scope
    notebook, began = _Notebook(), datetime.now(UTC)
    with _devices(options, session_id):
        configure(scope, session_id)
        headers = _headers(options)
        say(f"measuring for {options.seconds:g} s; leave everything as it will be in use")
        finished = _session(options, notebook.take)
    if finished.session.error is not None:
        raise StreamError(f"the session stopped: {finished.session.error}") from finished.session.error
    if not settled(notebook.notes):
        raise StreamError(
            "no prediction came in time to be measured: look at the streams with `bci-stream live`, "
            "or measure for longer with --seconds"
        )
    figures = figures_of(notebook.notes, finished.snapshot.health, options.limits)
    return Certificate(
        passed=all(figure.passed for figure in figures),
        simulated=options.simulate,
        seconds=options.seconds,
        date=began.isoformat(timespec="seconds"),
        machine=machine(),
        versions=_versions(),
        devices=_bound_devices(finished, headers),
        model=_model_name(options.model, finished),
        figures=figures,
        notes=notebook.notes,
    )


def _check_folder(folder: Path) -> None:
    """Before the minute, not behind it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: {error.strerror or error}; give a folder") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"--out {folder}: it may not be written; give another folder")


@contextlib.contextmanager
def _devices(options: CertifyOptions, session_id: str | None) -> Iterator[None]:
    """The simulated person's process while it is needed; nothing for real devices."""
    if not options.simulate or session_id is None:
        yield
        return
    person = SimulatorProcess(
        SimulatorSettings(seed=7, person=9001),
        duration_s=options.seconds + _LEAD_S,
        faults=options.faults,
        lsl=(session_id, "machine"),
    )
    with person:
        person.wait_ready(60.0)
        yield


def _session(options: CertifyOptions, take: Callable[[Outcome], None]) -> Finished:
    live = LiveOptions(
        streams=_choice(options),
        model=options.model,
        seconds=options.seconds,
        wait_s=30.0 if options.simulate else options.wait_s,
        lateness_s=None,
        scope=None,  # set already
        session_id=None,
        windows=False,
        as_json=False,
    )
    with contextlib.redirect_stdout(sys.stderr):  # the view; standard output is for the certificate
        return run_live(live, take)


class _Notebook:
    """Notes what the certificate needs of every outcome; called in the engine's thread."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._n_unanswered = 0
        self._memory_mb, self._memory_due_s = 0.0, 0.0

    def take(self, outcome: Outcome) -> None:
        prediction = outcome.prediction
        if prediction is None:
            self._n_unanswered += 1
            return
        latency, now_s = prediction.latency, time.monotonic()
        if now_s >= self._memory_due_s:
            self._memory_mb, self._memory_due_s = resident_mb(), now_s + _MEMORY_EVERY_S
        self.notes.append(
            Note(
                at_s=now_s,
                index=prediction.index,
                arrival_ms=latency.queue_ms + latency.inference_ms,
                lag_ms=latency.acquisition_ms,
                age_ms=prediction.age_s * 1e3,
                is_late=outcome.window.deadline,
                n_unanswered=self._n_unanswered,
                cpu_s=time.process_time(),
                memory_mb=self._memory_mb,
            )
        )


def resident_mb() -> float:
    """Memory of this process; NaN where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return _peak_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_mb() -> float:
    """The highest so far, which grows when memory does."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


# -- what it was measured on -------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """This computer, in words."""
    memory = available_memory()
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count() or 1),
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
        "memory available": f"{memory / 1e9:.1f} GB" if memory is not None else "unknown",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    import pylsl

    from bci_stream import __version__

    number = pylsl.library_version()
    parts = {part: metadata.version(part) for part in _PARTS}
    own = {"bci-stream": __version__, "python": platform.python_version()}
    return own | {"liblsl": f"{number // 100}.{number % 100}"} | parts


def _headers(options: CertifyOptions) -> dict[str, StreamInfo]:
    """The streams of the network that the session will take, by role; for their names only."""
    from bci_stream.sources.lsl_discovery import survey_streams
    from bci_stream.sources.selection import find_stream

    streams, choice = survey_streams(_LISTEN_S).streams, _choice(options)
    found = {}
    for role, query in ((EEG, choice.eeg), (AUDIO, choice.audio)):
        with contextlib.suppress(StreamError):  # the session itself will say so
            found[role] = find_stream(streams, role, query)
    return found


def _choice(options: CertifyOptions) -> StreamChoice:
    return StreamChoice(eeg="SimEEG", audio="SimAudio") if options.simulate else options.streams


def _bound_devices(finished: Finished, headers: dict[str, StreamInfo]) -> list[dict[str, str]]:
    found = []
    for role, plan in finished.pipeline.plans.items():
        info, spec = headers.get(role), plan.spec
        named = {"name": info.name, "source_id": info.source_id, "host": info.hostname} if info else {}
        rest = {"rate": f"{spec.sfreq:g} Hz", "channels": ", ".join(spec.ch_names)}
        found.append({"role": role} | named | rest)
    return found


def _model_name(choice: ModelChoice, finished: Finished) -> str:
    if not choice.wanted or finished.snapshot.prediction is None:
        return "no model"
    return f"{(choice.bundle or DEMO_BUNDLE).name}, sha256 {finished.snapshot.prediction.bundle_sha256}"


# -- telling ----------------------------------------------------------------------------------------------


def write(certificate: Certificate, folder: Path) -> tuple[Path, Path]:
    """The JSON and the page, named by the date; nothing is overwritten."""
    from apps.certify_page import page

    stem = "certificate-" + certificate.date.replace(":", "").replace("+0000", "Z").replace("-", "")
    number = 1
    while (folder / f"{stem}.json").exists():
        number += 1
        stem = f"{stem.partition('_')[0]}_{number}"
    texts = {"json": json.dumps(certificate.record(), indent=1, allow_nan=False), "html": page(certificate)}
    paths = tuple(folder / f"{stem}.{ending}" for ending in texts)
    try:
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the certificate to {folder}: {error.strerror or error}") from error
    return paths[0], paths[1]


def figure_words(value: float, unit: str) -> str:
    """A value with its unit, as people read it."""
    if value != value:
        return "not measured"
    if unit == "share":
        return f"{value:.2%}"
    number = f"{value:.0f}" if unit == "" or abs(value) >= 1000 else f"{value:.2f}"
    return f"{number} {unit}".rstrip()


def _table(certificate: Certificate) -> Table:
    table = Table("figure", "measured", "limit", "", "what it is")
    for figure in certificate.figures:
        verdict = "[green]PASS[/]" if figure.passed else "[red]FAIL[/]"
        measured, limit = (figure_words(value, figure.unit) for value in (figure.value, figure.limit))
        table.add_row(figure.name, measured, limit, verdict, figure.meaning)
    return table
