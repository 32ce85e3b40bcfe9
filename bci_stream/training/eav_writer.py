"""Generated people in EAV's exact layout, so that the loader of the real data can be run without them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_stream.errors import ConfigError, CorpusError
from bci_stream.sources.simulator_truth import seeded
from bci_stream.training import eav_layout as layout
from bci_stream.training.corpus_files import one_line
from bci_stream.training.generator import GeneratedCorpus, GeneratorSettings, Truth, draw_truth
from bci_stream.training.generator_signals import EegRenderer, render_voice

_MOST_TRIALS = 499  # a file's number has three digits
_LONGER_S = 1.0  # EAV's sounds go on for a second after the trial
_DIGITS = 6  # of the evidence in the file


def write_eav(
    root: Path, settings: GeneratorSettings, *, report: Callable[[str], None] = lambda line: None
) -> None:
    """Write the generated people of ``settings`` as if they were EAV, with ``generated.json`` at the root.

    ``settings.n_trials`` counts speaking trials (EAV: 100, of 20 s); as many listening trials, of the same
    labels, stand before them in turn. EEG has EAV's 30 electrodes and 500 Hz whatever the settings say.
    The folder appears whole or not at all.

    Args:
        root: a folder that is absent or empty.
        settings: classes must be EAV's.
        report: takes lines for a person to read: the oracle, then a line for each subject.

    Raises:
        CorpusError: the folder holds something, or cannot be written (no right, full disk).
        ConfigError: more trials than EAV's names can count, or classes that EAV does not have.
    """
    if settings.n_trials > _MOST_TRIALS or not set(settings.classes) <= set(layout.EMOTIONS.values()):
        raise ConfigError(
            f"EAV holds at most {_MOST_TRIALS} speaking trials of {', '.join(layout.EMOTIONS.values())}; "
            f"got {settings.n_trials} of {', '.join(settings.classes)}"
        )
    settings = replace(settings, eeg_sfreq=layout.SFREQ, ch_names=layout.CHANNELS)
    corpus = GeneratedCorpus(settings)
    report(f"oracle accuracy: {', '.join(f'{name} {best:.3f}' for name, best in corpus.oracle.items())}")
    try:
        _write_atomically(Path(root), corpus, report)
    except OSError as error:
        raise CorpusError(f"cannot write {root}: {one_line(error)}") from error


def _write_atomically(root: Path, corpus: GeneratedCorpus, report: Callable[[str], None]) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CorpusError(f"{root} is not empty: name a new folder, nothing is written over")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as scratch:
        made = Path(scratch) / root.name
        made.mkdir()
        truths = {}
        for index, person in enumerate(corpus.people):
            truths[person] = _write_person(made / person, corpus.settings, index)
            report(f"{person}: {2 * corpus.settings.n_trials} trials written")
        said = json.dumps(_card(corpus, truths), indent=1)
        (made / layout.GENERATED_FILE).write_text(said + "\n", encoding="utf-8")
        if root.exists():
            root.rmdir()
        made.rename(root)


def _card(corpus: GeneratedCorpus, truths: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": layout.GENERATED_FORMAT,
        "generated": "nobody was recorded",
        "trial_samples": _n_times(corpus.settings),
        "n_trials": 2 * corpus.settings.n_trials,
        "oracle_accuracy": corpus.oracle,
        "settings": asdict(corpus.settings),
        "truth": truths,
    }


def _n_times(settings: GeneratorSettings) -> int:
    return round(settings.trial_s * settings.eeg_sfreq)


def _write_person(folder: Path, settings: GeneratorSettings, index: int) -> dict[str, Any]:
    """One subject's files; what is true of them, for the card."""
    from scipy.io import savemat

    speaking, listening = draw_truth(settings, index), draw_truth(settings, index, "listening")
    (folder / "EEG").mkdir(parents=True)
    (folder / "Audio").mkdir()
    key = layout.EEG_KEYS[index % 2]
    savemat(folder / "EEG" / f"{folder.name}_eeg.mat", {key: _eeg(settings, index, listening, speaking)})
    labels = _label_rows(settings, speaking.labels)
    savemat(folder / "EEG" / f"{folder.name}_eeg_label.mat", {layout.LABEL_KEY: labels})
    _write_sounds(folder / "Audio", settings, index, speaking)
    return {
        "labels": [settings.classes[label] for label in speaking.labels],
        "eeg": speaking.eeg.round(_DIGITS).tolist(),
        "audio": speaking.audio.round(_DIGITS).tolist(),
        "listening_eeg": listening.eeg.round(_DIGITS).tolist(),
    }


def _eeg(settings: GeneratorSettings, index: int, listening: Truth, speaking: Truth) -> NDArray[np.float32]:
    """(n_times, 30, 2 n_trials), listening and speaking in turn."""
    renderer = EegRenderer(settings, index)
    shape = (_n_times(settings), len(settings.ch_names), 2 * settings.n_trials)
    eeg = np.empty(shape, np.float32, order="F")  # as MATLAB lays it out: no copy on the way to the file
    for i in range(settings.n_trials):
        for place, (truth, purpose) in enumerate(((listening, "listening eeg"), (speaking, "generated eeg"))):
            rng = seeded(settings.seed, purpose, index, i)
            eeg[:, :, 2 * i + place] = renderer.render(truth.eeg[i], rng)
    return eeg


def _label_rows(settings: GeneratorSettings, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(10, 2 n_trials) one-hot: row = 2 x emotion + condition."""
    emotions = list(layout.EMOTIONS.values())
    rows = np.array([2 * emotions.index(settings.classes[label]) for label in labels])
    matrix = np.zeros((layout.N_LABEL_ROWS, 2 * len(labels)))
    matrix[rows, np.arange(0, 2 * len(labels), 2)] = 1.0
    matrix[rows + 1, np.arange(1, 2 * len(labels), 2)] = 1.0
    return matrix


def _write_sounds(folder: Path, settings: GeneratorSettings, index: int, truth: Truth) -> None:
    from scipy.io import wavfile

    longer = replace(settings, trial_s=settings.trial_s + _LONGER_S)
    for i, label in enumerate(truth.labels):
        voice = render_voice(longer, index, truth.audio[i], i)
        name = layout.sound_name(2 * i + 2, settings.classes[label], ("_Aud", "_aud")[index % 2])
        wavfile.write(folder / name, round(settings.audio_sfreq), np.round(voice * 32767).astype(np.int16))
