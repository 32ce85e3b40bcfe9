"""Whether what a calibration needs is there and good: streams, electrodes, the voice. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from apps.choice import StreamChoice
from apps.gui.strings import tr
from apps.gui.viewmodels.finder import Check
from apps.gui.viewmodels.words import duration_words
from bci_stream.errors import BciStreamError
from bci_stream.messages import AUDIO, EEG
from calibration.protocol import Protocol, load_protocol, protocol_names, said

if TYPE_CHECKING:
    from calibration.live import LiveCalibration

_NAMED: Final = 6


def protocol_offers(asked: str, texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Words and key of each protocol there is, and of the one that was asked for."""
    names = [*protocol_names(), *([] if asked in protocol_names() else [asked])]
    offers = []
    for name in names:
        try:
            protocol = load_protocol(name)
        except BciStreamError as error:
            offers.append((str(error), name))
            continue
        what = " + ".join({EEG: tr("EEG"), AUDIO: tr("voice")}[role] for role in protocol.modalities)
        words = tr("{title}: {what}, about {time}").format(
            title=said(texts, protocol.title), what=what, time=duration_words(protocol.duration_s)
        )
        offers.append((words, name))
    return offers


def devices_check(
    protocol: Protocol | None, streams: StreamChoice | None, classes: tuple[str, ...], fits: Check
) -> Check:
    """Whether these streams and this model serve the protocol; ``classes``: of the model."""
    if protocol is None or streams is None:
        return Check("bad", tr("choose the streams: switch the headset's LSL connector on"))
    missing = [
        words
        for role, words, there in (
            (EEG, tr("EEG"), streams.want_eeg),
            (AUDIO, tr("voice"), streams.want_audio),
        )
        if role in protocol.modalities and not there
    ]
    if missing:
        return Check("bad", tr("the protocol needs {what}: choose a stream").format(what=" + ".join(missing)))
    if unknown := sorted(set(protocol.classes) - set(classes)):
        return Check(
            "bad",
            tr("the protocol asks for {words}, and the model knows {known}: choose another model").format(
                words=", ".join(unknown), known=", ".join(classes) or tr("nothing yet")
            ),
        )
    return Check("bad", fits.words) if fits.level == "bad" else Check("good", "")


def electrodes_check(running: LiveCalibration | None) -> Check:
    """Whether the electrodes serve."""
    if (refused := _refused(running)) is not None:
        return refused
    if running is None or EEG in running.lost:
        return Check("bad", tr("the EEG does not come: is the headset on, and its LSL connector running?"))
    if not running.check.electrodes:
        return Check("bad", tr("listening …"))
    if running.check.too_many_bad:
        return Check("bad", tr("too many electrodes are bad: every trial would be taken back"))
    poor = [one.name for one in running.check.electrodes if one.state != "good"]
    if poor:
        names = ", ".join(poor[:_NAMED]) + (" …" if len(poor) > _NAMED else "")
        return Check("warn", tr("can be used; better with {names} seen to").format(names=names))
    return Check("good", tr("all electrodes are good"))


def _refused(running: LiveCalibration | None) -> Check | None:
    """A stream that came back changed, which the person must agree to."""
    if running is None or not (running.lost and running.refused):
        return None
    words = tr("{what}. A: take it as it is").format(what="; ".join(running.refused))
    return Check("bad", words)


def voice_check(running: LiveCalibration | None, *, speaks: bool) -> Check:
    """Whether the microphone serves; ``speaks``: the protocol wants speech."""
    if (refused := _refused(running)) is not None:
        return refused
    if running is None or AUDIO in running.lost:
        return Check("bad", tr("the voice does not come: is the microphone still there?"))
    words = {
        "waiting": ("bad", tr("listening …")),
        "silent": ("bad", tr("nothing but silence: unmute the microphone, or choose another one")),
        "clipped": ("warn", tr("too loud, it is cut off: move away, or turn the microphone down")),
        "good": ("good", tr("your voice is heard")),
        "no speech": (
            ("bad", tr("no speech yet: read a sentence aloud, as loud as you will later"))
            if speaks
            else ("good", tr("the microphone is heard"))
        ),
    }
    return Check(*words[running.check.voice.state])
