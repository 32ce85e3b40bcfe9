import math

import numpy as np
import pytest
import torch

from bci_stream.model.eeg import EegEncoder, ResidualBlock
from bci_stream.model.eeg_fronts import BANDS, band_bank, build_eeg_front, gabor_bank, mean_power

N_CHANNELS = 6


@pytest.fixture(scope="module", params=["learned", "bandpower"])
def encoder(request):
    torch.manual_seed(0)
    n_taps = 63 if request.param == "learned" else 125
    encoder = EegEncoder(N_CHANNELS, n_taps=n_taps, front=request.param)
    if request.param == "learned":
        encoder.front.norm.running_mean.normal_()
        encoder.front.norm.running_var.uniform_(0.5, 2)
    for block in encoder.blocks:
        torch.nn.init.normal_(block.pointwise.weight, std=0.1)
    return encoder.eval()


@torch.inference_mode()
def encode(encoder, x, valid):
    return encoder(x, valid, encoder.initial_state(x.size(0)))


@pytest.mark.parametrize(("front", "n_channels"), [("learned", 16), ("learned", 30), ("bandpower", 30)])
def test_size_is_within_a_tenth_of_the_budget(front, n_channels):
    n_parameters = sum(p.numel() for p in EegEncoder(n_channels, front=front).parameters())
    assert abs(n_parameters - 91_000) < 9_100


def test_filters_start_as_unit_gain_band_passes_from_4_to_45_hz():
    bank = gabor_bank(96, 63, 125.0).numpy()
    gain = np.abs(np.fft.rfft(bank, 1250, axis=0))
    freqs_hz = np.fft.rfftfreq(1250, 1 / 125)
    peaks_hz = freqs_hz[gain.argmax(0)]
    assert (np.diff(peaks_hz) >= 0).all()
    assert peaks_hz[0] == pytest.approx(4.5, abs=1)
    assert peaks_hz[-1] == pytest.approx(45, abs=1)
    assert gain[0].max() < 1e-3
    np.testing.assert_allclose(gain.max(0), 1.0, atol=0.25)


def test_shapes(encoder):
    tokens, valid, _ = encode(encoder, torch.randn(3, N_CHANNELS, 25 * 7), torch.ones(3, 25 * 7))
    assert tokens.shape == (3, 7, 128)
    assert valid.shape == (3, 7)


@pytest.mark.parametrize("changed", [0, 1, 24, 25, 26, 24 * 25])
def test_causal_a_token_sees_nothing_after_its_end(encoder, changed):
    x, valid = 20 * torch.randn(1, N_CHANNELS, 25 * 26), torch.ones(1, 25 * 26)
    other = x.clone()
    other[..., changed:] = 50 * torch.randn_like(other[..., changed:])
    before, after = encode(encoder, x, valid)[0], encode(encoder, other, valid)[0]
    first = changed // 25
    torch.testing.assert_close(before[:, :first], after[:, :first], rtol=0, atol=1e-5)
    assert (before[:, first] - after[:, first]).abs().max() > 1e-4


def test_reach_is_what_it_says(encoder):
    reach, n_tokens = encoder.reach_tokens, 40
    x, valid = 20 * torch.randn(1, N_CHANNELS, 25 * n_tokens), torch.ones(1, 25 * n_tokens)
    last = encode(encoder, x, valid)[0][:, -1]
    for token, matters in ((n_tokens - 2 - reach, False), (n_tokens - 1 - reach, True)):
        other = x.clone()
        other[..., token * 25 : token * 25 + 25] *= 30
        moved = (encode(encoder, other, valid)[0][:, -1] - last).abs().max()
        assert bool(moved > 1e-6) is matters


def test_what_is_not_valid_never_leaks_even_when_not_finite(encoder):
    x, valid = 20 * torch.randn(1, N_CHANNELS, 250), torch.ones(1, 250)
    valid[:, 60:130] = 0
    clean = encode(encoder, x, valid)
    for junk in (math.nan, math.inf, 1e30):
        dirty = torch.where(valid.unsqueeze(1) > 0, x, junk)
        for one, other in zip(clean[0:2], encode(encoder, dirty, valid)[0:2], strict=True):
            assert torch.equal(one, other)


def test_band_filters_pass_their_band_and_stop_the_others_and_the_mean():
    gain = np.abs(np.fft.rfft(band_bank(125, 125.0).numpy(), 1250, axis=0))
    for i, (low_hz, high_hz) in enumerate(BANDS.values()):
        centre = round((low_hz + high_hz) / 2 * 10)
        assert gain[centre, i] == pytest.approx(1.0, abs=0.05)
        assert gain[0, i] < 1e-3
        assert gain[min(624, round((high_hz + 6) * 10)), i] < 0.1
        assert i < 2 or gain[round((low_hz - 3) * 10), i] < 0.1


def test_a_rhythm_shows_in_its_own_band_only():
    front = build_eeg_front("bandpower", 1, 125.0, 1, 125, normalize=False).eval()
    times_s = torch.arange(125 * 6) / 125
    for i, (low_hz, high_hz) in enumerate(BANDS.values()):
        x = 10 * torch.sin(math.pi * (low_hz + high_hz) * times_s)[None, None]
        powers, _ = front(x, torch.ones(1, len(times_s)), front.initial_state(1))
        assert powers[0, -1].argmax() == i
        assert float(powers[0, -1, i]) == pytest.approx(math.log(0.5), abs=0.15)


def test_unknown_front_end_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="'fft' is not known; choose one of learned, bandpower"):
        build_eeg_front("fft", 2, 125.0, 1, 63, normalize=False)


def test_power_is_the_mean_over_valid_samples_so_a_gap_is_not_low_power():
    y, valid = torch.ones(1, 125, 96), torch.ones(1, 125)
    valid[:, 10:70] = 0
    power, _ = mean_power(y * 3 * valid.unsqueeze(2), valid, torch.zeros(1, 4, 97), 25)
    torch.testing.assert_close(power[:, [0, 3, 4]], torch.full((1, 3, 96), 9.0))


def test_power_covers_the_last_second():
    y = torch.zeros(1, 250, 96)
    y[:, :25] = 5.0
    power, _ = mean_power(y, torch.ones(1, 250), torch.zeros(1, 4, 97), 25)
    torch.testing.assert_close(power[0, :, 0], torch.tensor([25.0, 25 / 2, 25 / 3, 25 / 4, 5, 0, 0, 0, 0, 0]))


@pytest.mark.parametrize(("n_valid", "wanted"), [(25, 1.0), (13, 1.0), (12, 0.0), (0, 0.0)])
def test_token_is_valid_with_half_its_samples(encoder, n_valid, wanted):
    valid = torch.zeros(1, 25)
    valid[:, :n_valid] = 1
    assert encode(encoder, torch.randn(1, N_CHANNELS, 25), valid)[1].item() == wanted


@torch.inference_mode()
def test_a_residual_block_gathers_nothing_from_invalid_tokens():
    block = ResidualBlock(8, dilation=1, dropout=0.0).eval()
    torch.nn.init.normal_(block.pointwise.weight)
    torch.nn.init.normal_(block.norm.bias)
    x, valid, history = torch.randn(1, 6, 8), torch.ones(1, 6, 1), torch.zeros(1, 4, 8)
    valid[:, 2:4] = 0
    other = torch.where(valid > 0, x, 7.0)
    (before, past), (after, other_past) = block(x, valid, history), block(other, valid, history)
    assert torch.equal(before[:, [0, 1, 4, 5]], after[:, [0, 1, 4, 5]])
    assert torch.equal(past, other_past)


def test_other_rates_give_tokens_of_the_same_time():
    encoder = EegEncoder(2, sfreq=250.0, n_taps=127).eval()
    tokens, _, _ = encode(encoder, torch.randn(1, 2, 50 * 3), torch.ones(1, 150))
    assert tokens.shape == (1, 3, 128)


def test_training_path_agrees_with_evaluation_when_statistics_do():
    torch.manual_seed(3)
    trained = EegEncoder(N_CHANNELS, dropout=0.0)
    trained.front.norm.momentum = 1.0  # the running statistics become those of this batch
    x, valid = 20 * torch.randn(4, N_CHANNELS, 500), (torch.rand(4, 500) > 0.1).float()
    tokens, _, _ = trained(x, valid, trained.initial_state(4))
    evaluated, _, _ = encode(trained.eval(), x, valid)
    torch.testing.assert_close(
        tokens.detach(), evaluated, atol=0.02, rtol=0
    )  # n against n - 1 in the variance


@pytest.mark.parametrize("front", ["learned", "bandpower"])
def test_every_parameter_of_the_path_learns(front):
    encoder = EegEncoder(N_CHANNELS, front=front)
    for (
        block
    ) in encoder.blocks:  # they begin as nothing, and what is before them learns from the second step on
        torch.nn.init.normal_(block.pointwise.weight, std=0.1)
    tokens, _, _ = encoder(20 * torch.randn(2, N_CHANNELS, 250), torch.ones(2, 250), encoder.initial_state(2))
    encoder.pool(tokens, torch.ones(2, 10)).square().sum().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
