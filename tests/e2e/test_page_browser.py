"""The page of `llmood serve` in a headless Chromium: typed into, read, by keyboard alone, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import llmood
from llmood.serve.settings import Settings
from tests.browser import CONTROL, SHIFT, Tab, browsing, chromium
from tests.detecting import detecting_world
from tests.serving import Served, serving

INSIDE, OUTSIDE = "a bank card number 10 of mine in travel", "zyx 3 qqq vvv www"
HOSTILE = (
    '<script>window.hurt = 1</script><img src=x onerror="window.hurt = 2">"><img/onerror=window.hurt=3 src=y>'
)
PHONE = 390
WORDS = "document.querySelector('#words section')"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> str:
    found = chromium()
    if found is None:
        # No CI of ours installs one: it is no failure there either.
        pytest.skip("no Chromium here: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    world = detecting_world(folder / "world")
    llmood.fit_detector(world.config, output_dir=folder / "detector", keep_questions=30)
    return folder / "detector"


@pytest.fixture(scope="module")
def served(detector: Path) -> Iterator[Served]:
    with serving(detector) as found:
        yield found


@pytest.fixture
def tab(browser: str) -> Iterator[Tab]:
    with browsing(browser) as found:
        found.size(1280, 900)
        yield found


def quiet(tab: Tab, served: Served) -> None:
    """The page said nothing to the console, and asked nobody else for anything."""
    assert tab.complaints() == []
    assert tab.asked() == {urlsplit(served.url).netloc}


def test_type_and_see(tab: Tab, served: Served) -> None:
    tab.open(served.url)
    tab.click("#text")
    tab.write(OUTSIDE)
    tab.click("#go")
    tab.wait_for(WORDS)
    assert "Outside of what the model was tuned for" in tab.text("#answer")
    assert "Nearest questions of the domain" in tab.text("#answer")
    assert "bank card number" in tab.text(".near")
    assert tab.value("document.querySelectorAll('.strip .this, .strip .threshold').length") == 2
    assert "Outside of what" in tab.text("#said")
    shaded = "[...document.querySelectorAll('.shaded span')].map(e => e.textContent).join(' ')"
    assert tab.value(shaded) == OUTSIDE
    changes = (
        "[...document.querySelectorAll('.moved td')].map(e => parseFloat(e.textContent.replace('−', '-')))"
    )
    assert tab.value(changes) == sorted(tab.value(changes), reverse=True)
    tab.wait_for(f"document.querySelector('.flagged')?.innerText.includes({OUTSIDE!r})")
    tab.value("document.getElementById('text').value = ''")
    tab.click("#text")
    tab.write(INSIDE)
    tab.click("#go")
    tab.wait_for("document.querySelector('.verdict.inside')")
    quiet(tab, served)


def test_by_keyboard_alone(tab: Tab, served: Served) -> None:
    tab.open(served.url)
    seen = []
    for _ in range(3):
        tab.press("Tab")
        seen.append(tab.focused)
    assert seen == ["skip", "text", "go"]
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert tab.value(outline) == "solid"
    tab.press("Tab", SHIFT)
    assert tab.value(outline) == "solid"
    tab.write(OUTSIDE)
    tab.press("Enter", CONTROL)
    tab.wait_for(WORDS)
    assert tab.focused == "text"  # the answer takes no focus away
    tab.value("document.getElementById('answer').textContent = ''")
    tab.press("Tab")
    tab.press("Enter")
    tab.wait_for("document.querySelector('.verdict.outside')")
    tab.open(served.url)
    tab.press("Tab")
    assert tab.value("document.activeElement.getBoundingClientRect().top >= 0")  # a skip link that is seen
    tab.press("Enter")
    assert tab.value("location.hash") == "#text"
    quiet(tab, served)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_scrolls_sideways(tab: Tab, served: Served, dark: bool) -> None:
    tab.size(PHONE, 844, dark=dark)
    tab.open(served.url)
    tab.click("#text")
    tab.write("w" * 300 + " bank <b>" + "long-word-" * 40 + " 我的卡" * 20 + " " + HOSTILE)
    tab.click("#go")
    tab.wait_for(WORDS)
    tab.wait_for("document.querySelector('.flagged')")
    tab.value("[...document.querySelectorAll('details')].forEach(each => each.open = true)")
    assert tab.value("innerWidth") == PHONE
    assert tab.value("document.documentElement.scrollWidth") <= PHONE
    wide = f"[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > {PHONE})"
    assert tab.value(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []
    small = (
        "[...document.querySelectorAll('button')].filter(e => e.getBoundingClientRect().height < 44).length"
    )
    assert tab.value(small) == 0
    quiet(tab, served)


def test_hostile_text_shows_as_text(tab: Tab, served: Served) -> None:
    served.score({"text": HOSTILE})
    tab.open(served.url)
    tab.click("#text")
    tab.write(HOSTILE)
    tab.press("Enter", CONTROL)
    tab.wait_for(WORDS)
    tab.wait_for("document.querySelector('.flagged')")
    assert tab.value("window.hurt") is None
    assert tab.value("document.querySelectorAll('main img, main script').length") == 0
    assert HOSTILE in tab.text(".flagged")
    assert "<script>window.hurt" in tab.text(".shaded")
    quiet(tab, served)


def test_without_a_script_the_form_does_it(tab: Tab, served: Served) -> None:
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    tab.send("Page.navigate", url=served.url)
    tab.wait_for("document.querySelector('#go')")
    tab.click("#text")
    tab.write(OUTSIDE)
    tab.click("#go")
    tab.wait_for("document.querySelector('.verdict.outside') && document.querySelector('.moved')")
    assert tab.value("document.getElementById('text').value") == OUTSIDE
    quiet(tab, served)


def test_the_token_is_asked_for_and_kept_in_the_page_alone(tab: Tab, detector: Path) -> None:
    with serving(detector, Settings(drain=5, token="open sesame")) as served:
        tab.open(served.url)
        tab.press("Tab")
        tab.press("Tab")
        assert tab.focused == "token"
        tab.write("another")
        tab.press("Tab")
        tab.write(INSIDE)
        tab.press("Enter", CONTROL)
        tab.wait_for("!document.getElementById('error').hidden")
        assert "the token is missing, or another" in tab.text("#error")
        assert tab.focused == "token"
        tab.value("document.getElementById('token').value = ''")
        tab.write("open sesame")
        tab.press("Tab")
        tab.press("Enter", CONTROL)
        tab.wait_for(WORDS)
        assert tab.value("document.getElementById('error').hidden")
        tab.wait_for("document.querySelector('.windows')")
        assert tab.value("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert "sesame" not in tab.value("location.href")
        refused = [said for said in tab.complaints() if not re.search("status of 401", said)]
        assert refused == []


def test_traffic_is_looked_at_again_and_again_while_it_can_be_seen(tab: Tab, served: Served) -> None:
    tab.open(served.url)
    served.score({"text": "zyx asked elsewhere vvv"})
    tab.wait_for("document.getElementById('traffic').innerText.includes('asked elsewhere')")
    quiet(tab, served)
