"""The training commands of the one parser: their options, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bci_stream.errors import ConfigError

if TYPE_CHECKING:
    from apps.training_run import MachineOptions, RecipeOptions, SplitOptions


def not_negative(value: int) -> int:
    """Refuse what is below 0."""
    if value < 0:
        raise typer.BadParameter(f"{value} makes no sense: use 0 or more")
    return value


UseAudio = Annotated[bool, typer.Option("--use-audio", help="train EEG and voice; without it EEG alone")]
NoEeg = Annotated[bool, typer.Option("--no-eeg", help="train the voice alone")]
FusionMode = Annotated[
    str,
    typer.Option("--fusion-mode", help="late, concat, gated, cross_attention, bottleneck or adaptive"),
]
NumEpochs = Annotated[int, typer.Option("--num-epochs", help="passes over the training data, at most")]
Front = Annotated[str, typer.Option("--front", help="EEG front end: bandpower or learned")]
LearningRate = Annotated[float, typer.Option("--learning-rate", help="at its highest")]
BatchSize = Annotated[int, typer.Option("--batch-size", help="trials in a batch")]
Dropout = Annotated[float, typer.Option("--dropout", help="share of features left out in training")]
Window = Annotated[float, typer.Option("--window", help="seconds that one answer stands on")]
Seed = Annotated[
    int, typer.Option("--seed", callback=not_negative, help="of the start, the batches and the split")
]
_OF_A_RECIPE: Final = (
    "use_audio",
    "no_eeg",
    "fusion_mode",
    "front",
    "num_epochs",
    "learning_rate",
    "batch_size",
    "dropout",
    "window",
)
Data = Annotated[
    str | None,
    typer.Option("--data", help="folder of EAV, EmoDB, affective music or XDF sessions, or: generator"),
]
Subjects = Annotated[
    str | None, typer.Option("--subjects", help="how many of the first, or which: subject3,subject7")
]
SplitKind = Annotated[
    str, typer.Option("--split", help="subject-kfold, loso, within-chronological, or pooled")
]
Folds = Annotated[int, typer.Option("--folds", help="of subject-kfold and pooled")]
RunFolds = Annotated[
    int, typer.Option("--run-folds", callback=not_negative, help="run only the first few folds; 0: all")
]
Leaks = Annotated[
    bool, typer.Option("--i-know-this-leaks", help="allow --split pooled; every output will say so")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto")]
Threads = Annotated[
    int, typer.Option("--threads", help="of torch, pinned: their number changes the last bits")
]
Workers = Annotated[
    int,
    typer.Option("--workers", callback=not_negative, help="processes that prepare data; 0: as many as cores"),
]
Cache = Annotated[
    Path | None, typer.Option("--cache", help="where prepared data are kept; else $BCI_STREAM_CACHE")
]
Out = Annotated[Path | None, typer.Option("--out", help="result folder; else one under results/")]
Restart = Annotated[bool, typer.Option("--restart", help="begin anew, replacing an earlier result")]
Json = Annotated[bool, typer.Option("--json", help="figures as JSON on stdout, for programs")]


def register(app: typer.Typer) -> None:
    """Add the commands to the parser."""
    app.command("train")(train)
    app.command("baseline-experiment")(baseline_experiment)
    app.command("compare-modalities")(compare_modalities)
    app.command("generate-eav")(generate_eav)
    app.command("compare")(compare)
    app.command("explain")(explain)


def recipe_options(*, use_eeg: bool, use_audio: bool, **fields: Any) -> RecipeOptions:
    """How to train; without EEG it is the voice."""
    from apps.training_run import RecipeOptions

    return RecipeOptions(use_eeg=use_eeg, use_audio=use_audio or not use_eeg, **fields)


def _refuse_beside_recipe(context: typer.Context) -> None:
    """A recipe decides what these options would: saying both is a mistake, nothing is guessed."""
    given = [
        "--" + name.replace("_", "-")
        for name in _OF_A_RECIPE
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]
    if given:
        raise ConfigError(f"--recipe decides {', '.join(given)} too: leave one of them out")


def machine_options(device: str, threads: int, workers: int, cache: Path | None) -> MachineOptions:
    """Where to run."""
    from apps.training_run import MachineOptions

    return MachineOptions(device, threads, workers, cache)


def split_options(kind: str, n_folds: int, run_folds: int, leak_ok: bool) -> SplitOptions:
    """Which protocol."""
    from apps.training_run import SplitOptions

    return SplitOptions(kind, n_folds, run_folds, leak_ok)


def train(
    context: typer.Context,
    data: Data = None,
    subjects: Subjects = None,
    listening: Annotated[
        bool, typer.Option("--listening", help="EAV: train the EEG on listening trials too")
    ] = False,
    use_audio: UseAudio = False,
    no_eeg: NoEeg = False,
    fusion_mode: FusionMode = "concat",
    front: Front = "bandpower",
    num_epochs: NumEpochs = 20,
    learning_rate: LearningRate = 1e-3,
    batch_size: BatchSize = 16,
    dropout: Dropout = 0.3,
    window: Window = 5.0,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="of a sweep; decides all but data, split and seed")
    ] = None,
    seed: Seed = 0,
    split: SplitKind = "subject-kfold",
    folds: Folds = 7,
    run_folds: RunFolds = 0,
    leaks: Leaks = False,
    device: Device = "cpu",
    threads: Threads = 1,
    workers: Workers = 0,
    cache: Cache = None,
    out: Out = None,
    restart: Restart = False,
    no_bundle: Annotated[bool, typer.Option("--no-bundle", help="figures only, no model for use")] = False,
    json: Json = False,
) -> None:
    """Train on EAV or other data; scored on people it has not met; ends with a bundle for live and replay."""
    from apps import train as command

    if recipe is not None:
        _refuse_beside_recipe(context)
    command.run(
        command.TrainOptions(
            data=data,
            subjects=subjects,
            listening=listening,
            recipe=recipe_options(
                use_eeg=not no_eeg,
                use_audio=use_audio,
                fusion=fusion_mode,
                front=front,
                n_epochs=num_epochs,
                learning_rate=learning_rate,
                batch_size=batch_size,
                dropout=dropout,
                window_s=window,
                file=recipe,
                seed=seed,
            ),
            split=split_options(split, folds, run_folds, leaks),
            machine=machine_options(device, threads, workers, cache),
            out=out,
            restart=restart,
            bundle=not no_bundle,
            as_json=json,
        )
    )


def baseline_experiment(
    use_audio: UseAudio = False,
    fusion_mode: FusionMode = "concat",
    front: Front = "bandpower",
    num_epochs: NumEpochs = 8,
    people: Annotated[int, typer.Option("--people", help="how many to generate")] = 16,
    trials: Annotated[int, typer.Option("--trials", help="of each")] = 30,
    seed: Seed = 0,
    threads: Threads = 1,
    workers: Workers = 1,
    cache: Cache = None,
    json: Json = False,
) -> None:
    """Does it learn at all? Generated people, half a minute, beside the best that is possible."""
    from apps import baseline_experiment as command

    command.run(
        command.BaselineOptions(
            recipe=recipe_options(
                use_eeg=True,
                use_audio=use_audio,
                fusion=fusion_mode,
                front=front,
                n_epochs=num_epochs,
                seed=seed,
            ),
            machine=machine_options("cpu", threads, workers, cache),
            n_people=people,
            n_trials=trials,
            as_json=json,
        )
    )


def compare_modalities(
    data: Data = None,
    subjects: Subjects = None,
    fusion_mode: FusionMode = "concat",
    quick: Annotated[bool, typer.Option("--quick", help="one fold and few epochs")] = False,
    front: Front = "bandpower",
    num_epochs: NumEpochs = 20,
    learning_rate: LearningRate = 1e-3,
    batch_size: BatchSize = 16,
    dropout: Dropout = 0.3,
    seed: Seed = 0,
    split: SplitKind = "subject-kfold",
    folds: Folds = 7,
    run_folds: RunFolds = 0,
    leaks: Leaks = False,
    device: Device = "cpu",
    threads: Threads = 1,
    workers: Workers = 0,
    cache: Cache = None,
    out: Out = None,
    restart: Restart = False,
    json: Json = False,
) -> None:
    """EEG alone, voice alone, the mean of both, and a trained fusion, in one protocol on EAV."""
    from apps import compare_modalities as command

    command.run(
        command.CompareModalitiesOptions(
            data=data,
            subjects=subjects,
            quick=quick,
            recipe=recipe_options(
                use_eeg=True,
                use_audio=True,
                fusion=fusion_mode,
                front=front,
                n_epochs=num_epochs,
                learning_rate=learning_rate,
                batch_size=batch_size,
                dropout=dropout,
                seed=seed,
            ),
            split=split_options(split, folds, run_folds, leaks),
            machine=machine_options(device, threads, workers, cache),
            out=out,
            restart=restart,
            as_json=json,
        )
    )


def generate_eav(
    folder: Annotated[Path, typer.Argument(help="absent or empty; EAV's layout is written here")],
    people: Annotated[int, typer.Option("--people", help="how many")] = 8,
    trials: Annotated[int, typer.Option("--trials", help="speaking trials of each; EAV has 100")] = 100,
    trial_s: Annotated[float, typer.Option("--trial-seconds", help="EAV has 20")] = 20.0,
    separation: Annotated[
        float, typer.Option("--separation", help="how far apart the classes are, 1: as by default")
    ] = 1.0,
    correlation: Annotated[
        float, typer.Option("--error-correlation", help="of the two modalities' noise, -1 to 1")
    ] = 0.0,
    seed: Seed = 0,
) -> None:
    """Write generated people in EAV's exact layout, with the truth and the best possible accuracy beside."""
    from apps import generate_eav as command

    command.run(folder, people, trials, trial_s, separation, correlation, seed)


def compare(
    directories: Annotated[
        list[Path] | None, typer.Argument(help="result directories of two runs or more")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="write a report into this folder")] = None,
    pattern: Annotated[
        str, typer.Option("--pattern", help="which modalities were present: both, eeg or audio")
    ] = "both",
    metric: Annotated[
        str, typer.Option("--metric", help="accuracy, balanced_accuracy, macro_f1 or kappa")
    ] = "accuracy",
    self_test: Annotated[
        bool, typer.Option("--self-test", help="plant differences and count what is found")
    ] = False,
    json: Json = False,
) -> None:
    """Which of several runs is better, over the same people, with statistics and a report."""
    from apps import compare as command

    if self_test:
        command.self_test(as_json=json)
    else:
        command.run(directories or [], out, pattern, metric, json)


def explain(
    path: Annotated[Path, typer.Argument(help="a bundle, or the result directory of a run")],
    data: Data = None,
    subjects: Subjects = None,
    trials: Annotated[int, typer.Option("--trials", help="of each person, at most; 0: all")] = 20,
    out: Annotated[Path | None, typer.Option("--out", help="report folder; else NAME-explained")] = None,
    cache: Cache = None,
    json: Json = False,
) -> None:
    """What a model looks at: channel weights, electrodes, attention, gates, each modality's worth."""
    from apps import explain as command

    command.run(
        command.ExplainOptions(
            path=path,
            data=data,
            subjects=subjects,
            most_trials=trials,
            out=out,
            cache=cache,
            as_json=json,
        )
    )
