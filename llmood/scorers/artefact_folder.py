"""A run's `scorers/`: an artefact of each scorer that learned something."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmood.engines.observations import Observations
from llmood.errors import NotFittedError, StoreError
from llmood.identity import digest
from llmood.scorers.artefact_values import UnsavableError
from llmood.scorers.artefacts import ARRAYS, RECORD, Origin, roles_of, save_scorer
from llmood.scorers.base import Scorer

SCORERS = "scorers"


def write_artefacts(
    folder: Path,
    scorers: Mapping[str, Scorer],
    observations: Observations,
    manifest: Mapping[str, Any],
    *,
    seed: int,
    text: bool,
) -> dict[str, str]:
    """Write an artefact of each fitted scorer; those of scorers that are no longer there go.

    Args:
        folder: the run's `scorers/`.
        observations: with the rows that they were fitted on, and the verdicts.
        manifest: what `run.json` says of the models.
        text: whether words are kept. A scorer that reads text learns it, and isn't written without.

    Returns:
        of scorers that can't be written, why: those of other packages may learn what no artefact can hold.
    """
    kept = {
        name: scorer
        for name, scorer in scorers.items()
        if scorer.fitted_on and (text or not scorer.reads_text)
    }
    if folder.is_symlink():
        raise StoreError(
            f"{folder}: is a link, and what scorers learned is written into the run's own folder",
            hint="remove it",
        )
    for old in sorted(folder.glob("*")):
        if old.name not in {safe_name(name) for name in kept}:
            _remove(old)
    refused: dict[str, str] = {}
    digests: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, scorer in kept.items():
        splits = (scorer.fitted_on, scorer.chosen_on, scorer.reads_correctness)
        if splits not in digests:
            digests[splits] = digest_of_rows(observations, scorer)
        roles = roles_of([*scorer.needs, *scorer.fit_needs])
        origin = Origin(identities(manifest, roles), digests[splits], seed)
        try:
            save_scorer(scorer, folder / safe_name(name), origin, name=name)
        except UnsavableError as error:
            _remove(folder / safe_name(name))
            refused[name] = error.message
        except NotFittedError:  # it was: but what it learned is in no attribute whose name ends in _
            _remove(folder / safe_name(name))
            refused[name] = (
                f"{type(scorer).__name__} has no attribute that ends in _, where what is learned is kept"
            )
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return refused


def identities(manifest: Mapping[str, Any], roles: list[str]) -> dict[str, Any]:
    """The identities of those of the roles that `run.json` names a model for."""
    models = {**(manifest.get("models") or {})}
    for role in ("nli", "encoder"):
        if manifest.get(role):
            models.setdefault(role, manifest[role])
    return {
        role: {"identity": models[role]["identity"], "tokenizer": models[role].get("tokenizer")}
        for role in roles
        if role in models
    }


def safe_name(name: str) -> str:
    """A scorer's name as a folder's, which no file system refuses and no other scorer has.

    >>> safe_name("knn.base"), safe_name("knn@tuned:1")
    ('knn.base', 'knn@tuned-1-eea9e3bc')
    """
    plain = re.sub(r"[^a-z0-9_.@-]+", "-", name.lstrip("."))[:100] or "scorer"
    return plain if plain == name else f"{plain}-{digest(name)[:8]}"


def digest_of_rows(observations: Observations, scorer: Scorer) -> dict[str, Any]:
    """Of the rows that a scorer is fitted on and chosen by: ids and content, and verdicts if it reads them."""
    splits = {scorer.fitted_on, scorer.chosen_on} - {None}
    names = ("sample_id", "split", "prompt_hash")
    rows = sorted(
        row
        for row in zip(*(observations.samples[name].to_pylist() for name in names), strict=True)
        if row[1] in splits
    )
    verdicts = (observations.verdicts or {}) if scorer.reads_correctness else {}
    return {"rows": len(rows), "digest": digest([[*row, verdicts.get(row[0])] for row in rows])}


def _remove(old: Path) -> None:
    """Remove an artefact; of a folder that holds anything else, only what is ours."""
    if old.is_symlink() or not old.is_dir():
        return
    for path in (old / RECORD, old / ARRAYS, *old.glob(".*.partial")):
        path.unlink(missing_ok=True)
    if not any(old.iterdir()):
        old.rmdir()
