"""Outputs are asked for on the start page, checked while they are typed, and used."""

import json
import socket

import pytest

from apps.gui.output_form import OutputForm
from apps.gui.viewmodels.outputs import output_choice, output_words
from bci_stream.errors import ConfigError
from tests.gui.conftest import PATIENCE_MS

NOTHING = {"publish": "", "osc": "", "ws": "", "file": ""}


def test_empty_lines_ask_for_nothing(tmp_path):
    choice = output_choice(NOTHING, tmp_path)
    assert (choice.publish, choice.osc, choice.ws, choice.csv, choice.jsonl) == (None,) * 5
    assert output_words(NOTHING) == ""


@pytest.mark.parametrize(("name", "kind"), [("a.csv", "csv"), ("b.JSONL", "jsonl")])
def test_a_files_name_says_its_kind_and_it_lies_in_the_folder(tmp_path, name, kind):
    assert getattr(output_choice({**NOTHING, "file": name}, tmp_path), kind) == tmp_path / name


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        ("file", "a.txt", "end its name in .csv or .jsonl"),
        ("file", "there.csv", "there.csv"),
        ("osc", "nowhere", "--osc"),
        ("ws", "x", "--ws"),
    ],
)
def test_what_cannot_be_is_said_beside_the_line(qtbot, tmp_path, line, text, words):
    (tmp_path / "there.csv").write_text("mine")
    form = OutputForm(lambda name, otherwise: otherwise, lambda: tmp_path)
    qtbot.addWidget(form)
    getattr(form, line).setText(text)
    assert words in form.check.text()
    with pytest.raises(ConfigError, match=words):
        form.choice()
    getattr(form, line).setText("")
    assert not form.check.isVisibleTo(form)


def test_predictions_go_where_the_page_says(qtbot, window, person, tmp_path):
    person("Out")
    main = window()
    page = main.start_page
    page.folder.setText(str(tmp_path))
    page.outputs.file.setText("said.jsonl")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(PATIENCE_MS / 1e3)
        page.outputs.osc.setText(f"127.0.0.1:{ear.getsockname()[1]}")
        qtbot.waitUntil(lambda: page.stream_choice() is not None, timeout=PATIENCE_MS)
        qtbot.waitUntil(lambda: "OutEEG" in page.eeg.currentText(), timeout=PATIENCE_MS)
        page.start()
        assert b"/bci/prediction" in ear.recv(4096)
    main.close_now()
    lines = (tmp_path / "said.jsonl").read_text().splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)
