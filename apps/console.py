"""How the commands talk: results to stdout, everything else to stderr, one clear line for an error."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str, console: Console = err) -> None:
    """One line of information, to stderr unless told otherwise."""
    console.print(escape(text))


def warn(text: str, console: Console = err) -> None:
    """One line of warning, to stderr unless told otherwise."""
    console.print(f"[yellow]warning:[/] {escape(text)}")


def fail(text: str) -> None:
    """The one line of an error, to stderr."""
    err.print(f"[red]error:[/] {escape(' '.join(text.split()))}")


def write_line(text: str) -> None:
    """One line of data to stdout, unformatted."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
