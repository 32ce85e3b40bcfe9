"""Which streams and which model: the boxes that offer what is there, and the words that say whether it fits.

The start page and the calibration have one each; both look through the same finder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtWidgets

from apps.choice import DEMO_BUNDLE, ModelChoice, StreamChoice
from apps.gui.parts import box, words_label
from apps.gui.strings import tr
from apps.gui.theme import SYMBOLS, Theme
from apps.gui.viewmodels.finder import MIC, Check, Finder, Found, fits
from bci_stream.devices import builtin_profiles
from bci_stream.messages import AUDIO, EEG, StreamSpec
from bci_stream.sources.binding import MARKERS

_NONE = "none"
_NO_MODEL = "no model"
_MIC_HZ = 16_000.0


class StreamForm:
    """Boxes for EEG, device, voice, markers and model. ``window``: whose options hold, and whose dialogs.

    ``signals_only``: whether going without a model is offered.
    """

    def __init__(self, window: Any, finder: Finder, *, signals_only: bool = True) -> None:
        self.window_, self.finder = window, finder
        self.theme: Theme = window.theme
        self._found: tuple[Found, ...] = ()
        self._offered: Any = None
        self._hoped: dict[str, str] = {}  # streams by role that are to be chosen once they are there
        self.eeg, self.eeg_check = box(tr("EEG stream")), words_label(tr("check of the EEG stream"))
        self.audio, self.audio_check = box(tr("voice stream")), words_label(tr("check of the voice stream"))
        self.markers = box(tr("marker stream"))
        self.device = box(tr("device"))
        self.bundle, self.bundle_check = box(tr("model")), words_label(tr("check of the model"))
        self.fit = QtWidgets.QCheckBox(tr("Make absent electrodes from those present"))
        self._fill_devices(window.options.streams.device, window.store.get("device", ""))
        self._fill_bundles(window.options.model, window.store.get("bundle", ""), signals_only)
        self.device.activated.connect(lambda _: finder.choose_device(self.device.currentData()))
        self.bundle.activated.connect(self._bundle_chosen)

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        self.theme, self._offered = theme, None
        for label in (self.eeg_check, self.audio_check, self.bundle_check):
            label.setText("")

    # -- devices and bundles ------------------------------------------------------------------------------

    def _fill_devices(self, asked: str | None, last: str) -> None:
        self.device.addItem(tr("by its header"), "")
        for profile in builtin_profiles():
            self.device.addItem(profile.name, profile.name)
        at = self.device.findData(asked or last)
        self.device.setCurrentIndex(max(0, at))

    def _fill_bundles(self, model: ModelChoice, last: str, signals_only: bool) -> None:
        self.bundle.addItem(tr("demo bundle (simulated people)"), str(DEMO_BUNDLE))
        if signals_only:
            self.bundle.addItem(tr("no model: signals only"), _NO_MODEL)
        self.bundle.addItem(tr("choose a file …"), "")
        if not model.wanted and signals_only:
            self.bundle.setCurrentIndex(1)
        elif model.bundle is not None:
            self.offer_bundle(model.bundle)
        elif last and last not in (str(DEMO_BUNDLE), _NO_MODEL) and Path(last).is_file():
            self.offer_bundle(Path(last))

    def offer_bundle(self, path: Path) -> None:
        """Put a bundle into the box, and choose it."""
        at = self.bundle.findData(str(path))
        if at < 0:
            self.bundle.insertItem(0, path.name, str(path))
            at = 0
        self.bundle.setCurrentIndex(at)

    def add_bundle(self, path: Path) -> None:
        """Offer a bundle, choose it, and have it checked."""
        self.offer_bundle(path)
        self.finder.choose_bundle(path)

    def _bundle_chosen(self, _: int) -> None:
        if self.bundle.currentData() == "":
            self.bundle.setCurrentIndex(0)
            self.window_.deeds.ask_bundle(self.add_bundle)
        else:
            self.use_finder()

    def use_finder(self) -> None:
        """Have the finder look with what is chosen here."""
        data = self.bundle.currentData()
        self.finder.choose_bundle(None if data in (_NO_MODEL, "") else Path(data))
        self.finder.choose_device(self.device.currentData())

    # -- what was found -----------------------------------------------------------------------------------

    def hope_for(self, role: str, query: str) -> None:
        """Choose that stream (its name, or ``mic:NAME``) as soon as it is there."""
        self._hoped[role] = query
        self._offered = None

    def tick(self) -> bool:
        """Offer what was found, and say whether it fits; True when what is there has changed."""
        now = (self.finder.streams, self.finder.microphones)
        changed = bool(now != self._offered)
        if changed:
            self._offered, self._found = now, self.finder.streams
            self._fill_streams()
        self._show_checks()
        return changed

    def _fill_streams(self) -> None:
        for role, chooser in ((EEG, self.eeg), (AUDIO, self.audio), (MARKERS, self.markers)):
            offers = [(_offer_words(s), s.query) for s in self._found if s.role == role]
            if role == AUDIO:
                offers += [(tr("microphone: ") + m.name, MIC + m.name) for m in self.finder.microphones]
            _offer(chooser, offers)
            self._fulfil(role, chooser)

    def _fulfil(self, role: str, chooser: Any) -> None:
        hoped = self._hoped.get(role, "")
        named = next((s.query for s in self._found if s.role == role and s.info.name == hoped), hoped)
        if hoped and (at := chooser.findData(named)) >= 0:
            chooser.setCurrentIndex(at)
            del self._hoped[role]

    def chosen(self, chooser: Any) -> Found | None:
        """The stream that is chosen in a box."""
        data = chooser.currentData()
        return next((s for s in self._found if s.query == data), None)

    def microphone(self, chooser: Any) -> str | None:
        """The microphone that is chosen in a box."""
        data = chooser.currentData() or ""
        return data.removeprefix(MIC) if data.startswith(MIC) else None

    def names(self) -> tuple[str, str, str]:
        """EEG, voice and device in words that choose them again: see :meth:`hope_for`."""
        eeg, audio, mic = self.chosen(self.eeg), self.chosen(self.audio), self.microphone(self.audio)
        voice = MIC + mic if mic is not None else audio.info.name if audio is not None else ""
        return eeg.info.name if eeg is not None else "", voice, self.device.currentData() or ""

    def specs(self) -> list[StreamSpec]:
        """What the chosen streams deliver."""
        specs = [s.spec for s in (self.chosen(self.eeg), self.chosen(self.audio)) if s is not None]
        if self.microphone(self.audio) is not None:
            specs.append(StreamSpec(AUDIO, ("voice",), _MIC_HZ))
        return [spec for spec in specs if isinstance(spec, StreamSpec)]

    def model_check(self) -> Check:
        """Whether the model is sound, and fits the chosen streams."""
        if self.finder.contract is None or self.finder.bundle.level == "bad":
            return self.finder.bundle
        return fits(self.finder.contract, self.specs(), self._fit_word())

    def _show_checks(self) -> None:
        for chooser, label in ((self.eeg, self.eeg_check), (self.audio, self.audio_check)):
            stream, mic = self.chosen(chooser), self.microphone(chooser)
            check = Check("good", tr("this computer's own")) if mic else Check("off", tr("not used"))
            self._show(label, Check(stream.level, stream.words) if stream else check)
        self._show(self.bundle_check, self.model_check())

    def _show(self, label: Any, check: Check) -> None:
        text = f"{SYMBOLS[check.level]} {check.words}"
        if label.text() != text:
            label.setText(text)
            colour = self.theme.muted if check.level == "off" else self.theme.quality(check.level)
            label.setStyleSheet(f"color: {colour};")

    # -- what was chosen ----------------------------------------------------------------------------------

    def _fit_word(self) -> str:
        return "interpolate" if self.fit.isChecked() else "exact"

    def model_choice(self) -> ModelChoice:
        """The model as the form says."""
        data = self.bundle.currentData()
        base: ModelChoice = self.window_.options.model
        if data == _NO_MODEL:
            return replace(base, bundle=None, wanted=False)
        return replace(base, bundle=Path(data), wanted=True, fit=self._fit_word())

    def stream_choice(self) -> StreamChoice | None:
        """The streams as the form says; None where there are none."""
        eeg, audio = self.chosen(self.eeg), self.chosen(self.audio)
        mic, markers = self.microphone(self.audio), self.chosen(self.markers)
        if eeg is None and audio is None and mic is None:
            return None
        base: StreamChoice = self.window_.options.streams
        return replace(
            base,
            eeg=eeg.query if eeg else None,
            audio=audio.query if audio else None,
            want_eeg=eeg is not None,
            want_audio=audio is not None or mic is not None,
            mic=mic,
            device=self.device.currentData() or None,
            markers=markers.query if markers is not None else None,
        )


def _offer(chooser: Any, offers: list[tuple[str, str]]) -> None:
    """List what can serve; what was chosen stays chosen, else it is the first stream of the network.

    A microphone of this computer is never chosen without being asked for.
    """
    before = chooser.currentData()
    chooser.clear()
    for words, data in offers:
        chooser.addItem(words, data)
    chooser.addItem(tr("none"), _NONE)
    streams = [data for _, data in offers if not data.startswith(MIC)]
    wanted = before if before not in (None, _NONE) else (streams or [_NONE])[0]
    at = chooser.findData(wanted)
    chooser.setCurrentIndex(at if at >= 0 else chooser.findData((streams or [_NONE])[0]))


def _offer_words(stream: Found) -> str:
    return f"{stream.info.name} ({stream.words.split(';')[0]})"
