"""Questions about pictures through the command line, with a tiny model that sees: a whole run, and what it refuses."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from PIL.PngImagePlugin import PngInfo

from llmood.report import render_report
from llmood.report.model_card import render_model_card
from llmood.report.read import read_run
from llmood.report.shift_grids import crossed_grids
from tests import tiny_models
from tests.encoders import save_encoder, save_seeing_encoder
from tests.pictures import demo_module, demo_pictures, saved
from tests.task_files import write_task
from tests.tiny_pictures import SEEN, save_llava, save_picture_adapter, save_pictured
from tests.unit.report.html_reading import Page
from tests.worlds import Outcome, llmood, refused

pytestmark = pytest.mark.usefixtures("no_report")

SCORERS = ["likelihood_ratio", "likelihood", "likelihood.base", "likelihood.mean", "length"]
ROWS = 12
FIELDS = {"images": "image", "label": "kind", "references": "answer"}


def write_pictures(folder: Path, name: str, split: str, *, train: int = 0, bad: bool = False) -> None:
    """A task of the demo's questions, its pictures beside it."""
    scenes, draw = demo_module("scenes"), demo_module("draw")
    home = folder / name
    (home / "pictures").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    made = scenes.make_splits()
    for number, row in enumerate([*made[split][:ROWS], *made["id_train"][:train]]):
        draw.draw(row.picture).save(home / "pictures" / f"{number}.png")
        rows.append(
            {"text": row.question, "image": f"pictures/{number}.png", "kind": row.kind, "answer": row.answer}
        )
    if bad:
        (home / "half.png").write_bytes(saved(draw.draw(made[split][0].picture), "PNG")[:150])
        rows += [
            {"text": "which?", "image": name, "kind": "which", "answer": "it"}
            for name in ("half.png", "../0.png")
        ]
    splits = {"test": rows[:-train], "train": rows[-train:]} if train else {"test": rows}
    write_task(home, splits, name=name, fields=FIELDS)


def write_inline(folder: Path) -> None:
    """A task whose rows hold their pictures, with a comment in each file."""
    folder.mkdir()
    comment = PngInfo()
    comment.add_text("Comment", "secret secret secret")
    rows = [
        {"text": "which?", "image": f"data:image/png;base64,{base64.b64encode(data).decode()}"}
        for image in demo_pictures(ROWS)
        for data in [saved(image, "PNG", pnginfo=comment)]
    ]
    write_task(folder, {"test": rows}, name="inline", fields={"images": "image"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder, "shapes", "id_test", train=80)
    write_pictures(folder, "flags", "flags_test")
    write_pictures(folder, "spoilt", "near_test", bad=True)
    pairs = [{"text": "same?", "image": ["0.png", f"{n}.png"]} for n in (1, 2, 3)]
    (folder / "pairs").symlink_to(folder / "shapes" / "pictures")
    pairs.append({"text": "which?", "image": ["4.png"]})
    write_task(folder / "pairs", {"test": pairs}, name="pairs", fields={"images": "image"})
    write_inline(folder / "inline")
    save_picture_adapter(folder / "adapter", save_pictured(folder / "base", max_position_embeddings=1024))
    return folder


def configured(home: Path, *ood: str, **keys: Any) -> Path:
    config = {
        "benchmark": {
            "name": "seen",
            "id": str(home / "shapes" / "t.yaml"),
            "ood": [{"task": str(home / name / "t.yaml"), "shift": "far"} for name in ood],
        },
        "models": {"base": str(home / "base"), "tuned": {"adapter": str(home / "adapter")}},
        "engine": {"kind": "transformers", "device": "cpu"},
        "scorers": SCORERS,
        "bootstrap": {"draws": 100},
        **keys,
    }
    path = home / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def run(home: Path, *options: object, ood: tuple[str, ...] = ("flags",), **keys: Any) -> Outcome:
    return llmood("run", configured(home, *ood, **keys), *options)


def test_a_run(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    assert len({row["images"][0] for row in samples}) == len(samples) == 2 * ROWS
    for row in samples:
        picture, words = json.loads(row["messages"])[0]["content"]
        assert picture == {"type": "image", "image": row["images"][0]}
        assert row["prompt"] == f"<image>{words['text']}"
        # Three tokens around the picture's own, and a byte is a token.
        assert row["prompt_tokens"] == len(words["text"].encode()) + SEEN + 3
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {(row["status"], row["reason"]) for row in scores} == {("ok", None)}
    by_scorer = {name: {row["score"] for row in scores if row["scorer"] == name} for name in SCORERS}
    assert len(by_scorer["likelihood_ratio"]) == 2 * ROWS
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    auroc = {
        record["scorer"]
        for record in metrics
        if (record["question"], record["metric"]) == ("ood_detection", "auroc")
        and record["value"] is not None
    }
    assert set(SCORERS) <= auroc
    checks = json.loads((tmp_path / "run" / "checks.json").read_text())
    assert not [check for check in checks if check["severity"] == "error"]
    canary = json.loads((tmp_path / "run" / "run.json").read_text())["canary"]
    assert canary["path"] == "transformers, each text alone"
    assert {role: each["largest"] < 1e-4 for role, each in canary["differences"].items()} == {
        "base": True,
        "tuned": True,
    }
    again = llmood("run", home / "config.yaml", "-o", tmp_path / "again")
    assert again.code == 0
    assert "prompt_logprobs" not in again.err  # nothing is captured twice


def test_the_report_shows_them_small(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run(home, "-o", folder, ood=("flags", "inline")).code == 0
    images = [each for tag, each in Page(render_report([folder])).tags if tag == "img"]
    assert len(images) == 8 + 5 + 5  # false alarms, misses of the two sets
    for each in images:
        assert each["src"].startswith(("data:image/png;base64,", "data:image/webp;base64,"))
        assert (each["width"], each["height"], each["alt"]) == ("64", "64", "picture of this sample")
    # Rows of files say where they are, and a data URL is kept as a small copy, never as it came.
    kept = json.loads((folder / "observations/pictures.json").read_text())
    assert {bool(each["file"]) for each in kept.values()} == {True, False}
    assert {each["file"] is None for each in kept.values() if each["small"]} == {True}
    assert "c2VjcmV0" not in (folder / "observations/pictures.json").read_text()  # 'secret'
    # Scored again, the page is as it was; a file that is gone or another is said.
    page = render_report([folder])
    assert llmood("rescore", folder).code == 0
    assert render_report([folder]) == page
    files = [digest for digest, each in kept.items() if each["file"]]
    kept |= {digest: {"file": str(home / "gone.png"), "small": None} for digest in files[1:]}
    kept[files[0]] = kept[files[0]] | {"file": str(home / "shapes" / "pictures" / "0.png")}
    (folder / "observations/pictures.json").write_text(json.dumps(kept))
    spoilt = Page(render_report([folder]))
    assert "This picture can’t be read any more." in spoilt.text
    assert sum(tag == "img" for tag, _ in spoilt.tags) < len(images)


def test_shards_know_where_the_pictures_are(home: Path, tmp_path: Path) -> None:
    kept = "observations/pictures.json"
    options: dict[str, Any] = {"ood": ("inline",), "scorers": ["likelihood"]}
    assert run(home, "-o", tmp_path / "whole", **options).code == 0
    for part in ("0/2", "1/2"):
        assert run(home, "-o", tmp_path / "run", "--shard", part, **options).code == 0
    halves = [
        json.loads((tmp_path / "run/shards" / name / kept).read_text()) for name in ("0-of-2", "1-of-2")
    ]
    whole = (tmp_path / "whole" / kept).read_text()
    assert all(len(half) < len(json.loads(whole)) for half in halves)
    assert llmood("merge", tmp_path / "run").code == 0
    assert (tmp_path / "run" / kept).read_text() == whole


def test_answers_about_pictures(home: Path, tmp_path: Path) -> None:
    names = ["likelihood.response", "likelihood_ratio.prompt_response", "perplexity.response"]
    outcome = run(home, "-o", tmp_path / "run", scorers=names[:2], response={"max_new_tokens": 4})
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} <= {"ok", "unscored"}
    assert [row for row in scores if row["status"] == "ok"]


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_a_run_through_vllm(home: Path, tmp_path: Path) -> None:
    base = save_pictured(tmp_path / "base", head_dim=32)  # what its attention has on a CPU
    adapter = save_picture_adapter(tmp_path / "adapter", base, eye=False)
    names = ["likelihood_ratio", "likelihood.base", "likelihood.response", "knn"]
    found: dict[str, dict[tuple[str, str], float]] = {}
    for kind in ("vllm", "transformers"):
        chosen = names if kind == "vllm" else names[:3]
        outcome = run(
            home,
            "-o",
            tmp_path / kind,
            engine={"kind": kind, "device": "cpu"},
            models={"base": str(base), "tuned": {"adapter": str(adapter)}},
            scorers=chosen,
            response={"max_new_tokens": 4},
        )
        assert outcome.code == 0, outcome
        rows = pq.read_table(tmp_path / kind / "scores.parquet").to_pylist()
        found[kind] = {
            (row["sample_id"], row["scorer"]): row["score"] for row in rows if row["status"] == "ok"
        }
        assert {row["status"] for row in rows} <= {"ok", "unscored"}
        canary = json.loads((tmp_path / kind / "run.json").read_text())["canary"]
        assert all(each["largest"] < 1e-4 for each in canary["differences"].values())
    assert {scorer for _, scorer in found["vllm"]} >= set(names)
    for key, value in found["transformers"].items():
        assert found["vllm"][key] == pytest.approx(value, abs=1e-3)  # sums over some twenty tokens


def test_what_the_states_know(home: Path, tmp_path: Path) -> None:
    names = {
        "knn": {"k": 3},
        "mahalanobis": {"layer": 1, "position": "mean_image"},
        "relative_mahalanobis": {"layer": 0, "position": "mean_text"},
        "pca_reconstruction": {"position": "last_prompt"},
        "cosine": {"position": "mean_prompt"},
        "knn.base": {"position": "eye", "k": 3},
        "mahalanobis.one_class": {"position": "eye"},
        "relative_mahalanobis.base": {"position": "eye"},
    }
    keys: dict[str, Any] = {"hidden_states": {"positions": "last_prompt,mean_prompt,mean_image,mean_text"}}
    outcome = run(
        home, "-o", tmp_path / "run", scorers=[{name: given} for name, given in names.items()], **keys
    )
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {(row["status"], row["reason"]) for row in scores} == {("ok", None)}
    assert set(names) < {row["scorer"] for row in scores}  # beside the baselines
    assert len({row["score"] for row in scores}) > len(names) * ROWS
    indexed = pq.read_table(tmp_path / "run" / "observations" / "index.parquet").to_pylist()
    assert {row["capture"] for row in indexed} >= {"embedding/base/prompt", "embedding/tuned/prompt"}
    refused(run(home, "-o", tmp_path / "no", scorers=[{"knn": {"position": "mean_image"}}]), "mean_image")
    by_layer = [{"knn": {"position": "eye", "layer": 1}}]
    refused(run(home, "-o", tmp_path / "no", scorers=by_layer), "an eye has one embedding of a picture")
    elsewhere = {"engine": {"kind": "fake"}, "scorers": [{"knn": {"position": "eye"}}]}
    refused(run(home, "-o", tmp_path / "no", **elsewhere), "engines that can: transformers")


def test_an_encoder_of_pictures_and_words(home: Path, tmp_path: Path) -> None:
    """Alone and beside language models it says the same; one that reads words alone is refused."""
    found: list[dict[str, float]] = []
    seeing = str(save_seeing_encoder(tmp_path / "clip"))
    spoken = {"base": str(home / "base"), "encoder": seeing}
    auto = {"kind": "auto", "device": "cpu"}
    for name, models in (("knn", {"encoder": seeing}), ("knn.encoder", spoken)):
        outcome = run(home, "-o", tmp_path / name, models=models, engine=auto, scorers=[name])
        assert outcome.code == 0, outcome
        rows = pq.read_table(tmp_path / name / "scores.parquet").to_pylist()
        own = [row for row in rows if row["scorer"] == name]
        assert {(row["status"], row["reason"]) for row in own} == {("ok", None)}
        found.append({row["sample_id"]: row["score"] for row in own})
    assert found[0] == found[1]
    assert len(set(found[0].values())) > ROWS
    words = {"base": str(home / "base"), "encoder": str(save_encoder(tmp_path / "words"))}
    outcome = run(home, "-o", tmp_path / "no", models=words, scorers=["knn.encoder"])
    refused(outcome, "models.encoder reads words alone")
    alone = run(
        home, "-o", tmp_path / "no", models={"encoder": words["encoder"]}, engine=auto, scorers=["knn"]
    )
    refused(alone, "takes no pictures yet")


def crossed(home: Path, **benchmark: Any) -> Path:
    shown = {"name": "crossed", "id": str(home / "shapes" / "t.yaml"), **benchmark}
    return configured(home, benchmark=shown, scorers=["likelihood", "likelihood_ratio"])


GRID = {"images": ["noise", "blur"], "texts": ["typos"], "grades": [1, 4]}


def test_a_grid_of_corrupted_pictures_and_words(home: Path, tmp_path: Path) -> None:
    """The blurred grades stand in the benchmark anyway: they are the grid's, too."""
    config = crossed(home, ood=[{"corruption": "blur", "severity": 4}], grid=GRID)
    outcome = llmood("run", config, "-o", tmp_path / "run")
    assert outcome.code == 0, outcome
    tasks = json.loads((tmp_path / "run" / "run.json").read_text())["tasks"]
    cells = {task["name"]: task["corruptions"] for task in tasks}
    assert len(cells) == len(tasks) == (1 + 2 * 2) * (1 + 2)
    assert cells["shapes"] is None
    assert cells["shapes.noise.4.typos.1"] == {
        "of": "shapes",
        "image": "noise",
        "image_grade": 4,
        "text": "typos",
        "text_grade": 1,
    }
    both = [task for task in tasks if task["family"] == "shapes.noise.typos"]
    assert [(task["name"], task["severity"]) for task in both] == [
        ("shapes.noise.1.typos.1", 1),
        ("shapes.noise.1.typos.4", 4),
        ("shapes.noise.4.typos.1", 4),
        ("shapes.noise.4.typos.4", 4),
    ]
    samples = {
        row["sample_id"]: row for row in pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    }
    for row in samples.values():
        if row["task"] != "shapes":
            parent, done = samples[row["parent_id"]], cells[row["task"]]
            assert (row["images"] == parent["images"]) == (done["image"] is None)
            if done["text"] is None:
                assert row["prompt"] == parent["prompt"]
            assert row["severity"] == max(done["image_grade"], done["text_grade"])
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} == {"ok"}
    by_question = {
        (record["ood_task"], record["metric"], record["scorer"]): record
        for record in json.loads((tmp_path / "run" / "metrics.json").read_text())
        if record["slice"] is None
    }
    auroc = by_question["shapes.noise.4.typos.1", "auroc", "likelihood"]
    told = {"image_corruption": "noise", "image_grade": 4, "text_corruption": "typos", "text_grade": 1}
    assert auroc["params"].items() >= told.items()
    assert auroc["severity"] == 4
    assert by_question["shapes.noise.typos", "spearman_severity", "likelihood"]["params"]["grades"] == [
        0,
        1,
        4,
        4,
        4,
    ]
    again = llmood("run", config, "-o", tmp_path / "again")
    assert again.code == 0
    assert (
        "prompt_logprobs" not in again.err
    )  # the same pixels under the same names: nothing is captured twice
    assert not list((tmp_path / "run").rglob("*.png"))

    grid = crossed_grids(read_run(tmp_path / "run"))["shapes"]
    assert grid.rows == ("as it was", "noise 1", "noise 4", "blur 1", "blur 4")
    assert grid.columns == ("as it was", "typos 1", "typos 4")
    assert grid.tasks["blur 4", "typos 1"]["name"] == "shapes.blur.4.typos.1"
    assert len(grid.tasks) == 15
    page = render_report([tmp_path / "run"])
    section = page.partition(">As the shift grows<")[2].partition("</section>")[0]
    assert "shapes: pictures by words" in section
    assert section.count("<svg") == 1 + 1 + 3  # all grades, the grid, a curve for each side's corruptions
    shown = section.partition("<caption>AUROC of likelihood</caption>")[2].partition("</table>")[0]
    assert shown.count("<td") == len(grid.tasks)
    assert read_run(tmp_path / "run").single_ood_tasks == []
    card = render_model_card(tmp_path / "run")
    assert "`shapes` with corrupted pictures (rows), words (columns), and both" in card
    assert "`shapes.noise.typos`, grades 1, 4" in card


def test_what_a_grid_would_run(home: Path) -> None:
    outcome = llmood("run", crossed(home, grid=GRID), "--dry-run")
    assert outcome.code == 0, outcome
    assert f"grid: 8 of these have corrupted pictures and words at once, {8 * ROWS} samples" in outcome.out
    assert outcome.out.count("\nshapes.") == 14
    assert llmood("validate", crossed(home, grid=GRID)).code == 0


@pytest.mark.parametrize(
    ("benchmark", "words"),
    [
        ({"grid": {**GRID, "texts": ["blur"]}}, ("grid.texts[0]", "'blur' is a corruption of pictures")),
        ({"grid": {**GRID, "grades": [1, 6]}}, ("benchmark.grid.grades.1", "less than or equal to 5")),
        ({"grid": {**GRID, "grades": [2, 2]}}, ("benchmark.grid.grades", "2 stands there twice")),
        ({"grid": {**GRID, "images": []}}, ("benchmark.grid.images", "at least one")),
        ({"ood": [{"corruption": "blurr"}]}, ("benchmark.ood[0].corruption", "did you mean 'blur'")),
    ],
)
def test_a_wrong_grid_is_refused(home: Path, benchmark: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(llmood("run", crossed(home, **benchmark), "--dry-run"), *words)


def test_prompts_about_answers(home: Path, tmp_path: Path) -> None:
    names = ["p_true", "verbalised_confidence", "rauq", "lexical_similarity"]
    keys: dict[str, Any] = {"response": {"max_new_tokens": 4}, "generations": {"n": 2, "max_new_tokens": 4}}
    outcome = run(home, "-o", tmp_path / "run", scorers=names, correctness="task", **keys)
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores if row["scorer"] in names} <= {"ok", "unscored"}
    assert set(names) - {"verbalised_confidence"} <= {
        row["scorer"] for row in scores if row["status"] == "ok"
    }


def test_bad_pictures_are_rejects(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", ood=("spoilt",))
    assert outcome.code == 1, outcome
    rejects = [json.loads(line) for line in (tmp_path / "run" / "rejects.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rejects] == [ROWS + 1, ROWS + 2]
    assert "can't be decoded" in rejects[0]["reason"]
    assert "leaves the folder of the rows" in rejects[1]["reason"]


def test_no_text_keeps_no_picture(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", "--no-text")
    assert outcome.code == 0, outcome
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    assert {(row["images"], row["messages"]) for row in samples} == {(None, None)}
    assert not list((tmp_path / "run").rglob("*.png"))
    assert not (tmp_path / "run/observations/pictures.json").exists()
    page = render_report([tmp_path / "run"])
    assert "<img" not in page
    assert "This run keeps no text." in page


def test_several_pictures(home: Path, tmp_path: Path) -> None:
    outcome = run(home, "-o", tmp_path / "run", ood=("pairs",), scorers=["likelihood"])
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert {row["status"] for row in scores} == {"ok"}
    samples = pq.read_table(tmp_path / "run" / "samples.parquet").to_pylist()
    pairs = {row["prompt"]: row for row in samples if row["task"] == "pairs"}
    assert set(pairs) == {"<image><image>same?", "<image>which?"}
    assert len(pairs["<image><image>same?"]["images"]) == 2
    assert pairs["<image><image>same?"]["prompt_tokens"] == 2 * (SEEN + 3) + len("same?")


def test_more_pictures_than_a_model_takes_are_a_status(home: Path, tmp_path: Path) -> None:
    base = save_llava(tmp_path / "llava")
    outcome = run(
        home, "-o", tmp_path / "run", ood=("pairs",), scorers=["likelihood"], models={"tuned": str(base)}
    )
    assert outcome.code == 0, outcome
    scores = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    reasons = [row["reason"] for row in scores if row["scorer"] == "likelihood" and row["status"] != "ok"]
    assert reasons == ["2 pictures, and the model takes 1"] * 3
    assert {row["status"] for row in scores} == {"ok", "unscored"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"scorers": ["p_true.few_shot"], "correctness": "task"},
            ("p_true.few_shot", "without their pictures"),
        ),
        ({"engine": {"kind": "fake"}, "models": {"base": "fake", "tuned": "fake-tuned:x"}}, ("'fake'",)),
    ],
)
def test_what_can_not_see_is_refused(
    home: Path, tmp_path: Path, keys: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused(run(home, "-o", tmp_path / "run", **keys), "shapes has ", *words)


def test_a_model_of_words_is_refused(home: Path, tmp_path: Path) -> None:
    blind = tiny_models.save_model(tmp_path / "blind")
    outcome = run(home, "-o", tmp_path / "run", models={"base": str(blind), "tuned": str(blind)})
    refused(outcome, "models.base", "sees no pictures", "shapes has them")
    models = {"base": str(home / "base"), "tuned": str(home / "base"), "judge": str(blind)}
    outcome = run(home, "-o", tmp_path / "run", models=models, correctness="judge")
    refused(outcome, "correctness:", "models.judge sees no pictures", "shapes has pictures")


def test_what_would_be_run(home: Path) -> None:
    outcome = llmood("run", configured(home, "flags"), "--dry-run")
    assert outcome.code == 0, outcome
    assert "<image>" in outcome.out
    assert llmood("validate", home / "shapes" / "t.yaml").code == 0
