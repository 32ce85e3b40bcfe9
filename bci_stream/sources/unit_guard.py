"""Refuses an EEG stream whose first seconds cannot be what they are taken for, µV, by how large they are."""

from __future__ import annotations

from bci_stream.dsp.units import UnitCheck
from bci_stream.errors import StreamFormatError
from bci_stream.messages import EEG, FloatArray
from bci_stream.sources.binding import Binding


class UnitGuard:
    """Looks at the first seconds of a bound stream's samples, then at nothing any more.

    A unit that the user gave is the user's word, and what is no EEG is not judged.
    """

    def __init__(self, binding: Binding) -> None:
        judged = binding.role == EEG and not binding.unit_checked
        self._check = UnitCheck(binding.sfreq) if judged else None
        self._name = binding.info.name

    def look(self, data: FloatArray) -> None:
        """See (n, n_channels) samples as they are delivered. Raises StreamFormatError: they are not µV."""
        if self._check is None:
            return
        if (doubt := self._check.step(data)) is not None:
            raise StreamFormatError(f"stream {self._name!r}: {doubt.words}")
        if self._check.done:
            self._check = None
