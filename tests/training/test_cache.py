"""The second time is quick, what changed is made again, and nothing is half there."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bci_stream.errors import CorpusError
from bci_stream.training import cache as cache_module
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.generator import GeneratedCorpus
from bci_stream.training.trials import Trial


class Files:
    """A corpus of one-second trials, one .npy file each."""

    name, description, generated = "files", "test files", False
    classes, ch_names = ("a", "b"), ("Fz", "Cz")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read = 0

    @property
    def people(self):
        return tuple(sorted(path.name for path in self.root.iterdir()))

    def files(self, person):
        return sorted((self.root / person).glob("*.npy"))

    def trials(self, person):
        for i, path in enumerate(self.files(person)):
            self.read += 1
            eeg = np.load(path)
            yield Trial(person, i, "ab"[i % 2], eeg=eeg, eeg_sfreq=250.0, source=str(path))

    def digest(self):
        return "1"


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for person in ("p1", "p2"):
        (tmp_path / "corpus" / person).mkdir(parents=True)
        for i in range(2):
            np.save(
                tmp_path / "corpus" / person / f"{i}.npy", rng.standard_normal((500, 2)).astype(np.float32)
            )
    return Files(tmp_path / "corpus")


@pytest.fixture
def contract(make_recipe):
    return replace(make_recipe(), modalities=("eeg",)).contract(("a", "b"), ("Fz", "Cz"))


def digests(prepared):
    return [session.digest() for session in prepared.sessions]


def test_the_second_time_nothing_is_read_and_all_is_equal(files, contract, tmp_path):
    first = prepare_corpus(files, contract, tmp_path / "cache")
    assert files.read == 4
    second = prepare_corpus(files, contract, tmp_path / "cache")
    assert files.read == 4
    assert digests(first) == digests(second)
    assert (first.sha256, first.source_sha256) == (second.sha256, second.source_sha256)


def test_sessions_are_mapped_not_read(files, contract, tmp_path):
    session = prepare_corpus(files, contract, tmp_path / "cache").sessions[0]
    array = session.parts["eeg"].features
    while array.base is not None and not isinstance(array, np.memmap):
        array = array.base
    assert isinstance(array, np.memmap)


def test_a_changed_file_is_prepared_again_and_its_neighbours_are_not(files, contract, tmp_path):
    first = prepare_corpus(files, contract, tmp_path / "cache")
    np.save(files.root / "p2" / "1.npy", np.ones((500, 2), np.float32))
    second = prepare_corpus(files, contract, tmp_path / "cache")
    assert files.read == 4 + 2
    assert digests(first)[:2] == digests(second)[:2]
    assert digests(first)[3] != digests(second)[3]
    assert first.source_sha256 != second.source_sha256


def test_another_preprocessing_is_another_entry_of_the_same_source(files, contract, tmp_path):
    first = prepare_corpus(files, contract, tmp_path / "cache")
    unaligned = contract.model_copy(update={"eeg": contract.eeg.model_copy(update={"alignment": "none"})})
    second = prepare_corpus(files, unaligned, tmp_path / "cache")
    assert files.read == 8
    assert first.sha256 != second.sha256
    assert first.source_sha256 == second.source_sha256


def test_a_cut_off_list_of_hashes_is_made_again(files, contract, tmp_path):
    prepare_corpus(files, contract, tmp_path / "cache")
    (hashes,) = (tmp_path / "cache").rglob("file-hashes.json")
    hashes.write_text(hashes.read_text()[:20])
    prepare_corpus(files, contract, tmp_path / "cache")
    assert files.read == 4
    assert len(json.loads(hashes.read_text())) == 4


def test_a_corpus_that_fails_leaves_nothing_half_there(files, contract, tmp_path, monkeypatch):
    (files.root / "p1" / "1.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"."):
        prepare_corpus(files, contract, tmp_path / "cache")
    assert [p for p in (tmp_path / "cache" / "sessions").iterdir() if p.is_dir()] == []


def test_a_missing_file_is_one_line(files, contract, tmp_path):
    files.files = lambda person: [files.root / person / "none.npy"]
    with pytest.raises(CorpusError, match=r"none\.npy cannot be read"):
        prepare_corpus(files, contract, tmp_path / "cache")


_FULL = """
import resource, sys
from pathlib import Path
from bci_stream.errors import CorpusError
from bci_stream.training.cache import prepare_corpus
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings
from bci_stream.training.recipe import Recipe
corpus = GeneratedCorpus(GeneratorSettings(n_people=1, n_trials=5, trial_s=2.0))
contract = Recipe(window_s=2.0).contract(corpus.classes, corpus.ch_names)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    prepare_corpus(corpus, contract, Path(sys.argv[1]))
except CorpusError as error:
    print(error)
"""


def test_a_full_disk_is_one_line_and_nothing_half_written(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.startswith(f"cannot use the cache {tmp_path}/sessions")
    assert [path for path in (tmp_path / "sessions").iterdir() if path.is_dir()] == []


def test_the_cache_lies_where_it_is_told_to(monkeypatch, tmp_path):
    monkeypatch.setenv("BCI_STREAM_CACHE", str(tmp_path))
    assert cache_module.cache_folder() == tmp_path


def test_generated_people_are_told_apart_by_their_settings(corpus, prepared, make_recipe, cache):
    other = GeneratedCorpus(replace(corpus.settings, seed=99))
    again = prepare_corpus(
        other, make_recipe().contract(corpus.classes, corpus.ch_names), cache, people=other.people[:1]
    )
    assert again.sessions[0].digest() != prepared.sessions[0].digest()
