import subprocess
import sys

import numpy as np
import pytest

from bci_stream.training import plots
from bci_stream.training.comparison_plots import comparison_figures
from bci_stream.training.figures import as_png
from bci_stream.training.metrics import TimeCurve, reliability
from bci_stream.training.planted import Plant, study
from bci_stream.training.topomap import topomap_figure
from tests.apps.command import ROOT

NOTE = "generated people; 7-fold over subjects: test people never seen"
EAV_MONTAGE = """
    FP1 FP2 F7 F3 FZ F4 F8 FC5 FC1 FC2 FC6 T7 C3 CZ C4 T8
    CP5 CP1 CP2 CP6 P7 P3 PZ P4 P8 PO9 O1 OZ O2 PO10
""".split()  # noqa: SIM905  (readable)


def one_point(share):
    return plots.Curve([0], [share], [share - 0.05], [share + 0.05])


def every_figure(leaks=False):
    """One of each kind, small."""
    rng = np.random.default_rng(0)
    probs, labels = rng.dirichlet(np.ones(3), 60), rng.integers(0, 3, 60)
    t_s = np.arange(5.0, 10.0)
    options = {"footnote": NOTE, "leaks": leaks}
    people = {"both": {"a": 0.5, "b": 0.7}, "eeg": {"a": 0.4, "b": 0.3}}
    epochs = plots.Epochs([1.6, 1.2, 1.0], [1.6, 1.3, 1.4], [0.2, 0.4, 0.4])
    return {
        "confusion": plots.confusion_figure(np.array([[5, 1], [0, 0]]), ["sad", "calm"], **options),
        "reliability": plots.reliability_figure({"before": (reliability(probs, labels), 0.2)}, **options),
        "people": plots.people_figure(people, (0.2, 0.28), **options),
        "time": plots.time_figure({"both": TimeCurve(t_s, t_s / 20, t_s.astype(int))}, 0.2, **options),
        "calibration": plots.calibration_curve_figure(
            {"x": plots.Curve([0, 14], [0.4, 0.5])}, 0.2, **options
        ),
        "training": plots.training_figure({"fold-0": epochs}, {"fold-0": 1}, **options),
        "robustness": plots.robustness_figure(
            {"undisturbed": one_point(0.6), "no EEG": one_point(0.4)}, (0.2, 0.28), **options
        ),
        "topomap": topomap_figure(
            dict(zip(EAV_MONTAGE, rng.normal(size=30), strict=True)), unit="points", **options
        ),
    }


def texts(figure):
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


@pytest.mark.parametrize("name", every_figure())
def test_every_figure_draws_and_carries_its_protocol(name):
    figure = every_figure()[name]
    png = as_png(figure, dpi=60)
    assert png.startswith(b"\x89PNG")
    assert NOTE in texts(figure)
    assert "LEAKS" not in texts(figure)
    assert "LEAKS" in texts(every_figure(leaks=True)[name])


def test_figures_of_a_comparison_carry_its_protocol():
    comparison = study(Plant(n_people=6, n_trials=20), 0)
    for figure in comparison_figures(comparison).values():
        assert comparison.footnote in texts(figure)


def test_the_same_figure_is_the_same_file():
    assert as_png(every_figure()["people"]) == as_png(every_figure()["people"])


def inside(figure):
    """Whether nothing drawn sticks out of the page."""
    figure.canvas.draw()
    page = figure.bbox
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    return box.x0 * figure.dpi >= -1 and box.x1 * figure.dpi <= page.width + 1


@pytest.mark.parametrize("n_people", [2, 42])
def test_nothing_sticks_out_of_the_page(n_people):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    people = {pattern: {f"subject{i}": 0.5 for i in range(n_people)} for pattern in ("both", "eeg", "audio")}
    for figure in (
        plots.people_figure(people, (0.2, 0.28), footnote=NOTE * 3),
        *comparison_figures(study(Plant(n_people=6, n_trials=20), 0)).values(),
        *every_figure().values(),
    ):
        FigureCanvasAgg(figure)
        assert inside(figure)


def test_an_unknown_electrode_is_left_out():
    figure = topomap_figure({"Cz": 1.0, "EXG1": 2.0}, unit="points", footnote=NOTE)
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels == ["Cz"]


def test_electrodes_are_where_they_are():
    figure = topomap_figure({"Fpz": 1.0, "T7": 1.0, "Oz": 1.0, "T8": 1.0}, unit="points", footnote=NOTE)
    dots = figure.axes[0].collections[-1].get_offsets()
    assert np.asarray(dots) == pytest.approx(np.array([[0, 1], [-1, 0], [0, -1], [1, 0]]), abs=1e-9)


WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib.figure"] = None
from bci_stream.errors import ConfigError
from bci_stream.training.figures import new_figure
try:
    new_figure(3, 3, "")
except ConfigError as error:
    print(error)
"""


def test_without_matplotlib_one_line_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MATPLOTLIB], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "plots need matplotlib: pip install 'bci-stream[train]'\n"


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys; from bci_stream.training import plots, compare_report, results, topomap;"
        "print([m for m in ('matplotlib', 'sklearn', 'torch', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
