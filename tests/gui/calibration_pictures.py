"""Pictures of the guided calibration, to be looked at: ``python -m tests.gui.calibration_pictures DIR``.

A simulated person over real LSL goes through a session of seconds; each page is drawn in both themes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from pyqtgraph.Qt import QtWidgets

from apps.gui import theme
from apps.gui.options import GuiOptions
from apps.gui.viewmodels.calibration import Page
from apps.gui.window import MainWindow
from bci_stream.sources.lsl_config import private_session
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_faults import ChannelFault, Faults, StreamFaults
from bci_stream.sources.simulator_process import SimulatorProcess
from calibration.session import Phase
from tests.gui.guided import KEY, Typist, options

_SIZE = (1366, 768)


class Album:
    """Saves the window in both themes."""

    def __init__(self, main: MainWindow, folder: Path) -> None:
        self.main, self.folder, self.n = main, folder, 0

    def shoot(self, name: str) -> None:
        self.n += 1
        for chosen in (theme.LIGHT, theme.DARK):
            self.main.set_theme(chosen)
            self.main.tick()
            for _ in range(3):
                QtWidgets.QApplication.processEvents()
            self.main.grab().save(str(self.folder / f"{self.n:02}-{name}-{chosen.name}.png"))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    app = QtWidgets.QApplication([])
    session_id = private_session("pictures")
    bad = (ChannelFault(0.0, 60.0, 2, "flat"), ChannelFault(0.0, 60.0, 7, "rail"))
    faults = Faults(eeg=StreamFaults(channel_faults=bad))
    lsl = (session_id, "machine")
    settings = SimulatorSettings(seed=7, person=9001, speech_share=0.7)
    with tempfile.TemporaryDirectory() as home, SimulatorProcess(settings, faults=faults, lsl=lsl) as person:
        os.environ["BCI_STREAM_HOME"] = home
        person.wait_ready(60)
        asked = options(Path(home), practice=1, baseline_s=1.5, rating="nine-point", seed=3)
        window = MainWindow(GuiOptions(calibration=asked, session_id=session_id, scope="machine", size=_SIZE))
        window.show()
        try:
            walk(window, Album(window, folder), app)
        finally:
            window.close_now()


def walk(window: MainWindow, album: Album, app: QtWidgets.QApplication) -> None:
    """Through every page."""
    typist = Typist(window)
    window.activateWindow()
    typist.wait(lambda: window.start_page.eeg.count() > 1)
    album.shoot("start")
    window.deeds.calibrate()
    typist.come_to(Page.CONSENT)
    album.shoot("consent-empty")
    typist.agree()
    typist.come_to(Page.DEVICES)
    typist.wait(lambda: window.wizard.next_button.isEnabled())
    album.shoot("devices")
    typist.press(KEY.Key_Return)
    album.shoot("connecting")
    typist.come_to(Page.ELECTRODES)
    album.shoot("electrodes-listening")
    typist.wait(lambda: window.wizard.page.table.rowCount() > 1)
    album.shoot("electrodes")
    typist.enter_when_ready()
    typist.come_to(Page.MICROPHONE)
    album.shoot("microphone-listening")
    typist.wait(lambda: window.wizard.next_button.isEnabled())
    album.shoot("microphone")
    typist.press(KEY.Key_Return)
    typist.come_to(Page.SESSION)
    album.shoot("ready")
    typist.press(KEY.Key_Space)
    session(typist, album)
    typist.wait(lambda: typist.guide.fit is not None and typist.guide.fit.share > 0.25)
    album.shoot("fit")
    typist.come_to(Page.REPORT)
    album.shoot("report")
    typist.press(KEY.Key_Return)
    typist.come_to(Page.USE)
    album.shoot("use")
    typist.press(KEY.Key_Escape)
    typist.wait(lambda: window.wizard is None)
    album.shoot("left")
    window.deeds.calibrate()
    typist.come_to(Page.RESUME)
    album.shoot("resume")


def session(typist: Typist, album: Album) -> None:
    """One of each of its phases, a pause and the question before leaving."""
    wanted = {Phase.OPEN_EYES, Phase.CLOSED_EYES, Phase.CUE, Phase.RESPOND, Phase.REST, Phase.RATE}
    paused, rated = False, set()
    while typist.guide.page is Page.SESSION and typist.guide.state is not None:
        state = typist.guide.state
        practising = state.running is not None and state.running.practice
        if state.phase in wanted and (state.phase is not Phase.RESPOND or not practising):
            wanted.discard(state.phase)
            typist.main.wizard.tick()
            album.shoot(state.phase.value.replace(" ", "-"))
        if state.phase is Phase.RATE:
            typist.press(KEY.Key_7)
            typist.main.wizard.tick()
            if Phase.RATE not in rated:
                rated.add(Phase.RATE)
                album.shoot("rate-arousal")
            typist.press(KEY.Key_3)
        if state.phase is Phase.CUE and not practising and not paused:
            paused = True
            typist.press(KEY.Key_P)
            typist.main.wizard.tick()
            album.shoot("paused")
            typist.press(KEY.Key_Space)
        typist.app.processEvents()


if __name__ == "__main__":
    main()
