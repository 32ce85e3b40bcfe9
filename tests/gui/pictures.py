"""Pictures of every panel, to be looked at: ``python -m tests.gui.pictures FOLDER``.

Each panel in both themes, small as in a window of 1366x768, and larger; ``--scale 2`` as on a 4K screen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if "--scale" in sys.argv:
    os.environ["QT_SCALE_FACTOR"] = sys.argv[sys.argv.index("--scale") + 1]

from pyqtgraph.Qt import QtWidgets

from apps.gui import panels, theme
from tests.gui.frames import session

SIZES = {
    "PredictionPanel": {"small": (424, 330), "tall": (424, 660), "large": (760, 900), "flat": (1000, 190)},
    "WeightsPanel": {"small": (424, 330), "tall": (424, 660), "large": (760, 900), "flat": (1000, 220)},
    "HealthPanel": {"small": (683, 150), "narrow": (424, 330), "large": (1100, 260)},
    "EventLogPanel": {"small": (683, 150), "large": (1100, 300)},
}


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    app = QtWidgets.QApplication([])
    frame = session()
    for chosen in (theme.DARK, theme.LIGHT):
        theme.apply(app, chosen)
        for name, sizes in SIZES.items():
            if not hasattr(panels, name):
                continue
            for size_name, size in sizes.items():
                panel = getattr(panels, name)(chosen)
                panel.set_theme(chosen)
                panel.resize(*size)
                panel.show()
                panel.show_frame(frame)
                app.processEvents()
                panel.grab().save(str(folder / f"{name}-{chosen.name}-{size_name}.png"))
                panel.close()


if __name__ == "__main__":
    main()
