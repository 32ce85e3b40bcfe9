"""Somebody with the same name and ids takes the place of a headset that has died: what of it is accepted."""

from __future__ import annotations

from bci_stream.sources.lsl_config import configure_lsl, private_session
from benchmarks.reliability.outlets import can_rename, run_case
from benchmarks.reliability.row import Row, command

KINDS = ("host", "rate", "channels", "format", "labels", "description")


def measure(short: bool = False) -> Row:
    """Each change three times; ``short``: once."""
    session_id = private_session("impostor")
    configure_lsl(session_id)
    kinds = [kind for kind in KINDS if kind != "host" or can_rename()]
    cases = [run_case(session_id, kind, k) for k in range(1 if short else 3) for kind in kinds]
    wrongs = [f"{case.kind}: {wrong}" for case in cases for wrong in case.wrongs]
    n_false = sum(case.n_false for case in cases)
    figure = f"windows with a sample of the impostor: {n_false}, in {len(cases)} tries ({', '.join(kinds)})"
    goal = "0 samples accepted after a host or header change"
    return Row("impostor with the same ids", "; ".join((figure, *wrongs)), goal, not wrongs and n_false == 0)


if __name__ == "__main__":
    command(measure)
