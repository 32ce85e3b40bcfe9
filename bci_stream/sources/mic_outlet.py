"""Publishes a microphone over Lab Streaming Layer, as an ``Audio`` stream that says all about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pylsl

from bci_stream.errors import StreamError
from bci_stream.messages import Chunk, StreamInfo
from bci_stream.sources.mic_header import Tree, channel_texts

_BUFFERED_S: Final = 60


class MicrophoneOutlet:
    """An outlet of float32 in [-1, 1], every chunk with the true stamp of its last sample.

    Args:
        info: the microphone's header.
        name: what the stream is called.
        tree: what is said below ``<desc>``, but for the channels.

    Raises:
        StreamError: liblsl could not open it.
    """

    def __init__(self, info: StreamInfo, name: str, tree: Tree) -> None:
        header = pylsl.StreamInfo(
            name, "Audio", info.n_channels, info.sfreq, pylsl.cf_float32, info.source_id
        )
        channels = header.desc().append_child("channels")
        for label in info.ch_names:
            channel = channels.append_child("channel")
            for tag, text in channel_texts(label).items():
                channel.append_child_value(tag, text)
        _grow(header.desc(), tree)
        try:
            self._outlet: pylsl.StreamOutlet | None = pylsl.StreamOutlet(header, max_buffered=_BUFFERED_S)
        except RuntimeError as error:
            raise StreamError(
                f"liblsl could not open the outlet {name!r} ({error}); "
                "are its ports (16572 and up) free and allowed?"
            ) from error

    def push(self, chunk: Chunk) -> None:
        """Send one chunk."""
        if self._outlet is not None:
            self._outlet.push_chunk(chunk.data, float(chunk.timestamps[-1]))

    @property
    def has_consumers(self) -> bool:
        """Whether anybody listens."""
        return self._outlet is not None and bool(self._outlet.have_consumers())

    def close(self) -> None:
        """Take the stream off the network."""
        self._outlet = None


def _grow(parent: Any, tree: Mapping[str, str | Tree]) -> None:
    for tag, value in tree.items():
        if isinstance(value, str):
            parent.append_child_value(tag, value)
        else:
            _grow(parent.append_child(tag), value)
