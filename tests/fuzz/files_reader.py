"""The child of the fuzz runner for all that is no recording: reads each as the product does and tells.

One request a line, ``KIND PATH``; a profile's name is the content of its file.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.live_ledger import Ledger
from bci_stream.devices import Catalogue, load_catalogue
from bci_stream.devices.catalogue import read_profiles
from bci_stream.errors import BciStreamError
from bci_stream.messages import EEG
from bci_stream.model.bundle import load_bundle
from bci_stream.sources.binding import bind_audio, bind_eeg, find_stream, looks_like_audio
from bci_stream.sources.lsl_identity import differences, match
from bci_stream.sources.lsl_link import MAX_BUFFER_BYTES, buffer_length, check_bounds, sample_bytes
from bci_stream.sources.metadata import MAX_CHANNELS, MAX_SFREQ_HZ, parse_stream_info
from bci_stream.training.recipe import read_recipe
from calibration.profile import ProfileStore, check_name
from calibration.protocol import load_protocol
from tests.fuzz.peak import forget_peak, peak_mb
from tests.fuzz.reader import _say

READERS: dict[str, Callable[[Path], Any]] = {}


def reads(kind: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """What reads files of a kind."""

    def keep(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        READERS[kind] = read
        return read

    return keep


READERS["bundle"] = load_bundle
READERS["devices"] = read_profiles
READERS["protocol"] = load_protocol
READERS["recipe"] = read_recipe
READERS["ledger"] = Ledger


@reads("profile")
def _profile(path: Path) -> None:
    folder = Path("profiles") / "P1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.json").write_bytes(path.read_bytes())
    ProfileStore(Path("profiles")).load("P1")


@reads("archive")
def _archive(path: Path) -> None:
    store = ProfileStore(Path("imported"))
    profile = store.import_from(path)
    store.forget(profile.name)


@reads("name")
def _name(path: Path) -> None:
    name = path.read_bytes().decode("utf-8", "surrogateescape")
    folder = ProfileStore(Path("profiles").resolve()).path(check_name(name))
    assert folder.parent == Path("profiles").resolve()


@reads("header")
def _header(path: Path) -> None:
    """What a header goes through before and after an inlet is made of it."""
    info = parse_stream_info(path.read_bytes(), key="k")
    assert 1 <= info.n_channels <= MAX_CHANNELS
    assert 0 <= info.sfreq <= MAX_SFREQ_HZ
    check_bounds(info)
    n_rows = buffer_length(info) * (info.sfreq or 100)
    assert n_rows * sample_bytes(info) <= max(MAX_BUFFER_BYTES, info.sfreq * sample_bytes(info))
    assert not differences(info, info)
    assert match(info, [info]).info is info
    assert match(info, [info, info]).info is None
    catalogue = _catalogue()
    other = replace(info, key="other", uid="other", name="Other", source_id="other")
    if info.name not in ("", "Other"):  # whatever is in a name, it is that stream's and no other's
        assert find_stream([other, info], EEG, info.name, catalogue) is info
    found = find_stream([info], EEG, info.name or None, catalogue)
    bind = bind_audio if looks_like_audio(found) else bind_eeg
    binding = bind(found, match=catalogue.match(found))
    if info.dtype != "string":
        assert binding.convert(np.zeros((2, info.n_channels), np.float32)).dtype == np.float32


@lru_cache
def _catalogue() -> Catalogue:
    return load_catalogue()


def read(kind: str, path: Path) -> dict[str, Any]:
    """How one file fared."""
    began_s, lines, outcome = time.process_time(), [], "read"
    try:
        READERS[kind](path)
    except BciStreamError as error:
        outcome, lines = "refused", [str(error)]
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        outcome, lines = "crashed", [f"{type(error).__name__}: {error}"[:300]]
    return {"outcome": outcome, "lines": lines, "cpu_s": time.process_time() - began_s}


def main() -> None:
    """Answer one line for each request on standard input."""
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*torch.jit.*")
    os.chdir(sys.argv[1])
    for kind, path in (pair.split("=", 1) for pair in sys.argv[2:]):
        read(kind, Path(path))  # loads and compiles what is loaded and compiled once
    _say({"ready": True})
    for line in sys.stdin:
        kind, _, path = line.rstrip("\n").partition(" ")
        forget_peak()
        before_mb = peak_mb()
        answer = read(kind, Path(path))
        _say(
            answer | {"mb": peak_mb() - before_mb}
        )  # TorchScript keeps what it ever compiled: not this file's


if __name__ == "__main__":
    main()
