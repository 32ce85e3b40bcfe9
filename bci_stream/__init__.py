"""bci_stream: emotion from EEG and voice, on one clock, live and in replay alike."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("bci-stream")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0+uninstalled"

__all__ = ["__version__"]
