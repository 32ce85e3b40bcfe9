"""Everything that can be done, in one table: the keys, the toolbar, the menu and the help are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that can be done. ``key``: Qt's word for the keys; ``group``: where the help lists it."""

    name: str
    key: str
    text: str
    tip: str
    group: str
    checkable: bool = False


DEEDS: Final = (
    Deed("start", "Ctrl+Return", "Start", "Start the session with what the start page says", "Session"),
    Deed("stop", "Ctrl+.", "Stop", "End the session and go back to the start page", "Session"),
    Deed("record", "Ctrl+R", "Record", "Begin or end a recording", "Session", True),
    Deed("mark", "M", "Marker", "Put a marker at this moment, with words", "Session"),
    Deed("mark1", "F2", "Marker 1", "Put the marker 'F2' at this moment, without asking", "Session"),
    Deed("mark2", "F3", "Marker 2", "Put the marker 'F3' at this moment, without asking", "Session"),
    Deed("mark3", "F4", "Marker 3", "Put the marker 'F4' at this moment, without asking", "Session"),
    Deed("wrong", "W", "Wrong", "The last 10 s were another emotion: say which", "Session"),
    Deed("swap", "Ctrl+B", "Swap model", "Try another bundle beside this one, then swap", "Session"),
    Deed("open", "Ctrl+O", "Open", "Open a recording (.xdf), or drop one on the window", "Session"),
    Deed("calibrate", "Ctrl+K", "Calibrate", "Guide a person through a calibration", "Session"),
    Deed("pause", "Space", "Pause", "Hold the picture; the engine and a recording go on", "Signals", True),
    Deed("back", "Left", "Back", "Look back by half a page", "Signals"),
    Deed("ahead", "Right", "Ahead", "Look ahead by half a page", "Signals"),
    Deed("now", "End", "Now", "Go on with what is now", "Signals"),
    Deed("louder", "+", "Larger", "Draw the EEG larger", "Signals"),
    Deed("quieter", "-", "Smaller", "Draw the EEG smaller", "Signals"),
    Deed("auto", "A", "Auto", "Choose the amplitude by the signal", "Signals", True),
    Deed("longer", "Shift+Up", "Longer", "A longer stretch of time: 2, 5, 10, 30 s", "Signals"),
    Deed("shorter", "Shift+Down", "Shorter", "A shorter stretch of time", "Signals"),
    Deed(
        "sweep",
        "S",
        "Sweep",
        "New signal overwrites the oldest in place, or all moves left",
        "Signals",
        True,
    ),
    Deed("filter", "F", "Filter", "The next display filter; what the model sees stays as it is", "Signals"),
    Deed("model_view", "V", "Model's view", "Show the EEG exactly as the model is given it", "Signals", True),
    Deed("next_channels", "PgDown", "Next channels", "Show the next channels", "Signals"),
    Deed("previous_channels", "PgUp", "Previous channels", "Show the channels before", "Signals"),
    Deed("show_all", "H", "Show all", "Show hidden channels again", "Signals"),
    Deed("play", "P", "Play", "Play or hold a recording", "Recording", True),
    Deed("seek_back", "Ctrl+Left", "5 s back", "Go 5 s back in a recording", "Recording"),
    Deed("seek_ahead", "Ctrl+Right", "5 s ahead", "Go 5 s ahead in a recording", "Recording"),
    Deed("faster", "]", "Faster", "Play a recording faster", "Recording"),
    Deed("slower", "[", "Slower", "Play a recording slower", "Recording"),
    Deed("loop", "L", "Loop", "Begin a recording again at its end", "Recording", True),
    Deed("theme", "T", "Theme", "Dark or light", "Window"),
    Deed("picture", "Ctrl+Shift+S", "Picture", "Save a picture of the window", "Window"),
    Deed("export", "Ctrl+E", "Export", "Save the signals on the screen (.npz or .csv)", "Window"),
    Deed("fullscreen", "F11", "Full screen", "Fill the screen", "Window", True),
    Deed("reset_layout", "Ctrl+0", "Reset layout", "Put every panel back in its place", "Window"),
    Deed("help", "?", "Keys", "Show all keys", "Window"),
    Deed("quit", "Ctrl+Q", "Quit", "Close the window; asks while recording", "Window"),
)

GROUPS: Final = ("Session", "Signals", "Recording", "Window")
TOOLBAR: Final = (
    ("start", "stop", "record", "mark", "wrong", "swap", "open", "calibrate"),
    ("pause", "louder", "quieter", "auto", "sweep", "model_view"),
    ("theme", "help"),
)


def deed(name: str) -> Deed:
    """The deed of that name."""
    return next(d for d in DEEDS if d.name == name)


def table() -> list[tuple[str, list[Deed]]]:
    """All of them by group, for the help."""
    return [(group, [d for d in DEEDS if d.group == group]) for group in GROUPS]
