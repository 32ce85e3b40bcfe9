"""Labelled sessions of simulated people, made by the live pipeline itself.

A window is labelled when it lies inside one segment of one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, Window
from bci_stream.model.contract import Contract
from bci_stream.model.predictor import Hop
from bci_stream.sources.simulator import Segment, Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events
from bci_stream.training.features import FrontEnds
from bci_stream.training.prepare import copied
from bci_stream.training.sessions import UNLABELLED, Session

CHUNK_S = 0.2  # how the samples are cut cannot matter, and few large chunks are quickest
_ROUNDING_S = 1e-6


def simulated_hops(
    settings: SimulatorSettings, contract: Contract, duration_s: float
) -> Iterator[tuple[Window, Hop]]:
    """Every window of a simulated session with its newest hop, as a live run hands it to the model.

    Their arrays are views, valid until the next is drawn.
    """
    plans = plan_for_contract(Simulator(settings).specs, contract)
    pipeline = Pipeline(plans, window_settings(contract))
    hop_maker = HopMaker(plans, {EEG: contract.eeg_hop, AUDIO: contract.audio_hop})
    for event in simulated_events(settings, duration_s=duration_s, chunk_s=CHUNK_S):
        for outcome in pipeline.step(event):
            yield outcome.window, hop_maker.newest(outcome.window)
    for outcome in pipeline.end():
        yield outcome.window, hop_maker.newest(outcome.window)


def record_session(settings: SimulatorSettings, contract: Contract, duration_s: float) -> Session:
    """Simulate a session and keep what the encoders need of it.

    Raises:
        ConfigError: a hop of the contract is more than one token, or the session holds no whole window.
    """
    if contract.tokens_per_hop != 1:
        raise ConfigError(f"training needs a hop of one token, 0.2 s; the contract says {contract.hop_s:g} s")
    truth = Simulator(settings).truth(duration_s)
    places, hops = [], []
    for window, hop in simulated_hops(settings, contract, duration_s):
        places.append(place_of(window, truth))
        hops.append(copied(hop))
    if len(hops) < contract.n_tokens:
        raise ConfigError(f"a session of {duration_s:g} s holds no window of {contract.window_s:g} s")
    classes = [UNLABELLED if label is None else contract.classes.index(label) for label, _ in places]
    return Session(
        str(settings.person),
        FrontEnds(contract).parts(hops),
        np.array(classes, np.int64),
        np.array([number for _, number in places], np.int64),
    )


def record_sessions(
    settings: Sequence[SimulatorSettings], contract: Contract, duration_s: float, n_workers: int = 1
) -> list[Session]:
    """:func:`record_session` for each, on ``n_workers`` processes; the number changes no bit."""
    record = partial(record_session, contract=contract, duration_s=duration_s)
    if n_workers <= 1:
        return [record(one) for one in settings]
    with ProcessPoolExecutor(n_workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        return list(pool.map(record, settings))


def place_of(window: Window, truth: Sequence[Segment], t0: float = T0_S) -> tuple[str | None, int]:
    """Class of a window (None when it does not lie inside one segment), and the segment it ends in."""
    start_s, end_s = window.t_start - t0 + _ROUNDING_S, window.t_end - t0 - _ROUNDING_S
    number = sum(segment.t_end < end_s for segment in truth)
    inside = number < len(truth) and truth[number].t_start <= start_s
    return (truth[number].label if inside else None), number
