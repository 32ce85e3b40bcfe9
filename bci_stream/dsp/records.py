"""Layout of what the artifact kernel remembers of a channel, and of the limits it works with."""

from __future__ import annotations

import numpy as np

CHANNEL_STATE = np.dtype(
    [
        ("mean", np.float64),
        ("fast_mean", np.float64),
        ("previous", np.float64),
        ("step_power", np.float64),
        ("anchor", np.float64),  # value at which the flat run began
        ("high", np.float64),
        ("low", np.float64),
        ("flat_run", np.int64),
        ("same_run", np.int64),
        ("railed", np.int64),
        ("neighbour", np.int64),  # the sample before was finite
        ("started", np.int64),
    ]
)

LIMITS = np.dtype(
    [
        (name, np.float64)
        for name in (
            "range_uv",
            "jump_uv2",
            "jump_ratio2",
            "flat_uv",
            "flat_relative",
            "flat_samples",
            "rail_low_uv",
            "rail_high_uv",
            "rail_distance_uv",
            "line_share",
            "line_floor_uv2",
            "mean_gain",
            "fast_gain",
            "step_gain",
            "extreme_gain",
            "line_gain",
        )
    ]
)
