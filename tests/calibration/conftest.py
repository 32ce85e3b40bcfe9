"""A simulated person's calibration, and what the live pipeline makes of it."""

import pytest
import torch
from simulated_calibration import BUNDLE, record

from bci_stream.model.bundle import load_bundle
from calibration.trials import read_trials


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def base():
    return load_bundle(BUNDLE)


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    return record(tmp_path_factory.mktemp("calibration") / "anna.xdf")


@pytest.fixture(scope="session")
def trials(recording, base):
    return read_trials([recording], "anna", base.contract)
