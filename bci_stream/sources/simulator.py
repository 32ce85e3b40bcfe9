"""A simulated person with a headset and a microphone, whose truth is known.

The pure generator: no clock, no threads. ``Simulator.render`` gives the samples of consecutive
stretches of time; ``simulator_events`` sends them through the faults of real devices, and
``simulator_lsl`` publishes them on the network.
"""

from __future__ import annotations

import math

from bci_stream.errors import ConfigError
from bci_stream.messages import AUDIO, EEG, FloatArray, StreamSpec
from bci_stream.sources.simulator_eeg import EegGenerator
from bci_stream.sources.simulator_truth import (
    CLASSES,
    DEMO_MONTAGE,
    Person,
    Schedule,
    Segment,
    SimulatorSettings,
    bayes_accuracy,
)
from bci_stream.sources.simulator_voice import VoiceGenerator

__all__ = ["CLASSES", "DEMO_MONTAGE", "Segment", "Simulator", "SimulatorSettings", "bayes_accuracy"]


class Simulator:
    """One session of a simulated person; sample 0 of both signals is at 0 s.

    Raises ConfigError for settings that make no sense.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.person = Person.draw(settings.person)
        self._schedule = Schedule(settings, self.person)
        self._eeg = EegGenerator(settings, self.person, self._schedule)
        self._voice = VoiceGenerator(settings, self.person, self._schedule)
        self._rendered_s = 0.0

    @property
    def specs(self) -> dict[str, StreamSpec]:
        """What each of the two streams delivers, by role."""
        return {
            EEG: StreamSpec(EEG, self.settings.ch_names, self.settings.eeg_sfreq),
            AUDIO: StreamSpec(AUDIO, ("voice",), self.settings.audio_sfreq),
        }

    def truth(self, duration_s: float) -> list[Segment]:
        """The segments that overlap ``[0, duration_s)``; the last one may end later."""
        return [segment for segment in self._schedule.until(duration_s) if segment.t_start < duration_s]

    def label_at(self, t_s: float) -> str:
        """The true class at ``t_s`` seconds after the first sample."""
        return self._schedule.until(max(t_s, 0.0))[-1].label

    def render(self, t_from_s: float, t_to_s: float) -> tuple[FloatArray, FloatArray]:
        """The samples at ``t_from_s <= t < t_to_s``: EEG (n, n_channels) in µV and audio (m,).

        Stretches must follow each other from 0 on, or ConfigError is raised. Any cutting of one
        stretch into several gives the same bits.
        """
        if t_from_s != self._rendered_s or t_to_s < t_from_s:
            raise ConfigError(
                f"the simulator renders forward without a break: asked for {t_from_s:g} to {t_to_s:g} s, "
                f"the next stretch starts at {self._rendered_s:g} s; make a new Simulator to start over"
            )
        self._rendered_s = t_to_s
        eeg_n, audio_n = (
            first_sample_at(t_to_s, sfreq) - first_sample_at(t_from_s, sfreq)
            for sfreq in (self.settings.eeg_sfreq, self.settings.audio_sfreq)
        )
        return self._eeg.read(eeg_n), self._voice.read(audio_n)[:, 0]

    def read(self, role: str, n: int) -> FloatArray:
        """The next ``n`` samples of one stream, (n, n_channels). Not to be mixed with ``render``."""
        return self._eeg.read(n) if role == EEG else self._voice.read(n)


def first_sample_at(t_s: float, sfreq: float) -> int:
    """Index of the first sample at or after ``t_s``; a rounding error of a nanosecond does not count."""
    return math.ceil(t_s * sfreq - 1e-9 * sfreq)
