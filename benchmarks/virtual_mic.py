"""A real PortAudio capture device on a machine without sound: PulseAudio, a null sink, its monitor a source.

The daemon is its user's own, in a folder of its own; what is played into the sink is what is recorded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCE = "vmic_src"
_SCRIPT = """\
load-module module-native-protocol-unix socket={folder}/native auth-anonymous=1
load-module module-null-sink sink_name=vmic rate=48000 channels=1 format=s16le
load-module module-remap-source source_name=vmic_src master=vmic.monitor
set-default-sink vmic
set-default-source vmic_src
"""


def missing() -> str:
    """What this machine lacks for it; empty when nothing."""
    tools = [tool for tool in ("pulseaudio", "pactl", "paplay") if shutil.which(tool) is None]
    if tools:
        return f"not installed: {', '.join(tools)} (pulseaudio, pulseaudio-utils)"
    done = subprocess.run(
        [sys.executable, "-c", "import sounddevice"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else "PortAudio is not installed (libportaudio2)"


class VirtualMic:
    """The daemon and what can happen to its microphone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = f"unix:{folder}/native"
        self._players: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        """Start the daemon, or start it again."""
        (self.folder / "default.pa").write_text(_SCRIPT.format(folder=self.folder))
        self._daemon = subprocess.Popen(
            [
                *("pulseaudio", "-n", "-F", str(self.folder / "default.pa"), "--daemonize=no"),
                *("--exit-idle-time=-1", "--use-pid-file=no", f"--log-target=file:{self.folder}/log"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)},
        )
        deadline = time.monotonic() + 30
        while SOURCE not in self.pactl("list", "short", "sources", check=False):
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

    def play(self, path: Path, sink: str = "vmic") -> None:
        """Speak a sound file into the microphone; returns at once."""
        command = ["paplay", f"--server={self.server}", f"--device={sink}", str(path)]
        self._players.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))

    def suspend(self, wanted: bool) -> None:
        """Let the host lose samples: the source sends nothing meanwhile, and says nothing of it."""
        self.pactl("suspend-source", SOURCE, str(int(wanted)))

    def unplug(self) -> None:
        """Take the microphone away; the daemon stays."""
        self.pactl("unload-module", "module-remap-source")

    def plug_in(self) -> None:
        """Give the microphone back."""
        self.pactl("load-module", "module-remap-source", f"source_name={SOURCE}", "master=vmic.monitor")

    def add_another(self) -> None:
        """Another microphone, which the system would rather use from now on."""
        self.pactl("load-module", "module-null-sink", "sink_name=other", "rate=48000", "channels=1")
        self.pactl("load-module", "module-remap-source", "source_name=other_src", "master=other.monitor")
        self.pactl("set-default-source", "other_src")

    def remove_another(self) -> None:
        """Take it away again."""
        for line in self.pactl("list", "short", "modules").splitlines():
            number, _, rest = line.partition("\t")
            if "other" in rest:
                self.pactl("unload-module", number, check=False)

    def add_converter(self) -> Path:
        """A source named ``adc`` whose samples are what is written into this pipe, when it is written."""
        pipe = self.folder / "adc"
        self.pactl(
            *("load-module", "module-pipe-source", "source_name=adc", f"file={pipe}"),
            *("rate=48000", "channels=1", "format=s16le"),
        )
        return pipe

    def kill(self) -> None:
        """End the daemon as a crash would."""
        self._daemon.kill()
        self._daemon.wait()
        (self.folder / "native").unlink(missing_ok=True)

    def close(self) -> None:
        """Leave nothing running."""
        for player in self._players:
            player.kill()
            player.wait()
        self._daemon.kill()
        self._daemon.wait()
