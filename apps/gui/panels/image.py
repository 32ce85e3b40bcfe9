"""A matrix as a picture: values through a table of colours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyqtgraph.Qt import QtGui

from apps.gui.palette import colour_table


@lru_cache(maxsize=16)
def _table(stops: tuple[str, ...]) -> NDArray[np.uint32]:
    return colour_table(stops)


def image_of(values: NDArray[np.float64], low: float, high: float, stops: tuple[str, ...], none: str) -> Any:
    """A QImage of ``values`` (rows from the top) from ``low`` to ``high``; ``none``: colour of NaN."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    good = np.isfinite(share)
    colours = _table(stops)[np.where(good, share * 255, 0).round().astype(np.intp)]
    pixels = np.where(good, colours, np.uint32(0xFF000000 | int(none[1:], 16))).astype(np.uint32)
    height, width = pixels.shape
    image = QtGui.QImage(pixels.tobytes(), width, height, 4 * width, QtGui.QImage.Format.Format_RGB32)
    return image.copy()  # its own memory
