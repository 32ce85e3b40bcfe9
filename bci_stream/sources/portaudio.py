"""The one place that speaks to PortAudio: what can record, and blocks as they come.

``sounddevice`` is imported late, because on Linux its import fails where PortAudio is not installed.
PortAudio looks for devices only when it starts, so :func:`inputs` starts it anew; a process has one capture
at a time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, Final

from bci_stream.errors import StreamError, StreamFormatError
from bci_stream.messages import FloatArray
from bci_stream.sources.adc_clock import BlockTime
from bci_stream.sources.mic_devices import MicDevice

OnBlock = Callable[[BlockTime, FloatArray], None]

_INVALID_CHANNELS, _INVALID_RATE, _UNAVAILABLE = -9998, -9997, -9985  # of portaudio.h
_NOISE: Final = (b"ALSA lib ", b"Expression '", b"Cannot connect to server", b"jack server")
_lock = threading.Lock()


class DeviceError(StreamError):
    """A device could not be opened; ``code`` is PortAudio's."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def _sounddevice() -> Any:
    try:
        with _quiet():
            return import_module("sounddevice")
    except OSError as error:
        raise StreamError(
            f"PortAudio is not installed ({error}): no microphone can be opened here; "
            "on Debian and Ubuntu: apt-get install libportaudio2"
        ) from None
    except ImportError:
        raise StreamError("the Python package sounddevice is missing: pip install sounddevice") from None


def version() -> str:
    """PortAudio's name for itself. Raises StreamError where it is not installed."""
    return str(_sounddevice().get_portaudio_version()[1])


def inputs() -> list[MicDevice]:
    """What can record now; any capture of this process must be closed.

    Raises StreamError without PortAudio, or where it cannot look.
    """
    sd = _sounddevice()
    try:
        with _lock, _quiet():
            sd._terminate()
            sd._initialize()
            devices, apis = list(sd.query_devices()), [dict(api) for api in sd.query_hostapis()]
            default = sd.default.device[0]
    except sd.PortAudioError as error:
        raise StreamError(f"PortAudio cannot look for devices ({error}): is the sound system up?") from None
    if default < 0:  # nobody has set one for this process
        default = apis[0]["default_input_device"] if apis else -1
    return [
        MicDevice(
            i,
            str(device["name"]),
            apis[device["hostapi"]]["name"],
            int(device["max_input_channels"]),
            float(device["default_samplerate"]),
            i == default,
        )
        for i, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]


class Capture:
    """An open device whose blocks go to ``on_block``, in PortAudio's own thread; float32 in [-1, 1].

    ``on_end`` is called, once, when the device goes away (or is closed).

    Raises:
        DeviceError: it could not be opened.
        StreamFormatError: it does not take this rate.
    """

    def __init__(
        self,
        device: MicDevice,
        sfreq: float,
        n_channels: int,
        block_n: int,
        clock: Callable[[], float],
        on_block: OnBlock,
        on_end: Callable[[], None],
    ) -> None:
        sd = _sounddevice()

        def callback(data: FloatArray, n: int, times: Any, status: Any) -> None:
            entry_s = clock()
            overflow = bool(status) and bool(status.input_overflow)
            on_block(
                BlockTime(entry_s, times.inputBufferAdcTime, times.currentTime, n, overflow), data.copy()
            )

        try:
            with _lock, _quiet():
                self._stream = sd.InputStream(
                    device=device.index,
                    samplerate=sfreq,
                    channels=n_channels,
                    blocksize=block_n,
                    dtype="float32",
                    latency="low",
                    callback=callback,
                    finished_callback=on_end,
                )
                self._stream.start()
        except sd.PortAudioError as error:
            raise _explained(error, device, sfreq) from None

    @property
    def active(self) -> bool:
        """Whether blocks can still come."""
        return bool(self._stream.active)

    def close(self) -> None:
        """Let go of the device."""
        sd = _sounddevice()
        with _lock, _quiet(), suppress(sd.PortAudioError):  # it may be gone already
            self._stream.close(ignore_errors=True)


def open_capture(
    device: MicDevice,
    sfreq: float,
    block_s: float,
    clock: Callable[[], float],
    on_block: OnBlock,
    on_end: Callable[[], None],
) -> tuple[Capture, int]:
    """A capture and its number of channels: one where the device gives one, else two, else all it has.

    Raises as :class:`Capture`.
    """
    block_n = max(1, round(block_s * sfreq))
    counts = sorted({1, min(2, device.n_channels), device.n_channels})
    for n_channels in counts:
        try:
            return Capture(device, sfreq, n_channels, block_n, clock, on_block, on_end), n_channels
        except DeviceError as error:
            if error.code != _INVALID_CHANNELS or n_channels == counts[-1]:
                raise
    raise AssertionError("unreachable")


def _explained(error: Exception, device: MicDevice, sfreq: float) -> StreamError:
    """PortAudio's error as one line for a person."""
    code = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
    return explain(code, str(error), device, sfreq)


def explain(code: int, text: str, device: MicDevice, sfreq: float) -> StreamError:
    """What an error code of PortAudio means for a person."""
    if code == _INVALID_RATE:
        return StreamFormatError(
            f"microphone {device.name!r} does not take {sfreq:g} Hz; its own rate is {device.sfreq:g} Hz: "
            f"use --rate {device.sfreq:g}, or leave it out"
        )
    if code == _UNAVAILABLE:
        return DeviceError(
            f"microphone {device.name!r} is in use by another program, or may not be used by this one: "
            "close the other program, or allow access in the system's privacy settings",
            code,
        )
    plain = text.partition("[PaErrorCode")[0].strip(" :")
    return DeviceError(f"microphone {device.name!r} could not be opened: {plain}; is it plugged in?", code)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ALSA and PortAudio from writing to the terminal; what others wrote meanwhile is passed on."""
    try:
        number = sys.__stderr__.fileno() if sys.__stderr__ is not None else -1
    except (OSError, ValueError):
        number = -1
    if number < 0:
        yield
        return
    kept = os.dup(number)
    with tempfile.TemporaryFile() as heard:
        try:
            os.dup2(heard.fileno(), number)
            yield
        finally:
            os.dup2(kept, number)
            os.close(kept)
            heard.seek(0)
            for line in heard:
                if not line.startswith(_NOISE):
                    os.write(number, line)
