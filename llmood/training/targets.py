"""Which layers an adapter tunes, by the names that the base gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmood.engines.folders import ModelFolder
from llmood.errors import ConfigError

QUERY_AND_VALUE = ("q_proj", "v_proj")
EMBEDDINGS = ("embed_tokens", "lm_head")
WORDS = r"(text_model|language_model)"  # where a model that sees keeps its language model
_OF_WORDS = re.compile(rf"\.{WORDS}\.")
# Files of these kinds call the language model `model` and the eye `visual`; the models themselves have both in `model`.
_FLAT = ("qwen2_vl", "qwen2_5_vl")


def choose_targets(wanted: Sequence[str] | None, base: ModelFolder) -> tuple[str, ...] | str:
    """The names of the layers to tune, or peft's pattern of them.

    By default the query and value projections of the attention, whatever the architecture calls them: peft knows the
    names for most. Of a model that sees, those of its language model: what it makes of a picture stays as it is.

    Raises:
        ConfigError: the base has no such layer, or uses it twice; or nobody knows what its query and value
            projections are called.
    """
    layers = _layers(base)
    if wanted is not None:
        _check_named(wanted, base, layers)
    if "vision_config" in base.config:
        return _of_words(wanted, base, layers)
    if wanted is not None:
        return tuple(wanted)
    known = _known(str(base.config.get("model_type")))
    if known:
        return known
    if all(_called(name, layers) for name in QUERY_AND_VALUE):
        return QUERY_AND_VALUE
    raise _unknown(str(base.config.get("model_type")), layers)


def _layers(base: ModelFolder) -> set[str]:
    """What a base's files call its layers; where they name no language model, what the model itself calls them."""
    found = {name.removesuffix(".weight") for name in base.shapes() if name.endswith(".weight")}
    if base.config.get("model_type") not in _FLAT:
        return found
    return set(map(_in_model, found))


def _in_model(name: str) -> str:
    if name.startswith("visual."):
        return f"model.{name}"
    return re.sub(r"^model\.(?!language_model\.|visual\.)", "model.language_model.", name)


def _of_words(wanted: Sequence[str] | None, base: ModelFolder, layers: set[str]) -> str:
    """The pattern of a seeing model's layers to tune: those of its language model, where it has such.

    An eye's layers are called alike. Only what the language model hasn't is looked for elsewhere (the connector, say),
    and what stands outside of all blocks: files may keep it in another place than the model.
    """
    own = {layer for layer in layers if _OF_WORDS.search(f".{layer}.")}
    if wanted is None:
        text = base.config.get("text_config")
        kind = str(text.get("model_type") if isinstance(text, dict) else None)
        known = _known(kind)
        wanted = known if isinstance(known, tuple) else QUERY_AND_VALUE
        if not all(_called(name, own) for name in wanted):
            raise _unknown(f"{base.config.get('model_type')} with {kind}", own or layers)
    inside = [name for name in wanted if _called(name, own) and name.rsplit(".", 1)[-1] not in EMBEDDINGS]
    elsewhere = [name for name in wanted if name not in inside]
    parts = [rf"(.*\.)?{WORDS}\.(.*\.)?{_any(inside)}"] if inside else []
    parts += [rf"(.*\.)?{_any(elsewhere)}"] if elsewhere else []
    return "|".join(parts)


def _any(names: Sequence[str]) -> str:
    return f"({'|'.join(map(re.escape, names))})"


def _check_named(wanted: Sequence[str], base: ModelFolder, layers: set[str]) -> None:
    """Refuse names of layers that the base doesn't have, or uses twice."""
    for name in wanted:
        if not _called(name, layers):
            raise ConfigError(
                f"finetune.targets: {base.name} has no layer '{name}'", hint=f"it has {_leaves(layers)}"
            )
        if name.rsplit(".", 1)[-1] in EMBEDDINGS and _is_tied(base, layers):
            raise ConfigError(
                f"finetune.targets: '{name}' of {base.name} is its embedding and its head at once, and an adapter "
                "would change one of them alone",
                hint="name layers between the two",
            )


def _known(kind: str) -> tuple[str, ...] | str | None:
    """The names or the pattern that peft has for a kind of model."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    found = KNOWN.get(kind)
    return found if found is None or isinstance(found, str) else tuple(found)


def _called(name: str, layers: set[str]) -> bool:
    """Whether some layer has this name, or ends in it."""
    return any(f".{layer}".endswith(f".{name}") for layer in layers)


def _unknown(kind: str, layers: set[str]) -> ConfigError:
    return ConfigError(
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
