"""One connection to one LSL outlet: bounded before it exists, told when it is lost, no waiting by surprise.

Facts of liblsl 1.16 to 1.18 that shape it (read in its source and measured):

- With ``recover=True`` liblsl hides a death and hands over to whoever has the same ids: never used here.
- A lost inlet refuses at once what it still holds, and a pull that is cut short does not say how many
  samples it had taken. Stamps are therefore set to NaN before a pull and counted after a loss.
- A header with 0 channels kills the process that pulls from it, and the memory of an inlet follows the
  header's rate: headers are judged by :func:`check_bounds` before an inlet is made.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.lib import lib
from pylsl.util import LostError, TimeoutError

from bci_stream.errors import StreamFormatError, StreamLostError
from bci_stream.messages import StreamInfo, TimeArray
from bci_stream.sources.lsl_identity import differences
from bci_stream.sources.metadata import NUMPY_FORMATS, parse_stream_info

MAX_BUFFER_BYTES: Final = 64_000_000
ANSWER_TIMEOUT_S: Final = 2.0
_MAX_BUFFER_S: Final = 360.0  # how long a reader may be held up before samples are lost, bytes permitting
_RESERVE_S: Final = 5.0  # liblsl sets memory aside for this much of a stream, whatever is asked
_SAMPLE_OVERHEAD_BYTES: Final = 40
_SLOT_BYTES: Final = 24  # of liblsl's queue
_STRING_BYTES: Final = 256  # an assumption: strings have no bounded size
_IRREGULAR_UNIT: Final = 100  # liblsl counts the buffer of a stream without a rate in hundreds of samples
_PULL_S: Final = 1.0
_IRREGULAR_PULL: Final = 4096
_MAX_PULL_BYTES: Final = 4_000_000
_STRINGS_PER_PULL: Final = 256
_LOST_CODE: Final = -2

_time_correction_ex = lib[
    "lsl_time_correction_ex"
]  # pylsl wraps only the variant without the time of measurement
_time_correction_ex.restype = ctypes.c_double

local_clock = pylsl.local_clock


def header_text(handle: pylsl.StreamInfo) -> str:
    """A header's XML. Raises StreamFormatError where it is no text."""
    try:
        return str(handle.as_xml())
    except UnicodeDecodeError as error:
        raise StreamFormatError("a stream's header is not UTF-8 text: its program is at fault") from error


def sample_bytes(info: StreamInfo) -> int:
    """What one sample of a stream costs liblsl, in bytes."""
    dtype = NUMPY_FORMATS[info.dtype]
    value = np.dtype(dtype).itemsize if dtype else _STRING_BYTES
    return info.n_channels * value + _SAMPLE_OVERHEAD_BYTES


def check_bounds(info: StreamInfo) -> None:
    """Raise StreamFormatError for a header whose inlet would take more than :data:`MAX_BUFFER_BYTES`."""
    needed = info.sfreq * sample_bytes(info) * _RESERVE_S
    if needed > MAX_BUFFER_BYTES:
        raise StreamFormatError(
            f"stream {info.name!r} declares {info.n_channels} channels at {info.sfreq:g} Hz, which needs "
            f"{needed / 1e6:.0f} MB of buffer, at most {MAX_BUFFER_BYTES / 1e6:.0f} MB are given: "
            "send fewer channels or a lower rate"
        )


def buffer_length(info: StreamInfo) -> int:
    """``max_buflen`` in liblsl's unit: seconds, or hundreds of samples for a stream without a rate."""
    unit = info.sfreq or _IRREGULAR_UNIT
    affordable = MAX_BUFFER_BYTES / ((sample_bytes(info) + _SLOT_BYTES) * unit)
    wanted = _MAX_BUFFER_S if info.sfreq else MAX_BUFFER_BYTES  # the bytes decide
    return max(1, math.floor(min(affordable, wanted)))


class Link:
    """One inlet on one outlet. Only one thread may pull; another may measure the clock meanwhile.

    Args:
        handle: the outlet as liblsl resolved it.
        info: its header as announced, checked by :func:`check_bounds`.
    """

    def __init__(self, handle: pylsl.StreamInfo, info: StreamInfo) -> None:
        check_bounds(info)
        self.info = info
        self.lost = False
        self._inlet = pylsl.StreamInlet(handle, max_buflen=buffer_length(info), max_chunklen=0, recover=False)
        self._last_measured_s = math.nan
        self._error = ctypes.c_int()
        self._allocate()

    def _allocate(self) -> None:
        dtype = NUMPY_FORMATS[self.info.dtype]
        if dtype is None:
            return
        row_bytes = self.info.n_channels * np.dtype(dtype).itemsize
        wanted = max(64, math.ceil(self.info.sfreq * _PULL_S)) if self.info.sfreq else _IRREGULAR_PULL
        n_rows = max(1, min(wanted, _MAX_PULL_BYTES // row_bytes))
        self._data = np.empty((n_rows, self.info.n_channels), dtype=dtype)
        self._stamps = np.empty(n_rows, dtype=np.float64)
        self._data_at = ctypes.c_void_p(self._data.ctypes.data)
        self._stamps_at = ctypes.c_void_p(self._stamps.ctypes.data)

    @property
    def n_available(self) -> int:
        """Samples that can be pulled without waiting."""
        return int(self._inlet.samples_available())

    def subscribe(self) -> None:
        """Ask the outlet to send; what it sends from now on is buffered. Raises StreamLostError."""
        self._ask(self._inlet.open_stream)

    def full_header(self) -> StreamInfo:
        """The header with its description.

        Raises:
            StreamLostError: no answer in time.
            StreamFormatError: unusable, or not the header that was announced.
        """
        found = parse_stream_info(header_text(self._ask(self._inlet.info)), key=self.info.key)
        if changed := differences(self.info, found, described=False):
            raise StreamFormatError(
                f"stream {self.info.name!r} announced another header than it has: {changed}"
            )
        return found

    def measure_offset(self) -> tuple[float, float] | None:
        """(remote time of the measurement, offset to add to a remote stamp), in s; None: nothing new.

        The first call takes 0.6 s; later ones tell what liblsl found out meanwhile, about every 2 s.
        Raises StreamLostError: lost, or no answer in time.
        """
        measured_s, uncertainty_s = ctypes.c_double(), ctypes.c_double()
        error = ctypes.c_int()
        offset_s = _time_correction_ex(
            self._inlet.obj,
            ctypes.byref(measured_s),
            ctypes.byref(uncertainty_s),
            ctypes.c_double(ANSWER_TIMEOUT_S),
            ctypes.byref(error),
        )
        if error.value == _LOST_CODE:
            self.lost = True
        if error.value:
            raise self._gone()
        if measured_s.value == self._last_measured_s:
            return None
        self._last_measured_s = measured_s.value
        return measured_s.value, float(offset_s)

    def pull(self, n_max: int, timeout_s: float) -> tuple[NDArray[Any], TimeArray]:
        """Wait for ``n_max`` numeric samples (at most a second's worth) or the time-out.

        Returns (n, n_channels) samples and (n,) raw stamps: views that live until the next pull.
        A loss sets :attr:`lost`, with what had come before it.
        """
        n_max = min(n_max, len(self._stamps))
        self._stamps[:n_max] = np.nan
        n_values = self._inlet.do_pull_chunk(
            self._inlet.obj,
            self._data_at,
            self._stamps_at,
            ctypes.c_size_t(n_max * self.info.n_channels),
            ctypes.c_size_t(n_max),
            ctypes.c_double(timeout_s),
            ctypes.byref(self._error),
        )
        if self._error.value:
            self.lost = True
            missing = np.isnan(self._stamps[:n_max])
            n_samples = int(missing.argmax()) if missing.any() else n_max
        else:
            n_samples = n_values // self.info.n_channels
        return self._data[:n_samples], self._stamps[:n_samples]

    def pull_labels(self, n_max: int) -> list[tuple[float, str]]:
        """The samples that have come, as text: (raw stamp, the channels joined by a comma)."""
        if self.info.dtype == "string":
            return self._pull_strings()
        data, stamps = self.pull(n_max, 0.0)
        labels = [", ".join(f"{value:g}" for value in row) for row in data.tolist()]
        return list(zip(stamps.tolist(), labels, strict=True))

    def _pull_strings(self) -> list[tuple[float, str]]:
        try:
            rows, stamps = self._inlet.pull_chunk(0.0, _STRINGS_PER_PULL, as_numpy=True)
        except LostError:
            self.lost = True
            return []
        labels = [", ".join(value.decode("utf-8", "replace") for value in row) for row in rows]
        return list(zip(stamps.tolist(), labels, strict=True))

    def _ask(self, question: Callable[[float], Any]) -> Any:
        try:
            return question(ANSWER_TIMEOUT_S)
        except (LostError, TimeoutError) as error:
            raise self._gone() from error

    def _gone(self) -> StreamLostError:
        return StreamLostError(
            f"stream {self.info.name!r} was found on {self.info.hostname!r} but does not answer: "
            "check that its program still runs and that no firewall is in between"
        )
