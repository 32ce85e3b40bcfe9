"""The whole model on one page: an encoder for each modality, a fusion, a classifier; a token per 200 ms.

    EEG   (B, C, T) µV      -> EegEncoder   -> tokens (B, N, 128) --+
                                                                    +-> fusion (B, 128) -> classifier (B, K)
    voice (B, T) at 16 kHz  -> AudioEncoder -> tokens (B, N, 128) --+

Modalities are a list: everything here goes by their number, in the order of the contract. ``encode`` takes
any whole number of tokens with the state of the call before; ``fuse`` takes the last N tokens. ``forward``
is the same on a whole stretch, for training and for proof.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from bci_stream.model.audio import AudioEncoder
from bci_stream.model.contract import Contract
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.fusion import build_fusion
from bci_stream.model.fusion_parts import Modalities
from bci_stream.model.layers import AttentionPooling, attention_pool, clean
from bci_stream.model.stacked import Stacked

#: What the exported program offers beside ``forward``.
METHODS = ("encode", "initial_state", "fuse", "fuse_plain")


class FusionOutput(NamedTuple):
    """What the network says of each sample of a batch.

    ``logits``: (B, K). ``probs``: (B, K), their softmax after temperature. ``heads``: (B, H, K), logits of
    each modality alone, then of the fusion's experts if it has any. ``gate``: (B, M), weight of each
    modality in 0..1, NaN where the fusion has none. ``attention``: (B, 4, N, N), tokens of the first
    modality to those of the second, or an empty tensor.
    """

    logits: Tensor
    probs: Tensor
    heads: Tensor
    gate: Tensor
    attention: Tensor


class FusionNetwork(nn.Module):
    """A class from several modalities.

    Args:
        encoders: by name, in order. An encoder has ``initial_state(batch)``, ``forward(x, valid, state)``,
            ``encode_prepared``, ``pool``, ``samples_per_token`` and ``reach_tokens``, as
            :class:`~bci_stream.model.eeg.EegEncoder`.
        n_classes: emotions.
        fusion: one of :data:`~bci_stream.model.fusion.FUSION_MODES`.
        n_tokens: tokens in a window, 5 a second.
        width: size of a token.
        hidden: size of the classifier's widest layer.
        dropout: share of features left out in training.
    """

    __jit_unused_properties__ = ["head_names"]  # noqa: RUF012  (TorchScript's own convention)
    temperatures: Tensor
    pool_weights: list[Tensor]
    pool_biases: list[Tensor]
    pool_spreads: list[Tensor]

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        n_classes: int = 5,
        fusion: str = "concat",
        n_tokens: int = 25,
        width: int = 128,
        hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.n_tokens, self.n_classes, self.n_own = n_tokens, n_classes, len(encoders)
        self.modalities = tuple(encoders)
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = build_fusion(fusion, self.modalities, width, n_classes, dropout)
        self.uses_tokens = self.fusion.uses_tokens
        heads = {name: nn.Linear(width, n_classes) for name in encoders}
        self.heads = nn.ModuleDict(heads)
        self.own_logits = Stacked(list(heads.values()))
        pools = [cast(AttentionPooling, encoder.pool) for encoder in encoders.values()]
        self.pool_weights = [pool.score.weight for pool in pools]
        self.pool_biases = [pool.score.bias for pool in pools]
        self.pool_spreads = [pool.spread for pool in pools]
        self.classifier = (
            nn.Identity() if self.fusion.gives_probs else _classifier(width, hidden, n_classes, dropout)
        )
        #: Of the fused logits, then of each head of :attr:`head_names` (Guo 2017).
        self.register_buffer("temperatures", torch.ones(1 + len(self.head_names)))

    @property
    def head_names(self) -> tuple[str, ...]:
        """What :attr:`FusionOutput.heads` holds, in order."""
        return (*self.modalities, *self.fusion.expert_names)

    def forward(self, inputs: list[Tensor], valid: list[Tensor], presence: Tensor) -> FusionOutput:
        """Encode a whole stretch from its start and classify its last window.

        ``inputs``: each modality's samples, EEG (B, C, T) µV, voice (B, T'), all of one interval, a whole
        number of tokens. ``valid``: (B, T) of each, 1 or 0. ``presence``: (B, M), 1 or 0.
        """
        tokens: list[Tensor] = []
        good: list[Tensor] = []
        for i, encoder in enumerate(self.encoders.values()):  # a ModuleDict does not type its values
            state = encoder.initial_state(inputs[i].size(0))  # type: ignore[operator]
            mine, ok, _ = encoder(inputs[i], valid[i], state)
            tokens.append(mine[:, -self.n_tokens :])
            good.append(ok[:, -self.n_tokens :])
        return self.fuse(tokens, good, presence)

    @torch.jit.export
    def initial_state(self, which: int, batch: int) -> list[Tensor]:
        """State for :meth:`encode` of modality ``which`` before the first sample."""
        state: list[Tensor] = []
        for i, encoder in enumerate(self.encoders.values()):
            if i == which:
                state = encoder.initial_state(batch)  # type: ignore[operator]
        return state

    @torch.jit.export
    def encode(
        self, which: int, x: Tensor, valid: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Tokens (B, n, width) of modality ``which``, their validity (B, n), and the state to go on from."""
        tokens, good, new_state = x, valid, state
        for i, encoder in enumerate(self.encoders.values()):
            if i == which:
                tokens, good, new_state = encoder(x, valid, state)
        return tokens, good, new_state

    @torch.jit.export
    def fuse(self, tokens: list[Tensor], valid: list[Tensor], presence: Tensor) -> FusionOutput:
        """Classify the window that these tokens make.

        ``tokens``: (B, N, width) of each modality; ``valid``: (B, N) of each, 1 or 0; ``presence``: (B, M).
        """
        logits, probs, heads, gate, attention = self.fuse_plain(tokens, valid, presence)
        return FusionOutput(logits, probs, heads, gate, attention)

    @torch.jit.export
    def fuse_plain(
        self, tokens: list[Tensor], valid: list[Tensor], presence: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Do what :meth:`fuse` does, as a plain tuple: a script makes a NamedTuple's class in every call."""
        there = torch.stack(valid) * presence.t().unsqueeze(2)  # (M, B, N)
        valid_tokens = clean(torch.stack(tokens), there.unsqueeze(3))  # (M, B, N, D)
        present = there.amax(2, keepdim=True)  # (M, B, 1)
        scale = torch.stack(self.fusion.scales).unsqueeze(1)  # (M, 1, D)
        pooled = self.pool(valid_tokens, there) * scale
        own = self.own_logits(pooled)  # (M, B, K)
        tempered = own / self.temperatures[1 : 1 + self.n_own, None, None]
        scaled = valid_tokens * scale.unsqueeze(1) if self.uses_tokens else valid_tokens[:, :, :0]
        modalities = Modalities(scaled, there, pooled, present, tempered)
        experts = self.fusion.experts(modalities)
        fused, gate, attention = self.fusion(
            modalities, experts / self.temperatures[1 + self.n_own :, None, None]
        )
        logits = self.classifier(fused)
        probs = torch.softmax(logits / self.temperatures[0], dim=1)
        return logits, probs, torch.cat((own, experts)).transpose(0, 1), gate, attention

    def pool(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Pool every modality's tokens (M, B, N, D), zero where not ``valid`` (M, B, N), to (M, B, D)."""
        weights = torch.cat(self.pool_weights)  # (M, D)
        biases, spreads = torch.stack(self.pool_biases), torch.stack(self.pool_spreads)
        return attention_pool(tokens, valid, weights, biases, spreads)


def _classifier(width: int, hidden: int, n_classes: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, n_classes),
    )


def _eeg_encoder(contract: Contract) -> nn.Module:
    sizes, eeg = contract.architecture, contract.eeg
    normalize = eeg.normalization == "running"
    return EegEncoder(
        len(eeg.channels),
        eeg.sfreq,
        sizes.n_filters,
        sizes.n_taps,
        sizes.width,
        sizes.dropout,
        sizes.eeg_front,
        normalize,
    )


def _audio_encoder(contract: Contract) -> nn.Module:
    sizes = contract.architecture
    return AudioEncoder(sizes.width, contract.audio.normalization == "running", sizes.audio_dropout)


#: How each modality's encoder is made from a contract; a third modality is a line here and its own file.
ENCODERS = {"eeg": _eeg_encoder, "audio": _audio_encoder}


def build_network(contract: Contract) -> FusionNetwork:
    """Make the untrained network that a contract describes, with its temperatures."""
    sizes = contract.architecture
    network = FusionNetwork(
        {name: ENCODERS[name](contract) for name in contract.modalities},
        n_classes=len(contract.classes),
        fusion=contract.fusion,
        n_tokens=contract.n_tokens,
        width=sizes.width,
        hidden=sizes.hidden,
        dropout=sizes.dropout,
    )
    network.temperatures.copy_(torch.tensor(contract.temperatures.in_order(network.head_names)))
    return network
