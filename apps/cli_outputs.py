"""Options of ``live``: where predictions go, whether the session is recorded, and with which markers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Markers = Annotated[
    str | None, typer.Option("--markers", help="marker stream, chosen likewise, where there are several")
]
Publish = Annotated[
    str | None, typer.Option(help="publish predictions over LSL as NAME-decisions and NAME-probabilities")
]
Osc = Annotated[str | None, typer.Option("--osc", help="send predictions by OSC (UDP) to HOST:PORT")]
Ws = Annotated[
    str | None,
    typer.Option("--ws", help="serve predictions by WebSocket on [HOST:]PORT; this computer if no host"),
]
WsOrigin = Annotated[
    list[str] | None,
    typer.Option("--ws-origin", help="let pages of this web origin read it too; null: those opened as files"),
]
Csv = Annotated[Path | None, typer.Option("--csv", help="write a row per prediction to this new file")]
Jsonl = Annotated[Path | None, typer.Option("--jsonl", help="write JSON lines to this new file")]
Record = Annotated[
    Path | None,
    typer.Option(
        "--record", help="record the session to a new FILE.xdf, or to a name of its own in a FOLDER"
    ),
]
RecordAudio = Annotated[
    bool, typer.Option("--record-audio", help="record the voice too; without it no audio is stored")
]
Subject = Annotated[str | None, typer.Option("--subject", help="for --record FOLDER: letters and digits")]
SessionLabel = Annotated[str | None, typer.Option("--session", help="likewise")]
Task = Annotated[str | None, typer.Option("--task", help="likewise; live if absent")]
Run = Annotated[int | None, typer.Option("--run", help="likewise, 1 to 999; else the next free number")]
