"""Numbers for people. No Qt."""

from __future__ import annotations

import math

from apps.gui.strings import tr

NOTHING = "\u2013"  #: a dash, where a figure is not known


def clock_words(t_s: float) -> str:
    """A time of the session: 1:05, or 1:02:03 from an hour on."""
    if not math.isfinite(t_s):
        return NOTHING
    sign, whole = ("-" if t_s < -0.5 else ""), abs(round(t_s))
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{sign}{hours}:{minutes:02}:{seconds:02}" if hours else f"{sign}{minutes}:{seconds:02}"


def duration_words(seconds: float) -> str:
    """A length of time, with no more digits than matter."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.0f} h"


def age_words(seconds: float) -> str:
    """How old something is; steady enough to be read while it changes."""
    if seconds < 1.0:
        return f"{max(0.0, seconds) * 1e3:.0f} ms"
    return duration_words(seconds)


def share_words(share: float, digits: int = 0) -> str:
    """A share as per cent."""
    return f"{share:.{digits}%}".replace("%", " %") if math.isfinite(share) else NOTHING


def size_words(n_bytes: float) -> str:
    """A number of bytes."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return tr("{n} bytes").format(n=f"{n_bytes:.0f}")


def figure(value: float, unit: str, digits: int = 1, *, signed: bool = False) -> str:
    """A number with its unit, or a dash."""
    if not math.isfinite(value):
        return NOTHING
    value = round(value, digits) + 0.0  # no minus before nothing
    return f"{value:{'+' if signed and value else ''}.{digits}f} {unit}".rstrip()
