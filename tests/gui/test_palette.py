import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from apps.gui.palette import DARK, LIGHT, SYMBOLS, Theme, colour_table, contrast, mixed, readable_on

THEMES = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
INKS = ("text", "muted", "accent", "good", "warn", "bad", "flat", "gone", "trace")


@THEMES
@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("ground", ["window", "panel", "field"])
def test_text_is_readable_on_every_ground(theme: Theme, ink: str, ground: str) -> None:
    colours = asdict(theme)
    assert contrast(colours[ink], colours[ground]) >= 4.5


@THEMES
def test_names_of_classes_are_readable_and_text_on_them_is(theme: Theme) -> None:
    for colour in theme.series:
        assert contrast(colour, theme.panel) >= 4.5
        assert contrast(readable_on(colour), colour) >= 4.5
    assert len(set(theme.series)) == len(theme.series) == 8


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that fails


@THEMES
def test_maps_grow_steadily_lighter_or_darker(theme: Theme) -> None:
    table = colour_table(theme.heat)
    lightness = [contrast(f"#{int(c) & 0xFFFFFF:06x}", theme.heat[0]) for c in table]
    assert np.all(np.diff(lightness) >= -0.02)
    assert lightness[-1] > 4.5
    middle = int(colour_table(theme.signed, 255)[127]) & 0xFFFFFF
    assert f"#{middle:06x}" == theme.signed[2]


def test_a_mix_lies_between() -> None:
    assert mixed("#000000", "#ffffff", 0.0) == "#000000"
    assert mixed("#000000", "#ff8000", 0.5) == "#804000"


@THEMES
def test_no_state_is_told_by_colour_alone(theme: Theme) -> None:
    levels = ("good", "warn", "bad", "off")
    assert len({SYMBOLS[level] for level in levels}) == len(levels)
    assert len({theme.quality(level) for level in levels}) == len(levels)


def test_colours_and_words_need_no_qt() -> None:
    code = (
        "import sys, apps.gui.palette, apps.gui.strings, apps.gui.viewmodels;"
        "assert apps.gui.strings.tr('x') == 'x';"
        "assert not [m for m in sys.modules if m.startswith(('PyQt', 'PySide', 'pyqtgraph'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
