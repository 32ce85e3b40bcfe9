"""The first pages: going on with a session, consent, devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyqtgraph.Qt import QtWidgets

from apps.calibration_run import CONSENT
from apps.choice import DEMO_BUNDLE
from apps.gui.calibration.page import READ_PX, GuidePage
from apps.gui.parts import beside, box, card, paragraph, sized, stack, whole
from apps.gui.strings import tr
from apps.gui.theme import Theme
from apps.gui.viewmodels.finder import Check
from apps.gui.viewmodels.readiness import protocol_offers
from apps.gui.viewmodels.resume import resume_words
from bci_stream.messages import AUDIO, EEG


class ResumePage(GuidePage):
    """A session was interrupted: go on, begin anew, or drop it."""

    title = "Go on where it stopped?"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Go on"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.list = QtWidgets.QListWidget()
        sized(self.list, READ_PX).setAccessibleName(tr("sessions that were interrupted"))
        self.list.itemActivated.connect(lambda _: wizard.go_on())
        self.anew = QtWidgets.QPushButton(tr("&New session"))
        self.anew.clicked.connect(lambda: self.guide.begin_anew())
        self.drop = QtWidgets.QPushButton(tr("&Drop this one"))
        self.drop.setToolTip(tr("It is not offered again. Its recordings stay"))
        self.drop.clicked.connect(self._drop)
        words = paragraph(
            tr(
                "These sessions were not finished. What was recorded is there; at most one trial comes again."
            ),
            READ_PX,
        )
        buttons = QtWidgets.QHBoxLayout()
        for button in (self.anew, self.drop):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = whole(self)
        column.addWidget(card("", words, self.list, buttons))
        column.addStretch(1)

    def enter(self) -> None:
        """List what there is."""
        self.list.clear()
        for journal in self.guide.offers:
            self.list.addItem(resume_words(journal))
        self.list.setCurrentRow(0)

    def first(self) -> Any:
        """The list."""
        return self.list

    def _drop(self) -> None:
        self.guide.give_up(self.guide.offers[self.list.currentRow()])
        self.enter()

    def go_on(self) -> None:
        """Go on with the chosen one."""
        self.guide.resume(self.guide.offers[max(0, self.list.currentRow())])


class ConsentPage(GuidePage):
    """What is recorded, where it lies, what it must not be used for; a name and an agreement."""

    title = "Before anything is recorded"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "I agree: go on"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.words = [paragraph(pixels=READ_PX) for _ in CONSENT]
        self.name = QtWidgets.QLineEdit(self.guide.options.name)
        self.name.setMaxLength(64)
        self.name.setAccessibleName(tr("name of the profile"))
        self.name.setPlaceholderText(tr("letters, digits, - and _"))
        self.name.textChanged.connect(self._fill)
        self.protocol = box(tr("protocol"))
        for words, key in protocol_offers(self.guide.options.protocol, self.guide.texts):
            self.protocol.addItem(words, key)
        self.protocol.setCurrentIndex(max(0, self.protocol.findData(self.guide.options.protocol)))
        self.agreed = sized(QtWidgets.QCheckBox(tr("I have read this, and agree to be &recorded")), READ_PX)
        form = QtWidgets.QFormLayout()
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setVerticalSpacing(10)
        form.addRow(tr("N&ame"), self.name)
        form.addRow(tr("&Protocol"), self.protocol)
        form.addRow("", self.agreed)
        column = whole(self)
        column.setSpacing(14)
        column.addWidget(card(tr("Your data, and what it is for"), *self.words))
        column.addWidget(card(tr("This session"), form))
        column.addStretch(1)
        self._fill()

    def _fill(self) -> None:
        name = self.name.text().strip() or tr("NAME")
        folder = self.guide.store.folder / name
        for label, words in zip(self.words, CONSENT, strict=True):
            label.setText(tr(words).format(folder=folder, name=name))

    def enter(self) -> None:
        """A journal knows the name."""
        if self.guide.journal is not None:
            self.name.setText(self.guide.journal.name)

    def first(self) -> Any:
        """The name, or the agreement where the name is known."""
        return self.agreed if self.name.text() else self.name

    def check(self) -> Check:
        """A name and an agreement."""
        if not self.name.text().strip():
            return Check("bad", tr("a name is needed"))
        return Check("good" if self.agreed.isChecked() else "bad", tr("tick the agreement (Space) to go on"))

    def go_on(self) -> None:
        """Agreed."""
        self.guide.agree(self.name.text(), self.protocol.currentData())


class DevicesPage(GuidePage):
    """Which streams, which device, which model; whether they fit the protocol."""

    title = "Headset, microphone and model"

    @property
    def next_words(self) -> str:
        """On the button that goes on."""
        return "Connect"

    def __init__(self, wizard: Any) -> None:
        super().__init__(wizard)
        self.form = form = wizard.make_form()
        rows = QtWidgets.QFormLayout()
        rows.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows.setVerticalSpacing(12)
        eeg = beside(form.eeg, QtWidgets.QLabel(tr("device")), form.device)
        rows.addRow(tr("EEG"), stack(eeg, form.eeg_check))
        rows.addRow(tr("Voice"), stack(form.audio, form.audio_check))
        rows.addRow(tr("Base model"), stack(form.bundle, form.bundle_check))
        self.going_on = paragraph()
        column = whole(self)
        column.addWidget(card("", self.going_on, rows))
        column.addStretch(1)

    def enter(self) -> None:
        """What an earlier part of the session used is chosen again."""
        journal, before = self.guide.journal, self.guide.before
        self.form.use_finder()
        if journal is not None:
            for role, query in ((EEG, journal.eeg), (AUDIO, journal.voice)):
                if query:
                    self.form.hope_for(role, query)
            if journal.bundle and Path(journal.bundle).is_file():
                self.form.add_bundle(Path(journal.bundle))
            at = self.form.device.findData(journal.device)
            self.form.device.setCurrentIndex(max(0, at))
        n = len(before.state.done) if before is not None else 0
        words = tr("Trials done: {n}, to go: {m}.").format(
            n=n, m=len(before.state.queue) if before is not None else 0
        )
        self.going_on.setText(words)
        self.going_on.setVisible(n > 0)

    def first(self) -> Any:
        """The EEG's box."""
        return self.form.eeg

    def tick(self) -> None:
        """Offer what was found."""
        self.form.tick()

    def check(self) -> Check:
        """Whether it fits."""
        if self.guide.busy is not None:
            return Check("off", self.guide.busy)
        contract = self.form.finder.contract
        classes = tuple(contract.classes) if contract is not None else ()
        return self.guide.check_devices(self.form.stream_choice(), classes, self.form.model_check())

    def go_on(self) -> None:
        """Connect."""
        streams = self.form.stream_choice()
        if streams is not None:
            bundle = self.form.bundle.currentData() or ""
            self.guide.open(streams, "" if bundle == str(DEMO_BUNDLE) else bundle, self.form.names())

    def set_theme(self, theme: Theme) -> None:
        """Other colours."""
        super().set_theme(theme)
        self.form.set_theme(theme)
