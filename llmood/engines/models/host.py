"""Numbers on their way from a device to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class ToHost:
    """A tensor's copy to the host, begun now; `numpy` waits for this copy alone, not for what the device does next."""

    def __init__(self, values: torch.Tensor) -> None:
        self._copied: Any = None
        if values.device.type == "cuda":
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record()
        else:
            self._values = values

    def numpy(self) -> NDArray[np.float32]:
        """The values, as soon as they are there."""
        if self._copied is not None:
            self._copied.synchronize()
        found: NDArray[np.float32] = self._values.cpu().numpy()
        return found
