"""A real headless Chromium, driven over its DevTools socket."""

import json
import shutil
import subprocess
import time

from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-port=0",
)
WAIT_S = 60.0


class Page:
    """One open page; a context manager. ``text()`` is what a person reads on it."""

    def __init__(self, url, folder):
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", url]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._folder, self._n = folder, 0

    def __enter__(self):
        port = self._port()
        browser = connect(f"ws://127.0.0.1:{port[0]}{port[1]}", max_size=None)
        with browser as socket:
            while True:
                targets = self._ask(socket, "Target.getTargets")["targetInfos"]
                pages = [t["targetId"] for t in targets if t["type"] == "page"]
                if pages:
                    break
                time.sleep(0.05)
        self._manager = connect(f"ws://127.0.0.1:{port[0]}/devtools/page/{pages[0]}", max_size=None)
        self._socket = self._manager.__enter__()
        return self

    def __exit__(self, *error):
        self._manager.__exit__(*error)
        self._process.terminate()
        self._process.wait(WAIT_S)

    def text(self):
        """The page's visible text."""
        expression = {"expression": "document.body ? document.body.innerText : ''", "returnByValue": True}
        return self._ask(self._socket, "Runtime.evaluate", expression)["result"].get("value", "")

    def go(self, url):
        """Open another page in place of this one."""
        self._ask(self._socket, "Page.navigate", {"url": url})

    def wait_for(self, words, timeout_s=WAIT_S):
        """Return the text once these words are in it."""
        deadline_s = time.monotonic() + timeout_s
        while words not in (text := self.text()):
            assert time.monotonic() < deadline_s, f"{words!r} never came; the page says {text!r}"
            time.sleep(0.02)
        return text

    def _port(self):
        path = self._folder / "DevToolsActivePort"
        deadline_s = time.monotonic() + WAIT_S
        while not (path.exists() and len(lines := path.read_text().split()) == 2):
            assert time.monotonic() < deadline_s, "the browser did not come up"
            assert self._process.poll() is None, "the browser ended"
            time.sleep(0.05)
        return lines

    def _ask(self, socket, method, params=None):
        self._n += 1
        socket.send(json.dumps({"id": self._n, "method": method, "params": params or {}}))
        while (answer := json.loads(socket.recv(WAIT_S))).get("id") != self._n:
            pass
        return answer["result"]
