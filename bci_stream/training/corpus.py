"""Labelled sessions for training, made by the live pipeline itself.

A session's samples go through :class:`~bci_stream.engine.pipeline.Pipeline` and
:class:`~bci_stream.engine.hops.HopMaker` hop by hop, as they would live; what the encoders are trained
on is what they will be given. A window is labelled when it lies inside one segment of one class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from bci_stream.engine.hops import HopMaker
from bci_stream.engine.pipeline import Pipeline
from bci_stream.engine.plan import plan_for_contract, window_settings
from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, Window
from bci_stream.model.audio import LogMel
from bci_stream.model.contract import Contract
from bci_stream.model.layers import share_valid
from bci_stream.model.predictor import Hop
from bci_stream.sources.simulator import Segment, Simulator, SimulatorSettings
from bci_stream.sources.simulator_events import T0_S, simulated_events

UNLABELLED = -1
CHUNK_S = 0.2  # how the samples are cut cannot matter, and few large chunks are quickest
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Session:
    """One person's session of ``n`` tokens (200 ms each), as the encoders see it.

    ``eeg``: (C, n * samples per token) µV, filtered and referenced. ``eeg_valid``: (n * samples per token,).
    ``log_mel``: (n * 20, 64), not normalised, zero where not valid. ``frame_valid``: (n * 20,).
    ``audio_valid``: (n,). ``labels``: (n,) int64, class of the window that ends with each token, or
    :data:`UNLABELLED`. ``segments``: (n,) int64, number of the segment that the window's end lies in.
    """

    person: int
    eeg: Tensor
    eeg_valid: Tensor
    log_mel: Tensor
    frame_valid: Tensor
    audio_valid: Tensor
    labels: Tensor
    segments: Tensor

    @property
    def n_tokens(self) -> int:
        """Tokens in the session."""
        return self.labels.numel()

    def digest(self) -> str:
        """Sha256 of every sample and label, in hex."""
        hasher = hashlib.sha256(str(self.person).encode())
        for tensor in (self.eeg, self.eeg_valid, self.log_mel, self.frame_valid, self.labels):
            hasher.update(tensor.numpy().tobytes())
        return hasher.hexdigest()


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
        hops.append(_copied(hop))
    if len(hops) < contract.n_tokens:
        raise ConfigError(f"a session of {duration_s:g} s holds no window of {contract.window_s:g} s")
    audio_valid = _joined([hop.audio_valid for hop in hops])
    log_mel, frame_valid = _log_mel(_joined([hop.audio for hop in hops]), audio_valid)
    classes = [UNLABELLED if label is None else contract.classes.index(label) for label, _ in places]
    return Session(
        person=settings.person,
        eeg=_joined([hop.eeg for hop in hops]).t().contiguous(),
        eeg_valid=_joined([hop.eeg_valid for hop in hops]),
        log_mel=log_mel,
        frame_valid=frame_valid,
        audio_valid=(share_valid(audio_valid[None], contract.audio_hop)[0] >= 0.5).float(),
        labels=torch.tensor(classes),
        segments=torch.tensor([number for _, number in places]),
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


def data_sha256(sessions: Iterable[Session]) -> str:
    """One hash of all sessions, in order."""
    return hashlib.sha256("".join(session.digest() for session in sessions).encode()).hexdigest()


def place_of(window: Window, truth: Sequence[Segment], t0: float = T0_S) -> tuple[str | None, int]:
    """Class of a window (None when it does not lie inside one segment), and the segment it ends in."""
    start_s, end_s = window.t_start - t0 + _ROUNDING_S, window.t_end - t0 - _ROUNDING_S
    number = sum(segment.t_end < end_s for segment in truth)
    inside = number < len(truth) and truth[number].t_start <= start_s
    return (truth[number].label if inside else None), number


def _copied(hop: Hop) -> Hop:
    """The same hop in memory of its own; both modalities are there, with their validity."""
    arrays = (hop.eeg, hop.eeg_valid, hop.audio, hop.audio_valid)
    return Hop(*(None if array is None else np.array(array, np.float32) for array in arrays))


def _joined(parts: Sequence[object]) -> Tensor:
    return torch.from_numpy(np.concatenate([np.asarray(part, np.float32) for part in parts]))


def _log_mel(audio: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (n * 20, 64) of (n * 3200,) samples, not normalised, and their validity (n * 20,)."""
    front_end = LogMel()
    front_end.mean.zero_()
    front_end.std.fill_(1.0)
    before = front_end.frame - front_end.frame_hop  # nothing was heard before the session
    samples, heard = (_after_zeros(x, before) for x in (torch.where(valid > 0.5, audio, 0.0), valid))
    log_mel, frame_valid = front_end(samples[None], heard[None])
    return log_mel[0], frame_valid[0]


def _after_zeros(x: Tensor, n: int) -> Tensor:
    """``x`` (T,) after ``n`` zeros."""
    return torch.cat((x.new_zeros(n), x))
