"""What every test shares: LSL traffic that stays within this run."""

import os
from collections.abc import Iterator

import pytest

from bci_stream.sources.lsl_config import configure_lsl, lsl_config_text, private_session
from tests.virtual_mic import virtual_mic

__all__ = ["lsl_isolation", "virtual_mic"]


@pytest.fixture(scope="session", autouse=True)
def lsl_isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A lab session of its own for this process, its children and other copies of liblsl; gives its id."""
    session_id = private_session("test")
    configure_lsl(session_id)
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    # With the scope "machine" alone, liblsl 1.17 (in LabRecorder) finds one outlet of several, or none.
    path.write_text(lsl_config_text(session_id))
    before = os.environ.get("LSLAPICFG")
    os.environ["LSLAPICFG"] = str(path)
    yield session_id
    if before is None:
        del os.environ["LSLAPICFG"]
    else:
        os.environ["LSLAPICFG"] = before


# What runs against the clock (LSL, sound, windows, processes) goes one after the other on one worker;
# everything else shares the other cores, file by file.
_AGAINST_THE_CLOCK = {"apps", "benchmarks", "examples", "gui", "interop", "peers", "sinks", "sources"}
_ONLY_COMPUTES = {
    "apps/test_compare.py",
    "apps/test_evaluate.py",
    "apps/test_search_commands.py",
    "apps/test_training_commands.py",
    "sources/test_simulator.py",
    "sources/test_xdf_recording.py",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say which tests may not run beside each other (`pytest -n auto --dist loadgroup`)."""
    root = config.rootpath / "tests"
    for item in items:
        place = item.path.relative_to(root)
        live = place.parts[0] in _AGAINST_THE_CLOCK or "live" in place.stem
        alone = live and place.as_posix() not in _ONLY_COMPUTES
        item.add_marker(pytest.mark.xdist_group("live" if alone else place.as_posix()))
