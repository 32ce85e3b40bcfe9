"""What ``bci-stream gui`` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from apps.choice import ModelChoice, StreamChoice
from apps.gui.viewmodels.calibration import GuideOptions


@dataclass(frozen=True, slots=True)
class GuiOptions:
    """The command's options, checked by the parser for type only.

    ``demo``: begin with a simulated person. ``replay``: begin with a recording. ``calibrate``: begin with a
    calibration, of which ``calibration`` says how. ``screenshot``: save a
    picture after ``seconds`` and end.
    """

    demo: bool = False
    replay: Path | None = None
    calibrate: bool = False
    calibration: GuideOptions = field(default_factory=GuideOptions)
    screenshot: Path | None = None
    seconds: float | None = None
    theme: str | None = None
    size: tuple[int, int] = (1366, 768)
    streams: StreamChoice = field(default_factory=StreamChoice)
    model: ModelChoice = field(default_factory=ModelChoice)
    scope: str | None = None
    session_id: str | None = None
