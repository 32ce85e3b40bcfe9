"""Which panels there are, where they stand, and how often they are drawn."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.gui.theme import Theme


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """``make`` gives a widget with ``show_frame(frame)`` and ``set_theme(theme)``."""

    name: str
    title: str
    area: str
    every_s: float
    make: Callable[[Theme], Any]


_TABLE = (
    ("predictions", "Predictions", "PredictionPanel", "right", 0.1),
    ("weights", "Weights", "WeightsPanel", "right", 0.5),
    ("health", "Health", "HealthPanel", "bottom", 0.25),
    ("log", "Events", "EventLogPanel", "bottom", 0.25),
)


def panel_specs() -> list[PanelSpec]:
    """The panels that are installed."""
    specs = []
    for name, title, class_name, area, every_s in _TABLE:
        try:
            make = getattr(importlib.import_module("apps.gui.panels"), class_name)
        except (ModuleNotFoundError, AttributeError):
            continue
        specs.append(PanelSpec(name, title, area, every_s, make))
    return specs
