"""A window needs no screen in tests: Qt draws into memory. Set before Qt is loaded."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
