"""The epochs of a tuning: steps, validation, checkpoints; an interrupted one goes on as if nothing had happened."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from llmood import interrupts
from llmood.errors import EngineError
from llmood.finetune_config import Settings
from llmood.progress import Progress
from llmood.training.examples import Example
from llmood.training.folder import AdapterFolder, Tensors
from llmood.training.order import epoch_batches, learning_rate, steps_an_epoch

CHECKPOINT_SECONDS = 30.0
RATE_HINT = "lower finetune.learning_rate or finetune.max_gradient"
BASE_HINT = "the base model itself gives none: try finetune.dtype: float32"


class Trainable(Protocol):
    """A model that learns (`models.lora.LoraModel`)."""

    def training(self) -> Any: ...
    def step(self, rows: Sequence[Example], *, rate: float, step: int) -> float: ...
    def losses(self, rows: Sequence[Example]) -> float: ...
    def adapter(self) -> Tensors: ...
    def state(self) -> Tensors: ...
    def restore(self, state: Tensors, steps: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch's mean losses a token: in training (while it learned, with dropout), and on `validation` after it."""

    epoch: int
    training_loss: float
    validation_loss: float


@dataclass(slots=True)
class History:
    """How far a training got.

    Attributes:
        before: the validation loss of the base alone.
        step: the steps that were taken; `loss` and `learned` sum up the running epoch's.
        seconds: the time that it took, without what a kill lost.
    """

    before: float | None = None
    step: int = 0
    loss: float = 0.0
    learned: int = 0
    seconds: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> History:
        return cls(**{**value, "epochs": [Epoch(**epoch) for epoch in value["epochs"]]})

    @property
    def best(self) -> Epoch:
        """The first epoch with the lowest validation loss."""
        return min(self.epochs, key=lambda epoch: epoch.validation_loss)


@dataclass
class Loop:
    """One training.

    Args:
        label: what the progress bar and messages call it.
    """

    model: Trainable
    train: Sequence[Example]
    validation: Sequence[Example]
    settings: Settings
    seed: int
    folder: AdapterFolder
    progress: Progress
    label: str
    _history: History = field(init=False)
    _saved: float = field(init=False)

    def run(self) -> History:
        """Train to the end, from the last checkpoint where there is one; the best epoch's adapter is kept.

        Raises:
            EngineError: the loss is no finite number. What was trained is removed, for it is worth nothing.
            StoreError: a checkpoint can't be written or read.
        """
        self._history = self._resumed()
        self._saved = time.monotonic()
        while len(self._history.epochs) < self.settings.epochs:
            self._epoch(len(self._history.epochs) + 1)
        return self._history

    def _resumed(self) -> History:
        found = self.folder.read_state()
        if found is not None:
            history = History.from_json(found[0])
            self.model.restore(found[1], history.step)
            return history
        self.progress.say(f"{self.label}: validation loss of the base")
        began = time.monotonic()
        self.folder.begin()
        history = History(before=self._validate("before tuning", BASE_HINT))
        history.seconds = time.monotonic() - began
        self.folder.write_state(asdict(history), self.model.state())
        return history

    def _epoch(self, epoch: int) -> None:
        history, settings = self._history, self.settings
        a_epoch = steps_an_epoch(len(self.train), settings.batch_size)
        began, before = time.monotonic(), history.seconds
        for loss, learned in self._steps(epoch, a_epoch):
            history.step += 1
            history.loss += loss
            history.learned += learned
            history.seconds = before + time.monotonic() - began
            if time.monotonic() - self._saved >= CHECKPOINT_SECONDS:
                self._checkpoint()
            interrupts.check()
        done = Epoch(epoch, history.loss / history.learned, self._validate(f"after epoch {epoch}", RATE_HINT))
        history.epochs.append(done)
        history.loss, history.learned = 0.0, 0
        history.seconds = before + time.monotonic() - began
        if history.best is done:
            self.folder.write_best(epoch, self.model.adapter())
        self._checkpoint()
        self.folder.drop_others(history.best.epoch)
        self.progress.say(
            f"{self.label}: epoch {epoch} of {settings.epochs}: loss {done.training_loss:.4f} in training, "
            f"{done.validation_loss:.4f} on validation (before tuning {history.before:.4f})"
        )

    def _steps(self, epoch: int, a_epoch: int) -> Iterator[tuple[float, int]]:
        """Take the epoch's steps that are left; each one's summed loss and tokens."""
        settings = self.settings
        first = self._history.step - (epoch - 1) * a_epoch
        lengths = [len(row.token_ids) for row in self.train]
        batches = epoch_batches(lengths, settings.batch_size, seed=self.seed, epoch=epoch)
        done = sum(len(batch) for batch in batches[:first])
        label = f"{self.label}: epoch {epoch} of {settings.epochs}"
        with (
            self.progress.track(label, len(self.train), done=done, unit="texts") as advance,
            self.model.training(),
        ):
            for batch in batches[first:]:
                rows = [self.train[index] for index in batch]
                step = self._history.step
                # Of a line from 0 and a cosine to 0, what lies between: no step is taken at a rate of 0.
                rate = learning_rate(
                    step + 1,
                    total=settings.epochs * a_epoch + 1,
                    warmup=settings.warmup,
                    peak=settings.learning_rate,
                )
                loss = self.model.step(rows, rate=rate, step=step)
                self._check_finite(loss, f"at step {step + 1} (epoch {epoch})", RATE_HINT)
                advance(len(batch))
                yield loss, sum(row.learned for row in rows)

    def _validate(self, when: str, hint: str) -> float:
        loss = self.model.losses(self.validation) / sum(row.learned for row in self.validation)
        self._check_finite(loss, f"on validation {when}", hint)
        return loss

    def _check_finite(self, loss: float, when: str, hint: str) -> None:
        if not math.isfinite(loss):
            self.folder.clear()
            raise EngineError(f"{self.label}: the loss is no finite number {when}", hint=hint)

    def _checkpoint(self) -> None:
        self.folder.write_state(asdict(self._history), self.model.state())
        self._saved = time.monotonic()
