#!/usr/bin/env python3
"""Pictures of a report for the docs, at desktop and phone width.

    scripts/screenshots.py runs/demo/report.html [docs/images [report calibration]]

Needs Chromium (apt-get install chromium fonts-inter fonts-sil-charis), or CHROMIUM=path. Ends with 1, and says why,
where the page writes to the console, asks another host for anything, or makes too large a picture.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LARGEST = 300_000  # bytes of a picture
SECONDS = 120
WIDTHS = {"desktop": 1280, "phone": 390}
# The section, none being the whole page, and how many pixels from its top at each width.
VIEWS = {
    "report": (None, {"desktop": 1190, "phone": 1500}),
    "calibration": ("r1-calibration", {"desktop": 1250, "phone": 1800}),
}
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --no-pings --disable-domain-reliability "
    "--disable-features=OptimizationHints,MediaRouter,Translate --blink-settings=preferredColorScheme=1 "
    # A name is never looked up, so that a request shows in the log and goes nowhere.
    "--enable-logging=stderr --net-log-capture-mode=Default"
).split()
CONSOLE = re.compile(r":CONSOLE[:(]\d+\)?\]\s*(.*)")
PAGE_REQUEST = ("null", "file://")


def main(arguments: Sequence[str]) -> int:
    """Take the pictures; the exit status."""
    if not arguments or not set(arguments[2:]) <= set(VIEWS):
        print(__doc__, file=sys.stderr)
        return 2
    page, folder = Path(arguments[0]).resolve(), Path(arguments[1] if len(arguments) > 1 else "docs/images")
    browser = chromium()
    if browser is None:
        print("no Chromium here: apt-get install chromium, or CHROMIUM=path", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with tempfile.TemporaryDirectory() as cut:
        for view in arguments[2:] or VIEWS:
            section, heights = VIEWS[view]
            shown = page if section is None else alone(page, section, Path(cut))
            if shown is None:
                print(f"no section '{view}' in this report: no picture of it")
                continue
            for device, width in WIDTHS.items():
                picture = folder / f"{view}-{device}.png"
                found += [
                    f"{picture.name}: {flaw}"
                    for flaw in shoot(browser, shown, picture, (width, heights[device]))
                ]
                print(f"{picture}: {picture.stat().st_size:,} bytes")
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


def chromium() -> str | None:
    """Where a Chromium is."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else shutil.which("chromium") or shutil.which("chromium-browser")


def alone(page: Path, section: str, folder: Path) -> Path | None:
    """The page with one section in it: without a script a browser pictures no other place than the top."""
    text = page.read_text(encoding="utf-8")
    head, main, body = text.partition("<main>")
    _, opened, rest = body.partition(f'<section aria-labelledby="{section}">')
    if not opened:
        return None
    cut = folder / f"{section}.html"
    own = rest.partition("</section>")[0]
    cut.write_text(f"{head}{main}{opened}{own}</section></main></body></html>", encoding="utf-8")
    return cut


def shoot(browser: str, page: Path, picture: Path, size: tuple[int, int]) -> list[str]:
    """Take one picture; what is wrong with the page or the picture."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "net.json"
        done = subprocess.run(
            [
                browser,
                *FLAGS,
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={folder}/profile",
                f"--log-net-log={log}",
                f"--window-size={size[0]},{size[1]}",
                f"--screenshot={picture}",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        flaws = [f"console: {line}" for line in CONSOLE.findall(done.stderr)]
        flaws += [f"asks for {url}" for url in requests_of(json.loads(log.read_text(encoding="utf-8")))]
    if picture.stat().st_size > LARGEST:
        flaws.append(f"{picture.stat().st_size:,} bytes are more than {LARGEST:,}")
    return flaws


def requests_of(log: Any) -> Iterator[str]:
    """What a page asked the network for, by the browser's own log; what the browser asks for itself is left out."""
    seen = set()
    for event in log["events"]:
        params = event.get("params") or {}
        url, initiator = str(params.get("url", "")), str(params.get("initiator", ""))
        if (
            url.startswith(("http:", "https:", "ws:", "wss:"))
            and initiator in PAGE_REQUEST
            and url not in seen
        ):
            seen.add(url)
            yield url


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
