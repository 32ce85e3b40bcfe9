"""What is measured on: streams, windows, a bundle of the full size, and a private corner of the network."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bci_stream.sources.lsl_config import lsl_config_text

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO_BUNDLE = REPOSITORY / "bci_stream" / "bundles" / "demo.bci"
CHUNK_S = 0.01  # what an outlet sends at once

_BASE = """
Fp1 Fp2 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8
TP9 CP5 CP1 CP2 CP6 TP10 P7 P3 Pz P4 P8 PO9 O1 Oz O2 PO10
AF7 AF3 AF4 AF8 F5 F1 F2 F6 FT9 FT7 FC3 FC4 FT8 FT10 C5 C1
C2 C6 TP7 CP3 CPz CP4 TP8 P5 P1 P2 P6 PO7 PO3 POz PO4 PO8
""".split()  # noqa: SIM905 (a list of quoted names is unreadable)


@dataclass(frozen=True)
class Setup:
    """An amplifier and a microphone."""

    n_channels: int = 32
    sfreq: float = 500.0
    audio_sfreq: float = 16_000.0

    @property
    def label(self) -> str:
        """For a table's title."""
        return f"{self.n_channels} ch {self.sfreq:g} Hz + {self.audio_sfreq / 1000:g} kHz audio"

    def names(self) -> list[str]:
        """Electrodes of the 10-10 system; the demo bundle's first, so that it fits."""
        wanted = [*demo_channels(), *(name for name in _BASE if name not in demo_channels())]
        more = [f"X{i}" for i in range(self.n_channels - len(wanted))]
        return [*wanted, *more][: self.n_channels]


SMALL, LARGE = Setup(), Setup(64, 2000.0, 48_000.0)


@dataclass(frozen=True)
class Task:
    """What is asked of a system: windows alone, or a prediction of each."""

    name: str
    window_s: float
    hop_s: float


WINDOWS, PREDICTIONS = Task("windows", 2.0, 0.1), Task("predictions", 5.0, 0.2)


def demo_channels() -> tuple[str, ...]:
    """The demo bundle's electrodes; () where it is not there."""
    if not DEMO_BUNDLE.exists():
        return ()
    import json
    import zipfile

    with zipfile.ZipFile(DEMO_BUNDLE) as archive:
        return tuple(json.loads(archive.read("contract.json"))["eeg"]["channels"])


def full_size_bundle(folder: Path, n_channels: int = 32, window_s: float = 5.0) -> Path:
    """The demo bundle where it serves; else one of the same sizes with random weights."""
    wanted = demo_channels()
    if wanted and len(wanted) <= n_channels and window_s == PREDICTIONS.window_s:
        return DEMO_BUNDLE
    import torch

    from bci_stream.model.bundle import export_bundle
    from bci_stream.model.contract import Contract, EegContract
    from bci_stream.model.network import build_network

    torch.manual_seed(0)
    names = tuple(Setup(n_channels).names())
    contract = Contract(eeg=EegContract(channels=names), fusion="cross_attention", window_s=window_s)
    path = folder / f"random-{n_channels}-{window_s:g}.bci"
    export_bundle(build_network(contract).eval(), contract, path)
    return path


@dataclass(frozen=True)
class Corner:
    """A folder, an LSL session that nobody else sees, and the environment of child processes."""

    folder: Path
    session_id: str
    environment: dict[str, str]


@contextmanager
def private_corner() -> Iterator[Corner]:
    """Everything that benchmarks write or publish stays in here and is gone afterwards."""
    with TemporaryDirectory(prefix="bci-bench-") as name:
        folder, session_id = Path(name), f"bench-{uuid.uuid4().hex[:12]}"
        (folder / "lsl_api.cfg").write_text(lsl_config_text(session_id))
        own = {"LSLAPICFG": str(folder / "lsl_api.cfg"), "BCI_STREAM_HOME": str(folder / "home")}
        before = os.environ.get("BCI_STREAM_HOME")
        os.environ["BCI_STREAM_HOME"] = own["BCI_STREAM_HOME"]
        try:
            yield Corner(folder, session_id, dict(os.environ) | own)
        finally:
            del os.environ["BCI_STREAM_HOME"]
            if before is not None:
                os.environ["BCI_STREAM_HOME"] = before


def as_record(setup: Setup, task: Task) -> dict[str, Any]:
    """JSON of a cell of the comparison."""
    return {"setup": asdict(setup), "task": asdict(task)}
