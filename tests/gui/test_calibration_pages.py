"""The guided calibration in the window, by keyboard alone, on simulated people over real LSL."""

import json

import pytest

from apps.gui.viewmodels.calibration import Page
from bci_stream.model.bundle import load_bundle
from calibration.journal import read_journal
from calibration.profile import ProfileStore
from calibration.resume import markers_of
from tests.gui.guided import KEY, Typist, options


@pytest.fixture
def guided(window, tmp_path):
    """A window that begins with a calibration."""

    def begin(**fields):
        main = window(calibrate=True, calibration=options(tmp_path, **fields))
        main.deeds.calibrate()
        main.activateWindow()
        return main, Typist(main)

    return begin


def test_from_consent_to_a_profile_by_keyboard_alone(guided, person, tmp_path):
    person("K", speech_share=1.0)
    main, typist = guided(practice=1, baseline_s=0.3, rating="nine-point")
    store = ProfileStore(tmp_path / "profiles")
    typist.come_to(Page.CONSENT)
    assert store.names() == ()
    typist.agree()
    typist.connect()
    typist.press(KEY.Key_Space)
    typist.live_through()
    typist.come_to(Page.REPORT)
    profile = store.load("anna")
    (model,) = profile.models
    assert profile.active == (1 if model.better else None)
    shown = main.wizard.page
    assert shown.headline.text().endswith(f"{model.words[1:]}.")
    assert f"{100 * model.accuracy:.0f} %" in [shown.table.item(2, j).text() for j in range(3)]
    bundle = load_bundle(store.bundle_path("anna", 1))
    assert bundle.sha256 == model.sha256
    typist.press(KEY.Key_Return)
    typist.come_to(Page.USE)
    typist.press(KEY.Key_Return)
    typist.wait(lambda: main.wizard is None)
    assert main.pages.currentWidget() is main.start_page
    assert read_journal(store, "anna") is None
    assert store.load("anna").active == profile.active
    (recording,) = store.recordings("anna")
    _check_markers(markers_of(recording))
    report = json.loads((store.report_path("anna", 1) / "report.json").read_text())
    assert len(report["known"]) == 6
    assert len(report["labels"]) == 2


def _check_markers(labels):
    """A practice and eight trials, rated, and when each cue was seen."""
    assert sum(label.startswith("practice:") for label in labels) == 1
    assert (
        sorted(label for label in labels if label.startswith("trial:"))
        == ["trial:anger"] * 4 + ["trial:neutral"] * 4
    )
    assert labels.count("rated:7:3") == labels.count("trial_end") == 8
    delays = [label.split(":") for label in labels if label.startswith("painted:")]
    assert [phase for _, phase, _ in delays].count("cue") == 9
    assert [phase for _, phase, _ in delays].count("respond") == 9
    assert all(0 <= float(ms) < 5000 for _, _, ms in delays)
    assert labels[-1] == "end"
