"""The panels around the signals. Each is made with a theme and has ``show_frame`` and ``set_theme``."""

from apps.gui.panels.health_panel import HealthPanel
from apps.gui.panels.log_panel import EventLogPanel
from apps.gui.panels.prediction_panel import PredictionPanel
from apps.gui.panels.weights_panel import WeightsPanel

__all__ = ["EventLogPanel", "HealthPanel", "PredictionPanel", "WeightsPanel"]
