"""Which layers an adapter tunes, by the names that the base gives them."""

from __future__ import annotations

from collections.abc import Sequence

from llmood.engines.folders import ModelFolder
from llmood.errors import ConfigError

QUERY_AND_VALUE = ("q_proj", "v_proj")
EMBEDDINGS = ("embed_tokens", "lm_head")


def choose_targets(wanted: Sequence[str] | None, base: ModelFolder) -> tuple[str, ...] | str:
    """The names of the layers to tune, or peft's pattern of them.

    By default the query and value projections of the attention, whatever the architecture calls them: peft knows the
    names for most.

    Raises:
        ConfigError: the base has no such layer, or uses it twice; or nobody knows what its query and value
            projections are called.
    """
    layers = {name.removesuffix(".weight") for name in base.shapes() if name.endswith(".weight")}
    if wanted is not None:
        for name in wanted:
            if not any(f".{layer}".endswith(f".{name}") for layer in layers):
                raise ConfigError(
                    f"finetune.targets: {base.name} has no layer '{name}'", hint=f"it has {_leaves(layers)}"
                )
            if name.rsplit(".", 1)[-1] in EMBEDDINGS and _is_tied(base, layers):
                raise ConfigError(
                    f"finetune.targets: '{name}' of {base.name} is its embedding and its head at once, and an adapter "
                    "would change one of them alone",
                    hint="name layers between the two",
                )
        return tuple(wanted)
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    kind = str(base.config.get("model_type"))
    if kind in KNOWN:
        found = KNOWN[kind]
        return found if isinstance(found, str) else tuple(found)
    if all(any(f".{layer}".endswith(f".{name}") for layer in layers) for name in QUERY_AND_VALUE):
        return QUERY_AND_VALUE
    raise ConfigError(
        f"finetune.targets: which layers of a '{kind}' are query and value is not known",
        hint=f"name the layers to tune; it has {_leaves(layers)}",
    )


def _is_tied(base: ModelFolder, layers: set[str]) -> bool:
    """Whether embedding and head are the same numbers: the configuration may leave it to the architecture to say so."""
    return bool(base.config.get("tie_word_embeddings")) or not any(
        layer.endswith("lm_head") for layer in layers
    )


def _leaves(layers: set[str]) -> str:
    """The last parts of the layers' names, those of the repeated blocks first."""
    blocks = {layer for layer in layers if any(part.isdigit() for part in layer.split("."))}
    return ", ".join(sorted({layer.rsplit(".", 1)[-1] for layer in blocks or layers}))
