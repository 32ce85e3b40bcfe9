"""Predictions over Open Sound Control, for games, lights and music.

Each prediction is one UDP datagram: an OSC bundle, to be taken at once, of these messages.

============================  =======================================================================
``/bci/prediction``           label (string, ``no decision`` where there is none), confidence (float)
``/bci/probabilities``        a float per class, in the order of ``/bci/classes``
``/bci/probability/CLASS``    the same, one float each
``/bci/classes``              the class names (strings)
``/bci/stood_on``             the modalities that were used (strings, perhaps none)
``/bci/coverage/MODALITY``    share of good samples, 0 to 1 (float)
``/bci/time``                 t_start, t_end, valid_until (doubles, local LSL clock), age_s (float)
``/bci/window``               the window's index (integer)
``/bci/tags``                 what was unusual (strings, perhaps none)
============================  =======================================================================

A probability is -1 where there is no decision: not every reader can take a NaN. Characters that OSC does
not allow in an address become ``_``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from bci_stream.messages import Prediction, Window
from bci_stream.sinks.address import Address
from bci_stream.sinks.lsl import NO_DECISION

if TYPE_CHECKING:
    from pythonosc.osc_bundle import OscBundle
    from pythonosc.osc_message import OscMessage

_UNKNOWN: Final = -1.0
_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[#*,/?\[\]{}]")
_Argument = str | int | float


class OscSink:
    """Sends each prediction to ``address``; whether anybody listens there, UDP does not tell.

    What the network refuses (it is down, or full) is counted, and the next prediction is tried as if
    nothing had been.

    Raises:
        ConfigError: the host cannot be found.

    Attributes:
        n_sent: datagrams that the system took.
        n_refused: those that it did not.
        trouble: why, the last time; None while all went well.
    """

    def __init__(self, address: Address) -> None:
        from pythonosc.udp_client import UDPClient

        self.address = address.resolved("--osc")  # once: a name server that is slow must not be asked again
        self._client = UDPClient(self.address.host, self.address.port, allow_broadcast=True)
        self.n_sent = 0
        self.n_refused = 0
        self.trouble: str | None = None

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Send one prediction; a window alone says nothing."""
        if prediction is None:
            return
        try:
            self._client.send(prediction_bundle(prediction))
        except OSError as error:
            self.n_refused += 1
            self.trouble = error.strerror or str(error)
        else:
            self.n_sent += 1

    def close(self) -> None:
        """Let the socket go."""
        self._client.close()


def prediction_bundle(prediction: Prediction) -> OscBundle:
    """One prediction as OSC; the addresses are in the module's docstring."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder

    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, arguments in _messages(prediction):
        bundle.add_content(_message(address, arguments))
    return bundle.build()


def _messages(said: Prediction) -> Iterator[tuple[str, Sequence[_Argument]]]:
    probs = [_UNKNOWN if said.label is None else float(prob) for prob in said.probs]
    yield "/bci/prediction", [said.label or NO_DECISION, float(said.confidence)]
    yield "/bci/probabilities", probs
    for name, prob in zip(said.classes, probs, strict=True):
        yield f"/bci/probability/{_word(name)}", [prob]
    yield "/bci/classes", said.classes
    yield "/bci/stood_on", said.stood_on
    for role, share in said.coverage.items():
        yield f"/bci/coverage/{_word(role)}", [float(share)]
    yield "/bci/time", [Double(said.t_start), Double(said.t_end), Double(said.valid_until), float(said.age_s)]
    yield "/bci/window", [said.index]
    yield "/bci/tags", said.tags


class Double(float):
    """A number that needs all its 64 bits: seconds of a clock."""


def _message(address: str, arguments: Sequence[_Argument]) -> OscMessage:
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(address)
    for argument in arguments:
        kind = builder.ARG_TYPE_DOUBLE if isinstance(argument, Double) else None
        builder.add_arg(argument, kind)
    return builder.build()


def _word(name: str) -> str:
    return _FORBIDDEN.sub("_", name) or "_"
