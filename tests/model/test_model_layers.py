import pytest
import torch
from torch.nn import functional

from bci_stream.model.layers import (
    AttentionPooling,
    MaskedBatchNorm,
    RunningNorm,
    clean,
    depthwise,
    depthwise_fft,
    mostly_valid,
    score_mask,
    split_history,
)


@pytest.mark.parametrize("few", [0, 10**9])
@pytest.mark.parametrize("n_out", [1, 2, 25, 100])
@pytest.mark.parametrize(
    ("n_taps", "stride", "dilation"), [(5, 1, 1), (5, 1, 2), (5, 2, 1), (9, 5, 1), (63, 1, 1)]
)
def test_depthwise_is_grouped_correlation_on_both_sides_of_its_switch(few, n_out, n_taps, stride, dilation):
    n_time = (n_out - 1) * stride + dilation * (n_taps - 1) + 1
    x, taps, bias = torch.randn(2, n_time, 7), torch.randn(n_taps, 7), torch.randn(7)
    kernel = taps.t().unsqueeze(1)
    wanted = functional.conv1d(x.transpose(1, 2), kernel, bias, stride=stride, dilation=dilation, groups=7)
    torch.testing.assert_close(
        depthwise(x, taps, stride, dilation, few, bias), wanted.transpose(1, 2), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("n_time", [63, 64, 65, 200])
def test_fft_gives_the_same_filter_and_the_same_gradient(n_time):
    x, taps = torch.randn(2, n_time, 7), torch.randn(63, 7, requires_grad=True)
    direct, by_fft = depthwise(x, taps, 1, 1), depthwise_fft(x, taps)
    torch.testing.assert_close(by_fft, direct, atol=1e-4, rtol=1e-4)
    weights = torch.randn_like(direct)
    (wanted,) = torch.autograd.grad((direct * weights).sum(), taps)
    (found,) = torch.autograd.grad((by_fft * weights).sum(), taps)
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


def test_history_is_the_end_of_all_that_came_even_when_little_came():
    joined, history = split_history(torch.tensor([[[5.0]]]), torch.tensor([[[1.0], [2.0], [3.0]]]))
    assert joined.flatten().tolist() == [1, 2, 3, 5]
    assert history.flatten().tolist() == [2, 3, 5]


def test_batch_norm_is_torch_s_when_all_is_valid():
    ours, theirs = MaskedBatchNorm(4, momentum=0.1), torch.nn.BatchNorm1d(4)
    x = 3 * torch.randn(5, 11, 4) + 2
    torch.testing.assert_close(ours(x, torch.ones(5, 11)), theirs(x.transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x, torch.ones(5, 11)), theirs(x.transpose(1, 2)).transpose(1, 2))


def test_batch_norm_learns_nothing_from_invalid_instants():
    valid = (torch.rand(5, 11) > 0.4).float()
    x = torch.randn(5, 11, 4)
    norms = []
    for fill in (0.0, 1e3):
        norm = MaskedBatchNorm(4)
        out = norm(torch.where(valid.unsqueeze(2) > 0, x, fill), valid)
        norms.append((out[valid > 0], norm.running_mean, norm.running_var))
    for one, other in zip(*norms, strict=True):
        torch.testing.assert_close(one, other)


def test_batch_norm_of_nothing_valid_changes_no_statistics():
    norm = MaskedBatchNorm(4)
    out = norm(torch.randn(2, 3, 4), torch.zeros(2, 3))
    assert torch.isfinite(out).all()
    assert torch.equal(norm.running_mean, torch.zeros(4))


def test_pooling_weighs_valid_tokens_only_and_gives_zero_for_none():
    pool = AttentionPooling(8)
    tokens, valid = torch.randn(2, 6, 8), torch.tensor([[1.0] * 3 + [0.0] * 3, [0.0] * 6])
    tokens = tokens * valid.unsqueeze(2)
    pooled = pool(tokens, valid)
    torch.testing.assert_close(pooled[:1], pool(tokens[:1, :3], valid[:1, :3]))
    assert torch.equal(pooled[1], torch.zeros(8))


def test_half_or_more_is_mostly_valid():
    assert mostly_valid(torch.tensor([[1.0, 1, 0, 0, 1, 0, 0, 0, 0]]), 3).tolist() == [[1, 0, 0]]
    assert mostly_valid(torch.tensor([[1.0, 1, 0, 0, 1, 0, 0, 0]]), 4).tolist() == [[1, 0]]


def test_what_is_not_valid_is_exactly_zero_whatever_it_was():
    x = torch.tensor([[3.0, torch.nan, torch.inf, -torch.inf, -2.0, torch.nan]])
    assert clean(x, torch.tensor([[1.0, 0, 0, 0, 1, 1]])).tolist() == [[3, 0, 0, 0, -2, 0]]


def test_masked_scores_leave_nothing_and_the_others_as_they_were():
    scores, valid = torch.randn(4, 9), torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 1, 1])
    weights = torch.softmax(scores + score_mask(valid), dim=1)
    assert not weights[:, valid == 0].any()
    torch.testing.assert_close(weights[:, valid == 1], torch.softmax(scores[:, valid == 1], dim=1))


def normalized(norm, x, valid, cuts=()):
    """The whole, or in pieces that end before the tokens of ``cuts``."""
    history, parts, start = torch.zeros(len(x), 1, 2 * norm.n_features + 1), [], 0
    for stop in [*cuts, x.size(1) // norm.frames_per_token]:
        span = slice(start * norm.frames_per_token, stop * norm.frames_per_token)
        y, history = norm(x[:, span], valid[:, span], history)
        parts.append(y)
        start = stop
    return torch.cat(parts, 1)


@pytest.mark.parametrize("cuts", [(1,), (3, 4, 30), tuple(range(1, 40))])
@pytest.mark.parametrize("frames", [1, 20])
def test_running_norm_in_pieces_is_the_whole(frames, cuts):
    torch.manual_seed(0)
    norm = RunningNorm(5, frames, -4.0, 4.0)
    x = 3 * torch.randn(2, 40 * frames, 5) - 7
    valid = (torch.rand(2, 40 * frames) > 0.3).float()
    torch.testing.assert_close(
        normalized(norm, x, valid, cuts), normalized(norm, x, valid), atol=1e-4, rtol=0
    )


def test_running_norm_makes_people_alike_and_forgets_the_prior():
    torch.manual_seed(0)
    norm = RunningNorm(3, 1, 0.0, 1.0)
    for mean, spread in ((-9.0, 0.5), (4.0, 3.0)):
        y = normalized(norm, mean + spread * torch.randn(1, 6000, 3), torch.ones(1, 6000))[:, -1500:]
        assert y.mean().abs() < 0.15
        assert abs(float(y.std()) - 1) < 0.15


def test_running_norm_is_causal_and_deaf_to_what_is_not_valid():
    torch.manual_seed(0)
    norm = RunningNorm(3, 2, 0.0, 1.0)
    x, valid = torch.randn(1, 60, 3), torch.ones(1, 60)
    valid[:, 20:30] = 0.0
    later, junk = x.clone(), x.clone()
    later[:, 40:] += 5
    junk[:, 20:30] = 1e3
    before = normalized(norm, x, valid)
    assert torch.equal(normalized(norm, later, valid)[:, :40], before[:, :40])
    torch.testing.assert_close(normalized(norm, junk, valid), before)
    assert not before[:, 20:30].any()


def test_running_norm_starts_from_its_prior():
    norm = RunningNorm(1, 1, -4.0, 2.0)
    y = normalized(norm, torch.tensor([[[-2.0]]]), torch.ones(1, 1))
    assert float(y) == pytest.approx(1.0, abs=0.1)


def test_pooling_is_the_mean_of_equal_tokens_plus_no_spread():
    pool = AttentionPooling(4)
    token = torch.randn(1, 1, 4)
    pooled = pool(token.expand(1, 7, 4), torch.ones(1, 7))
    torch.testing.assert_close(pooled, token[:, 0], atol=1e-3, rtol=0)
