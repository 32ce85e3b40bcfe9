#!/bin/sh
# Makes $VENV with everything the project needs; installs missing Debian packages when it may.
set -eu
PYTHON=${PYTHON:-python3.11}
VENV=${VENV:-.venv}

command -v "$PYTHON" >/dev/null 2>&1 || PYTHON=python3
"$PYTHON" - <<'PY' || { echo "bci-stream needs Python 3.11 to 3.13; set PYTHON=/path/to/python" >&2; exit 2; }
import sys
sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PY

missing=""
if command -v dpkg-query >/dev/null 2>&1; then
  # PortAudio for the microphone; what Qt's wheels need to draw, off screen and under X
  for package in libstdc++6 ca-certificates libportaudio2 \
    libegl1 libgl1 libfontconfig1 libfreetype6 libglib2.0-0 libx11-6 libxkbcommon0 libdbus-1-3 fonts-dejavu-core \
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 \
    libxcb-xkb1 libxkbcommon-x11-0 libx11-xcb1; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
  done
  "$PYTHON" -c "import venv, ensurepip" 2>/dev/null || missing="$missing python3-venv"
fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
  else
    echo "these Debian packages are missing; install them and run this again:$missing" >&2
    exit 2
  fi
fi

[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
"$VENV/bin/python" -m bci_stream.engine.warm  # compile the hot loops now, not in the first session
touch "$VENV/.ready"
