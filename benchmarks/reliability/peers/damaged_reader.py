"""The child of the fuzz row's peer: pyxdf on every file it is told, its defaults on, its memory bounded."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import warnings
from typing import Any

from tests.fuzz.peak import forget_peak, peak_mb


def read(path: str) -> dict[str, Any]:
    """How ``load_xdf`` fared: ``read``, or the class of what it raised."""
    import pyxdf

    began_s = time.process_time()
    try:
        pyxdf.load_xdf(path)
        outcome = "read"
    except Exception as error:  # noqa: BLE001 (to name whatever comes is what this is for)
        outcome = f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")
    return {"outcome": outcome, "cpu_s": time.process_time() - began_s}


def main() -> None:
    """Answer one line for each path on standard input; ``limit_mb`` is the argument."""
    limit = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    import pyxdf  # noqa: F401 (its imports are not a file's doing)

    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    print(json.dumps({"mb": peak_mb()}), file=out, flush=True)
    for line in sys.stdin:
        forget_peak()
        answer = read(line.rstrip("\n"))
        print(json.dumps(answer | {"mb": peak_mb()}), file=out, flush=True)


if __name__ == "__main__":
    main()
