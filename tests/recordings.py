"""Real recordings for tests: where they are, and a mark for tests that need them."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
XDF_DEV = DATA / "xdf_dev"
XDF_COMPOSITE = DATA / "xdf_composite"

needs_recordings = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real recordings are not beside this checkout (../shared/data)"
)
