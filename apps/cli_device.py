"""Options of ``live`` for EEG that does not come over LSL."""

from __future__ import annotations

from typing import Annotated

import typer

BrainFlow = Annotated[
    str | None,
    typer.Option("--brainflow", help="EEG from a BrainFlow board: synthetic, cyton, muse_2 … or its number"),
]
SerialPort = Annotated[str | None, typer.Option("--serial-port", help="of the board: /dev/ttyUSB0, COM3 …")]
BrainFlowFile = Annotated[
    str | None, typer.Option("--brainflow-file", help="play back a file that the board once wrote")
]
BrainFlowParam = Annotated[
    list[str] | None,
    typer.Option("--brainflow-param", help="another of BrainFlow's parameters: NAME=VALUE; repeatable"),
]
FieldTrip = Annotated[str | None, typer.Option("--fieldtrip", help="EEG from a FieldTrip buffer: HOST:PORT")]
