"""``bci-stream gui``: starts Qt, says in one line what is missing where it cannot, and runs the window."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import Any

from apps.gui.options import GuiOptions
from bci_stream.errors import ConfigError
from bci_stream.sources.lsl_config import private_session

_DEBIAN = (
    "libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 "
    "libxcb-render-util0 libxcb-image0 libxcb-xkb1 libxcb-randr0 libdbus-1-3 fonts-dejavu-core"
)
_TERMINAL = "or use the terminal: bci-stream live"
_SIGNAL_POLL_MS = 200


def run(options: GuiOptions) -> None:
    """Show the window until it is closed. Raises ConfigError where there is no screen or no Qt."""
    if options.screenshot is not None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if options.demo and options.session_id is None:  # nobody else's streams, and nobody else sees ours
        options = replace(options, session_id=private_session("bci-demo"), scope="machine")
    check_screen()
    app = make_app()
    from apps.gui.window import MainWindow

    window = MainWindow(options)
    begin(window, options)
    window.show()
    _heed_ctrl_c(app, window)
    if options.screenshot is not None:
        from apps.gui.screenshot import shoot_later

        shoot_later(window, options)
    code = app.exec()
    if window.failed is not None:
        raise ConfigError(window.failed)
    if code:
        raise ConfigError(f"the window ended with code {code}")


def begin(window: Any, options: GuiOptions) -> None:
    """What the command line asked to begin with."""
    if options.demo:
        window.start_page.start_demo()
    elif options.replay is not None:
        window.deeds.open_path(options.replay)
    elif options.calibrate:
        window.deeds.calibrate()


def check_screen() -> None:
    """Qt aborts the process where it finds no screen: look before it does.

    Raises ConfigError that says what is missing.
    """
    try:
        from pyqtgraph.Qt import QtWidgets  # noqa: F401
    except ImportError as error:
        if "lib" in str(error) and ".so" in str(error):
            missing = str(error).split(":")[0]
            raise ConfigError(
                f"Qt lacks {missing}: on Debian, apt-get install {_DEBIAN}; {_TERMINAL}"
            ) from error
        raise ConfigError(
            f"the window needs PyQt6 and pyqtgraph ({error}): pip install 'bci-stream[gui]'; {_TERMINAL}"
        ) from error
    asked = os.environ.get("QT_QPA_PLATFORM", "")
    no_screen = not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and no_screen and not asked:
        raise ConfigError(
            "there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set): log in with a desktop, use "
            f"xvfb-run, {_TERMINAL}"
        )
    if sys.platform.startswith("linux") and asked in ("", "xcb") and not no_screen:
        _check_xcb()


def _check_xcb() -> None:
    """Can the X11 plugin's libraries be loaded?"""
    import ctypes

    if os.environ.get("WAYLAND_DISPLAY") and not os.environ.get("DISPLAY"):
        return
    missing = []
    for library in ("libxcb-cursor.so.0", "libxkbcommon-x11.so.0", "libxcb-icccm.so.4", "libEGL.so.1"):
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    if missing:
        raise ConfigError(
            f"Qt's X11 plugin lacks {', '.join(missing)}: on Debian, apt-get install {_DEBIAN}; {_TERMINAL}"
        )


def make_app() -> Any:
    """The application, its names set."""
    from pyqtgraph.Qt import QtWidgets

    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(sys.argv[:1])
    app.setApplicationName("bci-stream")
    app.setApplicationDisplayName("bci_stream")
    return app


def _heed_ctrl_c(app: Any, window: Any) -> None:
    """Ctrl-C and SIGTERM close the window as its button does; Qt alone would not look."""
    from pyqtgraph.Qt import QtCore

    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: asked.append(n))
    timer = QtCore.QTimer(app)
    timer.timeout.connect(lambda: window.close_now() if asked else None)
    timer.start(_SIGNAL_POLL_MS)
