"""The rows of docs/RELIABILITY.md in their short versions."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.reliability import __main__ as runner
from benchmarks.reliability import isolation
from benchmarks.reliability.row import Row

PAGE = Path(__file__).parents[2] / "docs" / "RELIABILITY.md"


@pytest.fixture(autouse=True)
def one_lsl_session(lsl_isolation):
    isolation.use(lsl_isolation)


@pytest.mark.parametrize("name", ["soak", "machine", "drift", "gaps", "loss", "bursts", "stamps"])
def test_a_row_in_virtual_time_meets_its_goal(name):
    row = import_module(f"benchmarks.reliability.{name}").measure(True)
    assert row.met, row.line


@pytest.mark.parametrize("name", ["sigstop", "starved", pytest.param("replayed", marks=pytest.mark.slow)])
def test_a_row_over_real_lsl_meets_its_goal(name):
    row = import_module(f"benchmarks.reliability.{name}").measure(True)
    assert row.met, row.line


def test_the_page_gets_its_lines_in_order_and_keeps_the_others():
    page = f"before\n{runner.BEGIN}\n| a |\n|---|\n{runner.END}\nafter\n"
    for name in ("gaps", "soak", "drift"):
        page = runner.with_line(page, name, runner.line_of(Row(name, "1", "2", True), name, "today"))
    again = runner.with_line(page, "gaps", runner.line_of(Row("gaps", "9|9", "2", False), "gaps", "today"))
    lines = again.splitlines()[4:7]
    assert [line.split("|")[1].strip() for line in lines] == ["soak", "drift", "gaps"]
    assert "9/9" in lines[2]
    assert "**no**" in lines[2]
    assert again.startswith("before\n")
    assert again.endswith("after\n")


def test_the_page_has_a_place_for_the_table():
    text = PAGE.read_text(encoding="utf-8")
    assert runner.BEGIN in text
    assert runner.END in text
