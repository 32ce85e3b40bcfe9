"""What a calibration refuses on purpose."""

from __future__ import annotations

from collections.abc import Mapping

from bci_stream.errors import BciStreamError


class CalibrationError(BciStreamError):
    """A person's session cannot be run, read, or learned from; one clear line."""


class TooFewTrialsError(CalibrationError):
    """Too few good trials to fit to and to test. ``need``: how many more of each class."""

    def __init__(self, words: str, need: Mapping[str, int]) -> None:
        super().__init__(words)
        self.need = dict(need)


class ProfileError(BciStreamError):
    """A person's profile is missing, damaged, or does not fit."""
