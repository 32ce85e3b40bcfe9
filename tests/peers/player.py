"""Plays a synthetic recording with mne-lsl's PlayerLSL until standard input closes."""

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
    raw = mne.io.RawArray(np.tile(counter, (len(NAMES), 1)), mne.create_info(list(NAMES), SFREQ, "eeg"))
    with PlayerLSL(raw, chunk_size=16, name="Played", source_id="played"):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
