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
  for package in libstdc++6 ca-certificates; do
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
