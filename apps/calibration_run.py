"""One person's calibration, whoever guides it: the terminal and the window do nothing that is not here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from apps.choice import DEMO_BUNDLE, StreamChoice
from apps.live_streams import open_source
from bci_stream.messages import AUDIO, EEG
from calibration.profile import ProfileStore
from calibration.protocol import Plan, Protocol
from calibration.session import State

if TYPE_CHECKING:
    from calibration.finetune import FinetuneSettings, Report, Watch
    from calibration.live import LiveCalibration
    from calibration.outcome import Outcome

#: What a person agrees to before anything is recorded.
CONSENT: Final = (
    "Your EEG and voice are recorded to fit a model to you: on this computer only, below {folder}. "
    "Nothing is sent anywhere.",
    "Kept are the recordings with their markers, the models fitted to you, their reports, and how far a "
    "session came; only this user can read them. bci-stream profile forget {name} removes all of it.",
    "It guesses a mood that was asked for, it does not know what you feel. It must not be used to judge "
    "people at work or in school.",
)


def now_iso() -> str:
    """The time that profiles and reports bear."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def wanted_streams(choice: StreamChoice, protocol: Protocol) -> StreamChoice:
    """Those streams only that the protocol records."""
    voice = AUDIO in protocol.modalities
    return replace(
        choice, want_eeg=EEG in protocol.modalities, want_audio=voice, mic=choice.mic if voice else None
    )


def open_calibration(
    store: ProfileStore,
    name: str,
    plan: Plan,
    streams: StreamChoice,
    wait_s: float,
    state: State | None,
) -> LiveCalibration:
    """Find the streams and open a recording for a session; ``state``: where an earlier one left off.

    Raises BciStreamError for what is not there or cannot be written.
    """
    import pylsl

    from calibration.live import LiveCalibration

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    path = store.path(name) / "recordings" / f"{name}-{stamp}.xdf"
    source, bindings = open_source(wanted_streams(streams, plan.protocol), wait_s)
    try:
        return LiveCalibration(plan, source, bindings, path, pylsl.local_clock, state=state)
    except BaseException:
        source.close()
        raise


def close_calibration(running: LiveCalibration) -> Path | None:
    """End it. Its recording; None if the protocol was not begun: then there is none to keep."""
    running.close()
    if running.begun:
        return running.path
    running.path.unlink(missing_ok=True)
    return None


def fit_person(
    store: ProfileStore,
    name: str,
    bundle: Path | None,
    recordings: list[Path],
    *,
    later: Sequence[Path] = (),
    settings: FinetuneSettings | None = None,
    report: Report = lambda what, share: None,
    watch: Watch = lambda tried: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Fit the base to the person's recordings and keep what came of it; the same bits whoever asked.

    Raises BciStreamError for recordings that do not serve, and when it was cancelled.
    """
    import torch

    from bci_stream.model.bundle import load_bundle
    from calibration.finetune import FinetuneSettings
    from calibration.outcome import calibrate_person

    torch.set_num_threads(1)  # equal bits, whatever the computer; and the trials are small
    base = load_bundle(bundle or DEMO_BUNDLE)
    return calibrate_person(
        store,
        name,
        base,
        recordings,
        created=now_iso(),
        later=later,
        settings=settings or FinetuneSettings(),
        report=report,
        watch=watch,
        cancelled=cancelled,
    )
