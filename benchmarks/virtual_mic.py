"""A real PortAudio capture device on a machine without sound: PulseAudio with a pipe for a sound card.

The daemon is its user's own, in a folder of its own. What :mod:`benchmarks.speaker` writes into the pipe is
what is recorded, and every sample's instant is known by the local clock. (A null sink's monitor does for
listening, but its clock drifts by 500 ppm, and its delay changes by 10 ms when listeners come and go.)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCE = "vmic_src"
_ROOT = Path(__file__).resolve().parent.parent
_CARD = "source_name=vmic_src file={folder}/adc rate=48000 channels=1 format=s16le"
_SCRIPT = """\
load-module module-native-protocol-unix socket={folder}/native auth-anonymous=1
load-module module-null-sink sink_name=other rate=48000 channels=1
load-module module-pipe-source {card}
set-default-source vmic_src
"""


def missing() -> str:
    """What this machine lacks for it; empty when nothing."""
    tools = [tool for tool in ("pulseaudio", "pactl") if shutil.which(tool) is None]
    if tools:
        return f"not installed: {', '.join(tools)} (pulseaudio, pulseaudio-utils)"
    code = "import sounddevice, soundfile"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1:] or [""]
    return "" if done.returncode == 0 else f"PortAudio (libportaudio2) or soundfile is missing: {last[0]}"


class VirtualMic:
    """The daemon, and what can happen to its microphone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = f"unix:{folder}/native"
        self._card = _CARD.format(folder=folder)
        self.start()
        self._speaker = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speaker", str(folder / "adc")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )

    def start(self) -> None:
        """Start the daemon, or start it again."""
        script = self.folder / "default.pa"
        script.write_text(_SCRIPT.format(folder=self.folder, card=self._card))
        self._daemon = subprocess.Popen(
            [
                *("pulseaudio", "-n", "-F", str(script), "--daemonize=no"),
                *("--exit-idle-time=-1", "--use-pid-file=no", f"--log-target=file:{self.folder}/log"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)},
        )
        deadline = time.monotonic() + 30
        while SOURCE not in self.pactl("get-default-source", check=False):
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def pactl(self, *arguments: str, check: bool = True) -> str:
        """Ask the daemon."""
        done = subprocess.run(
            ["pactl", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PULSE_SERVER": self.server},
            check=check,
        )
        return done.stdout

    def play(self, path: Path) -> float:
        """Speak a sound file into the microphone; the local clock at its first sample."""
        assert self._speaker.stdin is not None
        assert self._speaker.stdout is not None
        self._speaker.stdin.write(f"play {path}\n")
        self._speaker.stdin.flush()
        return float(json.loads(self._speaker.stdout.readline())["began"])

    def suspend(self, wanted: bool) -> None:
        """Let the host lose samples: the source sends nothing meanwhile, and says nothing of it."""
        self.pactl("suspend-source", SOURCE, str(int(wanted)))

    def unplug(self) -> None:
        """Take the microphone away; the daemon stays."""
        self.pactl("unload-module", "module-pipe-source")

    def plug_in(self) -> None:
        """Give the microphone back."""
        self.pactl("load-module", "module-pipe-source", *self._card.split())

    def add_another(self) -> None:
        """Another microphone, which the system would rather use from now on."""
        self.pactl("load-module", "module-remap-source", "source_name=other_src", "master=other.monitor")
        self.pactl("set-default-source", "other_src")

    def kill(self) -> None:
        """End the daemon as a crash would."""
        self._daemon.kill()
        self._daemon.wait()
        for left in ("native", "adc"):
            (self.folder / left).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave nothing running."""
        for process in (self._speaker, self._daemon):
            process.kill()
            process.communicate()
