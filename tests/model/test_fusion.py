import math

import pytest
import torch

from bci_stream.model.fusion import FUSION_MODES, CrossAttention, LowRankGate, Modality, build_fusion

BUDGET = {"concat": 33_000, "gated": 37_000, "cross_attention": 40_000}


NAMES = ("eeg", "audio")


def build(mode, names=NAMES, dropout=0.2):
    return build_fusion(mode, names, 128, 5, dropout)


def run(fusion, *modalities):
    return fusion(list(modalities), fusion.experts(list(modalities)))


def modality(n_batch=3, n_valid=25, seed=0):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.zeros(n_batch, 25, dtype=torch.bool)
    valid[:, :n_valid] = True
    tokens = torch.randn(n_batch, 25, 128, generator=generator) * valid.unsqueeze(2)
    present = torch.full((n_batch, 1), float(n_valid > 0))
    logits = torch.randn(n_batch, 5, generator=generator) * present
    return Modality(tokens, valid, tokens.mean(1), present, logits)


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


def test_late_is_the_mean_of_probabilities():
    eeg, audio = modality(seed=1), modality(seed=2)
    logits, gate, _ = run(build("late"), eeg, audio)
    wanted = (eeg.logits.softmax(1) + audio.logits.softmax(1)) / 2
    torch.testing.assert_close(logits.softmax(1), wanted)
    assert gate.tolist() == [[0.5, 0.5]] * 3


def test_late_stands_on_the_one_that_is_present_and_on_nothing_when_none_is():
    eeg, none = modality(seed=1), modality(n_valid=0)
    late = build("late")
    torch.testing.assert_close(run(late, eeg, none)[0].softmax(1), eeg.logits.softmax(1))
    torch.testing.assert_close(run(late, none, none)[0].softmax(1), torch.full((3, 5), 0.2))


def test_gate_is_exactly_all_or_nothing_when_one_is_absent():
    gate, x = LowRankGate(3, 8, 2), torch.randn(4, 3, 8)
    for only in range(3):
        present = torch.eye(3)[only].expand(4, 3)
        assert torch.equal(gate(x, present), present.unsqueeze(2).expand(4, 3, 8))
    assert not gate(x, torch.zeros(4, 3)).any()


def test_gate_of_two_is_a_sigmoid():
    gate, x = LowRankGate(2, 8, 2), torch.randn(4, 2, 8)
    wanted = torch.sigmoid(gate.expand(gate.squeeze(x.flatten(1))))
    torch.testing.assert_close(gate(x, torch.ones(4, 2))[:, 1], wanted, atol=1e-5, rtol=0)


def test_attention_agrees_with_torch_s_own():
    ours = CrossAttention(128, 32, 4)
    query, source = torch.randn(2, 25, 128), torch.randn(2, 25, 128)
    valid = torch.rand(2, 25) > 0.3
    q = ours.heads(ours.query(ours.norm_query(query)))
    normed = ours.norm_source(source)
    k, v = ours.heads(ours.key(normed)), ours.heads(ours.value(normed))
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=valid[:, None, None])
    wanted = ours.out(wanted.transpose(1, 2).flatten(2))
    gathered, weights = ours(query, source, valid, torch.ones(2, 1))
    torch.testing.assert_close(gathered, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights.sum(3), torch.ones(2, 4, 25))
    assert not weights[~valid[:, None, None].expand_as(weights)].any()


def test_nothing_is_gathered_from_an_absent_source():
    attention, none = CrossAttention(128, 32, 4), torch.zeros(2, 25, 128)
    gathered, weights = attention(torch.randn(2, 25, 128), none, none[:, :, 0] > 0, torch.zeros(2, 1))
    assert not gathered.any()
    assert not weights.any()


def test_attention_looks_along_time_and_not_at_other_samples():
    fusion = build("cross_attention")
    eeg, audio = modality(seed=1), modality(seed=2)
    alone = run(fusion, *(Modality(*(part[:1] for part in side)) for side in (eeg, audio)))
    together = run(fusion, eeg, audio)
    assert together[2].shape == (3, 4, 25, 25)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other[:1], atol=1e-6, rtol=0)
    rolled = audio._replace(tokens=audio.tokens.roll(1, dims=1))
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
    sure = eeg._replace(logits=torch.eye(5)[:3] * 12)
    unsure = audio._replace(logits=torch.zeros(3, 5))
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
