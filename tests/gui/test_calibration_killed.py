"""The guided calibration killed with SIGKILL: it offers to go on, and one trial at most is lost."""

import multiprocessing

import pytest

from apps.gui.options import GuiOptions
from apps.gui.viewmodels.calibration import Page
from calibration.journal import read_journal
from calibration.profile import ProfileStore
from tests.gui.guided import interrupted, options
from tests.gui.guided_process import PLACES, walk

PATIENCE_S = 240


@pytest.fixture(scope="module")
def processes():
    """Starts windows in processes of their own, from a server that has read the program already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.gui.guided_process", "calibration.outcome", "bci_stream.sources.lsl"]
    )
    return context


@pytest.fixture
def killed_at(processes, lsl_isolation):
    """Walks a new process to a place, and kills it there; gives what it told."""

    def go(asked, place):
        ours, theirs = processes.Pipe()
        window = GuiOptions(calibrate=True, calibration=asked, session_id=lsl_isolation, scope="machine")
        process = processes.Process(target=walk, args=(window, place, theirs))
        process.start()
        theirs.close()
        assert ours.poll(PATIENCE_S), f"it did not come to {place}"
        told = ours.recv()
        if place != "end":
            process.kill()
        process.join(PATIENCE_S)
        assert place != "end" or process.exitcode == 0
        return told

    return go


def go_through(killed_at, asked, places):
    """Killed at each place in turn; what was done before is there in the next process."""
    store, ended = ProfileStore(asked.profiles), None
    for place in places:
        before = store.names() != ()  # whether anybody has agreed
        told = killed_at(asked, place)
        assert told["offered"] is before
        if ended is not None and told["n_before"] is not None:
            assert told["n_before"] == ended  # all trials but the one that ran
        if told["n_before"] is not None:
            ended = told["n_ended"]
    assert read_journal(store, "anna") is None
    (model,) = store.load("anna").models
    return model


def test_it_goes_on_after_a_kill(killed_at, person, tmp_path):
    person("K", speech_share=0.7)
    asked = interrupted(tmp_path, Page.SESSION, 6)
    model = go_through(killed_at, asked, ("trial", "fit", "report", "end"))
    assert model.n_test in (
        2,
        3,
    )  # the trial of the kill is done again; where it was whole on disk, both count


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_goes_on_wherever_it_was_killed(killed_at, person, tmp_path):
    person("K", speech_share=0.7)
    asked = options(tmp_path, practice=1, baseline_s=0.5, rating="nine-point")
    model = go_through(killed_at, asked, PLACES)
    assert model.n_test == 2
