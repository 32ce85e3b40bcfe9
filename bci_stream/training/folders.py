"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bci_stream.errors import ResultError


def refuse_place(path: Path, replaceable: Callable[[Path], bool] | None = None) -> None:
    """Say now, before hours of work, that :func:`new_folder` would not take this place.

    Raises:
        ResultError: something else is there, or nothing can be made there.
    """
    _refuse_foreign(path, replaceable)
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise ResultError(f"cannot write {path}: {there} is no directory; choose another --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ResultError(f"cannot write {path}: {there} is not yours to write to; choose another --out")


@contextmanager
def new_folder(path: Path, *, replaceable: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """A temporary sibling to fill; it becomes ``path`` when the block ends, and vanishes if it fails.

    Args:
        path: absent, an empty folder, or one that ``replaceable`` agrees to replace.
        replaceable: says whether an existing folder is ours to replace.

    Raises:
        ResultError: something else is there, or the disk or its rights do not allow it.
    """
    _refuse_foreign(path, replaceable)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for the owner alone
        _refuse_foreign(path, replaceable)
        _swap(temporary, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, path: Path) -> None:
    """Rename; an earlier folder is set aside and comes back if that fails."""
    aside = temporary.with_name(temporary.name + "-before")
    if path.exists():
        os.rename(path, aside)
    try:
        os.rename(temporary, path)
    except OSError:
        if aside.exists():
            os.rename(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _refuse_foreign(path: Path, replaceable: Callable[[Path], bool] | None) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir() or path.is_symlink():
        raise ResultError(f"{path} exists and is no directory; choose another --out")
    if any(path.iterdir()) and not (replaceable is not None and replaceable(path)):
        raise ResultError(f"{path} exists and is not empty; choose another --out, or remove it")


def _cannot_write(path: Path, error: OSError) -> ResultError:
    reason = error.strerror or type(error).__name__
    return ResultError(f"cannot write {path}: {reason}; nothing was kept, free space or choose another --out")
