"""What is over is never passed on as if it were now.

A prediction holds until its ``valid_until``, and is live only if its data are not older than :data:`LIVE_S`
when it is received; what is nearly so old is not handed on as live. A consumer that keeps showing the last
label after the engine stopped, a headset died or a queue stood still would tell yesterday's news, so whoever
feeds consumers has each prediction go through a :class:`Freshness`, and hands out what it gives back: once,
when a label's time has passed without a newer one, the same prediction with "no decision" in place of what
it said.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from bci_stream.messages import Prediction

LIVE_S: Final = 0.5  #: what stands on data older than this when it is received is not live
ON_ITS_WAY_S: Final = 0.05  #: from being handed on to being received, on a busy computer
STALE: Final = "stale"  #: tag: nothing newer came in time
LATE: Final = "late"  #: tag: it was over before it could be handed on
ENDED: Final = "ended"  #: tag: the session is over


class Freshness:
    """Watches the newest label of one output. Pure: it reads no clock, ``now_s`` is the local clock.

    ``is_log``: the output keeps what was said, for later; a prediction that comes too late is then tagged
    and stays whole.
    """

    def __init__(self, is_log: bool = False) -> None:
        self._is_log = is_log
        self._held: Prediction | None = None

    @property
    def until_s(self) -> float:
        """When the newest label is over; infinite when there is none to take back."""
        until_s = self._held.valid_until if self._held is not None else math.nan
        return math.inf if math.isnan(until_s) else until_s

    def admit(self, prediction: Prediction, now_s: float) -> Prediction:
        """What to hand on: the very prediction, or, when it is over already, no decision."""
        if prediction.label is None or not is_over(prediction, now_s):
            self._held = prediction if prediction.label is not None else None
            return prediction
        self._held = None
        if self._is_log:
            return replace(prediction, tags=(*prediction.tags, LATE))
        return taken_back(prediction, now_s, LATE)

    def expire(self, now_s: float) -> Prediction | None:
        """No decision if the newest label is over, once; None while it holds."""
        return self._take_back(now_s, STALE) if now_s >= self.until_s else None

    def end(self, now_s: float) -> Prediction | None:
        """No decision if there is a label to take back: nobody will say anything any more."""
        return self._take_back(now_s, ENDED)

    def _take_back(self, now_s: float, tag: str) -> Prediction | None:
        held, self._held = self._held, None
        return None if held is None else taken_back(held, now_s, tag)


def is_over(prediction: Prediction, now_s: float) -> bool:
    """Whether a prediction that is handed on now says nothing of the present, by its time or its data's."""
    return now_s > prediction.valid_until or now_s - prediction.data_until > LIVE_S - ON_ITS_WAY_S


def moment_s(prediction: Prediction) -> float:
    """The local time of what is said: the end of its window, or when a label was taken back."""
    is_taken_back = prediction.label is None and {STALE, ENDED} & set(prediction.tags)
    return prediction.t_end + prediction.age_s if is_taken_back else prediction.t_end


def taken_back(prediction: Prediction, now_s: float, tag: str) -> Prediction:
    """The prediction of the same window with nothing in it that could be mistaken for a decision."""
    nothing = (math.nan,) * len(prediction.classes)
    return replace(
        prediction,
        logits=nothing,
        probs=nothing,
        label=None,
        confidence=0.0,
        stood_on=(),
        heads={name: (math.nan,) * len(head) for name, head in prediction.heads.items()},
        gate=math.nan,
        age_s=now_s - prediction.t_end,
        tags=("no decision", tag),
    )
