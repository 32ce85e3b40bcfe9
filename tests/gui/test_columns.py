"""What is drawn: every pixel column against the samples it stands for. No Qt."""

import numpy as np
import pytest

from apps.gui.signals.columns import ColumnRing, Stretch
from apps.gui.signals.raster import draw_heat, draw_traces
from bci_stream.engine.history import History
from bci_stream.messages import Flag

BACK, GAP, CLIPPED, FLAT, TRACE = 1, 2, 3, 4, 0xFFFFFF
T0 = 1000.0
HEIGHT, WIDTH = 100, 200
GAIN = 2.0


def history_of(data, sfreq, gaps=(), marks=None):
    history = History("eeg", tuple(f"c{i}" for i in range(data.shape[1])), sfreq, len(data) + 200)
    mask = np.zeros(len(data), np.uint8)
    for a, b in gaps:
        mask[int(a * sfreq) : int(b * sfreq)] = Flag.GAP
    marks = np.zeros(data.shape, np.uint8) if marks is None else marks
    history.write(int(T0 * sfreq), data.astype(np.float32), mask, marks)
    return history


def ring_of(n_lanes=1):
    centre = (np.arange(n_lanes) + 0.5) * HEIGHT / n_lanes
    colours = np.full(n_lanes, TRACE, np.uint32)
    special = np.array([BACK, GAP, CLIPPED, FLAT], np.uint32)

    def draw(image, p):
        draw_traces(
            p.data, p.mask, p.marks, p.start, p.rows_per_column, image, p.column, p.n_columns,
            np.arange(n_lanes), centre, GAIN, np.zeros(n_lanes), float(HEIGHT), 1, colours, special,
        )  # fmt: skip

    return ColumnRing(HEIGHT, WIDTH, draw, BACK, GAP)


def extents(image, c):
    """Highest and lowest drawn pixel of a column."""
    rows = np.flatnonzero(image[:, c % WIDTH] == TRACE)
    return (rows[0], rows[-1]) if len(rows) else None


@pytest.mark.parametrize("sfreq", [50.0, 250.0, 2000.0])
def test_a_column_spans_exactly_the_extremes_of_the_line_through_its_samples(sfreq):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 8, int(12 * sfreq))
    ring, span_s, head_s = ring_of(), 4.0, 9.0
    ring.update(history_of(values[:, None], sfreq), Stretch(head_s, span_s, T0))
    head = Stretch(head_s, span_s, T0).column(WIDTH)
    for c in range(head - WIDTH, head - 1):
        left, right = (edge * span_s / WIDTH * sfreq for edge in (c, c + 1))
        inside = np.arange(np.ceil(left), np.ceil(right)).astype(int)
        seen = [*values[inside], *np.interp([left, right], np.arange(len(values)), values)]
        top = HEIGHT / 2 - max(seen) * GAIN
        bottom = HEIGHT / 2 - min(seen) * GAIN
        drawn = extents(ring.image, c)
        assert drawn is not None
        assert drawn[0] == pytest.approx(max(top, 0), abs=1.01)
        assert drawn[1] == pytest.approx(min(bottom, HEIGHT - 1), abs=1.01)


def test_drawing_strip_by_strip_gives_the_picture_drawn_at_once():
    rng = np.random.default_rng(1)
    history = history_of(rng.normal(0, 8, (3000, 3)), 250.0, gaps=((4.0, 4.5),))
    strips, whole = ring_of(3), ring_of(3)
    for head_s in np.arange(2.0, 9.0, 0.0371):
        strips.update(history, Stretch(float(head_s), 4.0, T0))
    strips.update(history, Stretch(9.0, 4.0, T0))
    whole.update(history, Stretch(9.0, 4.0, T0))
    np.testing.assert_array_equal(strips.image, whole.image)


def test_a_gap_is_hatched_and_not_bridged():
    history = history_of(np.zeros((3000, 1)), 250.0, gaps=((6.0, 7.0),))
    ring = ring_of()
    ring.update(history, Stretch(9.0, 4.0, T0))
    for t_s in np.arange(6.05, 6.95, 0.1):
        c = int(t_s / 4.0 * WIDTH) % WIDTH
        assert TRACE not in ring.image[:, c]
        assert GAP in ring.image[:, c]
    for t_s in (5.9, 7.1):
        assert extents(ring.image, int(t_s / 4.0 * WIDTH)) is not None


def test_clipped_and_flat_stretches_have_a_colour_of_their_own():
    marks = np.zeros((3000, 1), np.uint8)
    marks[1500:1750] = Flag.RAIL
    marks[1750:2000] = Flag.FLAT
    ring = ring_of()
    ring.update(history_of(np.zeros((3000, 1)), 250.0, marks=marks), Stretch(9.0, 4.0, T0))
    assert CLIPPED in ring.image[:, int(6.5 / 4.0 * WIDTH) % WIDTH]
    assert FLAT in ring.image[:, int(7.5 / 4.0 * WIDTH) % WIDTH]
    assert CLIPPED not in ring.image[:, int(5.5 / 4.0 * WIDTH) % WIDTH]


def test_a_silent_stream_is_shown_as_missing_after_half_a_second():
    history = history_of(np.zeros((1500, 1)), 250.0)  # ends at 6 s
    ring = ring_of()
    for head_s in np.arange(5.0, 8.0, 0.033):
        ring.update(history, Stretch(float(head_s), 4.0, T0))
    assert GAP in ring.image[:, int(7.0 / 4.0 * WIDTH) % WIDTH]
    assert GAP not in ring.image[:, int(7.8 / 4.0 * WIDTH) % WIDTH]  # may still come
    assert extents(ring.image, int(5.5 / 4.0 * WIDTH)) is not None


def test_late_samples_replace_what_was_shown_as_missing():
    history = history_of(np.zeros((1500, 1)), 250.0)
    ring = ring_of()
    ring.update(history, Stretch(7.5, 4.0, T0))
    history.write(
        int((T0 + 6) * 250),
        np.zeros((500, 1), np.float32),
        np.zeros(500, np.uint8),
        np.zeros((500, 1), np.uint8),
    )
    ring.update(history, Stretch(7.6, 4.0, T0))
    assert extents(ring.image, int(6.5 / 4.0 * WIDTH)) is not None


def test_values_that_are_no_numbers_are_left_out():
    data = np.zeros((3000, 2))
    data[:, 1] = np.nan
    data[1500, 0] = np.inf
    ring = ring_of(2)
    ring.update(history_of(data, 250.0), Stretch(9.0, 4.0, T0))
    assert (ring.image[: HEIGHT // 2] == TRACE).any()
    assert not (ring.image[HEIGHT // 2 :] == TRACE).any()


def test_a_map_shows_the_mean_of_its_rows():
    rows = np.linspace(0, 1, 1200)[:, None] * np.ones((1, 4))
    palette = np.arange(100, 356).astype(np.uint32)
    special = np.array([BACK, GAP], np.uint32)

    def draw(image, p):
        draw_heat(
            p.data,
            p.mask,
            p.start,
            p.rows_per_column,
            image,
            p.column,
            p.n_columns,
            0.0,
            1.0,
            palette,
            special,
        )

    ring = ColumnRing(HEIGHT, WIDTH, draw, BACK, GAP)
    ring.update(history_of(rows, 100.0), Stretch(9.0, 4.0, T0))
    for t_s in (5.5, 7.0, 8.5):
        c = int(t_s / 4.0 * WIDTH)
        wanted = 100 + 255 * t_s * 100 / 1200
        assert (np.abs(ring.image[:, c % WIDTH].astype(float) - wanted) <= 2).all()


def test_a_marker_stands_at_the_same_place_in_every_view():
    stretch = Stretch(123.4, 10.0, T0, sweep=True)
    for width in (300, 1111):
        x = stretch.x(120.0, width)
        assert x / width == pytest.approx((120.0 % 10.0) / 10.0, abs=1e-9)
    still = Stretch(123.4, 10.0, T0, sweep=False)
    assert still.x(123.4, 1000) == pytest.approx(1000, abs=1.01)
    assert still.x(113.45, 1000) == pytest.approx(5, abs=1.01)
    assert still.x(113.0, 1000) is None
    assert still.x(124.0, 1000) is None
