"""A few hundred damaged recordings; ``python -m tests.fuzz.xdf`` reads ten thousand."""

import pytest

from bci_stream.messages import ClockOffset
from bci_stream.sources.xdf import XdfRecording
from tests.fuzz import mutations
from tests.fuzz.xdf import run


def test_damaged_files_and_bombs_are_read_or_refused_in_one_line():
    report = run(120, seed=7, reals=False, largest=1.2e6, limit_cpu_s=30.0)  # machines may be slow
    assert report.bad == []
    assert report.n > 130
    assert report.outcomes["read"] > 90
    assert report.outcomes["RecordingError"] > 2
    assert report.n_shielded > 40


def test_the_same_seed_makes_the_same_file():
    pieces = [mutations.Piece(4, 6, 3, b"\1\0\0\0"), mutations.Piece(1, 6, 6, b"\1\0\0\0")]
    for seed in range(40):
        assert mutations.mutate(seed, pieces) == mutations.mutate(seed, pieces)


def counts(path):
    with XdfRecording.open(path) as recording:
        found = dict.fromkeys((info.key for info in recording.streams), 0)
        for block in recording.blocks(dict.fromkeys(found, 1000)):
            if not isinstance(block, ClockOffset):
                found[block.key] += len(block.timestamps)
        return found, recording.warnings


@pytest.mark.parametrize("length", [0, 1, 60, 200, 1 << 20, (1 << 32) - 1])
def test_a_wrong_length_costs_nothing_but_a_line(tmp_path, length):
    """The samples' number and flags tell where a chunk ends; no other stream, no boundary is needed."""
    from tests.fuzz.bombs import chunk, header

    stamps = b"".join(b"\0" + bytes([k, 0]) for k in range(20))
    one = chunk(3, b"\1\0\0\0\4\24\0\0\0" + stamps)
    other = chunk(3, b"\2\0\0\0\4\24\0\0\0" + stamps)
    broken = one[:1] + length.to_bytes(4, "little") + one[5:]
    path = tmp_path / "x.xdf"
    heads = header(1, 1, "int16") + header(2, 1, "int16")
    path.write_bytes(b"XDF:" + heads + one + broken + other + one + other)
    found, warnings = counts(path)
    assert found["2"] == 40
    # A length of 0 or 1 is no chunk at all, so that chunk alone is lost.
    assert found["1"] == (60 if length > 1 else 40)
    assert len(warnings) == 1
