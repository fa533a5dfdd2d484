"""A loaded base model with a LoRA adapter that is being trained.

Imported only when a model is to be trained: this is where torch comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

from llmood.engines.base import Pictures, batches_by_length
from llmood.engines.models.loading import load_model
from llmood.engines.models.pixels import Pixels
from llmood.errors import ConfigError, EngineError
from llmood.finetune_config import Settings
from llmood.seeds import derive_seed
from llmood.training.examples import Example
from llmood.training.models.causal import check_causal
from llmood.training.models.loss import summed_loss

Tensors = Mapping[str, NDArray[Any]]

# Padded tokens that go through the model at once: on a CPU what stays in its cache, elsewhere also what its logits,
# which exist whole in float32, may take (2 GiB).
CPU_TOKENS = 1024
ACCELERATOR_TOKENS = 16_384
LOGITS = 2**29
MOMENTS = ("exp_avg", "exp_avg_sq")


class LoraModel:
    """The model, its optimiser, and the steps that they take.

    Args:
        folder: the base's weights, which stay as they are.
        targets: names of the layers to adapt, or a pattern of them.
        seed: what the adapter's first weights and the dropout noise come from.
        device: `auto`, or as torch names it.
        pixels: makes the tensors of an example's pictures, each time that a pass shows them.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        targets: Sequence[str] | str,
        *,
        seed: int,
        dtype: str,
        device: str,
        trust_remote_code: bool = False,
        pixels: Callable[[Pictures], Pixels] | None = None,
    ) -> None:
        self._settings = settings
        self._pixels = pixels
        self._seed = seed
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)  # accelerate takes the current one
        self._accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
        if self._accelerator.num_processes > 1:
            raise ConfigError(
                "llmood finetune trains in one process", hint="start it without 'accelerate launch'"
            )
        self.device = self._accelerator.device
        base = load_model(folder, dtype=dtype, trust_remote_code=trust_remote_code).to(self.device)
        self._vocabulary = int(base.config.get_text_config().vocab_size)
        self._model = self._adapted(base, targets)
        if _saves_memory(settings, self.device):
            self._model.gradient_checkpointing_enable({"use_reentrant": False})
        self._trained = {
            name: parameter for name, parameter in self._model.named_parameters() if parameter.requires_grad
        }
        self._optimizer = torch.optim.AdamW(
            self._trained.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        on_cpu = self.device.type == "cpu"
        self._tokens = CPU_TOKENS if on_cpu else max(1, min(ACCELERATOR_TOKENS, LOGITS // self._vocabulary))

    def _adapted(self, model: Any, targets: Sequence[str] | str) -> Any:
        transposed = any(type(module).__name__ == "Conv1D" for module in model.modules())
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=self._settings.rank,
            lora_alpha=_whole(self._settings.alpha),
            lora_dropout=self._settings.dropout,
            target_modules=targets if isinstance(targets, str) else list(targets),
            fan_in_fan_out=transposed,
        )
        with torch.random.fork_rng(_forked(self.device)):
            torch.manual_seed(derive_seed(self._seed, "adapter"))
            try:
                # Float32 whatever the base is: a step of 1e-4 is lost in bfloat16.
                return get_peft_model(model, config, autocast_adapter_dtype=True)
            except ValueError as error:
                reason = str(error).strip().splitlines()[0]
                raise ConfigError(
                    f"finetune.targets: {reason}", hint="name layers of the base model"
                ) from error

    @contextmanager
    def training(self) -> Iterator[None]:
        """Dropout on; what torch's own generators gave before, they give after."""
        with torch.random.fork_rng(_forked(self.device)):
            self._model.train()
            try:
                yield
            finally:
                self._model.eval()

    def step(self, rows: Sequence[Example], *, rate: float, step: int) -> float:
        """Learn from a batch: one step against the mean loss of its tokens.

        Returns:
            The summed loss of its tokens, before the step; not finite where the step would ruin the adapter, which it
            then leaves as it is.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(derive_seed(self._seed, "dropout", step))
        loss = self._within_memory(self._gradients, rows)
        norm = self._accelerator.clip_grad_norm_(self._trained.values(), self._settings.max_gradient)
        if not torch.isfinite(norm):
            return float("nan")
        self._optimizer.step()
        return loss

    def _gradients(self, rows: Sequence[Example]) -> float:
        self._optimizer.zero_grad()
        learned = sum(row.learned for row in rows)
        total = 0.0
        for batch in batches_by_length([len(row.token_ids) for row in rows], self._tokens):
            loss = self._loss([rows[index] for index in batch])
            self._accelerator.backward(loss / learned)
            total += float(loss.detach())
        return total

    def _within_memory(self, compute: Callable[[Sequence[Example]], float], rows: Sequence[Example]) -> float:
        """Compute something of rows, in smaller pieces until the device has room for them."""
        while True:
            try:
                return compute(rows)
            except torch.OutOfMemoryError:
                self._spare_memory(rows)

    def _spare_memory(self, rows: Sequence[Example]) -> None:
        """After the device ran out of memory: smaller pieces from now on."""
        self._optimizer.zero_grad()
        longest = max(len(row.token_ids) for row in rows)
        if self._tokens <= longest:
            raise EngineError(
                f"the device has too little memory to train on a text of {longest} tokens alone",
                hint="lower finetune.max_length, or set finetune.gradient_checkpointing: true",
            )
        self._tokens = max(longest, min(self._tokens, longest * len(rows)) // 2)
        torch.cuda.empty_cache()

    def losses(self, rows: Sequence[Example]) -> float:
        """The summed loss of texts that are not learned from."""
        self._model.eval()
        with torch.no_grad():
            return self._within_memory(self._summed, rows)

    def _summed(self, rows: Sequence[Example]) -> float:
        return sum(
            float(self._loss([rows[index] for index in batch]))
            for batch in batches_by_length([len(row.token_ids) for row in rows], self._tokens)
        )

    def check_causal(self, row: Example) -> None:
        """Refuse a model that looks ahead in an example with a picture.

        Raises:
            EngineError: it does, and would learn from what it is to say.
        """
        check_causal(self._model, row.token_ids, self._shown(row))

    def _shown(self, row: Example) -> Pixels:
        if not row.pictures:
            return {}
        if self._pixels is None:
            raise TypeError("an example has pictures, and nothing makes their tensors")
        return self._pixels(row.pictures)

    def _loss(self, rows: Sequence[Example]) -> torch.Tensor:
        return summed_loss(self._model, rows, [self._shown(row) for row in rows])

    def adapter(self) -> dict[str, NDArray[Any]]:
        """The adapter's tensors under the names that peft saves them by."""
        found = get_peft_model_state_dict(self._model, save_embedding_layers=False)
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in found.items()}

    def adapter_config(self) -> dict[str, Any]:
        """Its configuration for peft: what differs from peft's defaults, so that other versions read it too."""
        config, default = self._model.peft_config["default"].to_dict(), LoraConfig().to_dict()
        kept = ("peft_type", "r", "lora_alpha", "lora_dropout", "bias")
        written = {key: value for key, value in config.items() if key in kept or value != default.get(key)}
        targets = config["target_modules"]
        written["target_modules"] = targets if isinstance(targets, str) else sorted(targets)
        return written | {"inference_mode": True}

    def state(self) -> dict[str, NDArray[Any]]:
        """All that a step changes: weights and the optimiser's moments."""
        found = {}
        for name, parameter in self._trained.items():
            found[f"{name}/weight"] = parameter.detach()
            for moment in MOMENTS:
                if moment in self._optimizer.state[parameter]:
                    found[f"{name}/{moment}"] = self._optimizer.state[parameter][moment]
        return {name: tensor.cpu().numpy().copy() for name, tensor in found.items()}

    def restore(self, state: Tensors, steps: int) -> None:
        """Go back to a `state` that was taken after so many steps."""
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(torch.from_numpy(np.array(state[f"{name}/weight"])))
                moments = {moment: state.get(f"{name}/{moment}") for moment in MOMENTS}
                self._optimizer.state[parameter] = {
                    moment: torch.from_numpy(np.array(value)).to(self.device)
                    for moment, value in moments.items()
                    if value is not None
                }
                if steps:
                    self._optimizer.state[parameter]["step"] = torch.tensor(float(steps))


def _saves_memory(settings: Settings, device: torch.device) -> bool:
    """Whether activations are computed twice rather than kept."""
    if settings.gradient_checkpointing is not None:
        return settings.gradient_checkpointing
    return str(device.type) != "cpu"


def _forked(device: torch.device) -> list[int]:
    return [] if device.type != "cuda" else [torch.cuda.current_device()]


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value
