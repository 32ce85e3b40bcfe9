"""A few hundred damaged files that are no recordings; ``python -m tests.fuzz.files`` reads thousands."""

import subprocess
import sys
from pathlib import Path

import pytest

from bci_stream.model.bundle import load_bundle
from benchmarks.reliability import malicious
from tests.fuzz.files import SHARES, bases, missed_flips, run
from tests.fuzz.files_mutations import mutate
from tests.fuzz.malicious import CASES, ENDLESS, Workshop, program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("sound")
        patch.setenv("BCI_STREAM_HOME", str(folder))
        yield folder, bases(folder)


def test_damaged_files_and_headers_are_read_or_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    report = run(60, 40, seed=7, limit_cpu_s=30.0)  # machines may be slow
    assert report.bad == []
    assert report.n >= 100
    assert report.outcomes["refused"] > 50
    assert report.outcomes["read"] > 2


def test_the_malicious_set_does_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    row = malicious.measure()
    assert row.figure.startswith("0 side effects or lapses in 45 cases"), row.line  # machines may be slow


def test_the_same_seed_makes_the_same_file(sound):
    for kind in (*SHARES, "header"):
        files = {mutate(kind, seed, sound[1][kind]) for seed in range(20)}
        assert len(files) > 10
        assert files == {mutate(kind, seed, sound[1][kind]) for seed in range(20)}


def test_flipped_bits_of_every_part_of_a_bundle_are_found(sound):
    """Of every byte by the command; every byte of a tiny archive in tests/model/test_archive.py."""
    n, missed = missed_flips(sound[0] / "sound.bci", step=61)
    assert missed == []
    assert n > 1000


@pytest.mark.parametrize("case", ["a program whose __setstate__ writes", "a program whose methods write"])
def test_the_traps_are_real_where_a_program_is_trusted(sound, tmp_path, case):
    """The same file with ``trust`` does what it would: so it is the refusal that keeps it from it."""
    shop = Workshop(sound[0] / "sound.bci", tmp_path)
    path = tmp_path / "evil.bci"
    path.write_bytes(CASES[case].make(shop))
    assert load_bundle(path).rebuilt
    assert sorted(tmp_path.iterdir()) == [path]
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from bci_stream.model.bundle import load_bundle\n"
        "from bci_stream.model.predictor import StreamingPredictor\n"
        "StreamingPredictor(load_bundle(sys.argv[1], trust=True))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, check=False)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_endless_program_is_endless_where_it_is_trusted(sound, tmp_path):
    shop = Workshop(sound[0] / "sound.bci", tmp_path)
    path = tmp_path / "endless.ts"
    path.write_bytes(program(shop, ENDLESS))
    code = "import sys, torch; print('loading', flush=True); torch.jit.load(sys.argv[1])"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "loading\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(3.0)
    child.kill()
    child.wait()
    child.stdout.close()


def test_foreign_programs_are_said_to_be_code(sound, tmp_path, monkeypatch):
    from tests.apps.command import here

    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path / "elsewhere"))
    for trust, said in (((), False), (("--trust",), True)):
        result = here(
            "replay", tmp_path / "none.xdf", "--bundle", sound[0] / "sound.bci", *trust, cwd=tmp_path
        )
        assert result.code == 2  # there is no recording, but the bundle is loaded first
        assert ("its TorchScript program is code that runs as you" in result.err) is said
