"""What a calibration refuses on purpose."""

from bci_stream.errors import BciStreamError


class CalibrationError(BciStreamError):
    """A person's session cannot be run, read, or learned from; one clear line."""


class ProfileError(BciStreamError):
    """A person's profile is missing, damaged, or does not fit."""
