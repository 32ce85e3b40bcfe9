"""BrainFlow boards as a live source: everything that BrainFlow can open, its playback of files too.

Labels, rate, units and the columns come from BrainFlow's own description of the board. A sample's stamp is
the Unix time at which BrainFlow took it from the radio or the cable; the Unix clock is measured against the
local one all the time, so that a computer that sets its clock meanwhile does no harm.
"""

from __future__ import annotations

import difflib
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bci_stream.errors import ConfigError, StreamFormatError, StreamLostError, StreamNotFoundError
from bci_stream.messages import StreamInfo
from bci_stream.sources.binding import bind_eeg
from bci_stream.sources.headers import with_header
from bci_stream.sources.polled import Device, Polled, PolledSource, unix_clock_pair

_POLL_S: Final = 0.004
_RING_SAMPLES: Final = 45_000  # BrainFlow's own buffer: at 250 Hz three minutes
_PLAYBACK: Final = -3
_BY_PROXY: Final = (_PLAYBACK, -2)  # boards that look like their master board


@dataclass(frozen=True, slots=True)
class BrainFlowBoard:
    """Which board: its name or number, and BrainFlow's parameters by name (``serial_port``, ``file``, …)."""

    board: str
    params: Mapping[str, str] = field(default_factory=dict)


class BrainFlowSource(PolledSource):
    """The EEG of a board, for a session.

    Args:
        board: which, and how to reach it. With the parameter ``file`` that file is played back.
        channels: names of its EEG channels in order, where BrainFlow has none.
        pick: electrodes wanted.
        unit: where the board's values are no µV.

    :meth:`open` raises ConfigError (BrainFlow not installed, no such board or parameter), StreamNotFoundError
    (the board cannot be opened), StreamFormatError (it has no EEG).
    """

    def __init__(
        self,
        board: BrainFlowBoard,
        *,
        channels: Sequence[str] | None = None,
        pick: Sequence[str] | None = None,
        unit: str | None = None,
        lost_s: float = 3.0,
    ) -> None:
        flow = import_brainflow()
        number, params, looks_like = _parameters(flow, board)
        description = _description(flow, looks_like)
        source_id = params.serial_port or params.mac_address or params.serial_number or params.ip_address
        info = _header(description, source_id or params.file)
        super().__init__(
            lambda: _Board(flow, number, params, description),
            lambda _: bind_eeg(info, channels=channels, pick=pick, unit=unit),
            info.name,
            lost_s=lost_s,
            ended="the file has ended" if number == _PLAYBACK else "",
        )


def import_brainflow() -> Any:
    """BrainFlow's board module, or the one line that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BrainFlow imports pkg_resources at first use, which complains
            import pkg_resources  # noqa: F401
            from brainflow import board_shim  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError("this needs BrainFlow: pip install 'bci-stream[brainflow]'") from error
    return board_shim


def _parameters(flow: Any, board: BrainFlowBoard) -> tuple[int, Any, int]:
    """Board number, BrainFlow's parameters, and the number of the board that the data look like."""
    number, params = _number(flow, board.board), flow.BrainFlowInputParams()
    for name, text in board.params.items():
        if name not in vars(params):
            raise ConfigError(
                f"BrainFlow has no parameter {name!r}{_nearest(name, list(vars(params)))}; it has "
                f"{', '.join(vars(params))}"
            )
        before = getattr(params, name)
        if isinstance(before, int) and not text.lstrip("-").isdigit():
            raise ConfigError(f"BrainFlow's parameter {name} is a number, not {text!r}")
        setattr(params, name, int(text) if isinstance(before, int) else text)
    if params.file and number not in _BY_PROXY:
        params.master_board, number = number, _PLAYBACK
    return number, params, params.master_board if number in _BY_PROXY else number


def _number(flow: Any, name: str) -> int:
    """A board's number by ``cyton``, ``muse-2``, ``CYTON_BOARD`` or the number itself."""
    numbers = {board.name.removesuffix("_BOARD").casefold(): int(board) for board in flow.BoardIds}
    wanted = name.strip().casefold().replace("-", "_").replace(" ", "_").removesuffix("_board")
    if wanted in numbers:
        return numbers[wanted]
    if name.lstrip("-").isdigit() and int(name) in numbers.values():
        return int(name)
    raise ConfigError(
        f"BrainFlow has no board {name!r}{_nearest(wanted, list(numbers))}; it has {', '.join(numbers)}"
    )


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _description(flow: Any, number: int) -> dict[str, Any]:
    try:
        description: dict[str, Any] = flow.BoardShim.get_board_descr(number)
    except flow.BrainFlowError as error:
        raise ConfigError(f"BrainFlow cannot describe board {number} ({_words(error)})") from error
    if not description.get("eeg_channels") or "sampling_rate" not in description:
        raise StreamFormatError(
            f"BrainFlow's board {description.get('name', number)!r} has no EEG; of a playback or streaming "
            "board say which board was recorded: --brainflow BOARD --brainflow-file FILE"
        )
    return description


def _header(description: Mapping[str, Any], source_id: str) -> StreamInfo:
    n = len(description["eeg_channels"])
    names = tuple(name.strip() for name in description.get("eeg_names", "").split(",") if name.strip())
    return with_header(
        StreamInfo(
            key=f"brainflow-{description['name']}",
            name=f"BrainFlow {description['name']}",
            type="EEG",
            n_channels=n,
            sfreq=float(description["sampling_rate"]),
            dtype="double64",
            source_id=source_id,
            ch_names=names if len(names) == n else (),
            ch_units=("microvolts",) * n,
            ch_types=("EEG",) * n,
        )
    )


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _shim_class(flow: Any) -> Any:
    """BrainFlow's board without its finaliser.

    BrainFlow knows sessions by their parameters only: an old object that is collected after the same board
    was opened anew would release the new session. Every session is released by :meth:`_Board.close`.
    """

    class Shim(flow.BoardShim):  # type: ignore[misc]
        def __del__(self) -> None:
            return

    return Shim


class _Board(Device):
    """An open board."""

    def __init__(self, flow: Any, number: int, params: Any, description: Mapping[str, Any]) -> None:
        self._error = flow.BrainFlowError
        self._eeg = list(description["eeg_channels"])
        self._stamp, self._marker = description["timestamp_channel"], description.get("marker_channel")
        self._pause = threading.Event()
        flow.BoardShim.disable_board_logger()  # it writes to stderr, into the terminal view
        self._shim = _shim_class(flow)(number, params)
        try:
            self._shim.prepare_session()
        except self._error as error:
            self.close()
            raise StreamNotFoundError(
                f"BrainFlow cannot open the {description['name']} board ({_words(error)}): is it on, "
                "its port or address right, and no other program at it?"
            ) from error

    def begin(self) -> None:
        """Start the stream."""
        try:
            self._shim.start_stream(_RING_SAMPLES)
        except self._error as error:
            raise StreamLostError(f"BrainFlow cannot start the board ({_words(error)})") from error

    def poll(self, n_wanted: int, timeout_s: float) -> Polled:
        """What BrainFlow holds, after waiting for a sample."""
        del n_wanted
        try:
            if not self._shim.get_board_data_count():
                self._pause.wait(min(_POLL_S, timeout_s))
            data = self._shim.get_board_data()
        except self._error as error:
            raise StreamLostError(f"BrainFlow lost the board ({_words(error)})") from error
        stamps = np.ascontiguousarray(data[self._stamp])
        return stamps, np.ascontiguousarray(data[self._eeg].T), self._markers(data, stamps)

    def clock_pair(self) -> tuple[float, float]:
        """BrainFlow stamps by the Unix clock of this computer."""
        return unix_clock_pair()

    def close(self) -> None:
        """Stop and release the board."""
        self._pause.set()
        for act in (self._shim.stop_stream, self._shim.release_session):
            try:
                act()
            except self._error:  # it was not streaming, or it is gone: released all the same
                continue

    def _markers(self, data: Any, stamps: Any) -> list[tuple[float, str]]:
        if self._marker is None:
            return []
        at = np.flatnonzero(data[self._marker])
        return [(float(stamps[i]), f"{data[self._marker][i]:g}") for i in at]
