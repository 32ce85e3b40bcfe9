"""How fast signals are drawn, and what the window costs: ours beside plain pyqtgraph and mne-lsl's viewer.

The picture: 64 channels at 2 kHz, 10 s, 1200 x 800, really painted, offscreen. Each way in a process of its
own; ours once as the bare view on samples that are there, and once as the whole window on a live engine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.report import Report, Table, show

N_CHANNELS, SFREQ, SPAN_S = 64, 2000.0, 10.0
SIZE = (1200, 800)
EVERY_S = 1 / 30
_NEW_S = EVERY_S  # of signal, from one frame to the next


def run(seconds: float) -> Report:
    """Measure each for ``seconds``."""
    rows, figures = [], {}
    for name, words in WAYS.items():
        measured = _in_child(name, seconds)
        figures[name] = measured
        rows.append([words, *_cells(measured)])
    table = Table(
        f"{N_CHANNELS} channels, {SFREQ:g} Hz, {SPAN_S:g} s on screen, {SIZE[0]} x {SIZE[1]}",
        ["drawn by", "ms a frame", "frames/s reached", "% of a core at 30/s", "p99 gap, ms", "note"],
        rows,
    )
    return Report([table], figures)


def _cells(measured: dict[str, Any]) -> list[str]:
    if "error" in measured:
        return ["-", "-", "-", "-", measured["error"][:60]]
    p99 = f"{measured['gap_p99_ms']:.0f}" if "gap_p99_ms" in measured else "-"
    return [
        f"{measured['frame_ms']:.2f}",
        f"{measured['fps']:.0f}",
        f"{measured['core_percent']:.0f}",
        p99,
        measured.get("note", ""),
    ]


def _in_child(name: str, seconds: float) -> dict[str, Any]:
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "benchmarks.gui", name, str(seconds)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300 + 10 * seconds)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"error": lines[-1] if lines else f"exit code {done.returncode}"}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


# -- in the child -----------------------------------------------------------------------------------------


def _signal() -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 20, (int((SPAN_S + 40) * SFREQ), N_CHANNELS)).astype(np.float32)


def _time_frames(draw: Any, seconds: float) -> dict[str, Any]:
    """Call ``draw(k)`` for each frame: first as fast as it goes, then the same at 30 a second."""
    for k in range(5):
        draw(k)
    spent: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    k = 5
    while time.perf_counter() - began < seconds and k < int(39 / _NEW_S):
        at = time.perf_counter()
        draw(k)
        spent.append(time.perf_counter() - at)
        k += 1
    cpu_a_frame = (time.process_time() - cpu) / len(spent)
    frame_ms = statistics.median(spent) * 1e3
    return {"frame_ms": frame_ms, "fps": 1e3 / frame_ms, "core_percent": 100 * cpu_a_frame / EVERY_S}


def _ours(seconds: float, sweep: bool = True) -> dict[str, Any]:
    from apps.gui.app import make_app
    from apps.gui.palette import DARK
    from apps.gui.signals.columns import Stretch
    from apps.gui.signals.trace_view import TraceView
    from apps.gui.viewmodels.traces import TraceSettings
    from bci_stream.engine.history import History, capacity_of

    app = make_app()
    data = _signal()
    names = tuple(f"ch{i + 1}" for i in range(N_CHANNELS))
    history = History("eeg", names, SFREQ, capacity_of(N_CHANNELS, SFREQ, SPAN_S + 60, 1 << 30))
    view = TraceView(DARK, TraceSettings(sweep=sweep), lambda: None)
    view.resize(*SIZE)
    view.show()
    n_new, written = round(_NEW_S * SFREQ), 0

    def draw(k: int) -> None:
        nonlocal written
        stop = round(SPAN_S * SFREQ) + k * n_new
        part = data[written:stop]
        history.write(written, part, np.zeros(len(part), np.uint8), np.zeros(part.shape, np.uint8))
        written = stop
        view.show_history(history, Stretch(stop / SFREQ, SPAN_S, 0.0, sweep))
        app.processEvents()

    return _time_frames(draw, seconds)


def _plain(seconds: float) -> dict[str, Any]:
    """One PlotDataItem a channel in a PlotWidget, set anew each frame, as pyqtgraph's examples do."""
    import pyqtgraph as pg

    from apps.gui.app import make_app

    app = make_app()
    data = _signal()
    widget = pg.PlotWidget()
    widget.resize(*SIZE)
    widget.setYRange(-100, N_CHANNELS * 100)
    items = [widget.plot(pen=pg.mkPen(width=1)) for _ in range(N_CHANNELS)]
    n, n_new = round(SPAN_S * SFREQ), round(_NEW_S * SFREQ)
    x = np.arange(n) / SFREQ
    widget.show()

    def draw(k: int) -> None:
        part = data[k * n_new : k * n_new + n]
        for i, item in enumerate(items):
            item.setData(x, part[:, i] + 100 * i)
        app.processEvents()

    return _time_frames(draw, seconds)


def _peak(seconds: float) -> dict[str, Any]:
    """The same with pyqtgraph's own down-sampling to peaks."""
    import pyqtgraph as pg

    pg.setConfigOptions(useNumba=False)
    original = pg.PlotWidget.plot

    def plot(self: Any, *args: Any, **options: Any) -> Any:
        item = original(self, *args, **options)
        item.setDownsampling(auto=True, method="peak")
        item.setClipToView(True)
        return item

    pg.PlotWidget.plot = plot
    return _plain(seconds)


def _mne_lsl(seconds: float) -> dict[str, Any]:
    """mne-lsl's StreamViewer on a live stream: its own time for a redraw, and the process's share."""
    outlet = _start_outlet("BenchView")
    try:
        return _watch_viewer(seconds)
    finally:
        outlet.kill()


def _watch_viewer(seconds: float) -> dict[str, Any]:
    from mne_lsl.stream_viewer.control_gui.control_eeg import ControlGUI_EEG
    from mne_lsl.stream_viewer.scope.scope_eeg import ScopeEEG
    from mne_lsl.stream_viewer.stream_viewer import StreamInlet, StreamViewer

    from apps.gui.app import make_app

    inlet = StreamInlet(StreamViewer("BenchView")._sinfo)
    inlet.open_stream()
    scope = ScopeEEG(inlet)
    app = make_app()
    control = ControlGUI_EEG(scope)
    backend = control.backend
    backend._win.resize(*SIZE)
    backend.xRange = SPAN_S
    backend._timer.stop()
    spent: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        at = time.perf_counter()
        backend._update_loop()
        app.processEvents()
        spent.append(time.perf_counter() - at)
        time.sleep(max(0.0, EVERY_S - spent[-1]))
    wall = time.perf_counter() - began
    share = 100 * (time.process_time() - cpu) / wall
    frame_ms = statistics.median(spent) * 1e3
    reached = len(spent) / wall
    note = f"acquires too; {reached:.0f} frames/s of 30"
    return {"frame_ms": frame_ms, "fps": 1e3 / frame_ms, "core_percent": share, "note": note}


def _start_outlet(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.gui", "--outlet", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _outlet(name: str) -> None:
    import pylsl

    from benchmarks.outlet import make_outlet, noise
    from benchmarks.setups import CHUNK_S, LARGE

    eeg = make_outlet(name, "EEG", LARGE.names(), SFREQ)
    voice = make_outlet(f"{name}Voice", "Audio", ["voice"], LARGE.audio_sfreq)
    print("ready", flush=True)
    parts = [(eeg, _signal(), round(CHUNK_S * SFREQ))]
    parts.append((voice, noise(LARGE.audio_sfreq, 1, 0.1), round(CHUNK_S * LARGE.audio_sfreq)))
    t0 = pylsl.local_clock()
    for k in range(10_000_000):
        end_s = t0 + (k + 1) * CHUNK_S
        time.sleep(max(0.0, end_s - pylsl.local_clock()))
        for outlet, data, n in parts:
            at = k * n % (len(data) - n)
            outlet.push_chunk(data[at : at + n], end_s)


def _window(seconds: float) -> dict[str, Any]:
    """The whole window on a live session: engine, model, spectrogram and all panels, in one process."""
    from apps.choice import ModelChoice, StreamChoice
    from apps.gui.app import make_app
    from apps.gui.options import GuiOptions
    from apps.gui.runs import live_run
    from apps.gui.window import MainWindow

    app = make_app()
    outlet = _start_outlet("BenchWindow")
    window = MainWindow(GuiOptions(size=(1920, 1080)))
    window.show()
    streams = StreamChoice(eeg="BenchWindow", audio="BenchWindowVoice")
    window.control.begin("…", lambda: live_run(streams, ModelChoice(), None, None))
    try:
        until(app, lambda: window.frame is not None and window.frame.now_s - window.frame.t0_s > SPAN_S + 2)
        return _measured(app, window, seconds)
    finally:
        window.close_now()
        outlet.kill()


def _measured(app: Any, window: Any, seconds: float) -> dict[str, Any]:
    ticker = window.ticker
    ticker.gaps_s.clear()
    ticker.busy_s.clear()
    cpu, thread, began = time.process_time(), time.thread_time(), time.perf_counter()
    until(app, lambda: time.perf_counter() - began > seconds)
    wall = time.perf_counter() - began
    gaps = np.array(ticker.gaps_s) * 1e3
    return {
        "frame_ms": float(np.median(ticker.busy_s)) * 1e3,
        "fps": len(gaps) / wall,
        "core_percent": 100 * (time.thread_time() - thread) / wall,
        "process_percent": 100 * (time.process_time() - cpu) / wall,
        "gap_p99_ms": float(np.percentile(gaps, 99)),
        "gap_max_ms": float(gaps.max()),
        "note": f"GUI thread; process {100 * (time.process_time() - cpu) / wall:.0f} %",
    }


def until(app: Any, condition: Any, limit_s: float = 120.0) -> None:
    """Run a loop of Qt until the condition holds; ending the application's own would close the window."""
    from pyqtgraph.Qt import QtCore

    deadline = time.perf_counter() + limit_s
    loop, timer = QtCore.QEventLoop(), QtCore.QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() or time.perf_counter() > deadline else None)
    timer.start(100)
    loop.exec()
    timer.stop()
    if time.perf_counter() > deadline:
        raise TimeoutError("the window never got there")


WAYS = {
    "sweep": "ours, sweep",
    "scroll": "ours, scroll",
    "plain": "pyqtgraph, one PlotDataItem a channel",
    "peak": "pyqtgraph, the same with peak down-sampling",
    "mne_lsl": "mne-lsl StreamViewer",
    "window": "ours: whole window, live engine",
}


def main() -> None:
    """All of it; or, with an argument, one child."""
    if len(sys.argv) < 2:
        for table in run(10.0).tables:
            show(table)
        return
    if sys.argv[1] == "--outlet":
        _outlet(sys.argv[2])
        return
    ways = {
        "sweep": _ours,
        "scroll": lambda seconds: _ours(seconds, sweep=False),
        "plain": _plain,
        "peak": _peak,
        "mne_lsl": _mne_lsl,
        "window": _window,
    }
    print(json.dumps(ways[sys.argv[1]](float(sys.argv[2]))))


if __name__ == "__main__":
    main()
