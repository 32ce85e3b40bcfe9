"""``python -m bci_stream`` is the same as ``bci-stream``."""

import runpy

runpy.run_module("apps.cli", run_name="__main__")
