"""Networks whose every number is random, so that a term that is left out shows."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from bci_stream.model.bundle import Bundle, export_bundle, load_bundle
from bci_stream.model.contract import Contract, EegContract
from bci_stream.model.network import FusionNetwork, build_network

MakeContract = Callable[..., Contract]
MakeNetwork = Callable[[Contract], FusionNetwork]


@pytest.fixture(autouse=True, scope="session")
def _one_thread_and_own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)
    before = os.environ.get("BCI_STREAM_HOME")
    os.environ["BCI_STREAM_HOME"] = str(tmp_path_factory.mktemp("home"))
    yield
    os.environ.pop("BCI_STREAM_HOME")
    if before is not None:
        os.environ["BCI_STREAM_HOME"] = before


@pytest.fixture(scope="session")
def make_contract() -> MakeContract:
    def make(n_channels: int = 6, **fields: object) -> Contract:
        eeg = EegContract(channels=tuple(f"E{i}" for i in range(n_channels)))
        return Contract.model_validate({"eeg": eeg, **fields})

    return make


@pytest.fixture(scope="session")
def make_network() -> MakeNetwork:
    def make(contract: Contract) -> FusionNetwork:
        torch.manual_seed(1)
        network = build_network(contract)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
            for name, buffer in network.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_()
                elif name.endswith(("running_var", ".std")):
                    buffer.uniform_(0.5, 2.0)
        return network.eval()

    return make


@pytest.fixture(scope="session")
def bundle_path(
    make_contract: MakeContract, make_network: MakeNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "small.bci"
    contract = make_contract(metrics={"accuracy": 0.5}, created="2026-01-01T00:00:00Z")
    export_bundle(make_network(contract), contract, path)
    return path


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    return load_bundle(bundle_path)
