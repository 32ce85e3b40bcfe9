"""Who watches the workers of a live session: every thread of it, from one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from bci_stream.engine.supervision import Supervisor
from bci_stream.errors import StreamError

if TYPE_CHECKING:
    from apps.live_streams import StatusSource
    from bci_stream.engine.session import Session
    from bci_stream.heartbeat import Heart
    from bci_stream.sinks.base import SinkRunner


def supervisor_of(
    session: Session,
    source: StatusSource,
    runners: Sequence[SinkRunner],
    others: Callable[[], Iterable[Heart]],
    say: Callable[[str, str, str], None],
) -> Supervisor:
    """Watches the engine, the keepers of the streams, the outputs and ``others``; not yet started."""

    def hearts() -> Iterable[Heart]:
        yield session.heart
        yield from source.hearts()
        yield from (runner.heart for runner in runners)
        yield from others()

    return Supervisor(
        hearts,
        say=say,
        stop=lambda words: session.fail(StreamError(words)),
        slept=lambda _: source.renew(),
    )
