import math

import numpy as np
import pytest
import torch

from bci_stream.model.audio import (
    AudioEncoder,
    BandStatistics,
    LogMel,
    SeparableConv,
    change_since,
    mel_filterbank,
)
from bci_stream.model.layers import MaskedBatchNorm


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    encoder = AudioEncoder()
    for part in encoder.modules():
        if isinstance(part, MaskedBatchNorm):
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 2)
    return encoder.eval()


@torch.inference_mode()
def encode(encoder, x, valid):
    return encoder(x, valid, encoder.initial_state(x.size(0)))


def test_size_is_within_a_tenth_of_the_budget():
    assert abs(sum(p.numel() for p in AudioEncoder().parameters()) - 40_000) < 4_000


def test_filterbank_covers_speech_with_overlapping_triangles():
    bank = mel_filterbank().numpy()
    assert bank.shape == (257, 64)
    assert (bank >= 0).all()
    assert bank.max() <= 1
    centres = bank.argmax(0)
    assert (np.diff(centres[10:]) > 0).all()
    np.testing.assert_allclose(bank[20:230].sum(1), 1.0, atol=1e-5)  # neighbours fill each other's slopes


@pytest.mark.parametrize("tone_hz", [300.0, 1000.0, 3000.0])
def test_log_mel_peaks_where_the_tone_is(tone_hz):
    log_mel = LogMel()
    x = torch.sin(2 * math.pi * tone_hz * torch.arange(4000) / 16000).unsqueeze(0)
    mel, valid = log_mel(x, torch.ones_like(x))
    wanted = (mel_filterbank()[round(tone_hz / 31.25)]).argmax()
    assert valid.all()
    assert (mel.argmax(2) - wanted).abs().max() <= 1


def test_log_mel_is_the_textbook_formula():
    log_mel, x = LogMel(), 0.1 * torch.randn(1, 512)
    spectrum = np.abs(np.fft.rfft(x.numpy()[0, 112:] * np.hanning(401)[:-1], 512)) ** 2
    wanted = np.log(spectrum @ mel_filterbank().numpy() + 1e-6)
    np.testing.assert_allclose(log_mel(x, torch.ones_like(x))[0][0, 0], wanted, atol=1e-4)


def test_half_missing_frame_keeps_its_level_and_less_than_half_is_zero():
    log_mel, x = LogMel(), torch.randn(200, 512)
    valid = torch.ones(200, 512)
    valid[:, ::2] = 0
    whole = log_mel(x, torch.ones_like(x))[0].mean()
    half = log_mel(x * valid, valid)[0].mean()
    assert abs(float(half - whole)) < 0.2
    valid[:, 112:124] = 0
    frames, frame_valid = log_mel(x * valid, valid)
    assert not frame_valid.any()
    assert torch.equal(frames, torch.zeros_like(frames))


@pytest.mark.parametrize("changed", [0, 1, 3199, 3200, 3201, 9 * 3200])
def test_causal_a_token_sees_nothing_after_its_end(encoder, changed):
    x, valid = 0.1 * torch.randn(1, 32000), torch.ones(1, 32000)
    other = x.clone()
    other[:, changed:] = torch.randn_like(other[:, changed:])
    before, after = encode(encoder, x, valid)[0], encode(encoder, other, valid)[0]
    first = changed // 3200
    torch.testing.assert_close(before[:, :first], after[:, :first], rtol=0, atol=1e-5)
    if changed % 3200 < 3000:  # the window is near zero at its end
        assert (before[:, first] - after[:, first]).abs().max() > 1e-3


def test_what_is_not_valid_never_leaks_even_when_not_finite(encoder):
    x, valid = 0.1 * torch.randn(1, 32000), torch.ones(1, 32000)
    valid[:, 5000:14000] = 0
    clean = encode(encoder, x, valid)
    for junk in (math.nan, math.inf, 1e30):
        dirty = torch.where(valid > 0, x, junk)
        for one, other in zip(clean[0:2], encode(encoder, dirty, valid)[0:2], strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("n_valid", "wanted"), [(3200, 1.0), (1600, 1.0), (1599, 0.0), (0, 0.0)])
def test_token_is_valid_with_half_its_samples(encoder, n_valid, wanted):
    valid = torch.zeros(1, 3200)
    valid[:, :n_valid] = 1
    assert encode(encoder, torch.randn(1, 3200), valid)[1].item() == wanted


@torch.inference_mode()
def test_a_block_is_zero_where_nothing_was_valid():
    block = SeparableConv(6, 8, n_taps=5, stride=2).eval()
    torch.nn.init.constant_(block.norm.bias, 3.0)
    valid = torch.tensor([[1.0, 1, 0, 0, 0, 1]])
    y, valid, _ = block(torch.randn(1, 6, 6), valid, torch.zeros(1, 3, 6))
    assert valid.tolist() == [[1, 0, 1]]
    assert [bool(row.any()) for row in y[0]] == [True, False, True]


def test_change_is_since_so_many_frames_ago_and_zero_across_a_gap():
    mel, valid = torch.arange(6.0).square()[None, :, None], torch.tensor([[1.0, 1, 0, 1, 1, 1]])
    history = torch.tensor([[[4.0, 1.0], [1.0, 1.0]]])  # two frames before, and that they were valid
    joined = torch.cat((history, torch.cat((mel, valid[:, :, None]), dim=2)), dim=1)
    assert change_since(1, joined, mel, valid[:, :, None]).flatten().tolist() == [-1, 1, 0, 0, 7, 9]
    assert change_since(2, joined, mel, valid[:, :, None]).flatten().tolist() == [-4, 0, 0, 8, 0, 16]


def test_band_statistics_are_means_over_the_valid_frames_of_a_token():
    torch.manual_seed(0)
    statistics = BandStatistics(3, 4, 20).eval()
    statistics.norm.running_mean.normal_()
    mel, step, slope = 2 * torch.randn(3, 1, 40, 3)
    valid = (torch.rand(1, 40) > 0.3).float()
    valid[:, 20:] = 0.0
    with torch.no_grad():
        found = statistics(mel, step, slope, valid)
        x, good = mel[0, :20], valid[0, :20] > 0
        kinds = (x, (x - 1).clamp(min=0), (-x - 1).clamp(min=0), slope[0, :20].abs(), step[0, :20].abs())
        means = torch.cat([kind[good].mean(0) for kind in kinds])
        scale, shift = statistics.norm.affine()
        torch.testing.assert_close(found[0, 0], statistics.mix(means * scale + shift))
    assert not found[0, 1].any()


def test_training_path_agrees_with_evaluation_when_statistics_do():
    torch.manual_seed(3)
    trained = AudioEncoder()
    for part in trained.modules():
        if isinstance(part, MaskedBatchNorm):
            part.momentum = 1.0  # the running statistics become those of this batch
    x, valid = 0.1 * torch.randn(8, 64000), torch.ones(8, 64000)
    tokens, _, _ = trained(x, valid, trained.initial_state(8))
    evaluated, _, _ = encode(trained.eval(), x, valid)
    spread = tokens.std().item()
    assert (tokens.detach() - evaluated).abs().max() < 0.1 * spread  # n against n - 1 in the variance
