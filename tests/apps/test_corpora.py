"""Which corpus a folder is, told by what lies in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.corpora import open_corpus
from bci_stream.errors import ConfigError, CorpusError
from tests.training.test_xdf_trials import write_recording


@pytest.mark.parametrize(
    ("places", "people"),
    [(("ann/1.xdf", "ann/2.xdf", "ben/1.xdf"), ("ann", "ben")), (("ann.xdf", "ben.xdf"), ("ann", "ben"))],
)
def test_a_folder_of_ones_own_sessions_is_a_corpus(
    tmp_path: Path, places: tuple[str, ...], people: tuple[str, ...]
) -> None:
    for place in places:
        write_recording(tmp_path / place)
    corpus = open_corpus(str(tmp_path))
    assert corpus.people == people
    assert corpus.classes == ("anger", "calm")
    assert not corpus.generated


def test_people_of_ones_own_sessions_cannot_be_chosen_and_that_is_said(tmp_path: Path) -> None:
    write_recording(tmp_path / "ann.xdf")
    with pytest.raises(ConfigError, match="--subjects"):
        open_corpus(str(tmp_path), subjects="1")


def test_a_folder_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(ConfigError, match=r"thesis\.docx"):
        open_corpus(str(tmp_path))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nowhere"):
        open_corpus(str(tmp_path / "nowhere"))
