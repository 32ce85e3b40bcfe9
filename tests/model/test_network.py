import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_stream.model.audio import AudioEncoder
from bci_stream.model.bundle import make_program
from bci_stream.model.contract import Contract
from bci_stream.model.eeg import EegEncoder
from bci_stream.model.fusion import FUSION_MODES
from bci_stream.model.layers import AttentionPooling, mostly_valid
from bci_stream.model.network import FusionNetwork, FusionOutput, build_network
from bci_stream.model.proof import differences, presence_patterns, random_stretch

FRONTS = {"learned": 63, "bandpower": 125}


def with_front(front, **fields):
    """Fields of a contract with that front end, and running normalisation where it can be."""
    running = "running" if front == "bandpower" else "none"
    eeg = {"channels": tuple(f"E{i}" for i in range(6)), "normalization": running}
    sizes = {"eeg_front": front, "n_taps": FRONTS[front]}
    return {"eeg": eeg, "audio": {"normalization": running}, "architecture": sizes, **fields}


CASES = [(mode, front, ("eeg", "audio")) for mode in FUSION_MODES for front in FRONTS]
CASES += [("concat", front, ("eeg",)) for front in FRONTS] + [("gated", "learned", ("audio",))]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{'+'.join(case[2])}")
def case(request, make_network):
    mode, front, modalities = request.param
    contract = Contract.model_validate(with_front(front, fusion=mode, modalities=modalities))
    return contract, make_network(contract)


def changed(stretch, which, value):
    """The stretch with modality ``which`` replaced."""
    inputs, valid, presence = stretch
    return [value if i == which else x for i, x in enumerate(inputs)], valid, presence


def everything(stretch):
    """The stretch with every modality there."""
    return stretch[0], stretch[1], torch.ones_like(stretch[2])


def cut(stretch, contract, start, stop):
    """Tokens ``start`` to ``stop`` of each modality."""
    sizes = {"eeg": 25, "audio": 3200}
    spans = [slice(sizes[name] * start, sizes[name] * stop) for name in contract.modalities]
    inputs = [x[..., span] for x, span in zip(stretch[0], spans, strict=True)]
    return inputs, [v[:, span] for v, span in zip(stretch[1], spans, strict=True)], stretch[2]


@torch.inference_mode()
def outputs(network, stretch):
    return dict(zip(FusionOutput._fields, network(*stretch), strict=True))


def assert_close(one, other, atol):
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=atol, equal_nan=True, msg=name)


def assert_equal(one, other):
    for name, value in one.items():
        assert torch.equal(value.nan_to_num(-1), other[name].nan_to_num(-1)), name


def test_sizes_are_within_a_tenth_of_the_budget(case):
    contract, network = case
    n_classifier = sum(p.numel() for p in network.classifier.parameters())
    if network.fusion.gives_probs:
        assert n_classifier == 0
    else:
        assert abs(n_classifier - 70_000) < 7_000
    for name in contract.modalities:
        assert sum(p.numel() for p in network.heads[name].parameters()) == 128 * 5 + 5


def test_scripted_frozen_program_is_the_network_bit_for_bit(case):
    contract, network = case
    assert differences(network, make_program(network), contract, tolerance=0.0) == []


def test_proof_finds_a_weight_that_moved(case):
    contract, network = case
    program = make_program(network)
    other = build_network(contract).eval()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        other.heads[contract.modalities[-1]].bias[0] += 1e-3
    assert "heads" in differences(other, program, contract, tolerance=1e-6)


def test_shapes_and_probabilities(case):
    contract, network = case
    stretch = random_stretch(contract, 30)
    found, n, m = outputs(network, stretch), len(stretch[2]), len(contract.modalities)
    assert found["logits"].shape == (n, 5)
    assert found["heads"].shape == (n, len(network.head_names), 5)
    assert network.head_names[:m] == contract.modalities
    assert found["gate"].shape == (n, m)
    attends = contract.fusion == "cross_attention"
    assert found["attention"].shape == ((n, 4, 25, 25) if attends else (0,))
    torch.testing.assert_close(found["probs"].sum(1), torch.ones(n))
    assert all(torch.isfinite(value).all() for name, value in found.items() if name != "gate")


@pytest.mark.parametrize("hops", [[1] * 30, [7, 1, 2, 20], [30], [29, 1]])
def test_streaming_in_any_hops_is_the_whole_window(case, hops):
    contract, network = case
    stretch = random_stretch(contract, 30)
    n_batch = len(stretch[2])
    tokens, good = [], []
    with torch.inference_mode():
        for i in range(len(contract.modalities)):
            state, start, parts = network.initial_state(i, n_batch), 0, []
            for n in hops:
                inputs, valid, _ = cut(stretch, contract, start, start + n)
                token, ok, state = network.encode(i, inputs[i], valid[i], state)
                parts.append((token, ok))
                start += n
            one, other = (torch.cat(part, 1)[:, -25:] for part in zip(*parts, strict=True))
            tokens.append(one)
            good.append(other)
        streamed = network.fuse(tokens, good, stretch[2])._asdict()
    assert_close(streamed, outputs(network, stretch), atol=1e-5)


def test_encoding_does_not_modify_its_arguments(case):
    contract, network = case
    inputs, valid, presence = random_stretch(contract, 2)
    states = [network.initial_state(i, len(presence)) for i in range(len(inputs))]
    mine = [*inputs, *valid, *(part for state in states for part in state)]
    before = [t.clone() for t in mine]
    with torch.inference_mode():
        for i in range(len(inputs)):
            network.encode(i, inputs[i], valid[i], states[i])
    assert all(torch.equal(one, other) for one, other in zip(before, mine, strict=True))


def test_a_sample_does_not_depend_on_its_batch(case):
    contract, network = case
    stretch = random_stretch(contract, 26)
    together = outputs(network, stretch)
    for i in range(len(stretch[2])):
        alone = [x[i : i + 1] for x in stretch[0]], [x[i : i + 1] for x in stretch[1]], stretch[2][i : i + 1]
        mine = {name: value[i : i + 1] if value.dim() > 1 else value for name, value in together.items()}
        assert_close(outputs(network, alone), mine, atol=1e-5)


@pytest.mark.parametrize("junk", [0.0, 1e6, math.nan, math.inf])
def test_absent_modality_changes_nothing_exactly(case, junk):
    contract, network = case
    for absent in range(len(contract.modalities)):
        inputs, valid, presence = everything(random_stretch(contract, 25))
        presence[:, absent] = 0.0
        before = outputs(network, (inputs, valid, presence))
        other = changed((inputs, valid, presence), absent, torch.full_like(inputs[absent], junk))
        assert_equal(before, outputs(network, other))


def test_present_but_never_valid_is_absent(case):
    contract, network = case
    for absent in range(len(contract.modalities)):
        inputs, valid, presence = everything(random_stretch(contract, 25))
        nothing = [torch.zeros_like(v) if i == absent else v for i, v in enumerate(valid)]
        without = presence.clone()
        without[:, absent] = 0.0
        one, other = outputs(network, (inputs, nothing, presence)), outputs(network, (inputs, valid, without))
        assert_equal(one, other)


def test_every_present_modality_counts(case):
    contract, network = case
    stretch = everything(random_stretch(contract, 25))
    before = outputs(network, stretch)["logits"]
    for i, x in enumerate(stretch[0]):
        factor = torch.where(
            torch.arange(x.size(-1)) % 7 == 0, 5.0, 1.0
        )  # no mere gain: that may be normalised
        after = outputs(network, changed(stretch, i, x * factor))["logits"]
        assert (after - before).abs().max() > 1e-4


def test_same_input_twice_gives_the_same_bits(case):
    contract, network = case
    program, stretch = make_program(network), random_stretch(contract, 25)
    first = outputs(program, stretch)
    for _ in range(4):  # the profiling executor rewrites the program in its first calls
        assert_equal(first, outputs(program, stretch))


def test_causal_the_last_window_ends_the_stretch(case):
    contract, network = case
    stretch = random_stretch(contract, 30)
    shorter = cut(stretch, contract, 0, 28)
    assert (outputs(network, shorter)["probs"] - outputs(network, stretch)["probs"]).abs().max() > 1e-5


def test_causal_what_comes_later_changes_no_token_before_it(case):
    contract, network = case
    stretch = random_stretch(contract, 8)
    loud = [100 * x for x in stretch[0]]
    for i, x in enumerate(stretch[0]):
        at = 5 * x.size(-1) // 8
        other = torch.cat((x[..., :at], loud[i][..., at:]), dim=-1)
        state = network.initial_state(i, x.size(0))
        with torch.inference_mode():
            before, _, _ = network.encode(i, x, stretch[1][i], state)
            after, _, _ = network.encode(i, other, stretch[1][i], state)
        assert torch.equal(before[:, :5], after[:, :5])
        assert not torch.equal(before[:, 5:], after[:, 5:])


@settings(max_examples=20, deadline=None)
@given(temperature=st.floats(0.1, 10))
def test_temperature_divides_the_logits_before_the_softmax(make_contract, temperature):
    network = build_network(make_contract(2, classes=("a", "b", "c"))).eval()
    network.temperatures[0] = temperature
    tokens, valid = torch.randn(2, 25, 128), torch.ones(2, 25)
    with torch.inference_mode():
        found = network.fuse([tokens, tokens], [valid, valid], torch.ones(2, 2))
    torch.testing.assert_close(found.probs, torch.softmax(found.logits / network.temperatures[0], 1))


def test_late_uses_the_heads_temperatures(make_contract):
    network = build_network(make_contract(2, fusion="late")).eval()
    network.temperatures.copy_(torch.tensor([1.0, 4.0, 0.5]))
    tokens, valid = torch.randn(2, 25, 128), torch.ones(2, 25)
    with torch.inference_mode():
        found = network.fuse([tokens, tokens], [valid, valid], torch.ones(2, 2))
    soft = network.fusion.softness
    tempered = found.heads[:, 0] / 4, found.heads[:, 1] / 0.5
    mean = sum(torch.softmax(logits / soft, 1) for logits in tempered) / 2
    torch.testing.assert_close(found.probs, mean**soft / (mean**soft).sum(1, keepdim=True))
    with torch.inference_mode():
        alone = network.fuse([tokens, tokens], [valid, valid], torch.tensor([[1.0, 0.0]] * 2))
    torch.testing.assert_close(alone.probs, torch.softmax(tempered[0], 1))


def test_adaptive_has_a_temperature_for_each_of_its_answers(make_contract):
    network = build_network(make_contract(2, fusion="adaptive")).eval()
    assert network.head_names == ("eeg", "audio", "concat", "gated")
    tokens, valid = torch.randn(2, 25, 128), torch.ones(2, 25)
    found = []
    for i in range(5):
        network.temperatures.fill_(1.0)
        network.temperatures[i] = 0.1
        with torch.inference_mode():
            found.append(network.fuse([tokens, tokens], [valid, valid], torch.ones(2, 2)).probs)
    for i in range(5):
        for k in range(i):
            assert (found[i] - found[k]).abs().max() > 1e-6


def test_every_parameter_learns(case):
    contract, _ = case
    torch.manual_seed(0)
    network = build_network(contract).train()
    stretch = everything(random_stretch(contract, 25))
    found = network(*stretch)
    target = torch.arange(len(stretch[2]))
    loss = torch.nn.functional.cross_entropy(found.logits, target)
    for k in range(found.heads.shape[1]):
        loss = loss + torch.nn.functional.cross_entropy(found.heads[:, k], target)
    loss.backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert silent == []


def test_training_lowers_the_loss_on_one_batch(make_contract):
    torch.manual_seed(0)
    contract = make_contract(window_s=1.0)
    network = build_network(contract).train()
    stretch = everything(random_stretch(contract, 5))
    target = torch.arange(4)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(*stretch).logits, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert max(losses[-3:]) < 0.25 * losses[0]


class Face(torch.nn.Module):
    """A third modality: eight numbers at 25 Hz, five of them to a token."""

    samples_per_token, reach_tokens = 5, 0

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Linear(8, 128)
        self.pool = AttentionPooling(128)

    @torch.jit.export
    def initial_state(self, batch: int) -> list[torch.Tensor]:
        return [self.mix.weight.new_zeros([batch, 1])]

    def forward(
        self, x: torch.Tensor, valid: torch.Tensor, state: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        x = torch.where((valid > 0.5).unsqueeze(2), x, 0.0)
        tokens = self.mix(x.reshape(x.size(0), -1, 5, 8).mean(2))
        return tokens, mostly_valid(valid, 5), state


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_a_third_modality_is_an_encoder_and_a_name(mode):
    torch.manual_seed(0)
    encoders = {"eeg": EegEncoder(4), "audio": AudioEncoder(), "face": Face()}
    network = FusionNetwork(encoders, fusion=mode).eval()
    presence = presence_patterns(3)
    inputs = [torch.randn(8, 4, 750), torch.randn(8, 96000), torch.randn(8, 150, 8)]
    valid = [torch.ones(8, 750), torch.ones(8, 96000), torch.ones(8, 150)]
    program = make_program(network)
    found = outputs(network, (inputs, valid, presence))
    assert found["gate"].shape == (8, 3)
    assert found["heads"].shape[1] == len(network.head_names)
    for _ in range(3):
        assert_equal(found, outputs(program, (inputs, valid, presence)))
    other = outputs(network, ([*inputs[:2], torch.full_like(inputs[2], torch.nan)], valid, presence))
    without = presence[:, 2] == 0
    assert torch.equal(found["logits"][without], other["logits"][without])
    louder = outputs(network, ([*inputs[:2], 3 * inputs[2]], valid, presence))
    assert (louder["logits"][0] - found["logits"][0]).abs().max() > 1e-5
