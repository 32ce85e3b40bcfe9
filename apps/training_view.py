"""How a training looks in a terminal: a bar with loss and accuracy; TensorBoard beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from apps.console import err, say
from bci_stream.training.fit import Epoch
from bci_stream.training.run_result import RunResult
from bci_stream.training.splits import Fold

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TrainingView:
    """A :class:`~bci_stream.training.experiment.Watcher` for people; quiet where nobody looks.

    Args:
        title: before each bar.
        logs: folder for TensorBoard, or None.
    """

    def __init__(self, title: str, logs: Path | None = None) -> None:
        self._title, self._logs = title, logs
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=err,
            disable=not err.is_terminal,
        )
        self._task: TaskID | None = None
        self._writers: dict[str, SummaryWriter] = {}
        self._heading = ""

    def __enter__(self) -> TrainingView:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bars away, close the logs."""
        self._bars.stop()
        for writer in self._writers.values():
            writer.close()

    def note(self, line: str) -> None:
        """A line of information."""
        say(line)

    def fold(self, number: int, n_folds: int, fold: Fold) -> None:
        """A new bar."""
        which = f"fold {number + 1} of {n_folds}" if fold.test else "for use"
        self._heading = f"{self._title}, {which}"
        self._task = None

    def epoch(self, fold: str, epoch: Epoch) -> None:
        """One step of the bar; without a terminal a line now and then."""
        figures = ", ".join(f"{name} {share:.0%}" for name, share in epoch.accuracy.items())
        figures = f"loss {epoch.train_loss:.3f}, validation {epoch.valid_loss:.3f} ({figures})"
        if self._task is None:
            self._task = self._bars.add_task(self._heading, total=epoch.n_epochs, figures="")
        self._bars.update(self._task, completed=epoch.number + 1, figures=figures)
        last = epoch.number + 1 == epoch.n_epochs
        if not err.is_terminal and (epoch.number % 10 == 0 or last):
            say(f"{self._heading}: epoch {epoch.number + 1}/{epoch.n_epochs} {figures}")
        self._log(fold, epoch)

    def _log(self, fold: str, epoch: Epoch) -> None:
        if self._logs is None:
            return
        if fold not in self._writers:
            self._writers[fold] = _writer(self._logs / fold)
        writer: Any = self._writers[fold]
        writer.add_scalar("loss/train", epoch.train_loss, epoch.number)
        writer.add_scalar("loss/validation", epoch.valid_loss, epoch.number)
        writer.add_scalar("learning rate", epoch.learning_rate, epoch.number)
        for name, share in epoch.accuracy.items():
            writer.add_scalar(f"accuracy/{name}", share, epoch.number)


def _writer(folder: Path) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=0)  # a run that was taken up again logs its epochs again


def tensorboard_is_there() -> bool:
    """Whether logs can be written; TensorBoard comes with the extra ``train``."""
    from importlib.util import find_spec

    return find_spec("tensorboard") is not None


def show_result(result: RunResult) -> None:
    """The figures of a run with its protocol, to stdout's companion."""
    stamp = "  [red]LEAKS[/]" if result.leaks else ""
    table = Table(title=f"{result.name}{stamp}", caption=result.protocol, title_justify="left")
    for column in ("given", "accuracy", "95 % over people", "balanced", "macro F1", "kappa", "ECE", "trials"):
        table.add_column(column)
    for pattern, found in result.metrics.items():
        table.add_row(pattern, *_row(found))
    err.print(table)
    chance = result.metrics[result.main_pattern]["chance"]
    say(f"chance {chance['accuracy']:.1%}, guessing stays under {chance['bound95']:.1%}")
    if result.oracle is not None:
        say(f"the best possible on these generated data, with {result.main_pattern}: {result.oracle:.1%}")
    if result.generated:
        say("generated data: no claim about people")


def _row(found: Mapping[str, Any]) -> list[str]:
    low, high = found["ci95"]["accuracy"]
    interval = "one person" if low is None else f"{low:.1%} to {high:.1%}"
    shares = [f"{found[key]:.1%}" for key in ("balanced_accuracy", "macro_f1")]
    return [
        f"{found['accuracy']:.1%}",
        interval,
        *shares,
        f"{found['kappa']:.2f}",
        f"{found['ece']:.3f}",
        str(found["n"]),
    ]
