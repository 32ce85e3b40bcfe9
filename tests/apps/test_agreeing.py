"""What is typed while a session runs."""

import io
import os

import pytest

from apps.agreeing import Agreeing


class Source:
    """A source with one stream that may be agreed to."""

    def __init__(self):
        self.asked = []

    def agree(self, role):
        self.asked.append(role)
        return role == "eeg"


@pytest.fixture
def typed(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading) as ear, os.fdopen(writing, "w") as file:
        monkeypatch.setattr("sys.stdin", ear)
        yield file


def test_a_typed_line_agrees_and_nothing_is_waited_for(typed, capsys):
    source = Source()
    others = []
    agreeing = Agreeing(source, others.append)
    agreeing.look()
    assert source.asked == []
    assert "type `agree eeg`" in agreeing.offer("eeg", "'Cap' came back changed")
    assert agreeing.offer("eeg", "again") == ""
    typed.write("hello\nagree eeg\nagree audio\n")
    typed.flush()
    for _ in range(3):
        agreeing.look()
    assert source.asked == ["eeg", "audio"]
    assert others == ["hello"]
    told = capsys.readouterr().err
    assert "eeg: taken as it is now" in told
    assert "audio: there is nothing to agree to" in told
    typed.close()
    agreeing.look()
    agreeing.look()


def test_without_an_input_nothing_is_read(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("agree eeg\n"))
    source = Source()
    agreeing = Agreeing(source)
    agreeing.look()
    assert source.asked == []
    assert agreeing.offer("eeg", "x") == ""
