"""What the lines of the outputs mean. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from apps.gui.strings import tr
from apps.outputs import OutputChoice
from bci_stream.errors import ConfigError

_FILES = (".csv", ".jsonl")


def output_choice(texts: Mapping[str, str], folder: Path) -> OutputChoice:
    """The choice that ``publish``, ``osc``, ``ws`` and ``file`` make; empty lines ask for nothing.

    A file's name is taken in ``folder`` where it is not a whole path.

    Raises:
        ConfigError: an address is none, or a file is of no kind that can be written or is there already.
    """
    files: dict[str, Path] = {}
    if name := texts["file"]:
        path = folder / Path(name).expanduser()
        if path.suffix.lower() not in _FILES:
            words = tr("{name} is no output file: end its name in .csv or .jsonl")
            raise ConfigError(words.format(name=name))
        files[path.suffix.lower()] = path
    choice = OutputChoice(
        publish=texts["publish"] or None,
        osc=texts["osc"] or None,
        ws=texts["ws"] or None,
        csv=files.get(".csv"),
        jsonl=files.get(".jsonl"),
    )
    choice.check(has_model=True)
    return choice


def output_words(texts: Mapping[str, str]) -> str:
    """Where predictions will go, in one line; empty where nowhere."""
    ways = {"publish": tr("LSL as {}"), "osc": tr("OSC to {}"), "ws": tr("WebSocket at {}"), "file": tr("{}")}
    return ", ".join(words.format(texts[name]) for name, words in ways.items() if texts[name])
