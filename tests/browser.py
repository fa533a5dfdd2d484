"""A headless Chromium, driven by the DevTools protocol: what a person does and sees on a page."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0  # seconds, on the busiest machine
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --no-pings --disable-domain-reliability "
    "--disable-dev-shm-usage --disable-features=OptimizationHints,MediaRouter,Translate --remote-debugging-port=0"
).split()
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")
# What a key is to the protocol: its code, its number and the text that it types.
KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    " ": ("Space", 32, " "),
}
CONTROL, SHIFT = 2, 8


def chromium() -> str | None:
    """Where a Chromium is."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else shutil.which("chromium") or shutil.which("chromium-browser")


class Tab:
    """A page in the browser.

    Attributes:
        events: everything that the protocol told of it.
    """

    def __init__(self, socket: ClientConnection, target: str) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session = ""
        self.events: list[dict[str, Any]] = []
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and what it returns."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            heard = json.loads(self._socket.recv(timeout=PATIENCE))
            if heard.get("id") != number:
                self.events.append(heard)
            elif "error" in heard:
                raise AssertionError(f"{method}: {heard['error']}")
            else:
                return dict(heard["result"])

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """As wide and as high as a screen."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Load a page, with all that it needs."""
        self.send("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """Of an expression of the page's language."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"never came about: {expression}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """What stands in an element, as it is shown."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str, modifiers: int = 0) -> None:
        """A key, and let go of it."""
        code, number, text = KEYS[key]
        same = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        typed = {"text": text} if text and not modifiers else {}
        self.send("Input.dispatchKeyEvent", type="keyDown" if typed else "rawKeyDown", **same, **typed)
        self.send("Input.dispatchKeyEvent", type="keyUp", **same)

    def write(self, text: str) -> None:
        """Text, where the focus is."""
        self.send("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """The middle of an element, with a mouse."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        place = self.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    @property
    def focused(self) -> str:
        """The id of what has the focus, else its class or kind."""
        return str(
            self.value("(e => e.id || e.className || e.tagName.toLowerCase())(document.activeElement)")
        )

    def picture(self) -> bytes:
        """All that is on the screen, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def complaints(self) -> list[str]:
        """What the page wrote to the console as an error or a warning, and exceptions that nothing caught."""
        self.value("0")  # what has happened is told by now
        found = []
        for event in self.events:
            about = event.get("params", {})
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    found.append(json.dumps(about["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                    found.append(json.dumps(about["args"]))
                case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                    found.append(about["entry"]["text"])
        return found

    def asked(self) -> set[str]:
        """The hosts with their ports that the page sent requests to, by the browser's account."""
        self.value("0")
        urls = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return {urlsplit(url).netloc for url in urls if urlsplit(url).scheme not in ("data", "about")}


@contextmanager
def browsing(browser: str) -> Iterator[Tab]:
    """An empty tab in a browser of its own, as long as the block lasts."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
    ):
        process = subprocess.Popen(
            [browser, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            # A page's pictures and long answers are larger than the default frame.
            with connect(_address(process, said), max_size=None, proxy=None) as socket:
                yield Tab(socket, _first_page(socket))
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], said: Any) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        said.seek(0)
        text = said.read()
        if found := LISTENING.search(text):
            return found.group(1)
        assert process.poll() is None, f"the browser ended: {text[-500:]}"
        assert time.monotonic() < deadline, f"the browser didn't start: {text[-500:]}"
        time.sleep(0.05)


def _first_page(socket: ClientConnection) -> str:
    while True:
        socket.send(json.dumps({"id": 0, "method": "Target.getTargets"}))
        heard = json.loads(socket.recv(timeout=PATIENCE))
        pages = [each for each in heard["result"]["targetInfos"] if each["type"] == "page"]
        if pages:
            return str(pages[0]["targetId"])
        time.sleep(0.05)
