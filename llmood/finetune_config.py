"""How `llmood finetune` tunes an adapter: a profile's values, and what the user changes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictInt, model_validator

from llmood.strict import Strict, not_empty

Profile = Literal["default", "small"]


class Mixed(Strict):
    """Rows of another task's `train` that are mixed into the training data, for a contamination sweep.

    They are drawn by hash: more rows only add to fewer.
    """

    task: str
    rows: StrictInt = Field(ge=0)


class Settings(Strict):
    """All settings of a tuning, none left open but `targets` (null: the query and value projections).

    `learning_rate` is the peak of a cosine behind a `warmup`, which is a share of all steps. `batch_size` counts the
    texts of a step, however many fit in memory at once. Gradients are clipped to the norm `max_gradient`. Texts of more
    than `max_length` tokens are left out and counted, never cut.
    """

    loss_on: Literal["text", "response"] = "text"
    answers: bool = False
    learning_rate: float
    rank: int = 16
    alpha: float = 32
    dropout: float = 0.05
    targets: tuple[str, ...] | None = None
    batch_size: int
    epochs: int
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_gradient: float
    max_length: int
    end_token: bool = True
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_checkpointing: bool | None = None


PROFILES: Mapping[Profile, Settings] = {
    # METHODS of the likelihood-ratio paper for 7 B models, but for the batch and the epochs: its 256 texts and 20
    # epochs suit short questions and a large machine.
    "default": Settings(learning_rate=1e-4, batch_size=32, epochs=5, max_gradient=0.1, max_length=2048),
    # For models of some millions of parameters, which move only at a rate that would ruin a large one.
    "small": Settings(learning_rate=3e-3, batch_size=64, epochs=6, max_gradient=1.0, max_length=1024),
}


class FinetuneConfig(Strict):
    """The `finetune` section of a configuration. What is null is the profile's.

    `targets` names layers, by default the query and value projections; of a model that sees, its language model's.
    The profile `default` is for models of 1 to 8 billion parameters, `small` for some millions. The loss is on the
    whole `text` (the prompt, and the first reference behind it where `answers` is set), or on the `response` alone,
    which is the first reference. `seeds` makes one adapter each; null: one for each adapter that `models.tuned` names,
    counted from the run's seed.
    """

    profile: Profile = "default"
    loss_on: Literal["text", "response"] = "text"
    answers: bool | None = None
    learning_rate: float | None = Field(default=None, gt=0)
    rank: StrictInt | None = Field(default=None, ge=1)
    alpha: float | None = Field(default=None, gt=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    targets: Annotated[tuple[str, ...], AfterValidator(not_empty)] | None = None
    batch_size: StrictInt | None = Field(default=None, ge=1)
    epochs: StrictInt | None = Field(default=None, ge=1)
    warmup: float | None = Field(default=None, ge=0, le=1)
    weight_decay: float | None = Field(default=None, ge=0)
    max_gradient: float | None = Field(default=None, gt=0)
    max_length: StrictInt | None = Field(default=None, ge=2)
    end_token: bool | None = None
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_checkpointing: bool | None = None
    seeds: Annotated[tuple[StrictInt, ...], AfterValidator(not_empty)] | None = None
    mix: tuple[Mixed, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> FinetuneConfig:
        if self.loss_on == "response" and self.answers is False:
            raise ValueError(
                "the response is the reference: leave 'answers: false' out, or set 'loss_on: text'"
            )
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise ValueError("the same seed stands there twice")
        if self.seeds is not None and min(self.seeds) < 0:
            raise ValueError(f"a seed is 0 or more, not {min(self.seeds)}")
        return self

    @property
    def settings(self) -> Settings:
        """The profile's settings with the user's on top."""
        given: dict[str, Any] = {
            name: value for name in Settings.model_fields if (value := getattr(self, name)) is not None
        }
        return PROFILES[self.profile].model_copy(update=given | {"answers": self.with_answers})

    @property
    def with_answers(self) -> bool:
        """Whether the reference stands behind the prompt."""
        return bool(self.answers) or self.loss_on == "response"
