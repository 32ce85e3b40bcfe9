from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.gui.palette import DARK, LIGHT
from apps.gui.panels import PredictionPanel
from bci_stream.engine.frame import Frame
from bci_stream.engine.past import PastPredictions, no_past
from tests.gui.frames import CLASSES, HOP_S, T0_S, prediction, said, session


@pytest.fixture
def panel(qtbot: Any) -> Iterator[PredictionPanel]:
    made = PredictionPanel(DARK)
    qtbot.addWidget(made)
    made.resize(700, 900)
    made.show()
    yield made
    made.close()


def pixels(widget: Any) -> np.ndarray:
    """What is on the screen: (height, width) of 0xffRRGGBB."""
    image = widget.grab().toImage().convertToFormat(widget.grab().toImage().Format.Format_RGB32)
    raw = image.constBits()
    if hasattr(raw, "setsize"):  # PyQt6 hands out a pointer without a length, PySide6 a memoryview
        raw.setsize(image.sizeInBytes())
    rows = np.frombuffer(raw, np.uint32).reshape(image.height(), image.bytesPerLine() // 4)
    return (rows[:, : image.width()] | np.uint32(0xFF000000)).copy()


def colour(name: str) -> int:
    return 0xFF000000 | int(name[1:], 16)


def test_the_bands_on_the_screen_are_the_probabilities(panel: PredictionPanel) -> None:
    frame = session()
    panel.show_frame(frame)
    view, screen = panel.bands, pixels(panel.bands)
    history = frame.history
    for row in (-5, -60, -100):
        x = round(view.x_at(history.t_end[row] - T0_S))
        area = view.area()
        column = screen[round(area.top()) : round(area.bottom()), x]
        for k, prob in enumerate(history.probs[row]):
            drawn = np.count_nonzero(column == colour(DARK.fills[k])) / area.height()
            assert drawn == pytest.approx(float(prob), abs=0.03)


def test_a_stretch_without_answers_is_empty_on_the_screen(panel: PredictionPanel) -> None:
    panel.show_frame(session(gap_s=(52.0, 58.0)))
    view, screen = panel.bands, pixels(panel.bands)
    x = round(view.x_at(55.0))
    area = view.area()
    column = screen[round(area.top()) + 2 : round(area.bottom()) - 2, x]
    assert not {int(c) for c in column} & {colour(c) for c in DARK.fills}
    assert int(screen[round(view.track().center().y()), x]) == colour(DARK.field)


def test_the_track_has_the_decision_s_colour(panel: PredictionPanel) -> None:
    frame = session()
    panel.show_frame(frame)
    view, screen = panel.bands, pixels(panel.bands)
    y = round(view.track().top()) + 2
    decided = np.flatnonzero(frame.history.decision >= 0)
    for row in decided[[-10, -80, -150]]:
        x = round(view.x_at(frame.history.t_end[row] - T0_S - HOP_S / 2))
        assert int(screen[y, x]) == colour(DARK.fills[frame.history.decision[row]])


def test_an_old_answer_is_grey_and_named_stale(panel: PredictionPanel) -> None:
    panel.show_frame(said(session(), "decided", "anger", 0.8))
    assert panel.headline.accessibleDescription().startswith("anger 80 %")
    assert colour(DARK.series[2]) in pixels(panel.headline)
    panel.show_frame(said(session(), "stale", words="the last word is 2.0 s old"))
    assert panel.headline.accessibleDescription() == "stale: the last word is 2.0 s old"
    shown = {int(c) for c in np.unique(pixels(panel.headline))}
    assert not shown & {colour(c) for c in DARK.series}
    for view in (panel.heads, panel.circumplex):
        assert "nothing" in view.accessibleDescription()
    assert panel.bands.accessibleDescription() == "nothing current"


def test_the_heads_bars_are_their_probabilities(panel: PredictionPanel) -> None:
    frame = session()
    panel.show_frame(frame)
    screen = pixels(panel.heads)
    for row, values in enumerate(frame.history.heads.values()):
        bar = panel.heads.bar(row)
        line = screen[round(bar.center().y())]
        for k, prob in enumerate(values[-1]):
            drawn = np.count_nonzero(line == colour(DARK.fills[k])) / bar.width()
            assert drawn == pytest.approx(float(prob), abs=0.02)


def test_the_summary_s_bars_are_the_shares(panel: PredictionPanel) -> None:
    frame = session()
    panel.show_frame(frame)
    screen, shares = pixels(panel.summary), frame.history.seconds / frame.history.seconds.sum()
    for i in range(len(CLASSES)):
        bar = panel.summary.bar(i)
        line = screen[round(bar.center().y())]
        drawn = np.count_nonzero(line == colour(DARK.fills[i])) / bar.width()
        assert drawn == pytest.approx(float(shares[i]), abs=0.02)


def test_the_ring_stands_at_the_mean_place(panel: PredictionPanel) -> None:
    past = PastPredictions(CLASSES, hop_s=HOP_S)
    newest = prediction(T0_S + 9, np.array([0, 0, 0, 9.0, 0]))
    past.add(newest, 3)
    frame = replace(session(5), now_s=T0_S + 9.3, prediction=newest, history=past.arrays())
    panel.show_frame(said(frame, "decided", "happiness", 0.99))
    where = panel.circumplex.at(0.8, 0.5)
    assert int(pixels(panel.circumplex)[round(where.y()), round(where.x())]) == colour(DARK.panel)
    assert panel.circumplex.accessibleDescription() == "valence +0.8, arousal +0.5"


def test_nothing_is_made_anew_while_nothing_changes(panel: PredictionPanel) -> None:
    frame = session()
    panel.show_frame(frame)
    before = [v.n_looks for v in (panel.bands, panel.heads, panel.circumplex, panel.summary, panel.headline)]
    for _ in range(10):
        panel.show_frame(frame)
    after = [v.n_looks for v in (panel.bands, panel.heads, panel.circumplex, panel.summary, panel.headline)]
    assert before == after


def test_hidden_pictures_cost_nothing_and_catch_up(panel: PredictionPanel, qtbot: Any) -> None:
    panel.resize(420, 300)
    qtbot.waitUntil(lambda: len(panel.sections.pages) > 1)
    panel.show_frame(session(seed=1))
    assert panel.bands.isVisible()
    assert not panel.summary.isVisible()
    newest = session(seed=2)
    panel.show_frame(newest)
    assert panel.summary.model is None
    panel.sections.tabs.setCurrentIndex(panel.sections.tabs.count() - 1)
    assert panel.summary.isVisible()
    shares = [row.share for row in panel.summary.model.rows]
    assert shares == pytest.approx((newest.history.seconds / newest.history.seconds.sum()).tolist())


def test_another_span_is_shown_at_once(panel: PredictionPanel) -> None:
    panel.show_frame(session(200.0))
    panel.span.setCurrentIndex(1)
    panel.span.activated.emit(1)
    found = panel.bands.model[0]
    assert found.stop_s - found.start_s == 180.0


def nan_frame() -> Frame:
    frame = session(20.0)
    history = frame.history
    return replace(
        frame,
        history=replace(
            history,
            probs=np.full_like(history.probs, np.nan),
            heads={name: np.full_like(values, np.nan) for name, values in history.heads.items()},
            seconds=np.full_like(history.seconds, np.nan),
        ),
    )


@pytest.mark.parametrize(
    "frame",
    [
        said(replace(session(5), history=no_past(), prediction=None, weights=None), "none", words="waiting"),
        said(session(20, ("left", "right")), "uncertain", words="no class stands out"),
        session(20, tuple(f"class <b>{i}</b> 🙂" for i in range(100))),
        session(20, modalities=("audio",), gate=False),
        session(1),
        nan_frame(),
    ],
    ids=["nothing", "two classes", "hundred classes", "voice alone", "a few", "nan"],
)
@pytest.mark.parametrize("size", [(200, 120), (424, 330), (1400, 160), (1900, 1700)], ids=str)
def test_every_frame_can_be_painted_in_any_room(qtbot: Any, frame: Frame, size: tuple[int, int]) -> None:
    panel = PredictionPanel(LIGHT)
    qtbot.addWidget(panel)
    panel.resize(*size)
    panel.show()
    panel.show_frame(frame)
    for i in range(panel.sections.tabs.count()):
        panel.sections.tabs.setCurrentIndex(i)
        assert not panel.grab().isNull()


def test_colours_follow_the_theme(panel: PredictionPanel) -> None:
    panel.show_frame(said(session(), "decided", "sadness", 0.7))
    panel.set_theme(LIGHT)
    assert colour(LIGHT.series[1]) in pixels(panel.headline)
    assert colour(DARK.series[1]) not in pixels(panel.headline)


def test_everything_has_a_name_a_hint_and_can_be_reached_by_keys(panel: PredictionPanel) -> None:
    for view in (panel.headline, panel.bands, panel.heads, panel.circumplex, panel.summary):
        assert view.accessibleName()
        assert view.toolTip()
    assert panel.span.accessibleName()
    assert panel.span.focusPolicy() != panel.bands.focusPolicy()
