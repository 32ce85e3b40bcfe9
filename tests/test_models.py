"""The model family from outside: what each way of fusing must do, whatever is inside."""

import numpy as np
import pytest
import torch

from bci_stream.model.audio import AudioEncoder
from bci_stream.model.bundle import export_bundle, load_bundle
from bci_stream.model.contract import Contract
from bci_stream.model.fusion import FUSION_MODES, build_fusion
from bci_stream.model.fusion_parts import Modalities
from bci_stream.model.network import FusionNetwork, build_network
from bci_stream.model.predictor import StreamingPredictor

N_CHANNELS = 6


def make_contract(**fields: object) -> Contract:
    eeg = {"channels": tuple(f"E{i}" for i in range(N_CHANNELS))}
    return Contract.model_validate({"eeg": eeg, **fields})


def make_network(**fields: object) -> FusionNetwork:
    torch.manual_seed(0)
    network = build_network(make_contract(**fields))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


def signals(n_batch: int = 3, seed: int = 0) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Five seconds of EEG (B, 6, 625) µV and voice (B, 80000), all valid."""
    generator = torch.Generator().manual_seed(seed)
    eeg = 20 * torch.randn(n_batch, N_CHANNELS, 625, generator=generator)
    audio = 0.1 * torch.randn(n_batch, 80_000, generator=generator)
    return [eeg, audio], [torch.ones(n_batch, 625), torch.ones(n_batch, 80_000)]


@torch.inference_mode()
def logits(network: FusionNetwork, n_batch: int = 3, seed: int = 0, presence: tuple = (1.0, 1.0)):
    return network(*signals(n_batch, seed), torch.tensor([presence]).expand(n_batch, 2)).logits


def modalities(*seeds: int) -> Modalities:
    """One modality for each seed, all there."""
    parts = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randn(3, 25, 128, generator=generator)
        logits = torch.randn(3, 5, generator=generator)
        parts.append((tokens, torch.ones(3, 25), tokens.mean(1), torch.ones(3, 1), logits))
    return Modalities(*(torch.stack(part) for part in zip(*parts, strict=True)))


def fuse(mode: str, together: Modalities):
    torch.manual_seed(0)
    fusion = build_fusion(mode, ("eeg", "audio"), 128, 5, 0.0).eval()
    return fusion(together, fusion.experts(together))


def test_fusion_concat_mode():
    torch.manual_seed(0)
    fusion = build_fusion("concat", ("eeg", "audio"), 128, 5, 0.0).eval()
    together = modalities(1, 2)
    fused, _, _ = fusion(together, fusion.experts(together))
    joined = torch.cat((together.pooled[0], together.pooled[1]), dim=1)
    torch.testing.assert_close(fused, torch.relu(fusion.concat.mix(joined)))


def test_fusion_cross_attention():
    """Along time within a sample: weights (B, 4, T, T) that sum to one, and no look at another sample."""
    together = modalities(1, 2)
    fused, _, weights = fuse("cross_attention", together)
    assert weights.shape == (3, 4, 25, 25)
    torch.testing.assert_close(weights.sum(3), torch.ones(3, 4, 25))
    tokens = together.tokens.clone()
    tokens[1, 1:] *= 9
    other, _, other_weights = fuse("cross_attention", together._replace(tokens=tokens))
    torch.testing.assert_close(fused[0], other[0])
    torch.testing.assert_close(weights[0], other_weights[0])
    assert (fused[1] - other[1]).abs().max() > 1e-3


def test_fusion_gated():
    """The gate weighs the modalities, and an absent one gets nothing."""
    together = modalities(1, 2)
    _, gate, _ = fuse("gated", together)
    torch.testing.assert_close(gate.sum(1), torch.ones(3))
    gone = torch.stack((torch.ones(3, 1), torch.zeros(3, 1)))
    _, gate, _ = fuse("gated", together._replace(present=gone))
    assert gate.tolist() == [[1.0, 0.0]] * 3


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_fusion_channel_weights(mode):
    """``eeg_scale`` and ``audio_scale`` are there in every mode, start at one, are learned, and count."""
    network = make_network(fusion=mode)
    fresh = build_network(make_contract(fusion=mode)).fusion
    for name in ("eeg_scale", "audio_scale"):
        assert torch.equal(getattr(fresh, name), torch.ones(128))
        before = logits(network)
        with torch.no_grad():
            getattr(network.fusion, name).mul_(torch.linspace(0.2, 3.0, 128))
        assert (logits(network) - before).abs().max() > 1e-4
    network.train()
    out = network(*signals(), torch.ones(3, 2))
    torch.nn.functional.cross_entropy(out.logits, torch.tensor([0, 1, 2])).backward()
    assert all(getattr(network.fusion, name).grad.abs().sum() > 0 for name in ("eeg_scale", "audio_scale"))


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_fusion_batch_consistency(mode):
    """A sample's answer does not depend on who is in the batch with it."""
    network = make_network(fusion=mode)
    together = logits(network, n_batch=4)
    inputs, valid = signals(4)
    for i in range(4):
        alone = [x[i : i + 1] for x in inputs], [x[i : i + 1] for x in valid], torch.ones(1, 2)
        with torch.inference_mode():
            torch.testing.assert_close(network(*alone).logits[0], together[i], atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_multimodal_pipeline(mode, tmp_path, monkeypatch):
    """Build, train a step, export, load, stream hop by hop: the answer of the whole window."""
    monkeypatch.setenv("BCI_STREAM_HOME", str(tmp_path))
    contract = make_contract(fusion=mode)
    network = build_network(contract).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    inputs, valid = signals()
    target = torch.tensor([0, 1, 2])
    before = None
    for _ in range(6):
        optimizer.zero_grad()
        out = network(inputs, valid, torch.ones(3, 2))
        loss = torch.nn.functional.cross_entropy(out.logits, target)
        loss.backward()
        optimizer.step()
        before = before or float(loss.detach())
    assert float(loss.detach()) < before
    export_bundle(network, contract, tmp_path / "a.bci")
    bundle = load_bundle(tmp_path / "a.bci")
    predictor = StreamingPredictor(bundle)
    eeg, audio = inputs[0][0].numpy().T, inputs[1][0].numpy()
    for i in range(25):
        predictor.push(
            np.ascontiguousarray(eeg[25 * i : 25 * i + 25]), None, audio[3200 * i : 3200 * i + 3200]
        )
    with torch.inference_mode():
        wanted = network.eval()([x[:1] for x in inputs], [x[:1] for x in valid], torch.ones(1, 2))
    found = predictor.predict()
    np.testing.assert_allclose(found.logits, wanted.logits[0], atol=1e-4)
    np.testing.assert_allclose(found.probs, wanted.probs[0], atol=1e-4)
    assert found.stood_on == ("eeg", "audio")


@pytest.mark.parametrize("mode", FUSION_MODES)
@pytest.mark.parametrize("n_classes", [2, 5, 7])
def test_emotion_classifier_shapes(mode, n_classes):
    names = tuple(f"class {i}" for i in range(n_classes))
    network = make_network(fusion=mode, classes=names)
    with torch.inference_mode():
        out = network(*signals(2), torch.ones(2, 2))
    assert out.logits.shape == out.probs.shape == (2, n_classes)
    torch.testing.assert_close(out.probs.sum(1), torch.ones(2))
    assert out.heads.shape[2] == n_classes


@pytest.mark.parametrize("n_tokens", [1, 5, 25])
def test_audio_encoder_output_shape(n_tokens):
    """One token of 128 numbers for every 200 ms, and an opinion on whether it counts."""
    encoder = AudioEncoder().eval()
    x, valid = 0.1 * torch.randn(2, 3200 * n_tokens), torch.ones(2, 3200 * n_tokens)
    valid[1, :3200] = 0.0
    with torch.inference_mode():
        tokens, there, _ = encoder(x, valid, encoder.initial_state(2))
    assert tokens.shape == (2, n_tokens, 128)
    assert there.tolist() == [[1.0] * n_tokens, [0.0] + [1.0] * (n_tokens - 1)]


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_fusion_combines_features(mode):
    """Both modalities reach the answer; without one of them the other still answers, and differently."""
    network = make_network(fusion=mode)
    inputs, valid = signals()
    with torch.inference_mode():
        both = network(inputs, valid, torch.ones(3, 2)).logits
        for i in range(2):
            moved = [x * torch.linspace(0.2, 3, x.shape[-1]) if k == i else x for k, x in enumerate(inputs)]
            assert (network(moved, valid, torch.ones(3, 2)).logits - both).abs().max() > 1e-4
    eeg_only, audio_only = (logits(network, presence=p) for p in ((1.0, 0.0), (0.0, 1.0)))
    for one, other in ((both, eeg_only), (both, audio_only), (eeg_only, audio_only)):
        assert (one - other).abs().max() > 1e-4
    assert torch.isfinite(eeg_only).all()
    assert torch.isfinite(audio_only).all()
