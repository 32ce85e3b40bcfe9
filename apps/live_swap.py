"""Another bundle beside the one that answers, and then in its place: a shadow run before a hot swap."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bci_stream.engine.pipeline import Outcome, Pipeline
from bci_stream.errors import BciStreamError

if TYPE_CHECKING:
    from bci_stream.engine.session import Session
    from bci_stream.model.predictor import StreamingPredictor

SHADOW_WINDOWS = 25  # five seconds of agreement are shown before a person decides


@dataclass(frozen=True, slots=True)
class SwapStatus:
    """How a swap stands.

    ``state``: "loading", "beside", "swapped", "dropped" or "refused". ``n``: windows that both answered,
    ``n_agreed``: with the same class. ``words``: for a person.
    """

    state: str
    n: int
    n_agreed: int
    words: str

    @property
    def enough(self) -> bool:
        """Whether it has run beside for long enough to judge."""
        return self.state == "beside" and self.n >= SHADOW_WINDOWS


class Swap:
    """One attempt; its engine's side is :meth:`on_outcome`.

    ``load`` gives a warm predictor, in a thread of its own. ``say``: (level, words) for the log.
    """

    def __init__(
        self,
        path: Path,
        session: Session,
        load: Callable[[Path], StreamingPredictor],
        say: Callable[[str, str], None],
    ) -> None:
        self.path = path
        self._session, self._say = session, say
        self._state, self._words = "loading", f"loading {path.name}"
        self._n = self._n_agreed = 0
        self._before: int | None = None
        self._predictor: StreamingPredictor | None = None
        pool = ThreadPoolExecutor(1, thread_name_prefix="bundle-swap")
        self._loading: Future[StreamingPredictor] = pool.submit(load, path)
        self._loading.add_done_callback(self._loaded)
        pool.shutdown(wait=False)

    @property
    def status(self) -> SwapStatus:
        """How it stands; from any thread."""
        words = self._words
        if self._state == "beside":
            words = f"{self.path.name} runs beside: agrees in {self._n_agreed} of {self._n} windows"
        return SwapStatus(self._state, self._n, self._n_agreed, words)

    def take_over(self) -> None:
        """Let the new one answer from the next window on."""
        self._session.ask(self._swap_now)

    def drop(self) -> None:
        """Keep the old one."""
        self._session.ask(self._drop_now)

    def on_outcome(self, outcome: Outcome, pipeline: Pipeline) -> None:
        """Compare; the one beside answers a window just after it was handed out."""
        beside = pipeline.shadow_said
        if self._state == "beside" and beside is not None and self._before is not None and beside.stood_on:
            self._n += 1
            self._n_agreed += int(np.argmax(beside.probs)) == self._before
        prediction = outcome.prediction
        told = prediction is not None and prediction.label is not None
        self._before = int(np.argmax(prediction.probs)) if prediction is not None and told else None

    # -- in whichever thread ------------------------------------------------------------------------------

    def _loaded(self, future: Future[StreamingPredictor]) -> None:
        error = future.exception()
        if error is not None:
            self._refuse(
                str(error) if isinstance(error, BciStreamError) else f"{type(error).__name__}: {error}"
            )
            return
        self._predictor = future.result()
        self._session.ask(self._begin_beside)

    def _begin_beside(self, pipeline: Pipeline) -> None:
        try:
            pipeline.shadow(self._predictor)
        except BciStreamError as error:
            self._refuse(str(error))
            return
        self._state = "beside"
        self._say("good", f"{self.path.name} runs beside the present model")

    def _swap_now(self, pipeline: Pipeline) -> None:
        predictor = self._predictor
        if predictor is None or self._state != "beside":
            return
        pipeline.shadow(None)
        try:
            pipeline.swap(predictor)
        except BciStreamError as error:
            self._refuse(str(error))
            return
        self._state, self._words = "swapped", f"{self.path.name} answers now"
        self._say("good", f"swapped: {self.path.name} answers now")

    def _drop_now(self, pipeline: Pipeline) -> None:
        pipeline.shadow(None)
        self._state, self._words = "dropped", f"{self.path.name} was not taken"
        self._say("good", self._words)

    def _refuse(self, words: str) -> None:
        self._say("bad", words)
        self._state, self._words = "refused", words
