"""What a careful user computes of a window when nothing is carried from one window to the next.

The same weights and the same program as ours, on the whole window each time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly, sosfilt

from bci_stream.dsp.filters import design_sos
from bci_stream.dsp.reference import reference_matrix
from bci_stream.model.bundle import load_bundle
from benchmarks.setups import Setup


class WholeWindow:
    """Filter, reference, decimate and classify one window."""

    def __init__(self, setup: Setup, bundle: Path) -> None:
        torch.set_num_threads(1)
        loaded = load_bundle(bundle)
        contract = loaded.contract
        names = setup.names()
        self._program = loaded.program
        self._picks = [names.index(name) for name in contract.eeg.channels]
        self._mix = reference_matrix(contract.eeg.channels, contract.eeg.reference)
        self._sos = design_sos(setup.sfreq, contract.eeg.highpass_hz, contract.eeg.lowpass_hz, 50.0)
        self._eeg_step = round(setup.sfreq / contract.eeg.sfreq)
        self._audio_step = round(setup.audio_sfreq / contract.audio.sfreq)
        n_eeg = round(contract.window_s * contract.eeg.sfreq)
        n_audio = round(contract.window_s * contract.audio.sfreq)
        self._valid = torch.ones(1, n_eeg), torch.ones(1, n_audio), torch.ones(1, 2)
        self._n = n_eeg, n_audio
        for _ in range(5):  # TorchScript specialises during its first calls
            self.classify(
                np.zeros((n_eeg * self._eeg_step, setup.n_channels), np.float32),
                np.zeros(n_audio * self._audio_step, np.float32),
            )

    def classify(self, eeg: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities from (n, n_channels) µV and (n,) audio of one window at the devices' rates."""
        filtered = sosfilt(self._sos, eeg[:, self._picks], axis=0)[:: self._eeg_step] @ self._mix.T
        if self._audio_step > 1:
            audio = resample_poly(audio, 1, self._audio_step)
        n_eeg, n_audio = self._n
        eeg_in = torch.from_numpy(np.ascontiguousarray(filtered[-n_eeg:].T, np.float32)).unsqueeze(0)
        audio_in = torch.from_numpy(np.ascontiguousarray(audio[-n_audio:], np.float32)).unsqueeze(0)
        eeg_valid, audio_valid, presence = self._valid
        with torch.inference_mode():
            output = self._program([eeg_in, audio_in], [eeg_valid, audio_valid], presence)
        return np.asarray(output[1].numpy()[0])
