"""Re-referencing as a matrix, to be applied by :class:`~bci_stream.dsp.spatial.SpatialMix`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bci_stream.dsp.spatial import Matrix
from bci_stream.errors import ConfigError

AS_RECORDED = "as recorded"
AVERAGE = "average"
LINKED_MASTOIDS = "linked mastoids"
_MASTOID_PAIRS = (("M1", "M2"), ("TP9", "TP10"), ("A1", "A2"))  # best first


def reference_matrix(ch_names: Sequence[str], reference: str | Sequence[str] = AS_RECORDED) -> Matrix:
    """Matrix (n_channels, n_channels) that subtracts the reference from every channel.

    Args:
        ch_names: the channels in order.
        reference: ``"as recorded"`` (the identity), ``"average"`` (of all channels), ``"linked mastoids"``
            (the mean of M1 and M2, else TP9 and TP10, else A1 and A2), one channel's name, or several
            whose mean is taken. Case does not matter.

    Raises:
        ConfigError: a named channel is absent or ambiguous, or there are too few channels.
    """
    identity = np.eye(len(ch_names))
    if reference == AS_RECORDED:
        return identity
    if reference == AVERAGE:
        if len(ch_names) < 2:
            raise ConfigError(
                f"reference: the average of {len(ch_names)} channel leaves nothing; use as recorded"
            )
        return identity - 1.0 / len(ch_names)
    weights = np.zeros(len(ch_names))
    weights[_reference_channels(ch_names, reference)] = 1.0
    return np.asarray(identity - weights / weights.sum())


def _reference_channels(ch_names: Sequence[str], reference: str | Sequence[str]) -> list[int]:
    if reference == LINKED_MASTOIDS:
        return _mastoids(ch_names)
    wanted = [reference] if isinstance(reference, str) else list(reference)
    if not wanted:
        raise ConfigError("reference: the list of channels is empty; name one, or use as recorded or average")
    return [_index_of(name, ch_names) for name in wanted]


def _mastoids(ch_names: Sequence[str]) -> list[int]:
    present = {name.casefold() for name in ch_names}
    for pair in _MASTOID_PAIRS:
        if all(name.casefold() in present for name in pair):
            return [_index_of(name, ch_names) for name in pair]
    pairs = " or ".join(" and ".join(pair) for pair in _MASTOID_PAIRS)
    raise ConfigError(f"reference: linked mastoids needs {pairs}; the channels are {', '.join(ch_names)}")


def _index_of(wanted: str, ch_names: Sequence[str]) -> int:
    found = [i for i, name in enumerate(ch_names) if name.casefold() == wanted.casefold()]
    if len(found) != 1:
        problem = "no channel has that name" if not found else f"{len(found)} channels have that name"
        raise ConfigError(
            f"reference: {wanted} was asked for, but {problem}; there are {', '.join(ch_names)}"
        )
    return found[0]
