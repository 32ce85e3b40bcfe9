"""What ``bci-stream doctor`` measures, each in a process of its own: ``python -m apps.doctor_probes NAME``.

A driver that hangs or a library that crashes takes its probe with it and nothing else. A probe prints one
line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

_N_SAMPLES: Final = 100
_N_READINGS: Final = 4000
_N_SLEEPS: Final = 100


def lsl(_: dict[str, Any]) -> dict[str, Any]:
    """liblsl's version, a round trip over a real outlet and inlet, and the quality of its clock."""
    from bci_stream.sources.lsl_config import configure_lsl

    name = f"doctor-{uuid.uuid4().hex[:12]}"
    configure_lsl(name)  # a session of its own: nobody sees it, and it sees nobody
    import pylsl

    version = pylsl.library_version()
    facts: dict[str, Any] = {
        "version": f"{version // 100}.{version % 100}",
        "sent": _N_SAMPLES,
        "times_ms": [],
    }
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Test", 1, 0.0, pylsl.cf_double64, name))
    found = pylsl.resolve_byprop("name", name, 1, 5.0)
    if found:
        inlet = pylsl.StreamInlet(found[0], recover=False)
        inlet.open_stream(5.0)
        facts["times_ms"] = _round_trips(pylsl, outlet, inlet)
    return facts | _clock(pylsl.local_clock)


def _round_trips(pylsl: Any, outlet: Any, inlet: Any) -> list[float]:
    times_ms = []
    for k in range(_N_SAMPLES):
        outlet.push_sample([float(k)])
        sample, stamp = inlet.pull_sample(1.0)
        if sample is not None:
            times_ms.append((pylsl.local_clock() - stamp) * 1e3)
        time.sleep(0.002)
    return times_ms


def _clock(clock: Callable[[], float]) -> dict[str, Any]:
    readings = [(clock(), time.monotonic()) for _ in range(_N_READINGS)]
    steps = [b[0] - a[0] for a, b in pairwise(readings)]
    apart = sorted(local - mono for local, mono in readings)
    late = []
    for _ in range(_N_SLEEPS):
        began = time.monotonic()
        time.sleep(0.001)
        late.append((time.monotonic() - began) * 1e3 - 1.0)
    low, high = apart[len(apart) // 100], apart[-len(apart) // 100]
    return {
        "steps_ms": [min((s for s in steps if s > 0), default=float("inf")) * 1e3],
        "back": min(steps) < 0,
        "jitter_ms": (high - low) * 1e3,
        "late_ms": sorted(late)[int(_N_SLEEPS * 0.95)],
    }


def audio(_: dict[str, Any]) -> dict[str, Any]:
    """PortAudio and its input devices."""
    try:
        sounddevice: Any = import_module("sounddevice")
    except OSError as error:
        return {"problem": f"PortAudio is missing ({error})"}
    devices = list(sounddevice.query_devices())
    inputs = [str(device["name"]) for device in devices if device["max_input_channels"] > 0]
    default = sounddevice.default.device[0]
    name = str(devices[default]["name"]) if 0 <= default < len(devices) else ""
    return {
        "version": sounddevice.get_portaudio_version()[1].partition(",")[0],
        "inputs": inputs,
        "default": name,
    }


def qt(_: dict[str, Any]) -> dict[str, Any]:
    """A QApplication on the platform of this environment. Qt aborts the process where there is none."""
    from PyQt6.QtCore import QT_VERSION_STR
    from PyQt6.QtWidgets import QApplication

    application = QApplication(["doctor"])
    return {"version": QT_VERSION_STR, "platform": application.platformName()}


def torch(_: dict[str, Any]) -> dict[str, Any]:
    """A small network, scripted and not."""
    import torch as pytorch

    network = pytorch.nn.Sequential(
        pytorch.nn.Linear(8, 8), pytorch.nn.ReLU(), pytorch.nn.Linear(8, 2)
    ).eval()
    x = pytorch.linspace(-1, 1, 8).reshape(1, 8)
    with pytorch.no_grad():
        script: Any = pytorch.jit.script
        same = bool(pytorch.allclose(network(x), script(network)(x), atol=1e-6))
    return {"version": pytorch.__version__, "threads": pytorch.get_num_threads(), "same": same}


def numba(_: dict[str, Any]) -> dict[str, Any]:
    """Where compiled loops are kept, and whether any are."""
    import numba as compiler

    from bci_stream.timeline import stamp_kernels as kernels

    loops: Any = kernels.dejitter
    folder = Path(loops.stats.cache_path)
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "version": compiler.__version__,
        "folder": str(folder),
        "writable": os.access(parent, os.W_OK),
        "n_cached": len(list(folder.glob("*.nbi"))) if folder.is_dir() else 0,
    }


def bundle(asked: dict[str, Any]) -> dict[str, Any]:
    """Whether the model is sound, and whether it suits the streams that are there."""
    from apps.live_streams import configure

    configure(asked["scope"], asked["session_id"])
    from bci_stream.model.bundle import verify_bundle
    from bci_stream.sources.lsl_discovery import survey_streams

    streams = survey_streams(asked["wait_s"]).streams
    facts: dict[str, Any] = {"streams": [f"{i.name} ({i.type})" for i in streams]}
    checks = verify_bundle(asked["bundle"])
    bad = [check.detail for check in checks if not check.passed]
    if bad:
        return facts | {"problem": bad[0]}
    return facts | {"sha256": checks[0].detail.split()[-1]} | _fit(asked, streams)


def _fit(asked: dict[str, Any], streams: Any) -> dict[str, Any]:
    from apps.choice import ModelChoice, load_model, prepare
    from bci_stream.errors import BciStreamError, StreamNotFoundError
    from bci_stream.messages import AUDIO, EEG
    from bci_stream.sources.binding import bind_audio, bind_eeg, find_stream

    specs, taken = {}, []
    try:
        for role, bind in ((EEG, bind_eeg), (AUDIO, bind_audio)):
            try:
                info = find_stream(streams, role, asked[role])
            except StreamNotFoundError:
                continue
            specs[role] = bind(info).spec
            taken.append(f"{info.name} as {role}")
        if not specs:
            return {"fit": "", "unfit": "none of them is EEG or audio" if streams else ""}
        choice = ModelChoice(Path(asked["bundle"]), fit=asked["fit"])
        prepare(choice, load_model(choice), specs)
    except BciStreamError as error:
        return {"fit": "", "unfit": str(error)}
    return {"fit": f"the model takes {' and '.join(taken)}", "unfit": ""}


PROBES: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "lsl": lsl,
    "audio": audio,
    "qt": qt,
    "torch": torch,
    "numba": numba,
    "bundle": bundle,
}


def main() -> None:
    """Run the probe of this name; its question is JSON, too."""
    facts = PROBES[sys.argv[1]](json.loads(sys.argv[2]))
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
