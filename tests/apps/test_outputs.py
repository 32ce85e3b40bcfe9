"""``live`` with its outputs: what cannot be is one line, and what dies costs itself alone."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pylsl
import pytest
from websockets.sync.client import connect

from apps.outputs import OutputChoice, Outputs
from bci_stream.errors import ConfigError
from bci_stream.sources.simulator import SimulatorSettings
from bci_stream.sources.simulator_process import SimulatorProcess
from tests.apps.command import ROOT, bci
from tests.apps.test_cli import one_line_error


@pytest.fixture(scope="module")
def headset(lsl_isolation):
    settings = SimulatorSettings()
    with SimulatorProcess(
        settings, name_prefix="Out", source_id="Out", lsl=(lsl_isolation, "machine")
    ) as process:
        process.wait_ready()
        yield lsl_isolation


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"osc": "9000"}, "HOST:PORT"),
        ({"osc": "host:port"}, "HOST:PORT"),
        ({"ws": "here:and:there"}, r"\[HOST:\]PORT"),
        ({"ws": "70000"}, "1 to 65535"),
        ({"ws_origins": ("null",)}, "add --ws PORT"),
        ({"csv": ROOT / "pyproject.toml"}, "never overwritten"),
        ({"jsonl": ROOT / "pyproject.toml" / "x"}, "no folder"),
    ],
)
def test_what_makes_no_sense_is_one_line(fields, words):
    with pytest.raises(ConfigError, match=words) as caught:
        OutputChoice(**fields).check(has_model=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["publish", "osc", "ws", "csv"])
def test_predictions_without_a_model_are_one_line(field):
    value = {"osc": "127.0.0.1:9000", "ws": "9000", "csv": ROOT / "nowhere.csv", "publish": "x"}[field]
    with pytest.raises(ConfigError, match="--no-model makes none"):
        OutputChoice(**{field: value}).check(has_model=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ws", "here:and:there"], "[HOST:]PORT"),
        (["--record", "x", "--subject", "a/b"], "letters and digits"),
        (["--record-audio"], "add --record"),
    ],
)
def test_it_is_said_before_any_stream_is_looked_for(arguments, words):
    result = bci("live", "--wait", "600", "--session-id", "nobody-is-here", *arguments)
    assert words in one_line_error(result)


def test_listening_beyond_this_computer_is_said_and_loopback_is_not_warned_of(capsys):
    outputs = Outputs(pylsl.local_clock)
    bundle = SimpleNamespace(contract=SimpleNamespace(classes=("a", "b"), hop_s=0.2, modalities=("eeg",)))
    prepared = SimpleNamespace(bundle=bundle, predictor=object())
    try:
        outputs.open(OutputChoice(ws="0", osc="127.0.0.1:9"), prepared)
        assert "warning" not in (said := capsys.readouterr().err)
        assert "ws://127.0.0.1:" in said
        outputs.open(OutputChoice(ws="0.0.0.0:0", osc="192.0.2.1:9"), prepared)
        warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
        assert ["192.0.2.1:9" in warned[0], "0.0.0.0:" in warned[1], len(warned)] == [True, True, 2]
    finally:
        outputs.close()


def test_a_port_that_is_taken_is_one_line_and_leaves_no_file_behind(headset, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = bci(
            *("live", "--wait", "30", "--seconds", "1", "--session-id", headset, "--ws", port),
            *("--csv", tmp_path / "p.csv", "--record", tmp_path / "x.xdf"),
        )
    assert result.code == 2
    (line,) = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert str(port) in line
    assert "choose another port" in line
    assert list(tmp_path.iterdir()) == []


class Live:
    """``bci-stream live`` in a process of its own, its lines as they come."""

    def __init__(self, *arguments, limit_bytes=None):
        command = [sys.executable, "-m", "bci_stream", "live", "--wait", "60", *map(str, arguments)]
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))  # the child inherits it
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "500"}
        try:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.records, self.errors = [], []
        self._came = threading.Condition()
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.records, json.loads)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors, str.strip)),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, into, parse):
        for line in stream:
            with self._came:
                into.append(parse(line))
                self._came.notify_all()

    def wait_for(self, condition, timeout_s=120.0):
        with self._came:
            assert self._came.wait_for(lambda: condition(self), timeout_s), (self.errors, self.records[-2:])

    def predictions(self):
        return [r for r in self.records if r["kind"] == "prediction"]

    def stop(self):
        """As Ctrl-C does; the exit code and the summary."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        for thread in self._threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, self.records[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _answers(records):
    """What the model said; when an output took a label back, or was late, is that output's own affair."""
    said = [r for r in records if not {"ended", "stale"} & set(r["tags"])]
    return [{**r, "tags": [tag for tag in r["tags"] if tag != "late"]} for r in said]


def _is_fresh(record):
    return record["label"] is not None and "late" not in record["tags"]


def test_several_outputs_at_once_say_the_same_and_the_summary_counts_them(headset, tmp_path):
    csv, jsonl, xdf = tmp_path / "p.csv", tmp_path / "p.jsonl", tmp_path / "x.xdf"
    osc = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    osc.bind(("127.0.0.1", 0))
    osc.settimeout(60.0)
    arguments = ("--ws", "0", "--osc", f"127.0.0.1:{osc.getsockname()[1]}", "--csv", csv, "--jsonl", jsonl)
    with (
        Live("--json", "--session-id", headset, *arguments, "--publish", "OutT", "--record", xdf) as live,
        osc,
    ):
        live.wait_for(lambda live: any("WebSocket: listens on" in line for line in live.errors))
        url = next(line.split()[-1] for line in live.errors if "listens on" in line)
        assert url.startswith("ws://127.0.0.1:")
        heard = []
        with connect(url) as page:
            reader = threading.Thread(target=lambda: heard.extend(map(json.loads, page)))
            reader.start()
            assert b"/bci/prediction" in osc.recv(65_536)
            live.wait_for(lambda live: len([p for p in live.predictions() if _is_fresh(p)]) >= 9)
            code, summary = live.stop()
            reader.join()
    assert code == 0
    by_index = {p["index"]: p for p in _answers(live.predictions())}
    fresh = [p for p in heard if not {"late", "stale", "ended"} & set(p["tags"])]
    assert len(fresh) >= 5
    assert fresh == [by_index[p["index"]] for p in fresh]
    last = heard[-1]
    assert (last["label"], last["tags"][0]) == (None, "no decision")
    from_file = [json.loads(line) for line in jsonl.read_text().splitlines()]
    whole = _answers(live.predictions())
    assert _answers(from_file) == whole
    rows = csv.read_text().splitlines()
    assert len(rows) == 1 + len(from_file)
    counts = {o["output"].split()[0]: o for o in summary["outputs"]}
    assert set(counts) == {"JSON", "CSV", "LSL", "OSC", "WebSocket", "recorded"}
    for output in counts.values():
        assert output["n_delivered"] == summary["n_windows"] == summary["n_predictions"] == len(whole)
        assert (output["n_dropped"], output["error"]) == (0, None)
    assert counts["WebSocket"]["details"].startswith("1 clients")
    assert summary["recording"]["samples"]["bci-stream-decisions"] == len(whole)
    assert "OutAudio" not in summary["recording"]["samples"]


def test_a_full_disk_ends_recording_and_files_with_a_line_each_while_predictions_go_on(headset, tmp_path):
    """A limit on the size of files stands for the disk."""
    xdf, csv = tmp_path / "x.xdf", tmp_path / "p.csv"
    arguments = ("--json", "--session-id", headset, "--record", xdf, "--record-audio", "--csv", csv)
    with Live(*arguments, limit_bytes=300_000) as live:
        live.wait_for(lambda live: any("x.xdf" in line and "ended after" in line for line in live.errors))
        n_then = len(live.predictions())
        live.wait_for(lambda live: len(live.predictions()) >= n_then + 10)
        code, summary = live.stop()
    assert code == 2
    told = [line for line in live.errors if "File too large" in line]
    assert [line.split(":")[0] for line in told] == ["warning", "error"]
    assert "predictions go on" in told[0]
    assert "the recording is not whole" in told[1]
    assert 100_000 < xdf.stat().st_size <= 300_000
    assert summary["recording"]["error"] is not None
    from pyxdf import load_xdf

    found = {stream["info"]["name"][0]: stream for stream in load_xdf(xdf)[0]}
    for name, n in summary["recording"]["samples"].items():
        assert len(found[name]["time_series"]) == n if n else True


def test_a_dead_consumer_slows_nothing(headset):
    """One that never reads, one that is killed: every window comes out all the same, none is skipped."""
    with Live("--json", "--session-id", headset, "--ws", "0", "--osc", "127.0.0.1:9") as live:
        live.wait_for(lambda live: any("listens on" in line for line in live.errors))
        url = next(line.split()[-1] for line in live.errors if "listens on" in line)
        reader = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from websockets.sync.client import connect\n"
                "with connect(sys.argv[1]) as s:\n for m in s: print(flush=True)",
                url,
            ],
            stdout=subprocess.PIPE,
        )
        reader.stdout.readline()
        reader.kill()
        with connect(url, ping_interval=None, max_queue=1, close_timeout=0.1) as still:
            assert json.loads(still.recv(60.0))["kind"] == "prediction"
            n_then = len(live.predictions())
            live.wait_for(lambda live: len(live.predictions()) >= n_then + 25)
            code, summary = live.stop()
        reader.wait()
        reader.stdout.close()
    assert code == 0
    counts = {o["output"].split()[0]: o for o in summary["outputs"]}
    assert counts["WebSocket"]["n_dropped"] == 0
    assert counts["WebSocket"]["n_delivered"] == summary["n_predictions"] == summary["n_windows"]
