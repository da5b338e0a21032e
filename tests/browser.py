"""A headless Chromium, driven over the DevTools protocol: what a page really looks like and does."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "about:blank"),
)
_PATIENCE = 30.0  # seconds


def find() -> str | None:
    """The Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A running browser with one tab. Use it in a `with`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="m0sim-browser-", ignore_cleanup_errors=True)
        program = find()
        assert program is not None, "look with find() first"
        self._process = subprocess.Popen(
            [program, f"--user-data-dir={self._folder.name}", *_FLAGS],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # chromium is a family of processes
        )

    def __enter__(self) -> Browser:
        try:
            self._connection = connect(self._url(), max_size=None, compression=None, proxy=None)
            self._socket = self._connection.__enter__()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.__exit__(None, None, None)
        self._stop()

    def _stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def _url(self) -> str:
        """Where the tab listens."""
        file = Path(self._folder.name) / "DevToolsActivePort"
        deadline = time.monotonic() + _PATIENCE
        while not (file.exists() and file.read_text().count("\n")):
            assert time.monotonic() < deadline, "the browser did not start"
            assert self._process.poll() is None, "the browser ended"
            time.sleep(0.02)
        port = int(file.read_text().splitlines()[0])
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE) as answer:
            tabs = json.load(answer)
        return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")

    def open(
        self, file: Path, *, width: int = 1400, height: int = 900, dark: bool = False, script: bool = True
    ) -> Page:
        """Load a file in the tab and wait until it is there."""
        page = Page(self._socket)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.send("Emulation.setScriptExecutionDisabled", value=not script)
        page.resize(width, height)
        page.prefer("dark" if dark else "light")
        page.problems.clear()
        page.send("Page.navigate", url=file.resolve().as_uri())
        page.wait_for("Page.loadEventFired")
        return page


class Page:
    """What is in the tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(time.monotonic_ns() % (1 << 30))
        self._events: list[str] = []
        self.problems: list[str] = []
        """Errors and warnings of the console, exceptions, and requests that failed or left the machine."""

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                answer: dict[str, Any] = message["result"]
                return answer

    def wait_for(self, event: str) -> None:
        """Return when the event has come."""
        while event not in self._events:
            self._receive()
        self._events.remove(event)

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=_PATIENCE))
        if "method" in message:
            self._events.append(message["method"])
            self._note(message["method"], message["params"])
        return message

    def _note(self, event: str, details: dict[str, Any]) -> None:
        match event:
            case "Runtime.exceptionThrown" | "Network.loadingFailed":
                self.problems.append(f"{event}: {details}")
            case "Runtime.consoleAPICalled" if details["type"] in ("error", "warning", "assert"):
                self.problems.append(f"console: {details['args']}")
            case "Log.entryAdded" if details["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"log: {details['entry']}")
            case "Network.requestWillBeSent" if not details["request"]["url"].startswith(("file:", "data:")):
                self.problems.append(f"request: {details['request']['url']}")

    def resize(self, width: int, height: int = 900) -> None:
        """The window, in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str, media: str = "") -> None:
        """Emulate prefers-color-scheme, and a medium such as print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression. Raises AssertionError with its message when it throws."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key, on whatever has the focus."""
        text = {"Enter": "\r", " ": " "}.get(key)
        more = {} if text is None else {"text": text}
        code = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}.get(
            key, 0
        )
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def screenshot(self, file: Path, *, height: int = 0) -> None:
        """A PNG of the page: all of it, or its upper `height` pixels."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": self.run("innerWidth"), "height": height or size["height"], "scale": 1}
        answer = self.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))
