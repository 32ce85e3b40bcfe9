"""Publishes predictions over Lab Streaming Layer, for stimulus programs and recorders.

Both streams are declared irregular although windows come every hop. A regular rate invites readers to
replace the stamps by a straight line through the sample count (pyxdf and liblsl's dejitter do), and
that line is wrong after every skipped window; irregular stamps are kept as they are. The hop is in the
header, under ``desc/prediction``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bci_stream.errors import ConfigError, StreamError
from bci_stream.messages import Prediction, Window
from bci_stream.sinks.freshness import moment_s

if TYPE_CHECKING:
    import pylsl

NO_DECISION: Final = "no decision"
_RESERVED_STAMPS: Final = (0.0, -1.0)  # liblsl reads these as "now" and "as the last one plus a period"


class LslPredictionSink:
    """Two outlets, ``<name>-decisions`` and ``<name>-probabilities``, one sample each per window.

    Decisions: type ``Markers``, one string, the label or ``"no decision"``. Probabilities: type
    ``Emotion``, float32, one channel per class and ``confidence``, all NaN when there is no decision.
    Both are stamped with the window's ``t_end`` on the local LSL clock, so they pair by their stamps; a
    label that is taken back (see :mod:`bci_stream.sinks.freshness`) with the moment of that.

    Args:
        name: what the stream names start with; anyone on the network can read it.
        classes: the class names in the order of the probabilities.
        hop_s: time between windows, for the header.
        source_id: what lets a recorder find the streams again after a restart.

    Raises:
        ConfigError: no name, no class, a class twice, or a hop that is not positive.
        StreamError: liblsl could not open the outlets.
    """

    def __init__(self, name: str, classes: Sequence[str], hop_s: float, source_id: str) -> None:
        _check(name, classes, hop_s)
        self._classes = tuple(classes)
        headers = (
            _header(f"{name}-decisions", "Markers", ("decision",), hop_s, source_id),
            _header(f"{name}-probabilities", "Emotion", (*classes, "confidence"), hop_s, source_id),
        )
        self._outlets = tuple(_open(header) for header in headers)

    def put(self, prediction: Prediction | None, window: Window | None) -> None:
        """Push one sample to each outlet. Raises ConfigError when its classes are not those of the header."""
        if prediction is None or not self._outlets:
            return
        if prediction.classes != self._classes:
            raise ConfigError(
                f"the LSL outlets were opened for classes {', '.join(self._classes)} and cannot take "
                f"{', '.join(prediction.classes)}; open new ones after a change of model"
            )
        decisions, probabilities = self._outlets
        stamp = _stamp(moment_s(prediction))
        decisions.push_sample([prediction.label or NO_DECISION], stamp)
        probabilities.push_sample(_values(prediction), stamp)

    def close(self) -> None:
        """Take the streams off the network; a reader that is behind loses what it has not read."""
        self._outlets = ()


def _check(name: str, classes: Sequence[str], hop_s: float) -> None:
    if not name:
        raise ConfigError("the LSL prediction streams need a name; got an empty one")
    if not classes or len(set(classes)) != len(classes):
        raise ConfigError(f"the LSL prediction streams need distinct classes; got {list(classes)}")
    if not (math.isfinite(hop_s) and hop_s > 0):
        raise ConfigError(f"the hop of the LSL prediction streams must be above 0 s; got {hop_s}")


def _header(name: str, kind: str, labels: tuple[str, ...], hop_s: float, source_id: str) -> pylsl.StreamInfo:
    """A header with the metadata that XDF readers look for: a label, unit and type per channel."""
    import pylsl

    is_text = kind == "Markers"
    dtype = pylsl.cf_string if is_text else pylsl.cf_float32
    unique_id = f"{source_id}-{'decisions' if is_text else 'probabilities'}"
    info = pylsl.StreamInfo(name, kind, len(labels), pylsl.IRREGULAR_RATE, dtype, unique_id)
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "label" if is_text else "probability")
        channel.append_child_value("type", kind)
    acquisition = info.desc().append_child("acquisition")
    acquisition.append_child_value("manufacturer", "bci_stream")
    meaning = info.desc().append_child("prediction")
    meaning.append_child_value("hop_s", repr(float(hop_s)))
    meaning.append_child_value("stamp", "end of the window")
    meaning.append_child_value("no_decision", NO_DECISION if is_text else "NaN")
    return info


def _open(header: pylsl.StreamInfo) -> pylsl.StreamOutlet:
    import pylsl

    try:
        return pylsl.StreamOutlet(header)
    except RuntimeError as error:
        raise StreamError(
            f"liblsl could not open the outlet {header.name()!r} ({error}); "
            "are its ports (16572 and up) free and allowed?"
        ) from error


def _stamp(t_s: float) -> float:
    return math.nextafter(t_s, math.inf) if t_s in _RESERVED_STAMPS else t_s


def _values(prediction: Prediction) -> list[float]:
    if prediction.label is None:
        return [math.nan] * (len(prediction.classes) + 1)
    return [*prediction.probs, prediction.confidence]
