import itertools
import math

import pytest
import torch

from bci_stream.model.fusion import FUSION_MODES, build_fusion
from bci_stream.model.fusion_attention import Attention, AttentionMaps, attention_weights, key_mask
from bci_stream.model.fusion_parts import LowRankGate, Modalities

BUDGET = {"concat": 33_000, "gated": 37_000, "cross_attention": 40_000}


NAMES = ("eeg", "audio")


def build(mode, names=NAMES, dropout=0.2):
    return build_fusion(mode, names, 128, 5, dropout)


def beside(*modalities):
    """Several modalities, each made by :func:`modality`, as one."""
    return Modalities(*(torch.cat(parts) for parts in zip(*modalities, strict=True)))


def run(fusion, *modalities):
    together = beside(*modalities)
    return fusion(together, fusion.experts(together))


def modality(n_batch=3, n_valid=25, seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.zeros(1, n_batch, 25)
    valid[:, :, :n_valid] = 1.0
    tokens = torch.randn(1, n_batch, 25, 128, generator=generator) * valid.unsqueeze(3)
    present = torch.full((1, n_batch, 1), float(n_valid > 0))
    logits = torch.randn(1, n_batch, 5, generator=generator) * present
    return Modalities(tokens, valid, tokens.mean(2), present, logits)


@pytest.mark.parametrize(("mode", "budget"), BUDGET.items())
def test_size_is_within_a_tenth_of_the_budget(mode, budget):
    assert abs(sum(p.numel() for p in build(mode).parameters()) - budget) < budget / 10


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_every_mode_weighs_features(mode):
    fusion = build(mode)
    assert fusion.eeg_scale.shape == fusion.audio_scale.shape == (128,)
    assert {"eeg_scale", "audio_scale"} <= dict(fusion.named_parameters()).keys()
    assert fusion.scale(1) is fusion.audio_scale


@pytest.mark.parametrize("mode", FUSION_MODES)
@pytest.mark.parametrize(("n_eeg", "n_audio"), [(25, 25), (3, 25), (0, 25), (25, 0), (0, 0)])
def test_finite_whatever_is_missing_and_the_gate_says_which_counted(mode, n_eeg, n_audio):
    fused, gate, attention = run(build(mode).eval(), modality(n_valid=n_eeg), modality(n_valid=n_audio))
    assert torch.isfinite(fused).all()
    assert torch.isfinite(attention).all()
    assert gate.shape == (3, 2)
    if mode in ("concat", "bottleneck"):
        assert gate.isnan().all()
    elif n_eeg and n_audio:
        assert ((gate > 0) & (gate < 1)).all()
        torch.testing.assert_close(gate.sum(1), torch.ones(3))
    else:
        torch.testing.assert_close(gate, torch.tensor([[float(n_eeg > 0), float(n_audio > 0)]] * 3))


def test_late_is_the_mean_of_softened_probabilities_sharpened_again():
    eeg, audio = modality(seed=1), modality(seed=2)
    logits, gate, _ = run(build("late"), eeg, audio)
    soft = build("late").softness
    mean = ((eeg.logits[0] / soft).softmax(1) + (audio.logits[0] / soft).softmax(1)) / 2
    wanted = mean**soft / (mean**soft).sum(1, keepdim=True)
    torch.testing.assert_close(logits.softmax(1), wanted)
    torch.testing.assert_close(logits.exp(), wanted)  # they are log probabilities
    assert gate.tolist() == [[0.5, 0.5]] * 3


def test_late_stands_on_the_one_that_is_present_and_on_nothing_when_none_is():
    eeg, none = modality(seed=1), modality(n_valid=0)
    late = build("late")
    torch.testing.assert_close(run(late, eeg, none)[0].softmax(1), eeg.logits[0].softmax(1))
    torch.testing.assert_close(run(late, none, none)[0].softmax(1), torch.full((3, 5), 0.2))


def test_gate_is_exactly_all_or_nothing_when_one_is_absent():
    gate, x = LowRankGate(3, 8, 2), torch.randn(3, 4, 8)
    for only in range(3):
        present = torch.eye(3)[only, :, None, None].expand(3, 4, 1)
        assert torch.equal(gate(x, present), present.expand(3, 4, 8))
    assert not gate(x, torch.zeros(3, 4, 1)).any()


def test_gate_of_two_is_a_sigmoid():
    gate, x = LowRankGate(2, 8, 2), torch.randn(2, 4, 8)
    wanted = torch.sigmoid(gate.expand(gate.squeeze(x.transpose(0, 1).flatten(1))))
    torch.testing.assert_close(gate(x, torch.ones(2, 4, 1))[1], wanted, atol=1e-5, rtol=0)


def by_hand(way, query, source, valid, n_heads=4):
    """Torch's own attention behind this one's norms and maps: what is gathered, (B, N, inner)."""
    query, source = way.norm_query(query), way.norm_source(source)
    q, k, v = (
        linear(x).unflatten(2, (n_heads, -1)).transpose(1, 2)
        for linear, x in ((way.query, query), (way.key, source), (way.value, source))
    )
    mask = (valid > 0.5)[:, None, None]
    return (
        torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    )


def shaken(module):
    """With norms that are not the identity, as training leaves them."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module


def test_packed_maps_and_weights_are_torch_s_own_attention():
    torch.manual_seed(0)
    way, x, valid = shaken(Attention(32, 32)), torch.randn(2, 29, 32), (torch.rand(2, 29) > 0.3).float()
    weight, bias = AttentionMaps([way], 4, [0])()
    packed = torch.nn.functional.layer_norm(x, [32]) @ weight[0].t() + bias[0]
    query, key, value = packed.view(2, 29, 3, 4, 8).permute(2, 0, 3, 1, 4).flatten(1, 2)
    weights = attention_weights(query, key, key_mask(valid, 4))
    gathered = (weights @ value).unflatten(0, (2, 4)).transpose(1, 2).flatten(2)
    weights = weights.unflatten(0, (2, 4))
    torch.testing.assert_close(gathered, by_hand(way, x, x, valid), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(weights.sum(3), torch.ones(2, 4, 29))
    assert not weights[(valid < 0.5)[:, None, None].expand_as(weights)].any()


@pytest.mark.parametrize("names", [NAMES, ("eeg", "audio", "face")])
def test_cross_attention_is_every_direction_by_hand_and_then_the_mean_over_time(names):
    torch.manual_seed(0)
    fusion = shaken(build("cross_attention", names)).eval()
    sides = [modality(n_valid=25 - 4 * i, seed=i) for i in range(len(names))]
    tokens = [side.tokens[0] for side in sides]
    for (i, j), way in zip(itertools.permutations(range(len(names)), 2), fusion.directions, strict=True):
        gathered = by_hand(way, sides[i].tokens[0], sides[j].tokens[0], sides[j].valid[0])
        tokens[i] = tokens[i] + way.out(gathered)
    valid = torch.cat([side.valid for side in sides])
    pooled = (torch.stack(tokens) * valid.unsqueeze(3)).sum(2) / valid.sum(2, keepdim=True)
    gate = fusion.gate(pooled, torch.ones(len(names), 3, 1))
    fused, weights, _ = run(fusion, *sides)
    torch.testing.assert_close(fused, (pooled * gate).sum(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(weights, gate.mean(2).t())


def test_nothing_is_gathered_from_an_absent_source():
    fusion, eeg, none = build("cross_attention").eval(), modality(seed=1), modality(n_valid=0)
    fused, gate, attention = run(fusion, eeg, none)
    torch.testing.assert_close(fused, eeg.tokens[0].mean(1))
    assert gate.tolist() == [[1.0, 0.0]] * 3
    assert not attention.any()


def test_attention_looks_along_time_and_not_at_other_samples():
    fusion = build("cross_attention")
    eeg, audio = modality(seed=1), modality(seed=2)
    alone = run(fusion, *(Modalities(*(part[:, :1] for part in side)) for side in (eeg, audio)))
    together = run(fusion, eeg, audio)
    assert together[2].shape == (3, 4, 25, 25)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other[:1], atol=1e-6, rtol=0)
    rolled = audio._replace(tokens=audio.tokens.roll(1, dims=2))
    assert (run(fusion, eeg, rolled)[2] - together[2]).abs().max() > 1e-4


def test_unknown_mode_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="'sum' is not known; choose one of late, concat"):
        build("sum")


def test_concat_reports_no_gate():
    assert math.isnan(run(build("concat"), modality(), modality())[1][0, 0])


def test_bottleneck_sees_the_other_modality_only_through_the_shared_tokens():
    fusion = build("bottleneck").eval()
    eeg, audio = modality(seed=1), modality(seed=2)
    before = run(fusion, eeg, audio)[0]
    assert (run(fusion, eeg, modality(seed=3))[0] - before).abs().max() > 1e-4
    with torch.no_grad():
        fusion.out.weight.zero_()
    assert torch.equal(run(fusion, eeg, audio)[0], run(fusion, eeg, modality(seed=3))[0])


def test_adaptive_listens_to_whoever_is_sure():
    fusion = build("adaptive").eval()
    eeg, audio = modality(seed=1), modality(seed=2)
    sure = eeg._replace(logits=torch.eye(5)[None, :3] * 12)
    unsure = audio._replace(logits=torch.zeros(1, 3, 5))
    weights = run(fusion, sure, unsure)[1]
    assert (weights[:, 0] > weights[:, 1]).all()
    log_probs, _, _ = run(fusion, sure, unsure)
    assert log_probs.argmax(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(3))


def test_adaptive_is_uniform_when_nothing_is_there():
    none = modality(n_valid=0)
    torch.testing.assert_close(run(build("adaptive").eval(), none, none)[0].exp(), torch.full((3, 5), 0.2))


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_a_single_modality_needs_no_fusion_and_a_third_is_a_name(mode):
    assert run(build(mode, ("audio",)).eval(), modality())[1].shape == (3, 1)
    fusion = build(mode, ("eeg", "audio", "face")).eval()
    here, none = modality(seed=1), modality(n_valid=0)
    three = run(fusion, here, modality(seed=2), modality(seed=3))
    assert fusion.face_scale.shape == (128,)
    assert three[1].shape == (3, 3)
    assert torch.isfinite(run(fusion, here, none, none)[0]).all()
    assert (three[0] - run(fusion, here, modality(seed=2), modality(seed=4))[0]).abs().max() > 1e-5
