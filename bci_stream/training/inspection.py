"""Looking inside a trained network: what its answers on test trials depend on, measured trial by trial.

What is asked of each trial: how much log probability the true class loses when something is taken away
(occlusion: an electrode, a band, a whole modality), how the fusion weighs the modalities, and which tokens of
the voice the EEG's tokens attend to. Attention and gates say what a network looked at, not what it needed
(Jain and Wallace 2019, arXiv 1902.10186): read them beside the occlusions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from bci_stream.messages import EEG
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.eeg_fronts import BandPowerFront
from bci_stream.model.network import FusionNetwork, FusionOutput
from bci_stream.model.occlusion import Occlusion, occlusions
from bci_stream.training.batches import Prepared, collate
from bci_stream.training.evaluate import Tokens, encode_parts, gather_windows, main_pattern, patterns
from bci_stream.training.explain_lags import lag_shares
from bci_stream.training.metrics import Floats, Ints
from bci_stream.training.sessions import UNLABELLED, Session

STEP_TOKENS: Final = 5  #: a window a second is looked at: neighbours say nearly the same
_SESSIONS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a network did with ``n`` test trials; every number is a mean over the trial's windows.

    ``persons``, ``labels``: (n,). ``log_probs``: (n, K) nats after temperature, by pattern of presence.
    ``raw``: the same before. ``heads``, ``raw_heads``: (n, K) by head, after and before its temperature.
    ``drops``: (n,) nats of the true class that an occlusion costs, by (kind, name, pattern).
    ``gate``: (n, M), NaN where the fusion has none. ``lags``: (n, H, 2 N - 1) share of attention by the key's
    lag behind the query, from 1 - N to N - 1 tokens; None without attention. ``even``: (n, 2 N - 1) what
    attending to all tokens alike would give.
    """

    persons: tuple[str, ...]
    labels: Ints
    log_probs: Mapping[str, Floats]
    raw: Mapping[str, Floats]
    heads: Mapping[str, Floats]
    raw_heads: Mapping[str, Floats]
    drops: Mapping[tuple[str, str, str], Floats]
    gate: Floats
    lags: Floats | None
    even: Floats | None


def inspect_network(
    network: FusionNetwork,
    sessions: Sequence[Session],
    ch_names: Sequence[str],
    *,
    report: Callable[[int, int], None] = lambda done, n: None,
) -> Inspection:
    """Look at the labelled windows of ``sessions``, one trial each.

    ``report``: is told how many sessions are done, of how many.

    An occluded electrode is 0 µV for the learned front end; its band powers are their mean over that person's
    sessions, so that only what changes from trial to trial is lost.
    """
    labelled = [session for session in sessions if session.label != UNLABELLED]
    found = _Probe(network.eval(), labelled, occlusions(network, ch_names))
    pieces = []
    for start in range(0, len(labelled), _SESSIONS_AT_ONCE):
        pieces.append(found.look_at(labelled[start : start + _SESSIONS_AT_ONCE]))
        report(min(start + _SESSIONS_AT_ONCE, len(labelled)), len(labelled))
    return join_inspections(pieces)


def join_inspections(parts: Sequence[Inspection]) -> Inspection:
    """The trials of several folds, one after the other."""

    def joined(name: str) -> dict[str, Floats]:
        return {
            key: np.concatenate([getattr(part, name)[key] for part in parts])
            for key in getattr(parts[0], name)
        }

    with_lags = [part for part in parts if part.lags is not None and part.even is not None]
    return Inspection(
        tuple(person for part in parts for person in part.persons),
        np.concatenate([part.labels for part in parts]),
        joined("log_probs"),
        joined("raw"),
        joined("heads"),
        joined("raw_heads"),
        cast(Mapping[tuple[str, str, str], Floats], joined("drops")),
        np.concatenate([part.gate for part in parts]),
        np.concatenate([cast(Floats, part.lags) for part in with_lags]) if with_lags else None,
        np.concatenate([cast(Floats, part.even) for part in with_lags]) if with_lags else None,
    )


class _Windows(NamedTuple):
    """Windows of a group: session and last token of each, and their means over each session."""

    rows: Tensor
    ends: Tensor
    n_sessions: int

    def mean(self, values: Tensor) -> Floats:
        """(M, ...) of windows -> (sessions, ...)."""
        total = torch.zeros(self.n_sessions, *values.shape[1:], dtype=torch.float64)
        total.index_add_(0, self.rows, values.double())
        count = torch.bincount(self.rows, minlength=self.n_sessions).double()
        return np.asarray((total / count.reshape(-1, *[1] * (values.ndim - 1))).numpy())


class _Probe:
    """Asks one network about groups of sessions."""

    def __init__(
        self, network: FusionNetwork, sessions: Sequence[Session], taken: Sequence[Occlusion]
    ) -> None:
        self._network, self._taken = network, taken
        self._patterns = patterns(network.modalities)
        self._main = main_pattern(network.modalities)
        power = taken and isinstance(cast(EegEncoder, network.encoders[EEG]).front, BandPowerFront)
        self._means = _person_means(sessions) if power else {}

    @torch.inference_mode()
    def look_at(self, group: Sequence[Session]) -> Inspection:
        parts = collate(group, [(0, session.n_tokens) for session in group])
        windows = _windows(group)
        tokens = encode_parts(self._network, parts)
        outputs = {name: self._fuse(tokens, windows, name) for name in self._patterns}
        there = gather_windows(self._network.n_tokens, tokens, windows.rows, windows.ends)[1]
        labels = np.array([session.label for session in group], np.int64)
        warm, *head_temperatures = self._network.temperatures.tolist()
        main = outputs[self._main]
        log_probs = {name: windows.mean(_log_probs(out.logits, warm)) for name, out in outputs.items()}
        heads = list(enumerate(self._network.head_names))
        lags = even = None
        if main.attention.ndim == 4:
            lags, even = (windows.mean(x) for x in lag_shares(main.attention, there[0], there[1]))
        return Inspection(
            tuple(session.person for session in group),
            labels,
            log_probs,
            {name: windows.mean(_log_probs(out.logits)) for name, out in outputs.items()},
            {name: windows.mean(_log_probs(main.heads[:, i], head_temperatures[i])) for i, name in heads},
            {name: windows.mean(_log_probs(main.heads[:, i])) for i, name in heads},
            dict(self._drops(group, parts, tokens, windows, labels, log_probs)),
            windows.mean(main.gate),
            lags,
            even,
        )

    def _fuse(self, tokens: Tokens, windows: _Windows, pattern: str) -> FusionOutput:
        cut, there = gather_windows(self._network.n_tokens, tokens, windows.rows, windows.ends)
        presence = torch.tensor([self._patterns[pattern]]).expand(len(windows.rows), -1)
        return self._network.fuse(cut, there, presence)

    def _drops(
        self,
        group: Sequence[Session],
        parts: Mapping[str, Prepared],
        tokens: Tokens,
        windows: _Windows,
        labels: Ints,
        before: Mapping[str, Floats],
    ) -> Iterator[tuple[tuple[str, str, str], Floats]]:
        """What each occlusion costs, with everything there and with the EEG alone."""
        which = self._network.modalities.index(EEG) if self._taken else 0
        rows, warm = np.arange(len(group)), float(self._network.temperatures[0])
        for taken in self._taken:
            occluded = self._without(parts[EEG], group, taken)
            encoder = cast(EegEncoder, self._network.encoders[EEG])
            changed = [*tokens.tokens]
            changed[which] = encoder.encode_prepared(*occluded)
            for pattern in dict.fromkeys((self._main, EEG)):
                output = self._fuse(Tokens(changed, tokens.there), windows, pattern)
                after = windows.mean(_log_probs(output.logits, warm))
                yield (
                    (taken.kind, taken.name, pattern),
                    before[pattern][rows, labels] - after[rows, labels],
                )

    def _without(self, part: Prepared, group: Sequence[Session], taken: Occlusion) -> Prepared:
        features, columns = part.features.clone(), list(taken.columns)
        for row, session in enumerate(group):
            mean = self._means.get(session.person)
            features[row, ..., columns] = mean[columns] if mean is not None else 0.0
        return part._replace(features=features)


def _windows(group: Sequence[Session]) -> _Windows:
    """The last labelled window of each session, and every second one before it."""
    rows, ends = [], []
    for row, session in enumerate(group):
        mine = np.flatnonzero(session.labels != UNLABELLED)[::-STEP_TOKENS][::-1]
        rows += [row] * len(mine)
        ends += mine.tolist()
    return _Windows(torch.tensor(rows), torch.tensor(ends), len(group))


def _person_means(sessions: Sequence[Session]) -> dict[str, Tensor]:
    """Mean band powers (5 C,) of each person's tokens that count."""
    total: dict[str, Floats] = {}
    count: dict[str, float] = {}
    for session in sessions:
        part = session.parts[EEG]
        good = np.asarray(part.there, np.float64)
        total[session.person] = total.get(session.person, np.float64(0)) + good @ part.features
        count[session.person] = count.get(session.person, 0.0) + good.sum()
    return {who: torch.from_numpy(total[who] / max(count[who], 1.0)).float() for who in total}


def _log_probs(logits: Tensor, temperature: float = 1.0) -> Tensor:
    return torch.log_softmax(logits.double() / temperature, dim=1)
