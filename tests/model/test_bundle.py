import hashlib
import json
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.errors import BundleCorruptError, BundleMismatchError
from bci_stream.model.archive import pack, read_sealed, sha256_hex, unpack
from bci_stream.model.bundle import (
    describe_bundle,
    export_bundle,
    load_bundle,
    make_program,
    program_bytes,
    verify_bundle,
)
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.model.proof import differences
from bci_stream.model.trust import trust_bundle


@pytest.fixture
def parts(bundle_path):
    return unpack(read_sealed(bundle_path), bundle_path)


@pytest.fixture
def write(tmp_path):
    def write_parts(parts):
        path = tmp_path / "made.bci"
        path.write_bytes(pack(parts))
        return path

    return write_parts


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another computer: nothing is trusted there."""
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path / "elsewhere"))


def with_contract(parts, **changes):
    contract = json.loads(parts["contract.json"]) | changes
    return parts | {"contract.json": json.dumps(contract).encode()}


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_round_trip_gives_the_same_network_and_contract(mode, make_contract, make_network, tmp_path):
    contract = make_contract(fusion=mode, hop_s=0.4, classes=("low", "high"))
    network, path = make_network(contract), tmp_path / "a.bci"
    sha256 = export_bundle(network, contract, path)
    bundle = load_bundle(path)
    assert bundle.sha256 == sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not bundle.rebuilt
    written = bundle.contract.model_copy(update={"versions": {}, "temperatures": contract.temperatures})
    assert written == contract
    assert bundle.contract.versions["torch"] == torch.__version__
    assert differences(network, bundle.program, contract, tolerance=0.0) == []
    assert differences(network, bundle.network, contract, tolerance=0.0) == []


def test_elsewhere_it_is_rebuilt_and_gives_the_same(bundle, bundle_path, elsewhere):
    foreign = load_bundle(bundle_path)
    assert foreign.rebuilt
    assert differences(foreign.program, bundle.program, bundle.contract, tolerance=1e-6) == []
    assert not load_bundle(bundle_path, trust=True).rebuilt


def test_program_of_another_torch_is_rebuilt(parts, write):
    path = write(with_contract(parts, versions={"torch": "1.0"}))
    trust_bundle(sha256_hex(path.read_bytes()))
    assert load_bundle(path).rebuilt


def test_foreign_program_is_not_even_parsed(parts, write):
    path = write(parts | {"program.ts": b"\x80\x04 not a program"})
    assert load_bundle(path).rebuilt
    with pytest.raises(BundleCorruptError, match=r"program\.ts cannot be loaded"):
        load_bundle(path, trust=True)


def test_program_without_the_methods_is_refused(parts, write):
    program = torch.jit.script(torch.nn.Linear(2, 2).eval())
    with pytest.raises(BundleCorruptError, match=r"program\.ts has no encode"):
        load_bundle(write(parts | {"program.ts": program_bytes(program)}), trust=True)


def test_verify_finds_a_program_that_is_not_of_these_weights(bundle, bundle_path, parts, write, make_network):
    assert all(check.passed for check in verify_bundle(bundle_path))
    other = make_network(bundle.contract)
    with torch.no_grad():
        other.classifier[-1].bias += 0.01
    checks = verify_bundle(write(parts | {"program.ts": program_bytes(make_program(other))}), trust=True)
    assert [check.name for check in checks if not check.passed] == ["program"]
    assert "differs from the weights in logits" in checks[-1].detail


def test_verify_says_what_is_wrong_instead_of_raising(tmp_path):
    (check,) = verify_bundle(tmp_path / "none.bci")
    assert not check.passed
    assert "cannot be read" in check.detail


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found(bundle_path, tmp_path_factory, share, bit):
    whole = bytearray(bundle_path.read_bytes())
    whole[int(share * len(whole))] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / "a.bci"
    path.write_bytes(whole)
    with pytest.raises(BundleCorruptError):
        load_bundle(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99999])
def test_truncation_is_found(bundle_path, tmp_path, share):
    whole, path = bundle_path.read_bytes(), tmp_path / "a.bci"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BundleCorruptError):
        load_bundle(path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format_version": 1, "whatever": 1}, "format version 1, this bci_stream reads 2"),
        ({"format_version": None}, "format version None"),
        ({"colour": "red"}, "colour in contract.json: Extra inputs"),
        ({"window_s": 0.5}, "window_s in contract.json"),
        ({"eeg": {"channels": ["Cz"], "sfreq": 128}}, "eeg in contract.json"),
        ({"classes": ["a", "b"]}, "bias is (5,) torch.float32, expected (2,) torch.float32"),
        ({"fusion": "late"}, "weights differ by name"),
        ({"temperatures": {"fused": 2.0}}, "temperatures differ"),
    ],
)
def test_contract_that_does_not_fit_is_refused_in_one_line(parts, write, changes, complaint):
    with pytest.raises(BundleCorruptError) as caught:
        load_bundle(write(with_contract(parts, **changes)))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_refused(parts, write):
    weights = safetensors.torch.load(parts["weights.safetensors"])
    short = {name: tensor for name, tensor in weights.items() if name != "heads.eeg.bias"}
    nan = weights | {"heads.eeg.bias": torch.full((5,), torch.nan)}
    half = weights | {"heads.eeg.bias": torch.zeros(5, dtype=torch.float16)}
    for wrong, complaint in (
        (short, "differ by name: heads.eeg.bias"),
        (nan, "not finite"),
        (half, "float32"),
    ):
        with pytest.raises(BundleCorruptError, match=complaint):
            load_bundle(write(parts | {"weights.safetensors": safetensors.torch.save(wrong)}))


class _Opens:
    """What a pickle runs when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


def test_pickled_weights_are_refused_and_not_run(parts, write, tmp_path):
    evil = pickle.dumps(_Opens(tmp_path / "ran"))
    with pytest.raises(BundleCorruptError, match="weights"):
        load_bundle(write(parts | {"weights.safetensors": evil}))
    assert not (tmp_path / "ran").exists()


def test_export_refuses_a_network_of_another_contract(bundle, make_contract, make_network, tmp_path):
    path = tmp_path / "a.bci"
    for other in (
        make_contract(n_channels=7),
        make_contract(classes=("a", "b")),
        make_contract(fusion="late"),
    ):
        with pytest.raises(BundleMismatchError, match="contract and network disagree"):
            export_bundle(bundle.network, other, path)
    assert not path.exists()


def test_export_leaves_the_network_and_the_random_state_alone(make_contract, make_network, tmp_path):
    contract = make_contract()
    network = make_network(contract).train()
    before, weights = torch.random.get_rng_state(), {k: v.clone() for k, v in network.state_dict().items()}
    export_bundle(network, contract, tmp_path / "a.bci")
    load_bundle(tmp_path / "a.bci")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert network.training
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())


def test_export_takes_the_temperatures_from_the_network(make_contract, make_network, tmp_path):
    contract = make_contract(fusion="late")
    network = make_network(contract)
    network.temperatures.copy_(torch.tensor([1.0, 1.7, 2.3]))
    export_bundle(network, contract, tmp_path / "a.bci")
    bundle = load_bundle(tmp_path / "a.bci")
    assert bundle.contract.temperatures.in_order(network.head_names) == network.temperatures.tolist()
    assert torch.equal(bundle.network.temperatures, network.temperatures)


def test_file_is_small_and_names_nothing_of_this_computer(make_contract, make_network, tmp_path):
    contract = make_contract(n_channels=32)
    export_bundle(make_network(contract), contract, tmp_path / "a.bci")
    data = (tmp_path / "a.bci").read_bytes()
    assert len(data) < 2_100_000  # weights twice: as data and in the program
    assert str(Path(__file__).parents[2]).encode() not in data
    assert str(tmp_path).encode() not in data


def test_description_says_what_it_is(bundle):
    found = describe_bundle(bundle)
    assert json.loads(json.dumps(found)) == found
    assert found["sha256"] == bundle.sha256
    assert found["program"] == "as shipped"
    assert found["contract"]["metrics"] == {"accuracy": 0.5}
    counts = found["parameters"]
    assert counts["total"] == sum(n for name, n in counts.items() if name != "total") + 2 * (128 * 5 + 5)
