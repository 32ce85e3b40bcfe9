"""Plays a synthetic recording with mne-lsl's PlayerLSL until standard input closes.

It counts samples in µV; with the argument ``eeg`` it plays noise of 20 µV.
"""

import sys

import mne
import numpy as np
from mne_lsl.player import PlayerLSL

NAMES = ("Fz", "Cz", "Pz", "Oz")
SFREQ = 250.0


def main() -> None:
    mne.set_log_level("ERROR")
    n = int(20 * SFREQ)
    counter = np.arange(n) * 1e-6  # one µV a sample, so that every sample says which one it is
    data = np.tile(counter, (len(NAMES), 1))
    if "eeg" in sys.argv:
        data = np.random.default_rng(0).normal(size=data.shape) * 20e-6
    raw = mne.io.RawArray(data, mne.create_info(list(NAMES), SFREQ, "eeg"))
    with PlayerLSL(raw, chunk_size=16, name="Played", source_id="played"):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
