"""A detector: from records of traffic to scores, p-values and flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmood.config import EngineConfig
from llmood.detector.content import Content
from llmood.detector.folder import read_detector, write_detector
from llmood.detector.models import check_same, engines_differ, with_paths
from llmood.detector.observing import Watch, make_watch
from llmood.detector.verdicts import Verdicts
from llmood.engines.store import Store
from llmood.measures.threshold import Threshold
from llmood.scorers.artefact_folder import identities
from llmood.strict import parse

if TYPE_CHECKING:
    import pandas as pd


class Detector:
    """Fitted scorers, calibrators and thresholds, ready for traffic.

    Args:
        content: what it is made of.
        folder: where it was read from or written to, if it was.
        digest: of everything in that folder but where its models are.
    """

    def __init__(self, content: Content, folder: Path | None = None, digest: str | None = None) -> None:
        self.content = content
        self.folder = folder
        self.digest = digest

    def __repr__(self) -> str:
        return f"Detector({self.content.name!r}, {self.content.stage}, scorers={list(self.content.scorers)})"

    @property
    def stage(self) -> str:
        """Whether it can tell before the model answers (`pre`), or only after (`post`)."""
        return self.content.stage

    @property
    def thresholds(self) -> list[Threshold]:
        """What it promises."""
        return list(self.content.thresholds)

    @cached_property
    def watch(self) -> Watch:
        """What observes traffic for it; its models are found, and none is loaded.

        Raises:
            ConfigError: a model is not there, or is another.
        """
        content = self.content
        watch = make_watch(content.config, None, content.scorers, end=content.end)
        check_same(content.models, self._models(watch))
        return watch

    @property
    def differs(self) -> list[str]:
        """How the engine here differs from the one that it was fitted on, if it does: then scores may, by its noise."""
        return engines_differ(self.content.models, self._models(self.watch))

    def score(
        self,
        records: Iterable[Mapping[str, Any]] | pd.DataFrame,
        *,
        store: Store | None = None,
        folder: Path | None = None,
    ) -> pd.DataFrame:
        """A row for each record, in their order.

        Args:
            records: mappings with `text`, `prompt`, `messages` or the task's own columns, and maybe `response`.
            store: where observations are kept; by default nowhere.
            folder: where paths of pictures start; by default a record may name no file, and holds its pictures itself
                (bytes, data URLs).

        Returns:
            row; score (higher = more OOD); p_value; flag; `answer_…` for each promise about wrong answers; confidence;
            status (`ok`, `unscored`, `failed`) and reason; and the score of each scorer.
        """
        with self.open(store=store, folder=folder) as opened:
            return opened.score(records)

    @contextmanager
    def open(self, *, store: Store | None = None, folder: Path | None = None) -> Iterator[Verdicts]:
        """Keep the engine loaded over several calls, and free it at the end of the block."""
        watch = self.watch
        try:
            yield Verdicts(self.content, watch, store, folder)
        finally:
            watch.close()

    def save(self, folder: str | Path) -> Detector:
        """Write it. The same detector gives the same bytes, but for where its models are.

        Raises:
            ConfigError: the folder holds something else.
            StoreError: it can't be written.
        """
        written = write_detector(Path(folder), self.content)
        return Detector(self.content, Path(folder), written)

    def _models(self, watch: Watch) -> dict[str, Any]:
        engine = watch.engine
        described = {
            role: {"identity": engine.identity(role), "tokenizer": engine.tokenizer(role).identity}
            for role in engine.roles
        }
        return identities({"models": described, **watch.readers.describe()}, list(self.content.models))


def load_detector(
    folder: str | Path,
    *,
    models: Mapping[str, str | Path] | None = None,
    engine: str | Mapping[str, Any] | EngineConfig | None = None,
) -> Detector:
    """Read a detector, and find its models.

    Args:
        models: by role, where a model is, if it isn't where it was.
        engine: another engine than it was fitted on: its kind, or the keys of a configuration's `engine`.

    Raises:
        ConfigError: the folder holds no detector, or a model is not there or has other weights.
        StoreError: the folder is damaged.
    """
    content, known = read_detector(Path(folder))
    config = with_paths(content.config, models or {})
    if engine is not None:
        config = config.model_copy(update={"engine": _engine(engine, config.engine)})
    detector = Detector(content.with_config(config), Path(folder), known)
    _ = detector.watch  # what is wrong with the models is said here
    return detector


def _engine(given: str | Mapping[str, Any] | EngineConfig, made: EngineConfig) -> EngineConfig:
    if isinstance(given, EngineConfig):
        return given
    keys = {"kind": given} if isinstance(given, str) else dict(given)
    return parse(EngineConfig, {**made.model_dump(mode="json"), **keys}, place="engine")
