import json

import pytest

from apps import compare
from apps.console import out
from bci_stream.errors import ConfigError, ResultError
from bci_stream.training.planted import Plant, write_planted


@pytest.fixture
def paths(tmp_path):
    return write_planted(tmp_path, Plant(n_people=24, n_trials=50, effect=0.12), 0)


def test_the_table_names_every_pair_and_the_protocol(paths, capsys, monkeypatch):
    monkeypatch.setattr(out, "width", 200)
    compare.run(paths)
    said = capsys.readouterr().out
    assert "planted is better" in said
    assert said.count("test people never seen") == 2
    assert "generated: no claim about people" in said


def test_json_is_one_line_for_programs(paths, capsys):
    compare.run(paths, as_json=True)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    found = json.loads(said)
    assert found["n_people"] == 24
    assert [pair["verdict"] for pair in found["pairs"]].count("planted is better") == 2


def test_a_report_is_written_where_asked(paths, tmp_path, capsys):
    compare.run(paths, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").exists()
    assert "report.html" in capsys.readouterr().err


def test_a_missing_directory_is_said_before_anything_is_printed(paths, tmp_path, capsys):
    with pytest.raises(ResultError, match="nowhere"):
        compare.run([paths[0], tmp_path / "nowhere"])
    assert capsys.readouterr().out == ""


def test_the_self_test_says_what_it_found(capsys):
    compare.self_test(2, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["studies"] == 2
    assert found["found"] == 2
    with pytest.raises(ConfigError, match="1 or more"):
        compare.self_test(0)
