"""A model as one file: contract, weights and TorchScript program, verified before use.

A program is code, so one from elsewhere is not run: the network is built from the contract and the weights
with this package's own code, and scripted here. ``torch.jit`` lives in this file alone, so that a second
runtime can stand beside it.
"""

from __future__ import annotations

import io
import platform
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from bci_stream import __version__
from bci_stream.errors import BundleCorruptError, BundleError, BundleMismatchError, place_of
from bci_stream.model.archive import (
    CONTRACT,
    PROGRAM,
    WEIGHTS,
    check_version,
    pack,
    parse_json,
    read_sealed,
    sha256_hex,
    store_zip,
    unpack,
    write_atomically,
)
from bci_stream.model.contract import Contract, Temperatures
from bci_stream.model.network import METHODS, FusionNetwork, build_network
from bci_stream.model.proof import differences
from bci_stream.model.trust import is_trusted, trust_bundle

Program = Any  #: a frozen torch.jit.ScriptModule; torch does not type its methods


@dataclass(frozen=True)
class Bundle:
    """A verified model.

    ``rebuilt``: the program was made here from the weights, not taken from the file. ``made_here``: the file
    is known by its hash.
    """

    contract: Contract
    network: FusionNetwork
    program: Program
    sha256: str
    path: Path
    rebuilt: bool
    made_here: bool = False


class Check(NamedTuple):
    """One line of ``bundle verify``."""

    name: str
    passed: bool
    detail: str


def make_program(network: FusionNetwork) -> Program:
    """Script and freeze a network for inference; its weights become constants of the program."""
    scripted = torch.jit.script(network.eval())
    return torch.jit.freeze(scripted, preserved_attrs=list(METHODS), optimize_numerics=False)


def export_bundle(network: FusionNetwork, contract: Contract, path: str | Path) -> str:
    """Write ``network`` as a bundle; return the file's sha256, which is trusted on this computer from now on.

    The contract's temperatures and versions are filled in from the network and from this computer.

    Raises:
        BundleMismatchError: the network is not the one that the contract describes.
        BundleError: the scripted program does not give the network's own outputs.
    """
    path = Path(path)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    contract = _complete(contract, network.head_names, weights["temperatures"])
    try:
        fresh = restore_network(contract, weights)
    except ValueError as error:
        raise BundleMismatchError(f"cannot export {path}: contract and network disagree, {error}") from error
    program = make_program(fresh)
    wrong = differences(fresh, program, contract, tolerance=0.0)
    if wrong:
        raise BundleError(f"cannot export {path}: the scripted program differs in {', '.join(wrong)}")
    parts = {
        CONTRACT: contract.model_dump_json(indent=1).encode(),
        WEIGHTS: safetensors.torch.save(weights),
        PROGRAM: program_bytes(program),
    }
    data = pack(parts)
    write_atomically(path, data)
    trust_bundle(sha256_hex(data))
    return sha256_hex(data)


def _complete(contract: Contract, heads: tuple[str, ...], temperatures: Tensor) -> Contract:
    fused, *others = temperatures.tolist()
    versions = {
        "bci_stream": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
    }
    tempered = Temperatures(fused=fused, heads=dict(zip(heads, others, strict=True)))
    filled = {"temperatures": tempered, "versions": versions}
    return contract.model_copy(update=filled)


def program_bytes(program: Program) -> bytes:
    """Serialise a program without its debug records, which name files of this computer."""
    buffer = io.BytesIO()
    torch.jit.save(program, buffer)
    with zipfile.ZipFile(buffer) as archive:
        kept = [name for name in archive.namelist() if not name.endswith(".debug_pkl")]
        return store_zip({name: archive.read(name) for name in kept})


def restore_network(contract: Contract, weights: dict[str, Tensor]) -> FusionNetwork:
    """Build the network that ``contract`` describes and give it ``weights``; ready for inference.

    Raises:
        ValueError: a weight is missing, unknown, of another shape or type, or not finite.
    """
    with torch.random.fork_rng(devices=[]):  # the random start is overwritten; leave the caller's alone
        network = build_network(contract)
    expected = network.state_dict()
    if set(expected) != set(weights):
        raise ValueError(f"weights differ by name: {', '.join(sorted(set(expected) ^ set(weights)))[:120]}")
    for name, tensor in sorted(weights.items()):
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            found, asked = f"{tuple(tensor.shape)} {tensor.dtype}", f"{tuple(wanted.shape)} {wanted.dtype}"
            raise ValueError(f"{name} is {found}, expected {asked}")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} is not finite")
    if weights["temperatures"].tolist() != expected["temperatures"].tolist():
        raise ValueError("temperatures differ from the contract's")
    network.load_state_dict(weights)
    return network.eval()


def load_bundle(path: str | Path, *, trust: bool = False) -> Bundle:
    """Read and verify a bundle.

    Its own program is run only if it was exported here, by this version of torch, or if ``trust`` is set;
    otherwise the program is rebuilt from the weights.

    Raises:
        BundleCorruptError: missing, truncated, altered, of another format version, or not consistent.
    """
    path = Path(path)
    data = read_sealed(path)
    parts = unpack(data, path)
    contract = read_contract(parts[CONTRACT], path)
    network = _read_weights(parts[WEIGHTS], contract, path)
    sha256 = sha256_hex(data)
    made_here = is_trusted(sha256)
    run_shipped = trust or (made_here and contract.versions.get("torch") == version("torch"))
    program = _load_program(parts[PROGRAM], path) if run_shipped else make_program(network)
    return Bundle(contract, network, program, sha256, path, rebuilt=not run_shipped, made_here=made_here)


def read_contract(data: bytes, path: Path) -> Contract:
    """Parse and check ``contract.json``.

    Raises:
        BundleCorruptError: it is of another version, or a field is missing, unknown or out of range.
    """
    check_version(parse_json(data, CONTRACT, path), CONTRACT, path)
    try:
        return Contract.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = place_of(first["loc"], "contract")
        raise BundleCorruptError(
            f"bundle {path}: {where} in {CONTRACT}: {first['msg'][:200]}; export it again"
        ) from error


def _read_weights(data: bytes, contract: Contract, path: Path) -> FusionNetwork:
    try:
        return restore_network(contract, safetensors.torch.load(data))
    except (SafetensorError, ValueError) as error:
        raise BundleCorruptError(f"bundle {path}: {WEIGHTS}: {error}; export it again") from error


def _load_program(data: bytes, path: Path) -> Program:
    try:
        program: Program = torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise BundleCorruptError(f"bundle {path}: {PROGRAM} cannot be loaded; export it again") from error
    missing = [name for name in METHODS if not hasattr(program, name)]
    if missing:
        raise BundleCorruptError(f"bundle {path}: {PROGRAM} has no {', '.join(missing)}; export it again")
    return program


def verify_bundle(path: str | Path, *, trust: bool = False) -> list[Check]:
    """Check a bundle as far as it goes; the last check of a bad one says what is wrong."""
    try:
        bundle = load_bundle(path, trust=trust)
    except BundleError as error:
        return [Check("bundle", passed=False, detail=str(error))]
    checks = [
        Check("seal and parts", passed=True, detail=f"sha256 {bundle.sha256}"),
        Check("contract", passed=True, detail=f"format version {bundle.contract.format_version}"),
        Check("weights", passed=True, detail=f"{count_parameters(bundle.network)} parameters, all finite"),
    ]
    if bundle.rebuilt:
        return [
            *checks,
            Check("program", passed=True, detail="not made here: rebuilt from the weights, not run"),
        ]
    wrong = differences(bundle.network, bundle.program, bundle.contract, tolerance=1e-6)
    detail = f"differs from the weights in {', '.join(wrong)}" if wrong else "gives what the weights give"
    return [*checks, Check("program", passed=not wrong, detail=detail)]


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """What ``bundle info`` shows: the contract, the sizes, the hash, and which program would run."""
    network = bundle.network
    sizes = {**network.encoders, "fusion": network.fusion, "classifier": network.classifier}
    return {
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "program": "rebuilt from the weights" if bundle.rebuilt else "as shipped",
        "parameters": {name: count_parameters(part) for name, part in sizes.items()}
        | {"total": count_parameters(network)},
        "contract": bundle.contract.model_dump(mode="json"),
    }


def count_parameters(module: torch.nn.Module) -> int:
    """Trainable numbers in ``module``."""
    return sum(parameter.numel() for parameter in module.parameters())
