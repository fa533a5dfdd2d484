"""The configuration of a run; unknown keys are refused with the exact path of the mistake."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt

from llmood.benchmark_config import BenchmarkSpec, Grid, ShiftedTask, name_or_benchmark
from llmood.calibration_config import CalibrationConfig, switch
from llmood.correctness_choice import correctness_choice
from llmood.drawing_config import EquivalenceConfig, GenerationsConfig
from llmood.emi_config import EmiConfig
from llmood.finetune_config import FinetuneConfig
from llmood.modality_config import ModalityConfig
from llmood.server_config import ServerConfig
from llmood.states_config import HiddenStatesConfig
from llmood.strict import Strict, not_empty


class Adapter(Strict):
    """A LoRA adapter on the base model: a folder or a hub name."""

    adapter: str
    revision: str | None = None


class FullModel(Strict):
    """Full weights: a folder or a hub name."""

    model: str
    revision: str | None = None


def _as_full_model(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


def _adapter_or_model(value: Any) -> Any:
    # Without this, pydantic reports the mistakes of both forms; the key that is there says which one was meant.
    if isinstance(value, Mapping):
        if "adapter" in value and "model" in value:
            raise ValueError("is an adapter or a model, not both")
        return (Adapter if "adapter" in value else FullModel).model_validate(value)
    if value is None or isinstance(value, Adapter | FullModel):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a mapping with the key 'adapter' or 'model' is needed, not {value!r}")
    return FullModel(model=value)


def _one_or_several(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return _adapter_or_model(value)
    found = tuple(_adapter_or_model(each) for each in not_empty(tuple(value)))
    if len(found) == 1:
        return found[0]
    if not all(isinstance(each, Adapter) for each in found):
        raise ValueError("several tuned models are adapters on the one base: {adapter: …} each")
    if len(set(found)) < len(found):
        raise ValueError("the same adapter stands there twice")
    return found


class Models(Strict):
    """The model roles. Each is optional, but for one of `base`, `tuned` and `encoder`.

    A scorer that needs a missing one is refused.

    `tuned` may be a list of adapters, of several seeds say: the first is the role `tuned`, whose numbers are the
    run's; the others are `tuned:1`, `tuned:2`, …, and say how far those numbers depend on the tuning run. `nli` and
    `encoder` tell which answers say the same (`equivalence`): an inference model, and a sentence-transformers folder.
    For scorers that read embeddings `encoder` makes them of the samples' own words; for those it may be the only model.
    `judge` tells which are right (`correctness: judge`) or say the same (`equivalence.rule: judge`); by default `tuned`
    does.
    """

    base: (
        Annotated[FullModel, BeforeValidator(_as_full_model, json_schema_input_type=str | FullModel)] | None
    ) = None
    tuned: (
        Annotated[
            Adapter | FullModel | tuple[Adapter, ...],
            BeforeValidator(
                _one_or_several, json_schema_input_type=str | Adapter | FullModel | list[Adapter]
            ),
        ]
        | None
    ) = None
    nli: (
        Annotated[FullModel, BeforeValidator(_as_full_model, json_schema_input_type=str | FullModel)] | None
    ) = None
    encoder: (
        Annotated[FullModel, BeforeValidator(_as_full_model, json_schema_input_type=str | FullModel)] | None
    ) = None

    judge: (
        Annotated[FullModel, BeforeValidator(_as_full_model, json_schema_input_type=str | FullModel)] | None
    ) = None

    @property
    def roles(self) -> tuple[str, ...]:
        """The configured roles whose states or embeddings can be captured, in their order."""
        return (*self.by_role, *([] if self.encoder is None else ["encoder"]))

    @property
    def by_role(self) -> dict[str, Adapter | FullModel]:
        """The configured roles that an engine runs, in their order."""
        tuned = self.tuned if isinstance(self.tuned, tuple) else (self.tuned,)
        named = {"base": self.base} | {f"tuned:{i}" if i else "tuned": model for i, model in enumerate(tuned)}
        named |= {"judge": self.judge}  # last: it reads what the others say
        return {role: model for role, model in named.items() if model is not None}


class EngineConfig(Strict):
    """What runs the models.

    `batch_tokens` bounds the padded tokens of one forward pass (null: the engine's own choice); `max_length` lowers the
    context below the model's. `canary` is the number of samples that are scored a second way, to prove the first; 0:
    none. `gpu_memory_share` is what vLLM takes of a GPU's memory; the rest is for what it doesn't count. `server` is
    where the engine `openai` asks.
    """

    kind: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    batch_tokens: StrictInt | None = Field(default=None, ge=1)
    max_length: StrictInt | None = Field(default=None, ge=2)
    gpu_memory_share: float = Field(default=0.8, gt=0, le=1)
    canary: StrictInt = Field(default=8, ge=0)
    trust_remote_code: bool = False
    server: ServerConfig | None = None


class ResponseConfig(Strict):
    """How a response is decoded: greedy, up to so many tokens."""

    max_new_tokens: StrictInt = Field(default=64, ge=1)


class BootstrapConfig(Strict):
    """How many resamples the intervals come from, and how sure they are."""

    draws: StrictInt = Field(default=1000, ge=100)
    level: float = Field(default=0.95, gt=0.5, lt=1)


def _scorer_choice(value: Any) -> Any:
    """`knn`, or `{knn: {k: 10}}`."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(f"a scorer's name, or {{name: {{argument: value}}}}, is needed, not {value!r}")
    ((scorer, arguments),) = value.items()
    if not isinstance(scorer, str):
        raise ValueError(f"a scorer's name is a text, not {scorer!r}")
    if not isinstance(arguments, Mapping):
        raise ValueError(f"the arguments of a scorer are a mapping, not {arguments!r}")
    for name, argument in arguments.items():
        if not isinstance(name, str):
            raise ValueError(f"an argument's name is a text, not {name!r}")
        names = isinstance(argument, list | tuple) and all(isinstance(each, str) for each in argument)
        if not names and not isinstance(argument, str | int | float | None):
            raise ValueError(
                f"the argument '{name}' is a number, a text, true/false or a list of texts, not {argument!r}"
            )
        if isinstance(argument, float) and not math.isfinite(argument):
            raise ValueError(f"the argument '{name}' is a finite number, not {argument!r}")
    return value


ScorerChoice = Annotated[
    str | dict[str, dict[str, str | StrictInt | float | bool | tuple[str, ...] | None]],
    BeforeValidator(_scorer_choice),
]
CorrectnessChoice = Annotated[
    str | dict[str, str | dict[str, StrictInt | float]],
    BeforeValidator(correctness_choice(labels=True)),
]


class RunConfig(Strict):
    """All that decides a run's numbers. `folder` (where relative paths start) is not part of it.

    `finetune` decides none of them: it says how `llmood finetune` makes the adapters that `models.tuned` names.

    `correctness` is how answers are judged right or wrong, for error detection. Left out, the answers that a scorer
    needs anyway are judged, each task's by its own rule. `task` asks for that of any run, and so has the model answer;
    a rule (`f1`, `{f1: {threshold: 0.6}}`) is for all tasks; `{labels: FILE}` is people's own verdicts by sample id;
    `none` judges nothing.

    `calibration` reads the ID task's `calibration` rows too; `true` takes all its defaults. `modality` scores parts of
    the input, where tasks have pictures: which side of it is new? `emi` measures effective mutual information, of each
    population and of each shift. Both take `true`.
    """

    benchmark: Annotated[str | BenchmarkSpec, BeforeValidator(name_or_benchmark)]
    models: Models = Models()
    engine: EngineConfig = EngineConfig()
    scorers: Annotated[tuple[ScorerChoice, ...], AfterValidator(not_empty)] = (
        "likelihood_ratio",
        "likelihood",
    )
    response: ResponseConfig = ResponseConfig()
    generations: GenerationsConfig = GenerationsConfig()
    equivalence: EquivalenceConfig = EquivalenceConfig()
    hidden_states: HiddenStatesConfig = HiddenStatesConfig()
    correctness: CorrectnessChoice | None = None
    calibration: Annotated[
        CalibrationConfig | None,
        BeforeValidator(switch, json_schema_input_type=CalibrationConfig | bool | None),
    ] = None
    modality: Annotated[
        ModalityConfig | None,
        BeforeValidator(switch, json_schema_input_type=ModalityConfig | bool | None),
    ] = None
    emi: Annotated[
        EmiConfig | None, BeforeValidator(switch, json_schema_input_type=EmiConfig | bool | None)
    ] = None
    bootstrap: BootstrapConfig = BootstrapConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    chat: bool | None = None
    limit: StrictInt | None = Field(default=None, ge=1)
    seed: StrictInt = Field(default=0, ge=0)
    text: bool = True


__all__ = [
    "Adapter",
    "BenchmarkSpec",
    "BootstrapConfig",
    "CorrectnessChoice",
    "EngineConfig",
    "FullModel",
    "Grid",
    "Models",
    "ResponseConfig",
    "RunConfig",
    "ScorerChoice",
    "ShiftedTask",
]
