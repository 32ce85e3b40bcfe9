"""The card of a bundle: its data, how it was tested, its figures and its limits, in plain words."""

from __future__ import annotations

from bci_stream.training.experiment import Outcome
from bci_stream.training.run_result import RunResult
from bci_stream.training.trials import Corpus

_LIMITS = """## Limits

- A label is what the corpus asked its people to act or feel, not what they felt.
- Figures are of whole trials; a live session answers every 200 ms from one window, which is less sure.
- Other headsets, rooms, languages and people than the corpus's are untested.
- Not for emotion inference at work or in schools, and no medical device."""


def bundle_card(result: RunResult, outcome: Outcome, corpus: Corpus) -> str:
    """Markdown, to lie beside the bundle."""
    contract = outcome.contract
    lines = [
        f"# {result.name}",
        "",
        *(["**LEAKS: these figures say nothing about new people.**", ""] if result.leaks else []),
        *(["**Generated data: no claim about people.**", ""] if result.generated else []),
        "## What it is",
        "",
        f"{' and '.join(contract.modalities)} to {len(contract.classes)} classes "
        f"({', '.join(contract.classes)}), fusion `{result.mode}`, windows of {contract.window_s:g} s every "
        f"{contract.hop_s:g} s.",
        "",
        *_inputs(outcome),
        "## Data",
        "",
        f"{corpus.description}. sha256 of the prepared data: `{outcome.data_sha256[:16]}…`",
        "",
        "## Protocol",
        "",
        f"{outcome.split.protocol}. {_what_was_trained(outcome)}",
        "",
        "## Figures",
        "",
        *_table(result),
        "",
        _LIMITS,
        "",
    ]
    return "\n".join(lines)


def _inputs(outcome: Outcome) -> list[str]:
    contract, lines = outcome.contract, []
    if "eeg" in contract.modalities:
        eeg = contract.eeg
        lines.append(
            f"- EEG: {len(eeg.channels)} electrodes ({', '.join(eeg.channels)}), {eeg.highpass_hz:g} to "
            f"{eeg.lowpass_hz:g} Hz, reference {eeg.reference}, alignment {eeg.alignment}, "
            f"front end {contract.architecture.eeg_front}."
        )
    if "audio" in contract.modalities:
        lines.append(f"- Voice: 16 kHz, log-mel, normalisation {contract.audio.normalization}.")
    return [*lines, ""]


def _what_was_trained(outcome: Outcome) -> str:
    if outcome.final is not None:
        people = outcome.final.people
        return (
            f"The figures are of {len(outcome.folds)} networks, each tested on people it had not met; the "
            f"bundle is one more of the same recipe, trained on {len(people.train)} people and stopped by "
            f"{len(people.valid)} others, who also set its temperatures."
        )
    people = outcome.folds[0].people
    counts = len(people.train), len(people.valid), len(people.test)
    return "Trained on {}, stopped by {}, tested on {} people.".format(*counts)


def _table(result: RunResult) -> list[str]:
    lines = [
        "| given | accuracy | 95 % over people | balanced | kappa | ECE | people | trials |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for pattern, found in result.metrics.items():
        low, high = found["ci95"]["accuracy"]
        interval = "one person" if low is None else f"{low:.1%} to {high:.1%}"
        lines.append(
            f"| {pattern} | {found['accuracy']:.1%} | {interval} | {found['balanced_accuracy']:.1%} | "
            f"{found['kappa']:.2f} | {found['ece']:.3f} | {found['n_people']} | {found['n']} |"
        )
    chance = next(iter(result.metrics.values()))["chance"]
    lines += ["", f"Chance is {chance['accuracy']:.1%}, and guessing stays under {chance['bound95']:.1%}."]
    if result.oracle is not None:
        lines.append(f"The best possible on these generated data is {result.oracle:.1%}.")
    return lines
