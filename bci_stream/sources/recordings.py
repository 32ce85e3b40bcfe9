"""Every recording behind one face: XDF, MNE's formats and CSV are replayed, exported and trained on alike.

A recording gives streams, blocks of raw samples in the order of time, and clock offsets; what has one clock
only says so by one offset of 0. Nothing that reads a :class:`Recording` knows which kind of file it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from bci_stream.errors import RecordingError
from bci_stream.messages import ClockOffset, StreamInfo, TimeArray
from bci_stream.sources.xdf_recording import SampleBlock, StreamSummary, XdfRecording

__all__ = ["SESSION_SUFFIXES", "SUFFIXES", "Recording", "find_sessions", "open_recording"]

XDF_SUFFIXES: Final = (".xdf",)
MNE_SUFFIXES: Final = (".fif", ".fif.gz", ".edf", ".bdf", ".gdf", ".set", ".vhdr")
CSV_SUFFIXES: Final = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
SUFFIXES: Final = XDF_SUFFIXES + MNE_SUFFIXES + CSV_SUFFIXES
SESSION_SUFFIXES: Final = (
    XDF_SUFFIXES + MNE_SUFFIXES + (".csv", ".csv.gz")
)  #: a folder of sessions holds these


class Recording(Protocol):
    """An open recording; see :class:`~bci_stream.sources.xdf_recording.XdfRecording` for each member.

    ``n_bytes``: where :attr:`SampleBlock.position` ends, for a progress bar.
    """

    path: str
    n_bytes: int

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The header of every stream."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that is damaged, assumed or left out."""

    def summary(self, key: str) -> StreamSummary:
        """What it holds of one stream."""

    def clock_offsets(self, key: str) -> tuple[TimeArray, TimeArray]:
        """Remote times and offsets (s) of a stream."""

    def local_time(self, key: str, stamp: float) -> float:
        """A stamp on the local clock, good to about a millisecond."""

    def samples_come_first(self, key: str) -> bool:
        """Whether samples of a stream come before its first clock offset."""

    def stamp_beside(self, key: str, other: str) -> float:
        """The stamp of ``key`` that was written next before the first sample of ``other``."""

    def measure_sfreq(self, key: str) -> float:
        """A stream's rate (Hz), from its stamps where it has its own."""

    def blocks(self, max_samples: Mapping[str, int]) -> Iterator[SampleBlock | ClockOffset]:
        """Samples and clock offsets of some streams, in order; blocks of at most so many samples."""

    def close(self) -> None:
        """Let the file go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def find_sessions(folder: Path) -> list[Path]:
    """The recordings of a folder that can be trained on, by name; not those of folders in it."""
    return sorted(path for path in folder.glob("*") if path.name.lower().endswith(SESSION_SUFFIXES))


def open_recording(path: str | PathLike[str]) -> Recording:
    """Open a recording of any kind; the name's ending tells which.

    Raises:
        RecordingError: an unknown ending, or a file that cannot be read as what it says it is.
        ConfigError: it needs MNE, which is not installed.
    """
    name = fspath(path).lower()
    if name.endswith(MNE_SUFFIXES):
        from bci_stream.sources.mne_file import MneRecording

        return MneRecording.open(path)
    if name.endswith(CSV_SUFFIXES):
        from bci_stream.sources.csv_file import CsvRecording

        return CsvRecording.open(path)
    if name.endswith(XDF_SUFFIXES) or _begins_as_xdf(path):
        return XdfRecording.open(path)
    raise RecordingError(
        f"cannot read recording {fspath(path)}: its name ends in none of {', '.join(SUFFIXES)}"
    )


def _begins_as_xdf(path: str | PathLike[str]) -> bool:
    """Whether a file of another name is XDF all the same; a missing one counts, to be named as missing."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"XDF:"
    except OSError:
        return True
