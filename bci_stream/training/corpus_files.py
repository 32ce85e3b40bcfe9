"""Files of training data into arrays: MATLAB matrices and sound, each problem as one line."""

from __future__ import annotations

import importlib
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError, CorpusError
from bci_stream.messages import FloatArray

_UNSIGNED_MIDDLE = 128  # 8-bit WAV is unsigned around this
_DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, OverflowError)


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a .mat file of version 7 or older, by name, each as MATLAB has it.

    Raises:
        CorpusError: missing, not a .mat file, damaged, or of version 7.3 (HDF5).
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage that matters is found by what is checked afterwards
            found = loadmat(path)
    except NotImplementedError:
        raise CorpusError(
            f"{path} is a MATLAB 7.3 (HDF5) file, which is not read: save it as v7 (save -v7)"
        ) from None
    except FileNotFoundError:
        raise CorpusError(f"{path} is missing") from None
    except (*_DAMAGE, MatReadError, struct.error, zlib.error) as error:
        raise CorpusError(f"{path} cannot be read as a .mat file: {one_line(error)}") from error
    return {name: value for name, value in found.items() if not name.startswith("__")}


def read_sound(path: Path) -> tuple[FloatArray, float]:
    """A WAV or FLAC file as (n,) float32 in [-1, 1], channels averaged, and its rate (Hz).

    Raises:
        CorpusError: missing, damaged, empty, of another format, or with samples that are no numbers.
        ConfigError: FLAC, and soundfile is not installed.
    """
    samples, sfreq = _read_flac(path) if path.suffix.casefold() == ".flac" else _read_wav(path)
    if not samples.size or not sfreq > 0:
        raise CorpusError(f"{path} holds no sound")
    mono = _to_unit(samples) if samples.ndim == 1 else _to_unit(samples).mean(axis=1, dtype=np.float64)
    if not np.isfinite(mono).all():
        raise CorpusError(f"{path} holds samples that are no finite numbers")
    return np.ascontiguousarray(mono, dtype=np.float32), float(sfreq)


def _read_wav(path: Path) -> tuple[NDArray[Any], float]:
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # unknown chunks; a cut file is short
            sfreq, samples = wavfile.read(path)
    except FileNotFoundError:
        raise CorpusError(f"{path} is missing") from None
    except (*_DAMAGE, struct.error, UnboundLocalError) as error:  # the last: scipy, on a file without data
        raise CorpusError(f"{path} cannot be read as WAV: {one_line(error)}") from error
    return np.asarray(samples), float(sfreq)


def _read_flac(path: Path) -> tuple[NDArray[Any], float]:
    try:
        soundfile = importlib.import_module("soundfile")  # it carries no annotations
    except (ImportError, OSError) as error:  # OSError: the wheel's library is not for this system
        raise ConfigError(f"{path.name}: FLAC needs soundfile: pip install 'bci-stream[train]'") from error
    if not path.is_file():
        raise CorpusError(f"{path} is missing")
    try:
        samples, sfreq = soundfile.read(path, dtype="float32")
    except (*_DAMAGE, RuntimeError) as error:
        raise CorpusError(f"{path} cannot be read as FLAC: {one_line(error)}") from error
    return np.asarray(samples), float(sfreq)


def _to_unit(samples: NDArray[Any]) -> NDArray[Any]:
    """Integers by their full scale; floats as they are."""
    if samples.dtype.kind == "f":
        return samples
    bits = 8 * samples.dtype.itemsize
    middle = _UNSIGNED_MIDDLE if samples.dtype.kind == "u" else 0
    return (samples.astype(np.float64) - middle) / 2.0 ** (bits - 1)


def one_line(error: BaseException) -> str:
    """What an error of a library says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
