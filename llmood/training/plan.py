"""What a tuning will do, resolved and checked before any model loads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from llmood.config import BenchmarkSpec, RunConfig
from llmood.engines.folders import ModelFolder, resolve_model
from llmood.engines.processor import picture_libraries
from llmood.errors import ConfigError, DataError, MissingExtraError
from llmood.finetune_config import Settings
from llmood.identity import canonical_json
from llmood.records import SPLITS, Sample
from llmood.tasks import LoadedTask, find_benchmark, find_task, load_task
from llmood.tasks.splits import draw
from llmood.training.examples import TOO_LONG, Examples, make_examples
from llmood.training.folder import AdapterFolder, refuse_other
from llmood.training.order import steps_an_epoch
from llmood.training.outputs import Output, outputs_of
from llmood.training.pictures import (
    EndingTokenizer,
    check_sees,
    ending_tokenizer,
    processor_digest,
)
from llmood.training.targets import choose_targets

# Raise it with every change here that changes an adapter: what was begun under an older version isn't gone on with.
TRAINING_VERSION = 2
PACKAGES = ("torch", "transformers", "peft")


@dataclass(frozen=True)
class TuningPlan:
    """A tuning before it starts: names resolved, data read, texts tokenised, nothing trained.

    Attributes:
        tokenizer: what made the examples, and makes the tensors of their pictures.
        mixed: the tasks that rows of are mixed in, each with how many.
        outputs: the adapters to make, each with its seed.
    """

    config: RunConfig
    settings: Settings
    base: ModelFolder
    tokenizer: EndingTokenizer
    targets: tuple[str, ...] | str
    task: LoadedTask
    mixed: tuple[tuple[LoadedTask, int], ...]
    train: Examples
    validation: Examples
    outputs: tuple[Output, ...]
    device: str
    dtype: str

    @property
    def steps(self) -> int:
        """Steps of one adapter's training."""
        return self.settings.epochs * steps_an_epoch(len(self.train.rows), self.settings.batch_size)

    @cached_property
    def data(self) -> dict[str, str]:
        """The digests of what is learned and of what the best epoch is chosen by."""
        return {"train": self.train.digest, "validation": self.validation.digest}

    @property
    def shows_pictures(self) -> bool:
        return any(row.pictures for examples in (self.train, self.validation) for row in examples.rows)

    def identity(self, seed: int) -> dict[str, Any]:
        """All that decides an adapter, but for the packages that compute it."""
        return {
            "training_version": TRAINING_VERSION,
            "seed": seed,
            "base": self.base.digest,
            **({"processor": processor_digest(self.base)} if self.shows_pictures else {}),
            "data": self.data,
            "settings": {
                **self.settings.model_dump(mode="json"),
                "targets": self.targets,
                "dtype": self.dtype,
            },
        }

    def folder(self, output: Output) -> AdapterFolder:
        versions = {name: version(name) for name in PACKAGES} | {"device": self.device.split(":")[0]}
        if self.shows_pictures:
            versions |= {name: number for name, number in picture_libraries().items() if number}
        # By way of JSON, so that it compares with what is read from a file.
        identity = json.loads(canonical_json(self.identity(output.seed)))
        return AdapterFolder(output.folder, identity, versions)


def make_tuning_plan(
    config: RunConfig,
    *,
    folder: Path | None = None,
    output_dir: Path | None = None,
    include: Sequence[Path] = (),
) -> TuningPlan:
    """Resolve a configuration for tuning.

    Args:
        folder: where the configuration's relative paths start.
        output_dir: the adapter's folder, instead of the one that `models.tuned` names.
        include: folders with further tasks and benchmarks.

    Raises:
        ConfigError: any mistake that can be found without a model, with its place and remedy.
        DataError: there is nothing to learn, or a row lacks the reference that is to be learned.
    """
    _need_packages()
    settings = config.finetune.settings
    outputs = outputs_of(config, folder=folder, output_dir=output_dir)
    for output in outputs:
        refuse_other(output.folder, _known_at_once(settings, output.seed))
    if config.models.base is None:
        raise ConfigError("models.base: is missing, and it is what would be tuned")
    trust = config.engine.trust_remote_code
    base = resolve_model(config.models.base, place="models.base", relative_to=folder, code=trust)
    device = _device(config.engine.device)
    benchmark = (
        config.benchmark
        if isinstance(config.benchmark, BenchmarkSpec)
        else find_benchmark(config.benchmark, include_paths=include, relative_to=folder, place="benchmark")
    )
    spec = find_task(benchmark.id, include_paths=include, relative_to=folder, place="benchmark.id")
    # All splits, those that have to be carved too: what a run measures or calibrates on must not be learned.
    task = load_task(spec, SPLITS, limit=config.limit, seed=config.seed)
    mixed = tuple(_mixed(config, include, folder))
    tokenizer = ending_tokenizer(base, trust=trust)
    check_sees(base, tokenizer, (task, *(other for other, _ in mixed)))
    reader = _Reader(config, settings, base, tokenizer)
    train = reader.examples(
        [*task.samples["train"], *(sample for _, rows in mixed for sample in rows)], "train"
    )
    return TuningPlan(
        config=config,
        settings=settings,
        base=base,
        tokenizer=tokenizer,
        targets=choose_targets(settings.targets, base),
        task=task,
        mixed=tuple((loaded, len(rows)) for loaded, rows in mixed),
        train=train,
        validation=reader.examples(task.samples["validation"], "validation"),
        outputs=outputs,
        device=device,
        dtype=_dtype(settings, device),
    )


def _known_at_once(settings: Settings, seed: int) -> dict[str, Any]:
    """What of an adapter's identity the configuration alone tells: no data, no model, no torch."""
    said = settings.model_dump(
        mode="json", exclude={"targets", *(["dtype"] if settings.dtype == "auto" else [])}
    )
    return {"training_version": TRAINING_VERSION, "seed": seed, "settings": said}


def _mixed(
    config: RunConfig, include: Sequence[Path], folder: Path | None
) -> list[tuple[LoadedTask, list[Sample]]]:
    found = []
    for position, mixed in enumerate(config.finetune.mix):
        place = f"finetune.mix[{position}]"
        spec = find_task(mixed.task, include_paths=include, relative_to=folder, place=f"{place}.task")
        loaded = load_task(spec, SPLITS, seed=config.seed)
        rows = draw(loaded.samples["train"], mixed.rows, config.seed)
        if len(rows) < mixed.rows:
            raise DataError(f"{place}.rows: {mixed.rows}, and the 'train' of {spec.name} has {len(rows)}")
        found.append((loaded, rows))
    return found


class _Reader:
    """Samples into examples, by the base's tokenizer."""

    def __init__(
        self, config: RunConfig, settings: Settings, base: ModelFolder, tokenizer: EndingTokenizer
    ) -> None:
        self._config, self._settings, self._base, self._tokenizer = config, settings, base, tokenizer

    def examples(self, samples: Sequence[Sample], split: str) -> Examples:
        limits = (self._settings.max_length, self._base.context_length, self._config.engine.max_length)
        longest = min(limit for limit in limits if limit is not None)
        found = make_examples(
            samples,
            self._tokenizer,
            self._settings,
            chat=self._config.chat,
            end_id=self._end_id(),
            longest=longest,
        )
        if not found.rows:
            reasons = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
            raise DataError(
                f"'{split}' has no text to learn from ({reasons}; the limit is {longest} tokens)",
                hint="raise finetune.max_length" if TOO_LONG in found.left_out else None,
            )
        self._check_embedded(found)
        return found

    def _end_id(self) -> int | None:
        if not self._settings.end_token:
            return None
        if self._tokenizer.end_id is None:
            raise ConfigError(
                "models.base: its tokenizer has no end token to learn", hint="set 'finetune.end_token: false'"
            )
        return self._tokenizer.end_id

    def _check_embedded(self, found: Examples) -> None:
        size = self._base.vocabulary_size
        largest = max(max(row.token_ids) for row in found.rows)
        if size is not None and largest >= size:
            raise ConfigError(
                f"models.base: its tokenizer makes the token id {largest}, and the model has {size} embeddings",
                hint="give the model its own tokenizer files",
            )


def _need_packages() -> None:
    for package in (*PACKAGES, "accelerate"):
        try:
            version(package)
        except PackageNotFoundError:
            raise MissingExtraError(package, "hf") from None


def _device(wanted: str) -> str:
    import torch

    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"engine.device: {wanted}, and no CUDA device is here", hint="see 'llmood doctor'")
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(settings: Settings, device: str) -> str:
    """Of the base's weights; the adapter's are float32 wherever it is trained."""
    if settings.dtype != "auto":
        return settings.dtype
    return "bfloat16" if device.startswith("cuda") else "float32"
