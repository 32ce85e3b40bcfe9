"""YAML from people, read with care: bounded, plain data only, and every complaint in one line.

No tags, no anchors and aliases (with which a small file becomes a huge one), no key twice, and no
more nodes and depth than a file of settings has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bci_stream.errors import ConfigError

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 12

Place = tuple[str | int, ...]

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and at which line each place in it begins (from 1)."""

    where: str
    data: Any
    lines: dict[Place, int] = field(repr=False)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: Path) -> Document:
    """One YAML file. Raises ConfigError, naming file and line, for anything but plain bounded data."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(f"{path} has {size} bytes, a file of devices has at most {MAX_BYTES}")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})") from error
    return parse_document(text, str(path))


def parse_document(text: str, where: str) -> Document:
    """The same from text; ``where`` names it in errors."""
    with _in_one_line(where):
        _check_events(text, where)
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise ConfigError(f"{where} is empty: it begins with version: 1 and devices:")
        lines: dict[Place, int] = {}
        _walk(node, (), lines, where)
        return Document(where, _load(text), lines)


def one_line(text: str, most: int) -> str:
    """A text of somebody else's for a line of ours: no line ends, and not for ever."""
    shown = " ".join(text.split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def plain_data(text: str, where: str) -> Any:
    """What a YAML text holds, checked for size, depth, anchors and tags first. Raises ConfigError."""
    with _in_one_line(where):
        _check_events(text, where)
        return _load(text)


def _load(text: str) -> Any:
    return yaml.safe_load(text) if _Loader is yaml.SafeLoader else yaml.load(text, Loader=_Loader)


@contextmanager
def _in_one_line(where: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        words = str(error.problem or error)[:200]
        raise ConfigError(f"{where} line {line}: not readable YAML ({words})") from error
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).splitlines()[0][:200]
        raise ConfigError(f"{where}: not readable YAML ({first})") from error


def _check_events(text: str, where: str) -> None:
    """Refuse what could grow or run, before anything is built of it."""
    depth = n_nodes = n_documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        n_documents += isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConfigError(f"{where} line {line}: anchors (&) and aliases (*) are not read: write it out")
        if (tag := getattr(event, "tag", None)) is not None:
            raise ConfigError(f"{where} line {line}: the tag {tag} is not read: plain data only")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        n_nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH or n_nodes > MAX_NODES or n_documents > 1:
            raise ConfigError(
                f"{where} line {line}: more than one document, {MAX_NODES} values or {MAX_DEPTH} levels: "
                "no file of settings has that"
            )


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], where: str) -> None:
    """Note every place's line; refuse a key that is no text or comes twice."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for i, child in enumerate(node.value):
            _walk(child, (*place, i), lines, where)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise ConfigError(f"{where} line {line}: a key must be text; put it in quotes")
            inner = (*place, key.value)
            if inner in lines:
                name = one_line(".".join(map(str, inner)), 80)
                raise ConfigError(
                    f"{where} line {line}: {name} is there twice, first in line {lines[inner]}: rename one"
                )
            lines[inner] = line
            _walk(child, inner, lines, where)
