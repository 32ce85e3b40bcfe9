"""An LSL outlet in a process of its own: ``python lsl_outlet.py JSON``. Prints its uid when it is there.

Channel 0 counts samples. Stamps are synthetic and even (or random, with ``random_stamps``), so nothing a
test sees depends on how punctual this process is.
"""

import itertools
import json
import sys
import time

import numpy as np
import pylsl

from bci_stream.sources.lsl_config import configure_lsl

DEFAULTS = {
    "type": "EEG",
    "n_channels": 8,
    "sfreq": 250.0,
    "dtype": "float32",
    "labels": ["Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2"],
    "unit": "microvolts",
    "rate": 250.0,  # how many samples it really sends a second
    "chunk": 10,
    "n_samples": None,  # at once, to the first consumer, and then silence
    "silent": False,
    "random_stamps": False,
    "texts": None,
}


def make_outlet(o):
    info = pylsl.StreamInfo(o["name"], o["type"], o["n_channels"], o["sfreq"], o["dtype"], o["source_id"])
    channels = info.desc().append_child("channels")
    for label in o["labels"]:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", o["unit"])
    return pylsl.StreamOutlet(info)


def samples(o, start, n):
    data = np.zeros((n, o["n_channels"]), dtype=np.float32)
    data[:, 0] = np.arange(start, start + n)
    return data


def send_texts(o, outlet):
    while not outlet.wait_for_consumers(1.0):
        pass
    for k, text in enumerate(o["texts"]):
        outlet.push_sample([text], 100.0 + k)


def send_at_once(o, outlet):
    while not outlet.wait_for_consumers(1.0):
        pass
    for start in range(0, o["n_samples"], o["chunk"]):
        n = min(o["chunk"], o["n_samples"] - start)
        outlet.push_chunk(samples(o, start, n), [100.0 + (start + k) / o["rate"] for k in range(n)])


def send_for_ever(o, outlet):
    rng = np.random.default_rng(1)
    t0, stamp = time.monotonic(), pylsl.local_clock()
    for start in itertools.count(0, o["chunk"]):
        time.sleep(max(0.0, t0 + start / o["rate"] - time.monotonic()))
        n = o["chunk"]
        steps = rng.exponential(1 / o["rate"], n) if o["random_stamps"] else np.full(n, 1 / o["rate"])
        stamps = stamp + np.cumsum(steps)
        stamp = stamps[-1]
        outlet.push_chunk(samples(o, start, n), stamps.tolist())


def main():
    o = DEFAULTS | json.loads(sys.argv[1])
    configure_lsl(o["session_id"])
    outlet = make_outlet(o)
    sys.stdout.write(f"{outlet.get_info().uid()}\n")
    sys.stdout.flush()
    if o["texts"] is not None:
        send_texts(o, outlet)
    elif o["n_samples"] is not None:
        send_at_once(o, outlet)
    elif not o["silent"]:
        send_for_ever(o, outlet)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
