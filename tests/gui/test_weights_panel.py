from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.gui.palette import DARK, LIGHT, colour_table
from apps.gui.panels import WeightsPanel
from apps.gui.viewmodels.topomap import GRID, head_map
from apps.gui.viewmodels.weights import (
    absent,
    attention_map,
    importance_map,
    scale_bars,
    window_map,
)
from bci_stream.dsp.montage import position
from bci_stream.engine.frame import Frame, Weights
from tests.gui.frames import CHANNELS, T0_S, session, weights
from tests.gui.test_prediction_panel import colour, pixels


@pytest.fixture
def panel(qtbot: Any) -> Iterator[WeightsPanel]:
    made = WeightsPanel(DARK)
    qtbot.addWidget(made)
    made.resize(900, 1000)
    made.show()
    yield made
    made.close()


def with_weights(found: Weights | None, frame: Frame | None = None) -> Frame:
    return replace(frame or session(20.0), weights=found)


# -- without Qt ---------------------------------------------------------------------------------------------


def test_scales_say_how_far_they_are_from_where_they_began() -> None:
    found = replace(weights(), scales={"eeg_scale": np.float32([1.5, 0.9]), "audio_scale": np.ones(2, "f4")})
    eeg, audio = scale_bars(found)
    assert (eeg.title, audio.title) == ("EEG", "voice")
    assert eeg.words == "changed by 0.30 on average, 0.90 to 1.50"
    assert audio.words == "as training began"
    assert eeg.edge == audio.edge == pytest.approx(0.5)


def test_a_head_map_goes_through_its_electrodes() -> None:
    found = weights()
    head = importance_map(found).head
    assert head is not None
    assert head.names == CHANNELS
    assert np.allclose(
        2.0**head.values / len(CHANNELS), np.maximum(found.importance, 2.0**-3 / 32), atol=1e-6
    )
    assert np.hypot(*head.points.T).max() < 1.0
    for (x, y), value in zip(head.points, head.values, strict=True):
        row, column = round((1 - y) / 2 * (GRID - 1)), round((x + 1) / 2 * (GRID - 1))
        assert head.image[row, column] == pytest.approx(value, abs=0.2 * (head.high - head.low))
    assert head.image.min() >= head.values.min()
    assert head.image.max() <= head.values.max()


def test_left_is_left_and_the_nose_is_up() -> None:
    names = ("Fpz", "T7", "T8", "Oz", "Cz")
    places = np.array([position(name) for name in names], np.float32)
    head = head_map(names, np.float32([0, 1, 0, 0, 0]), places)
    middle = GRID // 2
    assert head.image[middle, 2] > 0.7  # the left ear
    assert head.image[middle, -3] < 0.3
    head = head_map(names, np.float32([1, 0, 0, 0, 0]), places)
    assert head.image[2, middle] > 0.7
    assert head.strongest(1) == ("Fpz",)


def test_electrodes_without_a_place_are_left_out_and_counted() -> None:
    found = weights((*CHANNELS, "EOG <b>", "X1"))
    head = importance_map(found).head
    assert head is not None
    assert head.left_out == 2
    assert "2 without a place" in importance_map(found).words
    nowhere = importance_map(weights(("A", "B", "C", "D")))
    assert "not known" in nowhere.words


def test_few_electrodes_have_dots_but_no_field() -> None:
    head = importance_map(weights(("C3", "C4"))).head
    assert head is not None
    assert head.names == ("C3", "C4")
    assert head.image.size == 0


def test_nan_values_are_left_out() -> None:
    found = weights()
    broken = replace(found, importance=np.full_like(found.importance, np.nan))
    head = importance_map(broken).head
    assert head is not None
    assert head.names == ()
    some = found.importance.copy()
    some[3] = np.nan
    head = importance_map(replace(found, importance=some)).head
    assert head is not None
    assert len(head.names) == len(CHANNELS) - 1
    assert np.isfinite(head.image).all()


def test_this_window_s_map_is_signed_and_says_of_when_it_is() -> None:
    found = window_map(replace(session(94.0)))
    assert found.head is not None
    assert found.head.low == -found.head.high
    assert found.words.startswith("anger, ")
    assert f"most: {', '.join(found.head.strongest())}" in found.words
    waiting = window_map(with_weights(replace(weights(), electrodes=np.zeros(0, np.float32))))
    assert waiting.head is None
    assert "window" in waiting.words


def test_attention_is_the_mean_of_its_heads_or_one_of_them() -> None:
    found = weights()
    assert np.allclose(attention_map(found).image, found.attention.mean(0))
    assert np.allclose(attention_map(found, 2).image, found.attention[2])
    assert attention_map(found).n_heads == 4
    lag = np.zeros((1, 25, 25), np.float32)
    lag[0, np.arange(5, 25), np.arange(20)] = 1.0  # five tokens, a second, earlier
    assert attention_map(replace(found, attention=lag)).words == "EEG attends to the voice 1.0 s before it"
    same = np.eye(25, dtype=np.float32)[None]
    assert "same time" in attention_map(replace(found, attention=same)).words
    nothing = attention_map(replace(found, attention=np.zeros((4, 25, 25), np.float32)))
    assert "missing" in nothing.words


def test_what_a_model_does_not_have_is_said() -> None:
    def parts(found: Weights | None) -> set[str]:
        return {part for part, _ in absent(found)}

    assert parts(weights()) == set()
    assert parts(None) == set()
    assert parts(weights(fusion="gated")) == {"attention"}
    assert parts(weights(fusion="concat")) == {"attention", "gate"}
    assert parts(weights(modalities=("audio",))) == {"electrodes", "attention", "gate"}
    assert parts(weights(modalities=("eeg",), fusion="late")) == {"attention", "gate"}


# -- on the screen ------------------------------------------------------------------------------------------


def test_bars_on_the_screen_are_the_scales(panel: WeightsPanel) -> None:
    frame = session(20.0)
    assert frame.weights is not None
    panel.show_frame(frame)
    edge = max(np.abs(scale - 1).max() for scale in frame.weights.scales.values())
    screen = pixels(panel.scales)
    for i, (name, scale) in enumerate(frame.weights.scales.items()):
        strip, bars = panel.scales.strip(i), panel.scales.bars(i)
        signed = np.where(bars[:, 1] + 1e-9 < strip.center().y(), bars[:, 3], -bars[:, 3])
        assert np.allclose(signed / (strip.height() / 2) * edge + 1, scale, atol=1e-5)
        tallest = int(np.argmax(bars[:, 3]))
        left, top, wide, high = bars[tallest]
        assert int(screen[int(top + high / 2), int(left + wide / 2)]) == colour(DARK.modality(name))


def test_the_map_on_the_screen_is_the_attention(panel: WeightsPanel) -> None:
    frame = session(20.0)
    assert frame.weights is not None
    panel.show_frame(frame)
    area, screen = panel.attention.area(), pixels(panel.attention)
    mean, table = frame.weights.attention.mean(0), colour_table(DARK.heat)
    for eeg, voice in ((0, 0), (24, 24), (12, 9), (20, 3)):
        x = area.left() + (voice + 0.5) / 25 * area.width()
        y = area.bottom() - (eeg + 0.5) / 25 * area.height()
        want = table[round(float(mean[eeg, voice] / mean.max()) * 255)]
        got = screen[int(y), int(x)]
        assert all(abs(int(want >> s & 255) - int(got >> s & 255)) <= 2 for s in (0, 8, 16))


def test_one_head_of_the_attention_can_be_chosen(panel: WeightsPanel) -> None:
    frame = session(20.0)
    assert frame.weights is not None
    panel.show_frame(frame)
    assert panel.head.count() == 5
    panel.head.setCurrentIndex(3)
    panel.head.activated.emit(3)
    assert np.allclose(panel.attention.model.image, frame.weights.attention[2])


def test_electrodes_stand_where_they_are_on_the_screen(panel: WeightsPanel) -> None:
    panel.show_frame(session(20.0))
    head, screen = panel.importance.model.head, pixels(panel.importance)
    seen = 0
    for x, y in head.points:
        where = panel.importance.at(x, y)
        seen += int(screen[round(where.y()), round(where.x())]) == colour(DARK.text)
    assert seen >= 0.9 * len(head.names)  # a name may cover a neighbour


def test_the_gate_on_the_screen_is_the_history_s(panel: WeightsPanel) -> None:
    frame = session(60.0)
    panel.show_frame(frame)
    view, screen = panel.gate, pixels(panel.gate)
    area = view.area()
    for row in (-3, -50, -120):
        x = round(view.x_at(frame.history.t_end[row] - T0_S))
        column = screen[round(area.top()) : round(area.bottom()), x]
        drawn = np.count_nonzero(column == colour(DARK.voice)) / area.height()
        assert drawn == pytest.approx(float(frame.history.gate[row]), abs=0.04)


def test_parts_that_the_model_lacks_leave_their_room_to_the_others(panel: WeightsPanel) -> None:
    panel.show_frame(with_weights(weights(fusion="concat")))
    assert not panel.attention.isVisible()
    assert not panel.gate.isVisible()
    assert panel.sections.footnote.text() == "Not in this model: attention (concat); gate (concat)"
    panel.show_frame(with_weights(weights()))
    assert panel.attention.isVisible()
    assert panel.gate.isVisible()
    assert not panel.sections.footnote.isVisible()


def test_another_model_s_weights_replace_those_before(panel: WeightsPanel) -> None:
    frame = session(20.0)
    panel.show_frame(with_weights(weights(seed=1), frame))
    other = weights(seed=2)
    panel.show_frame(with_weights(other, frame))
    shares = 2.0**panel.importance.model.head.values / len(CHANNELS)
    assert np.allclose(shares, np.maximum(other.importance, 2.0**-3 / len(CHANNELS)), atol=1e-6)
    assert np.allclose(panel.scales.model[0].values, other.scales["eeg"])
    panel.show_frame(with_weights(None, frame))
    assert panel.scales.accessibleDescription() == "no model"


def test_nothing_is_made_anew_while_the_weights_stay(panel: WeightsPanel) -> None:
    frame = session(20.0)
    assert frame.weights is not None
    panel.show_frame(frame)
    before = [view.n_looks for view in panel.views]
    for i in range(5):
        panel.show_frame(replace(frame, weights=replace(frame.weights, window_s=5.0), n_windows=i))
    assert [view.n_looks for view in panel.views] == before


def nan_weights() -> Weights:
    found = weights()
    return replace(
        found,
        scales={name: np.full_like(scale, np.nan) for name, scale in found.scales.items()},
        importance=np.full_like(found.importance, np.nan),
        electrodes=np.full_like(found.electrodes, np.nan),
        attention=np.full_like(found.attention, np.nan),
        electrodes_t_end=float("nan"),
    )


def many() -> Weights:
    names = tuple(f"E{i} <b>🙂</b>" for i in range(256))
    rng = np.random.default_rng(0)
    places = rng.normal(size=(256, 3))
    places[:, 2] = np.abs(places[:, 2])
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    found = weights(names)
    numbers = rng.random(256).astype(np.float32)
    return replace(found, places=places.astype(np.float32), importance=numbers, electrodes=numbers - 0.5)


@pytest.mark.parametrize(
    "found",
    [
        None,
        nan_weights(),
        many(),
        weights(modalities=("eeg",)),
        weights(modalities=("audio",)),
        weights(("Cz",)),
    ],
    ids=["no model", "nan", "256 electrodes", "eeg alone", "voice alone", "one electrode"],
)
@pytest.mark.parametrize("size", [(200, 120), (424, 330), (1400, 200), (1900, 1700)], ids=str)
def test_every_model_can_be_painted_in_any_room(
    qtbot: Any, found: Weights | None, size: tuple[int, int]
) -> None:
    panel = WeightsPanel(LIGHT)
    qtbot.addWidget(panel)
    panel.resize(*size)
    panel.show()
    panel.show_frame(with_weights(found))
    for i in range(panel.sections.tabs.count()):
        panel.sections.tabs.setCurrentIndex(i)
        assert not panel.grab().isNull()


def test_everything_has_a_name_and_a_hint(panel: WeightsPanel) -> None:
    panel.show_frame(session(20.0))
    for view in panel.views:
        assert view.accessibleName()
        assert view.accessibleDescription()
        assert view.toolTip()
