"""Pictures of a report: taken where there is a Chromium, and refused of a page that isn't quiet and self-contained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from llmood.report import render_report
from tests.unit.report.calibrated_runs import calibrated_run

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "screenshots.py"
SPEC = importlib.util.spec_from_file_location("screenshots", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
screenshots = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(screenshots)

LOUD = """<!doctype html><title>loud</title><main>
<section aria-labelledby="r1-calibration"><img src="http://pictures.invalid/x.png"></section>
<script>console.error("something broke")</script></main>"""


@pytest.fixture
def browser() -> str:
    found = screenshots.chromium()
    if found is None:
        # No CI of ours installs one: it is no failure there either.
        pytest.skip("no Chromium here: apt-get install chromium")
    return str(found)


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_report_is_pictured_and_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "store"))
    page = tmp_path / "report.html"
    page.write_text(render_report([calibrated_run(tmp_path)]), encoding="utf-8")
    assert screenshots.main([str(page), str(tmp_path / "images")]) == 0, capsys.readouterr().err
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    assert set(pictures) == {
        f"{view}-{device}.png" for view in ("report", "calibration") for device in ("desktop", "phone")
    }
    for name, picture in pictures.items():
        width = int.from_bytes(picture[16:20], "big")  # of the PNG's header
        assert width == screenshots.WIDTHS["phone" if "phone" in name else "desktop"]
        assert 10_000 < len(picture) <= screenshots.LARGEST


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_loud_page_that_asks_others_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    page.write_text(LOUD, encoding="utf-8")
    assert screenshots.main([str(page), str(tmp_path / "images"), "report"]) == 1
    said = capsys.readouterr().err
    assert "something broke" in said
    assert "asks for http://pictures.invalid/x.png" in said
    # The section alone has no script, but still asks.
    assert screenshots.main([str(page), str(tmp_path / "images"), "calibration"]) == 1
    assert "something broke" not in capsys.readouterr().err


def test_without_a_browser_the_script_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    assert screenshots.main([str(tmp_path / "report.html")]) == 2
    assert "apt-get install chromium" in capsys.readouterr().err


def test_only_requests_of_the_page_count() -> None:
    events = [
        {"params": {"url": "https://a.invalid/x", "initiator": "null"}},
        {"params": {"url": "https://a.invalid/x", "initiator": "null"}},
        {"params": {"url": "https://browser.invalid/update", "initiator": "not an origin"}},
        {"params": {"url": "file:///report.html", "initiator": "file://"}},
        {"type": 3},
    ]
    assert list(screenshots.requests_of({"events": events})) == ["https://a.invalid/x"]
