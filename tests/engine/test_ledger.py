"""The ledger's lines: what goes in comes out, and nothing of them can be changed unseen."""

import io
from dataclasses import replace

import numpy as np
import pytest

from bci_stream.engine.ledger import (
    BUNDLE,
    INTERVAL,
    LOGITS,
    VERSION,
    LedgerEnd,
    LedgerHeader,
    Sealer,
    difference,
    entry_of,
    read_records,
)
from bci_stream.errors import LedgerError
from bci_stream.messages import Latency
from tests.sinks.sink_outcomes import make_prediction, make_window

HEADER = LedgerHeader(version=VERSION, settings={"hop_s": "0.2", "roles": "eeg"}, libraries={"torch": "2"})


def entry(window=None, **changes):
    return entry_of(window or make_window(), make_prediction(**changes), 1.0, "ab12")


def ledger():
    sealer = Sealer()
    records = [HEADER, entry(), entry(make_window(1), logits=(float("nan"), 1 / 3)), LedgerEnd(n_windows=2)]
    return records, b"".join(map(sealer.line, records))


def read(data):
    return list(read_records(io.BytesIO(data), "x"))


def test_what_goes_in_comes_out():
    records, data = ledger()
    assert repr(read(data)) == repr(records)
    assert difference(records[2], read(data)[2]) == []


def test_every_changed_bit_and_every_missing_line_is_found():
    _, data = ledger()
    for at in range(len(data) - 1):  # but for the last line's end, without which it is a cut line
        spoilt = bytearray(data)
        spoilt[at] ^= 1 << (at % 7)
        with pytest.raises(LedgerError):
            read(bytes(spoilt))
    lines = data.splitlines(keepends=True)
    for left_out in range(len(lines) - 1):
        with pytest.raises(LedgerError):
            read(b"".join(lines[:left_out] + lines[left_out + 1 :]))
    with pytest.raises(LedgerError):
        read(b"".join([lines[0], lines[2], lines[1], lines[3]]))


@pytest.mark.parametrize("n_bytes", [1, 100, 900])
def test_a_cut_last_line_is_left_out(n_bytes):
    records, data = ledger()
    cut = data[:-n_bytes]
    n_whole = cut.count(b"\n")
    assert repr(read(cut)) == repr(records[:n_whole])


def test_another_version_is_told_by_name():
    line = Sealer().line(HEADER.model_copy(update={"version": 99}))
    with pytest.raises(LedgerError, match="version 99"):
        read(line)


def test_each_part_of_a_window_is_compared():
    window = make_window()
    eeg = window.streams["eeg"]
    data, mask, marks = eeg.data.copy(), eeg.mask.copy(), eeg.marks.copy()
    data[-1, 2] = np.nextafter(data[-1, 2], np.float32(2))
    mask[-5] ^= 1
    marks[-1, 0] ^= 1

    def changed(**fields):
        return difference(entry(), entry(replace(window, streams={"eeg": replace(eeg, **fields)})), ["eeg"])

    assert changed(data=data) == ["input of eeg"]
    assert changed(mask=mask) == ["mask of eeg"]
    assert changed(marks=marks) == ["mask of eeg"]
    assert difference(entry(), entry(make_window(1))) == [INTERVAL]
    assert difference(entry(), entry(replace(window, deadline=not window.deadline))) == [INTERVAL]
    assert difference(entry(), entry(bundle_sha256="cd34", logits=(1.0,))) == [BUNDLE, LOGITS]
    assert difference(entry(), entry(latency=Latency(algorithmic_s=9.0))) == []
    assert difference(entry(), entry_of(window, None, 1.0, "ab12")) == [], "one that was skipped says nothing"


def test_samples_before_the_newest_hop_are_an_earlier_windows():
    window = make_window()
    eeg = window.streams["eeg"]
    data = eeg.data.copy()
    data[4] += 1  # the newest second is rows 5 to 9
    assert difference(entry(), entry(replace(window, streams={"eeg": replace(eeg, data=data)}))) == []
