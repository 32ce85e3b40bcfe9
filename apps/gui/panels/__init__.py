"""The panels around the signals. Each is made with a theme and has ``show_frame`` and ``set_theme``."""

from apps.gui.panels.health_panel import HealthPanel
from apps.gui.panels.log_panel import EventLogPanel
from apps.gui.panels.prediction_panel import PredictionPanel

__all__ = ["EventLogPanel", "HealthPanel", "PredictionPanel"]
