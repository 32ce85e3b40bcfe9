"""Killed outlets, back as themselves or as others; the whole: `python -m benchmarks.reliability.outlets`."""

import pytest

from bci_stream.messages import EEG, Chunk
from bci_stream.sources.lsl import LslRequest, LslSource
from benchmarks.reliability.outlet_process import CHANGES, FALSE_MARK, Outlet, can_rename
from benchmarks.reliability.outlets import run_case
from tests.apps.live_session import wait_until

ELSEWHERE = pytest.mark.skipif(not can_rename(), reason="no UTS namespace can be made here (unshare -u)")
SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("same", "rate", "channels", "format")]


@pytest.mark.parametrize(
    "kind", ["labels", "description", "twin", pytest.param("host", marks=ELSEWHERE), *SLOW]
)
def test_only_the_stream_itself_is_taken_back_and_no_window_spans_the_gap(lsl_isolation, kind):
    assert kind in CHANGES
    assert run_case(lsl_isolation, kind, 900).wrongs == []


@ELSEWHERE
def test_a_stream_from_another_host_is_taken_when_the_user_agrees(lsl_isolation):
    header = {
        "name": "Moved", "source_id": "moved", "sfreq": 250.0, "dtype": "float32",
        "labels": ["Fz", "Cz", "Pz", "Oz"], "manufacturer": "Acme", "mark": 0.0,
    }  # fmt: skip
    first, moved = Outlet(lsl_isolation), Outlet(lsl_isolation, "somewhere-else")
    source = LslSource([LslRequest(EEG, "Moved")], resolve_s=60.0)
    try:
        first.send(header)
        source.open()
        assert not source.agree(EEG), "there is nothing to agree to"
        first.kill()
        moved.send(header | {"mark": FALSE_MARK})
        values = []

        def read(until):
            chunks = [event for event in source.read({EEG: 0.02}, 0.05) if isinstance(event, Chunk)]
            values.extend(value for chunk in chunks for value in chunk.data[:, 0].tolist())
            return until()

        wait_until(lambda: read(lambda: source.status()[EEG].can_agree), 60.0)
        assert "hostname" in source.status()[EEG].note
        assert max(values, default=0.0) < FALSE_MARK / 2
        assert source.agree(EEG)
        wait_until(lambda: read(lambda: max(values, default=0.0) > FALSE_MARK / 2), 60.0)
        assert source.status()[EEG].state == "live"
        assert source.status()[EEG].n_reconnects == 1
    finally:
        source.close()
        first.kill()
        moved.kill()
