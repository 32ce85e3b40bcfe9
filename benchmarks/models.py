"""The model family: what a window and a hop cost live, and how many windows a second training gets through.

All networks are of the size that is shipped, for 30 electrodes, with random weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bci_stream.model.allocator import keep_freed_memory
from bci_stream.model.bundle import Bundle, Program, make_program
from bci_stream.model.contract import Architecture, Contract
from bci_stream.model.eeg_fronts import EEG_FRONTS
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.model.network import FusionNetwork, build_network
from bci_stream.model.predictor import StreamingPredictor
from bci_stream.training.batches import Prepared
from bci_stream.training.evaluate import encode_parts
from bci_stream.training.recipe import N_TAPS
from benchmarks.report import Cell, Report, Table

N_CHANNELS, BATCH, CACHED_BATCH, N_THREADS = 30, 32, 256, 2
WHOLE_GOAL_MS, HOP_GOAL_MS = 2.5, 1.2
EXTRACT_GOAL, TUNE_GOAL, CACHED_GOAL = 1500.0, 300.0, 20_000.0  # windows of 5 s a second
CACHE_NOTE = "training caches aligned EEG or its band powers, and log-mel frames"

Step = Callable[[], object]


@dataclass(frozen=True)
class ModelOptions:
    """``seconds``: for each figure, about. ``modes``, ``fronts``: of the networks."""

    seconds: float = 2.0
    modes: Sequence[str] = FUSION_MODES
    fronts: Sequence[str] = EEG_FRONTS


def run(options: ModelOptions) -> Report:
    """Time live use on one thread, training on two."""
    keep_freed_memory()  # as every command does
    report = Report()
    with threads(1):
        report.tables.append(_live(options, report.figures))
    with threads(N_THREADS):
        report.tables.append(_extraction(options, report.figures))
        report.tables.append(_training(options, report.figures))
    return report


@contextmanager
def threads(n: int) -> Iterator[None]:
    """That many for torch, and the same as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def contract_of(mode: str, front: str) -> Contract:
    """Both modalities, the normalisation that goes with the front end."""
    return Contract.model_validate(
        {
            "eeg": {
                "channels": tuple(f"E{i}" for i in range(N_CHANNELS)),
                "normalization": "running" if front == "bandpower" else "none",
            },
            "audio": {"normalization": "running"},
            "fusion": mode,
            "architecture": Architecture.model_validate({"eeg_front": front, "n_taps": N_TAPS[front]}),
        }
    )


def _network(mode: str, front: str) -> FusionNetwork:
    torch.manual_seed(0)
    return build_network(contract_of(mode, front))


def _signals(n_batch: int, n_tokens: int = 25) -> tuple[list[Tensor], list[Tensor], Tensor]:
    inputs = [
        20 * torch.randn(n_batch, N_CHANNELS, 25 * n_tokens),
        0.1 * torch.randn(n_batch, 3200 * n_tokens),
    ]
    return inputs, [torch.ones(n_batch, x.shape[-1]) for x in inputs], torch.ones(n_batch, 2)


def _times_s(step: Step, seconds: float) -> np.ndarray:  # type: ignore[type-arg]
    """What each call took, after a few to warm up."""
    for _ in range(4):
        step()
    costs, end_s = [], time.perf_counter() + seconds
    while time.perf_counter() < end_s or len(costs) < 3:
        began_s = time.perf_counter()
        step()
        costs.append(time.perf_counter() - began_s)
    return np.array(costs)


def _live(options: ModelOptions, figures: dict[str, object]) -> Table:
    rows: list[list[Cell]] = []
    _live_ms(options.modes[0], options.fronts[0], options.seconds / 4)  # the first is slow: not counted
    for mode in options.modes:
        for front in options.fronts:
            found = _live_ms(mode, front, options.seconds)
            rows.append([f"{mode}, {front}", *found])
            figures[f"live {mode} {front}"] = found
    rows.append(["goal: at most", WHOLE_GOAL_MS, None, HOP_GOAL_MS, None, HOP_GOAL_MS])
    return Table(
        "A whole window of 5 s, and one hop more of 0.2 s: both encoders and the fusion, ms",
        ("fusion, EEG front end", "window p50", "p99", "hop p50", "p99", "program alone p50"),
        rows,
        (
            f"scripted, batch 1, one thread, {N_CHANNELS} electrodes",
            "a hop is what the predictor takes; the program's part of it: two calls to encode, one to fuse",
        ),
    )


def _live_ms(mode: str, front: str, seconds: float) -> list[float]:
    contract, network = contract_of(mode, front), _network(mode, front).eval()
    program = make_program(network)
    predictor = StreamingPredictor(Bundle(contract, network, program, "", Path("random.bci"), rebuilt=True))
    stretch = _signals(1)
    rng = np.random.default_rng(0)
    eeg = (20 * rng.standard_normal((25, N_CHANNELS))).astype(np.float32)
    audio, good = (0.1 * rng.standard_normal(3200)).astype(np.float32), np.ones(3200, np.float32)

    @torch.inference_mode()
    def whole() -> object:
        return program(*stretch)

    def hop() -> object:
        predictor.push(eeg, good[:25], audio, good)
        return predictor.predict()

    found: list[float] = []
    for step in (whole, hop):
        costs_ms = _times_s(step, seconds) * 1e3
        found += [float(np.percentile(costs_ms, q)) for q in (50, 99)]
    return [*found, float(np.median(_times_s(_program_hop(program), seconds))) * 1e3]


def _program_hop(program: Program) -> Step:
    """One token of each modality encoded, and a window fused, without what the predictor does around it."""
    inputs, valid, presence = _signals(1, n_tokens=1)
    tokens, there = [torch.randn(1, 25, 128) for _ in inputs], [torch.ones(1, 25) for _ in inputs]
    states = [program.initial_state(i, 1) for i in range(len(inputs))]

    @torch.inference_mode()
    def step() -> object:
        for i, state in enumerate(states):
            _, _, states[i] = program.encode(i, inputs[i], valid[i], state)
        return program.fuse_plain(tokens, there, presence)

    return step


def _extraction(options: ModelOptions, figures: dict[str, object]) -> Table:
    """Tokens in evaluation, from samples and from what training caches of them."""
    rows: list[list[Cell]] = []
    for front in options.fronts:
        network = _network("concat", front).eval()
        steps = (_from_samples(network), _from_cache(network, front))
        rates = [BATCH / float(np.median(_times_s(step, options.seconds))) for step in steps]
        rows.append([front, *rates])
        figures[f"tokens {front}"] = rates
    rows.append(["goal: at least", None, EXTRACT_GOAL])
    return Table(
        "Tokens of both encoders, windows of 5 s a second",
        ("EEG front end", "from samples", "from the cache"),
        rows,
        (f"eager, batch {BATCH}, {N_THREADS} threads; {CACHE_NOTE}",),
    )


def _from_samples(network: FusionNetwork) -> Step:
    inputs, valid, _ = _signals(BATCH)

    @torch.inference_mode()
    def extract() -> None:
        for i in range(2):
            network.encode(i, inputs[i], valid[i], network.initial_state(i, BATCH))

    return extract


def _from_cache(network: FusionNetwork, front: str) -> Step:
    parts = _prepared(front)

    @torch.inference_mode()
    def extract() -> None:
        encode_parts(network, parts)

    return extract


def _training(options: ModelOptions, figures: dict[str, object]) -> Table:
    """A step of the optimiser: everything, and only what comes after cached tokens."""
    rows: list[list[Cell]] = []
    for mode in options.modes:
        rates = [_tune_rate(mode, front, options.seconds) for front in options.fronts]
        rates.append(_cached_rate(mode, options.seconds))
        rows.append([mode, *rates])
        figures[f"training {mode}"] = rates
    goals = [TUNE_GOAL if front == "learned" else None for front in options.fronts]
    rows.append(["goal: at least", *goals, CACHED_GOAL])
    columns = [f"all, {front}" for front in options.fronts]
    return Table(
        "Training: forward, backward, AdamW; windows of 5 s a second",
        ("fusion", *columns, "cached tokens"),
        rows,
        (
            f"eager, {N_THREADS} threads, batch {BATCH}, of cached tokens {CACHED_BATCH}",
            f"'all' and its encoders: {CACHE_NOTE}",
        ),
    )


def _tune_rate(mode: str, front: str, seconds: float) -> float:
    network = _network(mode, front).train()
    parts, labels = _prepared(front), torch.arange(BATCH) % 5
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

    def step() -> None:
        tokens = encode_parts(network, parts)
        _learn(network, optimizer, list(tokens.tokens), list(tokens.there), labels)

    return BATCH / float(np.median(_times_s(step, seconds)))


def _prepared(front: str) -> dict[str, Prepared]:
    """A batch as training feeds it: one modality after the other, features, validity, tokens that count."""
    there = torch.ones(BATCH, 25)
    if front == "learned":
        eeg = Prepared(20 * torch.randn(BATCH, 25, 25, N_CHANNELS), torch.ones(BATCH, 25, 25), there)
    else:
        eeg = Prepared(torch.randn(BATCH, 25, 5 * N_CHANNELS), there, there)
    audio = Prepared(torch.randn(BATCH, 25, 20, 64), torch.ones(BATCH, 25, 20), there)
    return {"eeg": eeg, "audio": audio}


def _cached_rate(mode: str, seconds: float) -> float:
    network = _network(mode, "learned").train()
    tokens = [torch.randn(CACHED_BATCH, 25, 128) for _ in range(2)]
    there = [torch.ones(CACHED_BATCH, 25) for _ in range(2)]
    labels = torch.arange(CACHED_BATCH) % 5
    pools = [encoder.pool for encoder in network.encoders.values()]
    after = torch.nn.ModuleList([network.fusion, network.heads, network.classifier, *pools])
    optimizer = torch.optim.AdamW(after.parameters(), 1e-4)
    costs = _times_s(lambda: _learn(network, optimizer, tokens, there, labels), seconds)
    return CACHED_BATCH / float(np.median(costs))


def _learn(
    network: FusionNetwork,
    optimizer: torch.optim.Optimizer,
    tokens: list[Tensor],
    there: list[Tensor],
    labels: Tensor,
) -> None:
    output = network.fuse(tokens, there, torch.ones(len(labels), 2))
    loss = torch.nn.functional.cross_entropy(output.logits, labels)
    for i in range(output.heads.shape[1]):
        loss = loss + 0.5 * torch.nn.functional.cross_entropy(output.heads[:, i], labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
