import pytest
import torch
from torch.nn import functional

from bci_stream.model.layers import (
    AttentionPooling,
    MaskedBatchNorm,
    depthwise,
    depthwise_fft,
    share_valid,
    split_history,
)


@pytest.mark.parametrize("n_out", [1, 2, 25, 32, 33, 100])
@pytest.mark.parametrize(
    ("n_taps", "stride", "dilation"), [(5, 1, 1), (5, 1, 2), (5, 2, 1), (9, 5, 1), (63, 1, 1)]
)
def test_depthwise_is_grouped_correlation_on_both_sides_of_its_switch(n_out, n_taps, stride, dilation):
    n_time = (n_out - 1) * stride + dilation * (n_taps - 1) + 1
    x, taps = torch.randn(2, n_time, 7), torch.randn(n_taps, 7)
    kernel = taps.t().unsqueeze(1)
    wanted = functional.conv1d(x.transpose(1, 2), kernel, stride=stride, dilation=dilation, groups=7)
    torch.testing.assert_close(
        depthwise(x, taps, stride, dilation), wanted.transpose(1, 2), atol=1e-5, rtol=1e-5
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
    tokens, valid = torch.randn(2, 6, 8), torch.tensor([[True] * 3 + [False] * 3, [False] * 6])
    tokens = torch.where(valid.unsqueeze(2), tokens, 0.0)
    pooled = pool(tokens, valid)
    torch.testing.assert_close(pooled[:1], pool(tokens[:1, :3], valid[:1, :3]))
    assert torch.equal(pooled[1], torch.zeros(8))


def test_share_valid():
    assert share_valid(torch.tensor([[1.0, 1, 0, 0, 0, 0]]), 3).tolist() == [pytest.approx([2 / 3, 0])]
