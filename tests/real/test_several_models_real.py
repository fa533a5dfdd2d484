"""What four models said to gsm8k's questions, imported as the cookbook does it: which scores tell the wrong ones?"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import llmood as package
from llmood.judging.numeric_match import same_number
from llmood.metrics import auroc
from tests.worlds import llmood

pytestmark = pytest.mark.slow
PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "cookbook" / "several-models.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([\w.]+)` \| ([\d.]+) \[([\d.]+), ([\d.]+)\] \|$", re.MULTILINE)
SCORERS = ("self_consistency.answer", "self_consistency", "semantic_entropy.discrete", "gzip_knn", "length")
Record = dict[str, Any]


@pytest.fixture(scope="module")
def folder(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's program and its command were run as they stand."""
    place = tmp_path_factory.mktemp("solutions")
    (_, program), (_, command) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("LLMOOD_CACHE", str(place / "store"))
        exec(compile(program, str(PAGE), "exec"), {})
        words = shlex.split(command)
        assert words[0] == "llmood"
        outcome = llmood(*words[1:])
        assert outcome.code == 0, outcome
        # The same without groups, to see what they do to an interval.
        rows = [json.loads(line) for line in Path("solutions.jsonl").read_text(encoding="utf-8").splitlines()]
        alone = [json.dumps({key: value for key, value in row.items() if key != "group"}) for row in rows]
        Path("alone.jsonl").write_text("\n".join(alone), encoding="utf-8")
        chosen = ("--set", "equivalence.rule=numeric", "--set", "scorers=[self_consistency]")
        assert llmood("import", "alone.jsonl", *chosen, "-o", "runs/alone").code == 0
    return place


def aurocs(folder: Path) -> dict[str, Record]:
    return {
        record["scorer"]: record
        for record in package.Run(folder).records()
        if (record["question"], record["metric"], record["slice"]) == ("error_detection", "auroc", None)
    }


def test_no_row_is_a_persons(folder: Path) -> None:
    made = package.Run(folder / "runs" / "solutions")
    samples = made.samples()
    measured = samples[samples.split == "test"]
    assert len(measured) == 4 * 1_319
    assert set(Counter(measured.group).values()) == {4}
    (accuracy,) = [record for record in made.records() if record["metric"] == "accuracy"]
    assert (accuracy["correctness"], accuracy["n"]) == ("imported", 5_276)
    assert accuracy["value"] == pytest.approx(0.379, abs=0.0005)  # 2,001 of them


def test_agreement_tells_wrong_solutions_and_every_score_has_its_interval(folder: Path) -> None:
    found = aurocs(folder / "runs" / "solutions")
    for scorer in SCORERS:
        assert found[scorer]["n"] == 5_276
        assert found[scorer]["ci_low"] < found[scorer]["value"] < found[scorer]["ci_high"]
    assert found["self_consistency.answer"]["ci_low"] > found["self_consistency"]["ci_high"]
    assert found["self_consistency"]["ci_low"] > found["gzip_knn"]["ci_high"]
    assert found["gzip_knn"]["ci_low"] > 0.5
    assert found["random"]["ci_low"] < 0.5 < found["random"]["ci_high"]


def test_agreement_by_brute_force(folder: Path) -> None:
    rows = [
        json.loads(line) for line in (folder / "solutions.jsonl").read_text(encoding="utf-8").splitlines()
    ]

    def alike(one: str, draws: list[str]) -> float:
        return sum(one == two or bool(same_number(one, two)) for two in draws) / len(draws)

    wrong = [not row["correct"] for row in rows]
    among = [1 - max(alike(one, row["draws"]) for one in row["draws"]) for row in rows]
    found = aurocs(folder / "runs" / "solutions")
    assert found["self_consistency"]["value"] == pytest.approx(auroc(among, wrong))
    against = [1 - alike(row["response"], row["draws"]) for row in rows]
    assert found["self_consistency.answer"]["value"] == pytest.approx(auroc(against, wrong))


def test_an_interval_draws_whole_questions(folder: Path) -> None:
    grouped, alone = (aurocs(folder / "runs" / name)["self_consistency"] for name in ("solutions", "alone"))
    assert grouped["value"] == pytest.approx(alone["value"])
    width, narrower = (record["ci_high"] - record["ci_low"] for record in (grouped, alone))
    assert width > 1.2 * narrower


def test_the_page_says_what_was_found(folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = {name: tuple(map(float, numbers)) for name, *numbers in ROW.findall(page)}
    assert set(shown) == set(SCORERS)
    for scorer, numbers in shown.items():
        record = aurocs(folder / "runs" / "solutions")[scorer]
        found = (record["value"], record["ci_low"], record["ci_high"])
        assert numbers == pytest.approx(found, abs=0.003)  # another zlib packs a little differently
