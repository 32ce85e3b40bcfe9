"""An outlet in a process of its own that is ready before it exists: one JSON line on its input makes it.

Prints ``ready`` when everything is loaded, and the local time at which the outlet began to send.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any

import numpy as np
import pylsl

from bci_stream.sources.lsl_config import configure_lsl

CHUNK_S = 0.02


def make(o: dict[str, Any]) -> pylsl.StreamOutlet:
    """An outlet with such a header."""
    info = pylsl.StreamInfo(o["name"], "EEG", len(o["labels"]), o["sfreq"], o["dtype"], o["source_id"])
    info.desc().append_child_value("manufacturer", o["manufacturer"])
    channels = info.desc().append_child("channels")
    for label in o["labels"]:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    return pylsl.StreamOutlet(info, chunk_size=max(1, round(o["sfreq"] * CHUNK_S)))


def main() -> None:
    """Wait for the word, then send for ever: channel 0 is ``o["mark"]``, the others noise."""
    configure_lsl(sys.argv[1])
    print("ready", flush=True)
    o = json.loads(sys.stdin.readline())
    outlet = make(o)
    print(pylsl.local_clock(), flush=True)
    rng = np.random.default_rng(1)
    n = max(1, round(o["sfreq"] * CHUNK_S))
    began_s, local_s = time.monotonic(), pylsl.local_clock()
    for k in itertools.count():
        time.sleep(max(0.0, began_s + (k + 1) * n / o["sfreq"] - time.monotonic()))
        data = rng.normal(0, 20, (n, len(o["labels"]))).astype(np.float32)
        data[:, 0] = o["mark"] + rng.normal(0, 1, n)
        stamps = local_s + (k * n + np.arange(n)) / o["sfreq"]
        outlet.push_chunk(data.astype(o["dtype"].replace("double64", "float64")).tolist(), stamps.tolist())


if __name__ == "__main__":
    main()
