"""The model-card block: the hub's own library reads it back, its numbers are the run's, hostile texts stay texts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean, stdev

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from llmood.errors import ConfigError
from llmood.markdown import block, code, one_line, plain, table
from llmood.report.model_card import render_model_card
from llmood.report.text import number
from tests.unit.report.html_reading import Page
from tests.unit.report.tiny_runs import HOSTILE, copy_of, edit_json, records, tiny_run

ATTACK = (
    "---\nmodel-index: []\n---\n# Title\n```\n</code></pre><script>alert(1)</script> ![x](http://e.org/x.png) "
    "[link](javascript:alert(1)) <http://e.org> | cell | `code` $$x$$ &lt; \\\\ \x07 *b* _i_"
)


ID_TEXTS = [f"please tell me the balance of account number {n} before noon" for n in range(12)]
OOD = [
    {"task": "away", "shift": "near"},
    {"corruption": "typos"},
    {"task": "away", "corruption": "case", "severity": 2},
]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with shifts in grades and two adapters."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("graded")
        patch.setenv("LLMOOD_CACHE", str(folder / "store"))
        tuned = [{"adapter": "fake-one:bank card"}, {"adapter": "fake-two:number noon"}]
        benchmark = {"name": "tiny", "description": "d", "id": "home", "ood": OOD}
        return tiny_run(
            folder, id_texts=ID_TEXTS, benchmark=benchmark, models={"base": "fake", "tuned": tuned}
        )


def table_rows(card: str, head: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is `head`: first cell → the others."""
    _, _, rest = card.partition(f"| {head} |")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first: others for first, *others in cells}


def rendered(markdown: str) -> Page:
    """As a site that lets HTML through would show it: nothing of the texts may become markup."""
    return Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


def tags(page: Page) -> set[str]:
    return {tag for tag, _ in page.tags}


def test_the_hub_reads_every_result_back(run: Path) -> None:
    card = ModelCard(render_model_card(run))
    found = {(e.metric_args["scorer"], e.dataset_type): e for e in card.data.eval_results}
    expected = {
        (r["scorer"], r["ood_task"]): r
        for r in records(run)
        if r["metric"] == "auroc" and r["scorer"] in ("likelihood_ratio", "likelihood.mean")
    }
    assert found.keys() == expected.keys()
    assert len(found) == 6
    for key, entry in found.items():
        record = expected[key]
        # Not the noise of binary fractions: 0.7159300000000001.
        assert entry.metric_value == round(record["value"], 6)
        assert entry.metric_args["ci_low"] == round(record["ci_low"], 6)
        assert entry.metric_args["ci_high"] == round(record["ci_high"], 6)
        assert max(len(repr(entry.metric_args[end])) for end in ("ci_low", "ci_high")) <= len("0.123456")
        assert (entry.metric_type, entry.dataset_split) == ("auroc", "test")
        assert entry.dataset_args["shift"] == record["shift"]
        assert entry.task_type == "out-of-distribution-detection"
    assert card.data.model_name == "fake:bank card payment"
    assert ModelCard(str(card)).data.to_dict() == card.data.to_dict()


def test_every_number_of_the_table_is_a_record(run: Path) -> None:
    page = rendered(ModelCard(render_model_card(run)).text)
    for record in records(run):
        if record["metric"] == "auroc":
            assert f"{number(record['value'])} [{number(record['ci_low'])}–" in page.text
    assert page.within("code").count("length") == 1
    assert "near 3, n = 10" in page.text
    assert tags(page) <= {
        "h2",
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "pre",
        "ul",
        "li",
    }


def test_grades_are_one_table_and_in_no_entry(graded: Path) -> None:
    card = render_model_card(graded)
    assert {entry.dataset_type for entry in ModelCard(card).data.eval_results} == {"away"}
    auroc = {
        (r["scorer"], r["ood_task"]): number(r["value"])
        for r in records(graded)
        if r["metric"] == "auroc" and r["slice"] is None
    }
    scorers = ["likelihood_ratio", "likelihood.mean", "length", "random", "constant"]
    shown = table_rows(card, "Shift, scorer")
    assert len(shown) == 2 * len(scorers)
    for scorer in scorers:
        kind = " (baseline)" if scorer in ("length", "random", "constant") else ""
        typos = [auroc[scorer, f"home.typos.{grade}"] for grade in range(1, 6)]
        assert shown[f"`home.typos` (covariate), `{scorer}`{kind}"] == typos
        case = ["–", auroc[scorer, "away.case.2"], "–", "–", "–"]
        assert shown[f"`away.case` (covariate), `{scorer}`{kind}"] == case
    assert "are in the run's `metrics.json`" in card
    assert all("typos" not in row for row in table_rows(card, "Scorer"))
    data = table_rows(card, "Data")
    assert list(data) == ["`home`", "`away`", "`home.typos`, grades 1, 2, 3, 4, 5", "`away.case`, grade 2"]


def test_grades_of_different_data_keep_rows_of_their_own(graded: Path, tmp_path: Path) -> None:
    other = copy_of(graded, tmp_path)

    def change(manifest: dict) -> None:
        for task in manifest["tasks"]:
            if task["name"] == "home.typos.3":
                task["licence"] = "another"

    edit_json(other / "run.json", change)
    data = table_rows(render_model_card(other), "Data")
    assert [name for name in data if "typos" in name] == [
        "`home.typos`, grades 1, 2, 4, 5",
        "`home.typos`, grade 3",
    ]
    assert data["`home.typos`, grade 3"][3] == "another"


def test_the_spread_over_adapters_stands_below_its_scorer(graded: Path, run: Path) -> None:
    shown = table_rows(render_model_card(graded), "Scorer")
    over = ", over 2 adapters: mean ± standard deviation (range)"
    assert list(shown)[:4] == [
        "`likelihood_ratio`",
        f"`likelihood_ratio`{over}",
        "`likelihood.mean`",
        f"`likelihood.mean`{over}",
    ]
    single = {
        r["scorer"]: r["value"]
        for r in records(graded)
        if (r["metric"], r["ood_task"], r["slice"]) == ("auroc", "away", None)
    }
    for scorer in ("likelihood_ratio", "likelihood.mean"):
        both = [single[scorer], single[f"{scorer}@tuned:1"]]
        (cell,) = shown[f"`{scorer}`{over}"]
        expected = f"{number(fmean(both))} ± {number(stdev(both))}"
        assert cell == rf"{expected} \({number(min(both))} to {number(max(both))}\)"
    assert "adapters" not in render_model_card(run)


def test_hostile_texts_are_shown_and_do_nothing(run: Path, tmp_path: Path) -> None:
    spoiled = copy_of(run, tmp_path)

    def change(manifest: dict) -> None:
        manifest["tasks"][0] |= {"licence": ATTACK, "citation": ATTACK, "version": ATTACK}
        manifest["models"]["tuned"]["name"] = ATTACK
        manifest["models"]["base"]["identity"]["weights"] = ATTACK
        manifest["versions"] = {ATTACK: ATTACK}
        manifest["config"]["benchmark"]["description"] = ATTACK

    edit_json(spoiled / "run.json", change)
    check = {
        "code": "c",
        "severity": "warning",
        "title": ATTACK,
        "detail": ATTACK,
        "task": None,
        "values": {},
    }
    edit_json(spoiled / "checks.json", lambda checks: [*checks, check])
    card = ModelCard(render_model_card(spoiled))
    plain_card = ModelCard(render_model_card(run))
    assert len(card.data.eval_results) == 6
    page, usual = rendered(card.text), rendered(plain_card.text)
    assert tags(page) == tags(usual) | {"ul", "li"}
    assert [tag for tag, _ in page.tags].count("td") == [tag for tag, _ in usual.tags].count("td")
    assert [tag for tag, _ in page.tags].count("h2") == 1
    assert "<script>alert(1)</script>" in page.text
    assert not any(attributes.get("href") or attributes.get("src") for _, attributes in page.tags)


def test_no_prompt_is_in_it(run: Path) -> None:
    text = render_model_card(run)
    assert "bank card payment number" not in text
    assert "zebra" not in text
    assert HOSTILE in text  # the benchmark's description, in the configuration's block alone
    assert HOSTILE not in text.partition("```yaml")[0]


def test_undefined_values_have_a_reason_and_no_entry(run: Path, tmp_path: Path) -> None:
    spoiled = copy_of(run, tmp_path)

    def change(found: list[dict]) -> None:
        for record in found:
            if record["scorer"] == "likelihood_ratio" and record["metric"] == "auroc":
                record |= {"value": None, "ci_low": None, "ci_high": None, "reason": "no OOD samples"}

    edit_json(spoiled / "metrics.json", change)
    card = ModelCard(render_model_card(spoiled))
    assert {entry.metric_args["scorer"] for entry in card.data.eval_results} == {"likelihood.mean"}
    assert "undefined: no OOD samples" in card.text

    def none_left(found: list[dict]) -> None:
        for record in found:
            record |= {"value": None, "ci_low": None, "ci_high": None, "reason": "no OOD samples"}

    edit_json(spoiled / "metrics.json", none_left)
    assert ModelCard(render_model_card(spoiled)).data.to_dict() == {}


def test_an_unfinished_run_says_so_and_an_empty_one_has_no_card(run: Path, tmp_path: Path) -> None:
    spoiled = copy_of(run, tmp_path)
    edit_json(spoiled / "run.json", lambda manifest: {**manifest, "status": "partial"})
    assert "**Partial: something is missing from these numbers.**" in render_model_card(spoiled)
    assert "**Partial" not in render_model_card(run)
    (spoiled / "metrics.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="no OOD detection to put on a model card"):
        render_model_card(spoiled)


def test_sets_of_the_hub_have_the_hubs_name(run: Path, tmp_path: Path) -> None:
    spoiled = copy_of(run, tmp_path)
    source = {"kind": "hub", "hub": "someone/set", "config": "plain", "revision": None, "commit": "c0ffee"}

    def change(manifest: dict) -> None:
        for task in manifest["tasks"]:
            if task["name"] == "away":
                task["source"] = source
            if task["name"] in ("far_away", "typos"):
                task["source"] = {**source, "hub": "someone/shared"}

    edit_json(spoiled / "run.json", change)
    names = {e.dataset_type: e for e in ModelCard(render_model_card(spoiled)).data.eval_results}
    # Two sets of one source would be one entry: they keep their own names.
    assert names.keys() == {"someone/set", "far_away", "typos"}
    assert names["someone/set"].dataset_revision == "c0ffee"
    assert names["someone/set"].dataset_config == "plain"


def test_the_configuration_can_be_read_back(run: Path) -> None:
    import yaml

    text = re.search(r"^(`{3,})yaml\n(.*?)\n\1$", render_model_card(run), flags=re.DOTALL | re.MULTILINE)
    assert text is not None
    manifest = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert yaml.safe_load(text[2]) == manifest["config"]


@pytest.mark.parametrize(
    "text",
    [
        ATTACK,
        "- item",
        "+ item",
        "12. item",
        "3) x",
        "# x",
        "> quote",
        "a | b",
        "\\",
        "`",
        "``",
        "***",
        "<!-- x",
        "a  b",
    ],
)
def test_words_stay_words(text: str) -> None:
    for shown in (plain(text), f"- {plain(text)}"):
        page = rendered(shown)
        assert tags(page) <= {"p", "ul", "li"}
        assert page.text == one_line(text)
    (cell,) = rendered(table(["head"], [[plain(text)]])).within("td")[-1:] or [""]
    assert " ".join(cell.split())
    span = rendered(table(["head"], [[code(text)]]))
    assert tags(span) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert "".join(span.within("code")).strip() == one_line(text).strip()
    assert "".join(rendered(block(text)).within("code")).rstrip("\n") == text.replace("\x07", "␇")


def test_plain_text_stays_readable() -> None:
    assert (
        plain("made by scripts/build_demo.py: 3.11, 12:50") == r"made by scripts/build\_demo.py: 3.11, 12:50"
    )
