from __future__ import annotations

from pathlib import Path

from llmood.report import render_report, write_report
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import HOSTILE, ID_TEXTS, copy_of, edit_json, tiny_run


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    prompts = [f"{HOSTILE} {n}" for n in range(5)]
    run = tiny_run(tmp_path, {"away": prompts}, id_texts=[*prompts[:1], *ID_TEXTS])
    edit_json(run / "run.json", lambda m: m.update(name=HOSTILE, command=[HOSTILE], error=HOSTILE))
    edit_json(run / "checks.json", lambda c: c[0].update(title=HOSTILE, detail=HOSTILE, code=HOSTILE))
    page = Page(render_report([run, run]))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count("<script>alert(1)</script>") > 10
    assert any(HOSTILE in text for text in page.within("blockquote"))


def test_names_in_figures_are_escaped_too(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    name = "<script>$x$</script>\x01\ud800中"

    def rename(value: object) -> object:
        # `away` is a column of samples.parquet as well: the figures of a renamed task fall back to its records.
        return [{**r, "ood_task": name if r["ood_task"] == "away" else r["ood_task"]} for r in value]  # type: ignore[attr-defined]

    edit_json(copied / "metrics.json", rename)
    edit_json(
        copied / "run.json",
        lambda m: [t.update(name=name) for t in m["tasks"] if t["name"] == "away"] and None,
    )
    page = Page(render_report([copied]))
    drawn = "".join(page.within("svg"))
    assert "<script>$x$</script>␁�中" in drawn


def test_what_no_file_can_hold_is_replaced(run: Path, tmp_path: Path) -> None:
    copied = copy_of(run, tmp_path)
    edit_json(copied / "run.json", lambda m: m.update(name="half \ud83d, bell \x07, turned \u202e"))
    write_report([copied], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_bytes().decode("utf-8")
    assert "half �, bell ␇, turned �" in text
