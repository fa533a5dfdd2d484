"""Means of states over a few tokens of each text, made where the states are and before anything else needs memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

STEP = 2048  # tokens summed at once: their states are in float64 for a moment


@dataclass(frozen=True)
class Pooling:
    """Which rows of a pass's states belong to which mean. One token is a mean too, of itself.

    Attributes:
        places: rows of the states, laid out flat; a row may be in several means.
        owners: of each place, the mean that it belongs to.
        means: how many means there are.
    """

    places: torch.Tensor
    owners: torch.Tensor
    means: int

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int, int]], means: int, device: torch.device) -> Pooling:
        """From (owner, start, stop), rows of the states from start up to stop."""
        known = [(owner, torch.arange(start, stop)) for owner, start, stop in ranges]
        places = torch.cat([each for _, each in known]) if known else torch.zeros(0, dtype=torch.int64)
        owners = [torch.full_like(each, owner) for owner, each in known]
        return cls(places.to(device), (torch.cat(owners) if known else places).to(device), means)

    def sums(self, states: torch.Tensor) -> torch.Tensor:
        """The sums over each mean's rows, float64 (means, size) (float32 on a device that knows no float64)."""
        wide = torch.float32 if states.device.type == "mps" else torch.float64
        found = torch.zeros((self.means, states.shape[-1]), dtype=wide, device=states.device)
        for places, owners in zip(self.places.split(STEP), self.owners.split(STEP), strict=True):
            found.index_add_(0, owners, states[places].to(wide))
        return found

    def counts(self) -> torch.Tensor:
        """How many rows each mean has: int64 (means,)."""
        return torch.bincount(self.owners, minlength=self.means)


def pooled(states: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """The means themselves, float32 (means, size); one without rows is NaN."""
    return (pooling.sums(states) / pooling.counts()[:, None]).float()


def blocks_of(model: torch.nn.Module, depth: int) -> torch.nn.ModuleList:
    """The decoder's blocks: the outermost list of modules that is as long as the model is deep.

    Of a model that sees, those of the part that speaks: its eye may be as deep.

    Raises:
        LookupError: there is none, or more than one.
    """
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    lists = [
        (name, module)
        for name, module in decoder.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth
    ]
    outermost = [
        (name, module)
        for name, module in lists
        if not any(name.startswith(f"{other}.") for other, _ in lists if other != name)
    ]
    if len(outermost) != 1:
        raise LookupError(f"{len(outermost)} lists of {depth} blocks")
    return outermost[0][1]


def argument(names: Sequence[str], args: Sequence[object], kwargs: dict[str, object], name: str) -> object:
    """An argument of a call by its name, however it was given; None where it wasn't.

    Args:
        names: of the called function's parameters.
    """
    return kwargs[name] if name in kwargs else dict(zip(names, args, strict=False)).get(name)
