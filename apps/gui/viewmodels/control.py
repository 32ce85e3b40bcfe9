"""What runs, and how it is begun and ended. No Qt: the window calls :meth:`Control.tick` at its own rate.

Whatever may take long (finding streams, loading a model, closing) is done in a thread of its own; the window
never waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from bci_stream.engine.frame import Frame
from bci_stream.errors import BciStreamError


class Run(Protocol):
    """A session that a window can show: live, or a recording."""

    def start(self) -> None:
        """Begin; returns at once."""

    def close(self) -> None:
        """End, and let go of everything."""

    def frame(self) -> Frame:
        """As it stands."""


class Control:
    """At most one run at a time.

    ``problem``: one line on why the last attempt failed, for the start page.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self.opening: str | None = None  # what is being begun, in words
        self.problem: str | None = None
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="gui-control")
        self._future: Future[Run] | None = None
        self._last: tuple[str, Callable[[], Run]] | None = None
        self._closing: list[Future[None]] = []

    def begin(self, words: str, open_run: Callable[[], Run]) -> None:
        """Open a run in the background and start it; the one that ran is ended first."""
        if self._future is not None:
            return
        before, self.run = self.run, None
        self._last = (words, open_run)
        self.problem, self.opening = None, words

        def work() -> Run:
            if before is not None:
                before.close()
            run = open_run()
            run.start()
            return run

        self._future = self._pool.submit(work)

    def again(self) -> None:
        """Begin once more what was begun last."""
        if self._last is not None:
            self.begin(*self._last)

    def tick(self) -> bool:
        """Take note of what has finished; True when the run changed."""
        self._closing = [future for future in self._closing if not future.done()]
        future = self._future
        if future is None or not future.done():
            return False
        self._future, self.opening = None, None
        error = future.exception()
        if error is None:
            self.run = future.result()
        elif isinstance(error, (BciStreamError, OSError)):
            self.problem = str(error)
        else:
            self.problem = f"that did not work: {type(error).__name__}: {error}"
        return True

    def end(self) -> None:
        """End what runs, in the background."""
        run, self.run = self.run, None
        if run is not None:
            self._closing.append(self._pool.submit(run.close))

    def close(self) -> None:
        """End all and wait for it."""
        if self._future is not None:
            try:
                self.run = self._future.result(timeout=60)
            except (BciStreamError, OSError, TimeoutError):
                self.run = None
            self._future = None
        self.end()
        self._pool.shutdown(wait=True)
