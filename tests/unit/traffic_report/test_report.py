from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from llmood.errors import ConfigError, StoreError
from llmood.events import Event, EventStore
from llmood.metrics.exact import clopper_pearson
from llmood.traffic.drift import Drift
from llmood.traffic_report import collect, write_traffic_report
from tests.deciding import DETECTOR, event
from tests.guarding import AWAY, CALIBRATION, HOME, decided, store, traffic
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import HOSTILE

OTHER = "fedcba98" * 4
UNSCORED = {"score": None, "p_value": None, "flag": None, "parts": {}, "answers": {}}


def page_of(folder: Path) -> Page:
    return Page(write_traffic_report(folder).page.read_text(encoding="utf-8"))


def records_of(folder: Path) -> dict[str, dict[str, object]]:
    write_traffic_report(folder)
    records = json.loads((folder / "traffic_metrics.json").read_text())
    assert {record["question"] for record in records} == {"traffic"}
    return {record["metric"]: record for record in records}


def test_the_numbers_are_those_of_the_events(tmp_path: Path) -> None:
    events = [*traffic(500), event(600, **UNSCORED, status="unscored", reason="empty"), failed(601)]
    records = records_of(store(tmp_path / "events", events, rotate_rows=100))
    scored = [each for each in events if each.status == "ok"]
    flags = sum(each.flag is True for each in scored)
    rate = records["flag_rate"]
    low, high = clopper_pearson(flags, 500, 0.95)
    assert (rate["value"], rate["n"], rate["n_unscored"]) == (flags / 500, 500, 2)
    assert (rate["ci_low"], rate["ci_high"]) == (float(low), float(high))
    assert rate["params"]["promised"] == 0.05  # type: ignore[index]
    assert rate["params"]["detector"] == DETECTOR  # type: ignore[index]
    assert records["scored_share"]["value"] == 500 / 502
    assert {records[name]["scorer"] for name in records} == {"likelihood_ratio"}
    drift = Drift(CALIBRATION, 0)
    drift.update([{"score": each.score} for each in scored])
    for own in drift.records():
        assert records[own["metric"]]["value"] == pytest.approx(own["value"], rel=1e-12)
    seconds = [each.seconds for each in events]
    exact = np.quantile(seconds, 0.9, method="inverted_cdf")
    assert records["latency_p90"]["value"] == pytest.approx(exact, rel=0.01)
    assert records["latency_max"]["value"] == max(seconds)


def failed(place: int, **keys: object) -> Event:
    return event(place, **{**UNSCORED, "status": "failed", "reason": "the engine fell over", **keys})


def test_segments_and_the_journal_give_the_same_bytes(tmp_path: Path) -> None:
    events = list(traffic(300))
    pages = []
    for rotate in (7, 1000):
        folder = store(tmp_path / str(rotate) / "events", events, rotate_rows=rotate)
        report = write_traffic_report(folder, tmp_path / str(rotate) / "out")
        pages.append((report.page.read_bytes(), report.metrics.read_bytes()))
    assert pages[0] == pages[1]


def test_the_page_says_what_there_is(tmp_path: Path) -> None:
    events = [*traffic(400, away=0.3), event(500, **UNSCORED, status="unscored", reason="empty"), failed(501)]
    page = page_of(store(tmp_path / "events", events))
    assert "402 decisions, 2026-11-27 08:00:00 UTC to 2026-11-27 11:19:30 UTC" in page.text
    assert "1 question could not be decided. 1 question was given no score." in page.text
    assert "At most 5 % of the questions that are drawn like the calibration rows are flagged" in page.text
    assert "Scores have moved since calibration" in page.text
    assert "failed the engine fell over 1" in page.text
    assert "unscored empty 1" in page.text
    assert "score before the answer scored 402" in page.text
    assert len(page.within("svg")) > 10
    shown = page.within("blockquote")
    assert sum(any(text.startswith(stem) for stem in AWAY) for text in shown) >= 6
    assert not any("src" in attributes for _, attributes in page.tags)
    assert not any(tag in ("script", "link") for tag, _ in page.tags)


def test_quiet_traffic_is_told_as_such(tmp_path: Path) -> None:
    page = page_of(store(tmp_path / "events", traffic(400, away=0.0)))
    assert "as many as of questions like the calibration rows" in page.text
    assert "Scores have moved" not in page.text
    assert ("div", {"class": "status complete", "role": "note"}) in page.tags


def test_several_detectors_have_a_section_each(tmp_path: Path) -> None:
    events = [*traffic(60), *traffic(80, first=1000, detector=OTHER, source="chat", action="refused")]
    folder = store(tmp_path / "events", events)
    page = page_of(folder)
    assert [attributes["id"] for tag, attributes in page.tags if tag == "article"] == ["d1", "d2"]
    assert "Detector 1 of 2 in events bank 60 decisions" in page.text
    assert "Detector 2 of 2 in events bank 80 decisions" in page.text
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    records = json.loads((folder / "traffic_metrics.json").read_text())
    rates = {r["params"]["detector"]: r["n"] for r in records if r["metric"] == "flag_rate"}
    assert rates == {DETECTOR: 60, OTHER: 80}


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    odd = [HOSTILE, f"{HOSTILE} \ud83d \x00 \u202e", f"</style></svg>{HOSTILE}"]
    events = [
        *[decided(place, 5.0, odd[place % 3], model=HOSTILE) for place in range(9)],
        failed(10, reason=HOSTILE, text=HOSTILE),
    ]
    page = page_of(store(tmp_path / HOSTILE.replace("/", ""), events))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert any(HOSTILE in text for text in page.within("blockquote"))
    assert any(HOSTILE in text for text in page.within("td"))
    assert HOSTILE in page.within("dt")


def test_a_private_store_has_no_text_to_tell_of(tmp_path: Path) -> None:
    folder = store(tmp_path / "events", traffic(300, away=0.5), private=True)
    page = page_of(folder)
    assert "No text was kept (--no-text)" in page.text
    assert not page.within("blockquote")
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not any(stem.encode() in content for stem in [*HOME, *AWAY])


def test_where_nothing_has_a_score_nothing_is_made_up(tmp_path: Path) -> None:
    folder = store(tmp_path / "events", [failed(0), failed(1)])
    page = page_of(folder)
    assert "Nothing can be said of flags: no row has a score." in page.text
    assert "Nothing was flagged." in page.text
    assert records_of(folder)["flag_rate"]["value"] is None
    assert "NaN" not in page.text
    assert "nan" not in page.text.split()


def test_one_decision_is_enough(tmp_path: Path) -> None:
    page = page_of(store(tmp_path / "events", [decided(0, 5.0, "one question")]))
    assert "1 decision," in page.text
    assert page.within("blockquote") == ["one question"]


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    EventStore(tmp_path).close()
    with pytest.raises(ConfigError, match="holds no decisions yet"):
        collect(tmp_path)


def test_a_detector_that_is_not_described_is_missed(tmp_path: Path) -> None:
    folder = store(tmp_path, traffic(5))
    (folder / f"detector-{DETECTOR[:8]}.json").unlink()
    with pytest.raises(StoreError, match=r"detector-01234567.json: is missing, .*'llmood serve'"):
        collect(folder)


def test_many_models_are_counted_in_flat_memory(tmp_path: Path) -> None:
    events = [decided(place, 0.0, "x", model=f"m{place}") for place in range(150)]
    (own,) = collect(store(tmp_path, events))
    assert len(own.models) == 101
    assert own.models["others"] == 50


def test_answers_are_told_by_promise(tmp_path: Path) -> None:
    from llmood.measures.threshold import Threshold
    from tests.guarding import THRESHOLD, describe_in

    wrong = Threshold("wrong_answered", 0.1, None, 1.0, 400)
    folder = store(tmp_path, [decided(n, 0.0, "x", answers={"wrong_answered": n < 3}) for n in range(4)])
    describe_in(folder, DETECTOR, thresholds=[THRESHOLD.to_json(), wrong.to_json()])
    (own,) = collect(folder)
    records = {record.metric: asdict(record) for record in own.records()}
    assert (records["answered_share"]["value"], records["answered_share"]["slice"]) == (
        0.75,
        "wrong_answered",
    )
    assert "answered wrongly, on average over calibration sets" in page_of(folder).text
