"""The whole model on one page: two encoders, a fusion, a classifier; one token per 200 ms from each encoder.

    EEG   (B, C, T) µV      -> EegEncoder   -> tokens (B, N, 128) --+
                                                                    +-> fusion (B, 128) -> classifier (B, K)
    voice (B, T) at 16 kHz  -> AudioEncoder -> tokens (B, N, 128) --+

``encode_eeg`` and ``encode_audio`` take any whole number of tokens with the state of the call before;
``fuse`` takes the last N tokens. ``forward`` is the same on a whole stretch, for training and for proof.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bci_stream.model.audio import AudioEncoder
from bci_stream.model.contract import Contract
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.fusion import Modality, build_fusion

#: What the exported program offers beside ``forward``.
METHODS = ("encode_eeg", "encode_audio", "initial_eeg_state", "initial_audio_state", "fuse", "fuse_plain")


class FusionOutput(NamedTuple):
    """What the network says of each sample of a batch.

    ``logits``: (B, K). ``probs``: (B, K), their softmax after temperature. ``eeg_logits`` and
    ``audio_logits``: (B, K), each modality alone. ``gate``: (B,), weight of the voice in 0..1, NaN where
    the fusion has none. ``attention``: (B, H, N, N), EEG token to voice token, or an empty tensor.
    """

    logits: Tensor
    probs: Tensor
    eeg_logits: Tensor
    audio_logits: Tensor
    gate: Tensor
    attention: Tensor


class FusionNetwork(nn.Module):
    """Emotion from EEG and voice.

    Args:
        n_channels: electrodes.
        n_classes: emotions.
        fusion: one of :data:`~bci_stream.model.fusion.FUSION_MODES`.
        eeg_sfreq: EEG sampling rate in Hz.
        n_tokens: tokens in a window, 5 a second.
        n_filters: the EEG encoder's filters.
        n_taps: length of the EEG encoder's temporal filters, in samples.
        width: size of a token.
        hidden: size of the classifier's widest layer.
        dropout: share of features left out in training.
    """

    temperatures: Tensor

    def __init__(
        self,
        n_channels: int,
        n_classes: int = 5,
        fusion: str = "concat",
        eeg_sfreq: float = 125.0,
        n_tokens: int = 25,
        n_filters: int = 96,
        n_taps: int = 63,
        width: int = 128,
        hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.n_tokens = n_tokens
        self.fusion_mode = fusion
        self.eeg = EegEncoder(n_channels, eeg_sfreq, n_filters, n_taps, width, dropout)
        self.audio = AudioEncoder(width)
        self.fusion = build_fusion(fusion, width, dropout)
        self.eeg_head = nn.Linear(width, n_classes)
        self.audio_head = nn.Linear(width, n_classes)
        self.classifier = (
            nn.Identity() if fusion == "late" else _classifier(width, hidden, n_classes, dropout)
        )
        #: Of the fused logits, of the EEG head, of the voice head (Guo 2017).
        self.register_buffer("temperatures", torch.ones(3))

    def forward(
        self, eeg: Tensor, eeg_valid: Tensor, audio: Tensor, audio_valid: Tensor, presence: Tensor
    ) -> FusionOutput:
        """Encode a whole stretch from its start and classify its last window.

        ``eeg``: (B, C, T) µV, ``audio``: (B, T'), both of one interval, a whole number of tokens.
        ``eeg_valid``: (B, T), ``audio_valid``: (B, T'), 1 or 0. ``presence``: (B, 2), 1 or 0 for EEG, voice.
        """
        batch, last = eeg.size(0), self.n_tokens
        eeg_tokens, eeg_ok, _ = self.encode_eeg(eeg, eeg_valid, self.initial_eeg_state(batch))
        audio_tokens, audio_ok, _ = self.encode_audio(audio, audio_valid, self.initial_audio_state(batch))
        return self.fuse(
            eeg_tokens[:, -last:], eeg_ok[:, -last:], audio_tokens[:, -last:], audio_ok[:, -last:], presence
        )

    @torch.jit.export
    def initial_eeg_state(self, batch: int) -> list[Tensor]:
        """State for :meth:`encode_eeg` before the first sample."""
        return self.eeg.initial_state(batch)

    @torch.jit.export
    def initial_audio_state(self, batch: int) -> list[Tensor]:
        """State for :meth:`encode_audio` before the first sample."""
        return self.audio.initial_state(batch)

    @torch.jit.export
    def encode_eeg(
        self, x: Tensor, valid: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See :meth:`EegEncoder.forward`."""
        encoded: tuple[Tensor, Tensor, list[Tensor]] = self.eeg(x, valid, state)
        return encoded

    @torch.jit.export
    def encode_audio(
        self, x: Tensor, valid: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See :meth:`AudioEncoder.forward`."""
        encoded: tuple[Tensor, Tensor, list[Tensor]] = self.audio(x, valid, state)
        return encoded

    @torch.jit.export
    def fuse(
        self,
        eeg_tokens: Tensor,
        eeg_valid: Tensor,
        audio_tokens: Tensor,
        audio_valid: Tensor,
        presence: Tensor,
    ) -> FusionOutput:
        """Classify the window that these tokens make.

        Tokens (B, N, width) with their validity (B, N), 1 or 0. ``presence``: (B, 2), 1 or 0 for EEG, voice.
        """
        logits, probs, eeg_logits, audio_logits, gate, attention = self.fuse_plain(
            eeg_tokens, eeg_valid, audio_tokens, audio_valid, presence
        )
        return FusionOutput(logits, probs, eeg_logits, audio_logits, gate, attention)

    @torch.jit.export
    def fuse_plain(
        self,
        eeg_tokens: Tensor,
        eeg_valid: Tensor,
        audio_tokens: Tensor,
        audio_valid: Tensor,
        presence: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Do what :meth:`fuse` does, as a plain tuple: a script makes a NamedTuple's class in every call."""
        eeg_good = (eeg_valid * presence[:, :1]) > 0.5
        audio_good = (audio_valid * presence[:, 1:]) > 0.5
        eeg_tokens = torch.where(eeg_good.unsqueeze(2), eeg_tokens, 0.0)
        audio_tokens = torch.where(audio_good.unsqueeze(2), audio_tokens, 0.0)
        eeg_pooled = self.eeg.pool(eeg_tokens, eeg_good) * self.fusion.eeg_scale
        audio_pooled = self.audio.pool(audio_tokens, audio_good) * self.fusion.audio_scale
        eeg_logits, audio_logits = self.eeg_head(eeg_pooled), self.audio_head(audio_pooled)
        eeg_present = eeg_good.any(1, keepdim=True).to(eeg_tokens.dtype)
        audio_present = audio_good.any(1, keepdim=True).to(audio_tokens.dtype)
        fused, gate, attention = self.fusion(
            Modality(eeg_tokens, eeg_good, eeg_pooled, eeg_present, eeg_logits / self.temperatures[1]),
            Modality(
                audio_tokens, audio_good, audio_pooled, audio_present, audio_logits / self.temperatures[2]
            ),
        )
        logits = self.classifier(fused)
        probs = torch.softmax(logits / self.temperatures[0], dim=1)
        return logits, probs, eeg_logits, audio_logits, gate, attention


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


def build_network(contract: Contract) -> FusionNetwork:
    """Make the untrained network that a contract describes, with its temperatures."""
    sizes = contract.architecture
    network = FusionNetwork(
        n_channels=len(contract.eeg.channels),
        n_classes=len(contract.classes),
        fusion=contract.fusion,
        eeg_sfreq=contract.eeg.sfreq,
        n_tokens=contract.n_tokens,
        n_filters=sizes.n_filters,
        n_taps=sizes.n_taps,
        width=sizes.width,
        hidden=sizes.hidden,
        dropout=sizes.dropout,
    )
    network.temperatures.copy_(torch.tensor(contract.temperatures.in_order()))
    return network
