"""Hidden states of a model that vLLM runs in this process, looked at on their way through its blocks.

What vLLM does differently from transformers: a step holds pieces of several requests behind each other, a prompt may be
split over steps or begun anew when memory is short, and a block is given the states as two addends (what the last one
made, and the residual), which it overwrites.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from vllm import SamplingParams

from llmood.engines.models.pooling import Pooling, argument, blocks_of
from llmood.engines.states import Ranges
from llmood.errors import EngineError

if TYPE_CHECKING:
    from llmood.engines.models.vllm_model import VllmModel

ROW = "llmood_row"  # how a request says which row it is
NEEDED = ("input_batch", "query_start_loc", "requests", "get_model")
INCOMPLETE = "vLLM ran without showing the states of all of its tokens"


def states_of_rows(
    model: VllmModel,
    rows: Sequence[Sequence[int]],
    adapters: Sequence[str | None],
    layers: Sequence[int],
    ranges: Sequence[Sequence[Ranges]],
    *,
    depth: int,
) -> list[NDArray[np.float32] | str]:
    """Of each row the means over some of its tokens, float32 (layers, means, size), or why there are none.

    Args:
        adapters: the role of each row's adapter; None: the model itself. They may be mixed.
    """
    watch = Watch(model.llm, depth, layers, ranges)
    with watch.on():
        outputs = model.generate(rows, [once(row) for row in range(len(rows))], adapters)
    found = zip(outputs, watch.found(), strict=True)
    return [output if isinstance(output, str) else values for output, values in found]


def once(row: int) -> SamplingParams:
    """A request that only runs its prompt, all of it: what is read from a cache isn't run."""
    return SamplingParams(
        max_tokens=1,
        temperature=0,
        detokenize=False,
        skip_reading_prefix_cache=True,
        extra_args={ROW: row},
    )


class Watch:
    """Sums up the states of ranges of tokens while vLLM runs the requests that they are of (`once`).

    Args:
        ranges: of each row as many, one for each mean.

    Raises:
        EngineError: this vLLM's, or this model's, inside is another than what is looked for.
    """

    def __init__(
        self, llm: Any, depth: int, layers: Sequence[int], ranges: Sequence[Sequence[Ranges]]
    ) -> None:
        self._runner = _runner_of(llm)
        self._layers = {layer: place for place, layer in enumerate(layers)}
        self._depth = depth
        self._ranges = ranges
        self._counts = np.zeros((len(ranges), len(ranges[0])), dtype=np.int64)
        self._sums: NDArray[np.float64] | None = None  # (layers, rows, ranges, size)
        self._step: tuple[Pooling, NDArray[np.int64]] | None = (
            None  # of this step, and (row, range) of its means
        )
        self._model = self._runner.get_model()
        try:
            blocks = blocks_of(_language_model(self._model), depth)
        except LookupError as error:
            raise EngineError(f"this model's hidden states can't be read in vLLM: {error}") from error
        self._blocks = {layer: blocks[layer] for layer in layers if layer < depth}
        self._names = {
            layer: list(inspect.signature(each.forward).parameters) for layer, each in self._blocks.items()
        }
        strange = [layer for layer, names in self._names.items() if "hidden_states" not in names]
        if strange:
            raise EngineError(
                f"this model's hidden states can't be read in vLLM: block {strange[0]} takes no hidden_states",
                hint="engine.kind: transformers",
            )

    @contextmanager
    def on(self) -> Iterator[None]:
        """Within, what runs is watched."""
        with ExitStack() as stack:
            handles = [self._model.register_forward_pre_hook(self._begin)]
            for layer, block in self._blocks.items():
                handles.append(
                    block.register_forward_pre_hook(partial(self._entered, layer), with_kwargs=True)
                )
            if self._depth in self._layers:
                handles.append(self._model.register_forward_hook(self._left))
            for handle in handles:
                stack.callback(handle.remove)
            yield

    def found(self) -> list[NDArray[np.float32] | str]:
        """Of each row the means, float32 (layers, ranges, size), or why there are none."""
        wanted = np.array([[sum(stop - start for start, stop in own) for own in row] for row in self._ranges])
        whole = (self._counts == wanted).all(axis=1)
        if self._sums is None:
            return [INCOMPLETE] * len(self._ranges)
        means = (self._sums / wanted[None, :, :, None]).astype(np.float32).swapaxes(0, 1)
        return [values if complete else INCOMPLETE for values, complete in zip(means, whole, strict=True)]

    def _begin(self, _: Any, __: Any) -> None:
        """Work out which of the step's states belong to which mean."""
        batch, bounds = self._runner.input_batch, self._runner.query_start_loc.np
        owned: list[tuple[int, int, int]] = []
        means: dict[tuple[int, int], int] = {}  # (row, number) and its place
        for at, name in enumerate(batch.req_ids[: batch.num_reqs]):
            row = self._runner.requests[name].sampling_params.extra_args[ROW]
            offset = int(batch.num_computed_tokens_cpu[at])
            start, stop = int(bounds[at]), int(bounds[at + 1])
            if offset == 0:  # maybe anew
                self._forget(row)
            for number, first, last in _numbered(self._ranges[row]):
                low, high = max(first, offset), min(last, offset + stop - start)
                if low < high:
                    place = means.setdefault((row, number), len(means))
                    owned.append((place, start + low - offset, start + high - offset))
                    self._counts[row, number] += high - low
        pooling = Pooling.of(owned, len(means), self._runner.device)
        self._step = (pooling, np.array(list(means), dtype=np.int64).reshape(-1, 2))

    def _forget(self, row: int) -> None:
        self._counts[row] = 0
        if self._sums is not None:
            self._sums[:, row] = 0.0

    def _entered(self, layer: int, _: Any, args: Any, kwargs: Any) -> None:
        names = self._names[layer]
        self._add(layer, argument(names, args, kwargs, "hidden_states"))
        self._add(layer, argument(names, args, kwargs, "residual"))

    def _left(self, _: Any, __: Any, output: Any) -> None:
        self._add(self._depth, output)

    def _add(self, layer: int, states: Any) -> None:
        if self._step is None or not isinstance(states, torch.Tensor):
            return
        pooling, means = self._step
        if self._sums is None:
            shape = (len(self._layers), *self._counts.shape, states.shape[-1])
            self._sums = np.zeros(shape, dtype=np.float64)
        rows, numbers = means.T
        self._sums[self._layers[layer], rows, numbers] += pooling.sums(states).cpu().numpy()


def _language_model(model: Any) -> Any:
    """The part of a model that reads; one that sees may have an eye as deep."""
    return model.get_language_model() if hasattr(model, "get_language_model") else model


def _numbered(ranges: Sequence[Ranges]) -> Iterator[tuple[int, int, int]]:
    """Each range with the number of the mean that it is a part of."""
    return ((number, first, last) for number, own in enumerate(ranges) for first, last in own)


def _runner_of(llm: Any) -> Any:
    try:
        runner = llm.llm_engine.model_executor.driver_worker.worker.model_runner
        for name in NEEDED:
            getattr(runner, name)
    except AttributeError as error:
        raise EngineError(
            f"this vLLM doesn't show its hidden states: {error}", hint="engine.kind: transformers"
        ) from error
    return runner
