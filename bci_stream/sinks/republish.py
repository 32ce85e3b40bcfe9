"""A recorded stream as a real LSL outlet, with its original header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci_stream.errors import StreamFormatError
from bci_stream.messages import StreamInfo, TimeArray

_from_xml = pylsl.lib.lib.lsl_streaminfo_from_xml
_from_xml.restype = pylsl.lib.lib.lsl_create_streaminfo.restype


class Republisher:
    """One outlet that carries raw values, in the format and under the header of a recorded stream.

    Raises:
        StreamFormatError: LSL does not accept the recorded header.
    """

    def __init__(self, info: StreamInfo) -> None:
        header = pylsl.StreamInfo(handle=_from_xml(info.xml.encode()))
        if header.channel_count() != info.n_channels:
            raise StreamFormatError(f"the header of {info.name!r} cannot be published again over LSL")
        self._outlet = pylsl.StreamOutlet(header)
        self._strings = info.dtype == "string"

    def push(self, values: NDArray[Any] | Sequence[Sequence[str]], stamps: TimeArray) -> None:
        """Send (n, n_channels) values, or n rows of strings, with these stamps on the local clock."""
        if self._strings:
            for row, stamp in zip(values, stamps.tolist(), strict=True):
                self._outlet.push_sample(list(row), stamp)
        elif len(stamps):
            self._outlet.push_chunk(np.ascontiguousarray(values), stamps.tolist())
