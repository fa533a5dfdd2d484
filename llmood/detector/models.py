"""The models behind a detector: which it needs, where they are, and whether they are still the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llmood.config import Adapter, Models, RunConfig
from llmood.detector.places import entries
from llmood.errors import ConfigError
from llmood.paths import find_model_folder
from llmood.records import CaptureSpec
from llmood.registry import suggest
from llmood.scorers.artefacts import roles_of

CONTENT = ("weights", "adapter", "model", "files")  # of an identity, what is the model's own on any machine


def needed_models(models: Models, needs: Iterable[CaptureSpec], relative_to: Path | None) -> Models:
    """Those that captures take, and those whose tokenizer makes the prompts; folders by their whole path."""
    roles = set(roles_of(needs))
    tuned = models.tuned
    if isinstance(tuned, tuple):
        last = max(
            (int(role.partition(":")[2] or 0) for role in roles if role.startswith("tuned")), default=0
        )
        tuned = tuned[: last + 1] if last else tuned[0]
    adapted = isinstance(tuned, Adapter | tuple)
    spoken = models.tuned is not None or models.base is not None
    kept = {
        "base": models.base if adapted or tuned is None or "base" in roles else None,
        "tuned": tuned,
        "nli": models.nli if "nli" in roles else None,
        "encoder": models.encoder if "encoder" in roles or not spoken else None,
        "judge": models.judge if "judge" in roles else None,
    }
    return Models.model_validate({role: _placed(model, relative_to) for role, model in kept.items() if model})


def _placed(model: Any, relative_to: Path | None) -> Any:
    if isinstance(model, tuple):
        return [_placed(each, relative_to) for each in model]
    key = "adapter" if isinstance(model, Adapter) else "model"
    found = find_model_folder(getattr(model, key), relative_to=relative_to)
    placed: dict[str, Any] = model.model_dump() | ({key: str(found)} if found else {})
    return placed


def with_paths(config: RunConfig, paths: Mapping[str, str | Path]) -> RunConfig:
    """The configuration with models elsewhere; an adapter stays one.

    Args:
        paths: by role, a folder or a hub name.

    Raises:
        ConfigError: the detector has no model in that role.
    """
    models = config.models.model_dump(mode="json")
    known = entries(models)
    for role, path in paths.items():
        if role not in known:
            raise ConfigError(f"models: the detector has no model '{role}'", hint=suggest(role, list(known)))
        found = find_model_folder(str(path))
        known[role] |= {
            "adapter" if "adapter" in known[role] else "model": str(found or path),
            "revision": None,
        }
    return config.model_copy(update={"models": Models.model_validate(models)})


def check_same(made: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse models of other weights, or of another tokenizer, than those that a detector was fitted with.

    Args:
        made, found: role → identity and tokenizer.

    Raises:
        ConfigError: one is another.
    """
    for role, known in made.items():
        there = found.get(role)
        if there is None:
            raise ConfigError(f"models.{role}: is missing, and the detector reads it")
        for key in CONTENT:
            if is_seen(
                known["identity"]
            ):  # a server shows no weights, and each machine's first look is its own
                continue
            if known["identity"].get(key) != there["identity"].get(key):
                raise ConfigError(
                    f"models.{role}: has another {key} than the model that the detector was fitted with: "
                    f"{there['identity'].get(key)}, and was {known['identity'].get(key)}",
                    hint="give it the models that it was fitted with, or fit it anew with these: 'llmood fit'",
                )
        if known.get("tokenizer") != there.get("tokenizer"):
            raise ConfigError(
                f"models.{role}: has another tokenizer than the model that the detector was fitted with",
                hint="give it the tokenizer files that it was fitted with, or fit it anew: 'llmood fit'",
            )


def is_seen(identity: Mapping[str, Any]) -> bool:
    """Whether a model stands behind a server, and is known by what it gave for a probe."""
    return str(identity.get("weights", "")).startswith("seen:")


def engines_differ(
    made: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What else is not as it was: engine, versions, device, precision. Scores may differ by the noise between them."""
    return sorted(
        {
            f"{key} was {made[role]['identity'].get(key)}, now {there['identity'].get(key)}"
            for role, there in found.items()
            if role in made
            for key in (
                "engine",
                "version",
                "dtype",
                "device",
                *(["weights"] if is_seen(there["identity"]) else []),
            )
            if made[role]["identity"].get(key) != there["identity"].get(key)
        }
    )
