"""``bci-stream train-demo``: make the demo bundle again."""

from __future__ import annotations

from pathlib import Path

import torch

from apps.console import say
from bci_stream.training.demo import DemoSettings, train_demo


def run(out: Path, seed: int) -> None:
    """Train on simulated people and export."""
    torch.set_num_threads(1)
    sha256 = train_demo(out, DemoSettings(seed=seed), say)
    say(f"{out}: sha256 {sha256}")
