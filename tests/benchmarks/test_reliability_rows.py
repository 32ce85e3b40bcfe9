"""The rows of docs/RELIABILITY.md in their short versions."""

from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["drift", "gaps", "loss", "bursts", "stamps"])
def test_a_row_in_virtual_time_meets_its_goal(name):
    row = import_module(f"benchmarks.reliability.{name}").measure(True)
    assert row.met, row.line
