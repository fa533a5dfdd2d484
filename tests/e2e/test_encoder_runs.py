"""Runs that read embeddings, of an encoder alone or beside language models: stopped, cut, scored again, explained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

import llmood as package
from llmood.engines.encoder_model import EncoderModel
from llmood.engines.store import Store
from tests.encoders import save_encoder
from tests.worlds import BANK, LETTERS, WEATHER, World, llmood, no_report, refused, write_world

pytestmark = pytest.mark.usefixtures("fresh_cache")

TRAIN = [{"text": f"where is my bank card {i}, please", "label": f"intent{i % 3}"} for i in range(30)]
LONG = {"text": f"a bank card {'very ' * 60}far away", "label": "intent0"}
CAPTURE = "embedding/encoder/prompt"
ALONE = "models.encoder is the only model, and reads words by itself"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def world(tmp_path: Path, encoder: Path) -> World:
    return world_of(tmp_path, {"encoder": str(encoder)}, engine={"device": "cpu", "batch_tokens": 600})


def world_of(tmp_path: Path, models: dict[str, Any], **config: Any) -> World:
    bank = {"train": TRAIN, "test": [*BANK, LONG]}
    scorers = config.pop("scorers", ["knn", "mahalanobis"])
    near, far = ([row | {"label": "none"} for row in rows] for rows in (WEATHER, LETTERS))
    task = {"fields": {"label": "label"}}
    return write_world(tmp_path / "world", bank, near, far, task, models=models, scorers=scorers, **config)


class Reading:
    """Counts the texts that encoders read, and may stop at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        self.stop_at: int | None = None
        own = EncoderModel.embed

        def embed(model: EncoderModel, texts: Sequence[str]) -> NDArray[np.float32]:
            if self.stop_at is not None and len(self.texts) >= self.stop_at:
                raise KeyboardInterrupt
            self.texts += texts
            return own(model, texts)

        monkeypatch.setattr(EncoderModel, "embed", embed)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def scores(run: package.Run) -> dict[tuple[str, str], float]:
    table = run.scores()
    return dict(zip(zip(table["scorer"], table["sample_id"], strict=True), table["score"], strict=True))


def test_an_encoder_alone(world: World, tmp_path: Path, reading: Reading) -> None:
    target = tmp_path / "run"
    dry = llmood("run", world.config, "-o", target, "--dry-run", "--json").json()
    assert dry["engine"] == {"kind": "encoder", "why": ALONE}
    (cost,) = dry["captures"]
    texts = cost["requests"]
    # Of `train` a part becomes the splits that nothing here asks for.
    assert 0 < texts - len(BANK) - 1 - len(WEATHER) - len(LETTERS) <= len(TRAIN)
    assert (cost["capture"], cost["cached"]) == (CAPTURE, 0)
    assert reading.texts == []
    said = llmood("run", world.config, "-o", target, "--dry-run").out
    assert "1 of 25 samples of bank are longer than the 128 tokens that the encoder reads" in said

    outcome = llmood("run", world.config, "-o", target)
    assert outcome.code == 0, outcome.err
    run = package.Run(target)
    assert run.status == "complete"
    assert set(run.scores()["status"]) == {"ok"}
    assert len(reading.texts) == texts
    manifest = run.manifest
    assert manifest["captures"] == [CAPTURE]
    assert manifest["canary"] is None
    assert manifest["models"]["encoder"]["context"] == 128
    assert set(manifest["models"]) == {"encoder"}
    checks = {check["code"]: check for check in run.checks()}
    assert checks["texts_cut"]["values"] == {"cut": 1, "samples": 25, "limit": 128}
    assert not {"canary", "noise_floor", "fake_engine"} & set(checks)
    page = (target / "report.html").read_text(encoding="utf-8")
    assert "text_encoder" in page
    assert "reads: their vectors are of their beginning only" in page.replace("\n", " ")

    before = scores(run)
    assert llmood("run", world.config, "-o", target).code == 0
    assert llmood("rescore", target, "--set", "scorers=[knn, cosine]").code == 0
    assert len(reading.texts) == texts
    again = scores(package.Run(target))
    assert all(again[key] == before[key] for key in again if key[0] == "knn")
    assert {name for name, _ in again} >= {"knn", "cosine"}
    assert llmood("cache", "verify").code == 0


def test_the_card_names_the_encoder(world: World, tmp_path: Path, encoder: Path) -> None:
    llmood("run", world.config, "-o", tmp_path / "run")
    outcome = llmood("report", tmp_path / "run", "--model-card")
    assert outcome.code == 0, outcome.err
    card = outcome.out
    assert f"`{encoder.name}`" in card
    assert "text\\_encoder" in card


def test_a_run_that_was_stopped_reads_on(
    world: World, tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_report(monkeypatch)
    whole = scores(package.evaluate(world.config, output_dir=tmp_path / "whole"))
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "other"))
    total, reading.texts, reading.stop_at = len(reading.texts), [], 40
    assert llmood("run", world.config, "-o", tmp_path / "run").code == 130
    read, reading.stop_at = len(reading.texts), None
    assert 0 < read < total
    assert package.Run(tmp_path / "run").status == "interrupted"
    run = package.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.status == "complete"
    assert len(reading.texts) == total
    # Batches are planned over all texts, so that stopping changes no bit.
    assert scores(run) == whole
    assert list(Store().broken()) == []


def test_shards_are_the_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)
    whole = scores(package.evaluate(world.config, output_dir=tmp_path / "whole"))
    for index in range(2):
        monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / f"machine{index}"))
        package.evaluate(world.config, output_dir=tmp_path / "run", shard=(index, 2), carry=True)
    monkeypatch.setenv("LLMOOD_CACHE", str(tmp_path / "here"))
    merged = scores(package.merge(tmp_path / "run"))
    assert merged.keys() == whole.keys()
    # A shard's batches are its own.
    assert np.allclose([merged[key] for key in whole], list(whole.values()), rtol=1e-4, atol=1e-5)


def test_beside_language_models(
    tmp_path: Path, encoder: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_report(monkeypatch)
    models = {"base": "fake", "tuned": "fake-tuned:bank card travel", "encoder": str(encoder)}
    scorers = ["likelihood_ratio", "knn.encoder", "mahalanobis"]
    world = world_of(tmp_path, models, scorers=scorers)
    run = package.evaluate(world.config, output_dir=tmp_path / "run")
    assert run.status == "complete"
    assert list(run.manifest["models"]) == ["base", "tuned", "encoder"]
    assert run.manifest["engine"]["kind"] == "fake"
    kinds = {capture.split("?")[0] for capture in run.manifest["captures"]}
    assert kinds >= {CAPTURE, "prompt_logprobs/base/prompt", "hidden_states/tuned/prompt"}
    texts = len(reading.texts)
    definitions = run.scores().groupby("scorer")["definition"].first()
    assert definitions["knn.encoder"] == "embeddings of the encoder"
    assert definitions["mahalanobis"].startswith("states of tuned")

    # The same words are the same vectors, whatever else the run has; an encoder that nothing reads is left alone.
    alone = world_of(tmp_path / "alone", {"encoder": str(encoder)}, scorers=["knn"])
    other = package.evaluate(alone.config, output_dir=tmp_path / "other")
    assert len(reading.texts) == texts
    assert {("knn", key[1]): value for key, value in scores(run).items() if key[0] == "knn.encoder"} == {
        key: value for key, value in scores(other).items() if key[0] == "knn"
    }
    world.edit(scorers=["likelihood_ratio"])
    unread = package.evaluate(world.config, output_dir=tmp_path / "unread")
    assert list(unread.manifest["models"]) == ["base", "tuned"]


def test_a_private_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_report(monkeypatch)
    public = scores(package.evaluate(world.config, output_dir=tmp_path / "public"))
    run = package.evaluate(world.config, output_dir=tmp_path / "run", overrides=["text=false"])
    assert scores(run) == public
    assert scores(package.rescore(run.folder)) == public
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"bank card number" not in path.read_bytes()


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["scorers=[likelihood]"], ["scorers: likelihood needs models.tuned", "name one there, or leave"]),
        (["scorers=[knn.base]"], ["scorers: knn.base needs models.base"]),
        (
            ["correctness=task"],
            ["correctness: judges the tuned model's answers, and models.tuned is missing"],
        ),
        (["chat=true"], ["chat: an encoder reads the bare words"]),
        (["engine.kind=transformer"], ["engine.kind", "transformers"]),
        (["models.encoder=null"], ["models: is empty", "models.encoder"]),
        (["models.encoder=./nowhere"], ["models.encoder: no folder './nowhere'"]),
    ],
)
def test_what_an_encoder_alone_can_not_do(
    world: World, tmp_path: Path, sets: list[str], words: list[str]
) -> None:
    options = [part for each in sets for part in ("--set", each)]
    refused(llmood("run", world.config, "-o", tmp_path / "run", *options), *words)
    assert not (tmp_path / "run" / "samples.parquet").exists()


def test_an_encoder_that_is_missing_beside_language_models(tmp_path: Path) -> None:
    world = world_of(tmp_path, {"base": "b", "tuned": "t"}, scorers=[{"knn": {"states": "encoder"}}])
    refused(llmood("run", world.config, "-o", tmp_path / "run"), "knn needs models.encoder")


def test_an_encoder_has_no_layers(world: World, tmp_path: Path) -> None:
    world.edit(scorers=[{"knn": {"layer": 3}}])
    refused(llmood("run", world.config, "-o", tmp_path / "run"), "knn: layer: an encoder has one embedding")


def test_chat_tasks_are_read_as_their_words(world: World, tmp_path: Path, reading: Reading) -> None:
    for task in ("bank", "near", "far"):
        path = world.folder / task / "t.yaml"
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        turns = [{"role": "user", "content": plain.pop("prompt")}]
        path.write_text(yaml.safe_dump(plain | {"messages": turns}), encoding="utf-8")
    assert llmood("validate", world.config).code == 0
    run = package.evaluate(world.config, output_dir=tmp_path / "run", overrides=["limit=5"])
    assert set(reading.texts) == set(run.samples()["prompt"])


def test_what_doctor_says_of_it(world: World, tmp_path: Path, encoder: Path) -> None:
    for target in (world.config, "encoder"):
        found = llmood("doctor", "--engine", target, "--json").json()
        assert found["engine"] == "encoder"
        assert [line["what"] for line in found["captures"]] == ["embedding/encoder/prompt"]
        served = {line["what"]: line for line in found["scorers"]}
        assert {name for name in ("knn", "mahalanobis", "length") if served[name]["served"] == "yes"} == {
            "knn",
            "mahalanobis",
            "length",
        }
        assert "models.tuned is not configured" in served["likelihood"]["why_not"]
        assert served["layer_prediction"]["why_not"] == "an encoder has one embedding and no layers"
    models = {"base": "b", "tuned": "t", "encoder": str(encoder)}
    both = world_of(tmp_path / "both", models, engine={"kind": "fake"}, scorers=["likelihood"])
    found = llmood("doctor", "--engine", both.config, "--json").json()
    captures = {line["what"]: line["served"] for line in found["captures"]}
    assert (found["engine"], captures["embedding/encoder/prompt"], captures["prompt_logprobs/prompt"]) == (
        "fake",
        "yes",
        "yes",
    )
