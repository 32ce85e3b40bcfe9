"""A virtual microphone for tests: see :mod:`benchmarks.virtual_mic`."""

import pytest

from benchmarks.virtual_mic import VirtualMic, missing


@pytest.fixture
def virtual_mic(tmp_path_factory, monkeypatch):
    """The daemon, and this process and its children talking to it."""
    if lacking := missing():
        pytest.skip(f"no virtual microphone: {lacking}")
    mic = VirtualMic(tmp_path_factory.mktemp("pulse"))
    monkeypatch.setenv("PULSE_SERVER", mic.server)
    monkeypatch.delenv("PULSE_SOURCE", raising=False)
    yield mic
    mic.close()
