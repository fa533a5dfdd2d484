from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from llmood.errors import ConfigError
from llmood.report import render_report
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import copy_of, edit_json, records, tiny_run


def test_the_page_needs_nothing_from_outside(page: Page) -> None:
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data")
    ]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & {tag for tag, _ in page.tags}
    styles = "".join(data for around, data in page.texts if "style" in around)
    assert "@import" not in styles
    assert "url(" not in styles


def test_the_policy_lets_nothing_run(page: Page) -> None:
    policies = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "script" not in policies[0]


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    links = {attributes["href"][1:] for _, attributes in page.tags if "href" in attributes}
    named = {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a}
    assert links | named <= set(ids)


def test_the_same_run_gives_the_same_bytes(run: Path) -> None:
    code = f"from llmood.report import render_report; import sys; sys.stdout.write(render_report([{str(run)!r}]))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert other.decode() == render_report([run])


def test_every_section_stands_in_the_reader_s_order(page: Page) -> None:
    headings = [data for around, data in page.texts if "h2" in around]
    assert headings == [
        "Read these first",
        "What was asked",
        "In short",
        "What it was made with",
        "Which scorer finds which set",
        "Is it harder where the base model knows the text?",
        "How the scores are spread",
        "Is it only length?",
        "Worst mistakes",
        "How to read these numbers",
        "Where the numbers come from",
    ]


def test_shifts_are_grouped_and_never_averaged(page: Page) -> None:
    groups = [data for around, data in page.texts if "th" in around and data.endswith(("OOD", "shift"))]
    assert groups[:3] == ["Near OOD", "Far OOD", "Covariate shift"]
    assert "average" not in page.text.replace("never averaged", "")
    assert "severity 3" in page.text
    assert "Share of ID flagged when 95 % of OOD is caught; lower is better." in page.text


def test_an_undefined_value_shows_its_reason(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def undefine(value: list[dict[str, object]]) -> None:
        for record in value:
            if record["scorer"] == "likelihood_ratio" and record["ood_task"] == "away":
                record.update(value=None, ci_low=None, ci_high=None, reason="the moon was full")

    edit_json(copied / "metrics.json", undefine)
    page = Page(render_report([copied]))
    assert page.text.count("the moon was full") >= 3
    assert "undefined: the moon was full" in page.text


def test_scorers_that_were_not_compared_say_why(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def undefine(value: list[dict[str, object]]) -> None:
        for record in value:
            if record["metric"] == "auroc_behind_best" and record["ood_task"] == "away":
                record.update(value=None, ci_low=None, ci_high=None, reason="not compared, alas", params={})

    edit_json(copied / "metrics.json", undefine)
    assert "Against the other scorers: not compared, alas." in Page(render_report([copied])).text


def test_metrics_stand_in_their_order(page: Page) -> None:
    headings = [data.strip() for around, data in page.texts if around[-2:] == ("details", "h3")]
    assert headings == [
        "ID flagged when 95\u00a0% of OOD is caught",
        "OOD accepted when 95\u00a0% of ID is kept",
        "AUPR, OOD positive",
        "AUPR, ID positive",
        "Precision where 1\u00a0% of traffic is OOD",
        "Precision where 5\u00a0% of traffic is OOD",
    ]


def test_a_worse_than_random_scorer_is_marked(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)

    def turn(value: list[dict[str, object]]) -> None:
        for record in value:
            if record["metric"] == "auroc":
                values = (0.2, 0.1, 0.3) if record["scorer"] == "likelihood.mean" else (0.7, 0.6, 0.8)
                record.update(zip(("value", "ci_low", "ci_high"), values, strict=True))

    edit_json(copied / "metrics.json", turn)
    page = Page(render_report([copied]))
    marks = [data for around, data in page.texts if around[-2:] == ("td", "span") and "backwards" in data]
    assert marks == ["ranks this set backwards"] * 3


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("partial", "Partial:"),
        ("failed", "Failed:"),
        ("interrupted", "Interrupted:"),
        ("running", "Not finished:"),
    ],
)
def test_an_incomplete_run_says_so_first(run: Path, tmp_path: Path, status: str, words: str) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(copied / "run.json", lambda m: m.update(status=status, error="EngineError: no more memory"))
    text = Page(render_report([copied])).text
    assert words in text
    assert text.index(words) < text.index("What was asked")
    assert "EngineError: no more memory" in text


def test_a_run_that_broke_off_early_still_has_a_page(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    for name in ("samples.parquet", "scores.parquet", "metrics.json", "checks.json"):
        (copied / name).unlink()
    edit_json(copied / "run.json", lambda m: {"schema_version": 1, "status": "failed", "config": m["config"]})
    text = Page(render_report([copied])).text
    assert "The run folder has no samples.parquet, scores.parquet, metrics.json, checks.json" in text


@pytest.mark.parametrize("text", ["[]", "null", '{"schema_version": 1}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=r"run\.json: was not written by llmood"):
        render_report([tmp_path])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no run\.json"):
        render_report([tmp_path])


def test_a_private_run_shows_ids_only(tmp_path: Path) -> None:
    page = Page(render_report([tiny_run(tmp_path, text=False)]))
    assert "This run keeps no text." in page.text
    assert "zebra" not in page.text
    assert page.within("blockquote") == []


def test_a_benchmark_without_ood(tmp_path: Path) -> None:
    text = Page(render_report([tiny_run(tmp_path, {})])).text
    assert "no out-of-distribution task" in text
    assert "Which scorer finds which set" not in text
    assert "False alarms: home samples" in text


def test_one_sample_and_one_scorer(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, {"away": ["zebra"]}, id_texts=["bank"], scorers=["likelihood_ratio"])
    page = Page(render_report([run]))
    assert "n = 1" in page.text
    assert "Smallest difference" not in page.text


def test_long_prompts_are_cut_and_kept_whole_behind(tmp_path: Path) -> None:
    page = Page(render_report([tiny_run(tmp_path, {"away": ["zebra " * 200]})]))
    short, full = sorted((text for text in page.within("blockquote") if "zebra" in text), key=len)
    assert short.endswith("zebra…")
    assert len(short) <= 301
    assert full.strip() == ("zebra " * 200).strip()


def test_several_runs_stand_side_by_side(run: Path, tmp_path: Path) -> None:
    other = tiny_run(tmp_path, {"elsewhere": ["zebra crossing"] * 1 + ["a", "b"]})
    page = Page(render_report([run, other]))
    assert "2 runs side by side" in page.text
    assert [a["id"] for tag, a in page.tags if tag == "article"] == ["r1", "r2"]
    assert page.text.count("not in this run") == 4


def test_many_scorers_on_many_sets_stay_small(tmp_path: Path) -> None:
    from llmood.scorers.base import scorers

    names = [name for name in scorers.names() if name.startswith("likelihood")][:16]
    ood = {
        f"a_very_long_task_name_that_never_ends_{n}": [f"zebra {n} {i}" for i in range(4)] for n in range(4)
    }
    folder = tiny_run(tmp_path, ood, scorers=names)
    text = render_report([folder])
    Page(text)
    assert len(names) == 16
    assert len(text.encode()) < 450_000


def test_importing_the_report_is_light() -> None:
    code = "import sys, llmood.report; print([m for m in ('matplotlib', 'pandas', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_number_of_the_summary_is_a_record(run: Path, page: Page) -> None:
    known = {(record["metric"], str(record["value"]), str(record["n"])) for record in records(run)}
    shown = [attributes for tag, attributes in page.tags if tag == "data"]
    assert len(shown) >= 3 * 3
    for attributes in shown:
        metric, _, n = attributes["title"].partition(", n = ")
        assert (metric, attributes["value"], n) in known
