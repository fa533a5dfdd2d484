"""Memory that a forward pass frees stays with the process for the next one."""

from __future__ import annotations

import ctypes
import sys

# As malloc.h numbers them.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MOST = 2**31 - 1  # mallopt takes an int
# Where glibc's own thresholds end up at most; before 2.35 it refuses a larger block of the heap.
USUAL_MAPPED, USUAL_TRIMMED = 2**25, 2**26


def keep_freed_memory() -> bool:
    """Have large blocks reused; whether the C library can be told so (glibc can).

    By itself it maps every block of some megabytes anew and gives it back when it is freed. A pass on a CPU makes
    hundreds of them, and each of their pages is a trap into the kernel.
    """
    library = _glibc()
    if library is None:
        return False
    kept = library.mallopt(M_MMAP_THRESHOLD, MOST) or library.mallopt(M_MMAP_THRESHOLD, USUAL_MAPPED)
    return bool(library.mallopt(M_TRIM_THRESHOLD, MOST) and kept)


def give_back_freed_memory() -> None:
    """Undo it, and hand what is free to the system."""
    library = _glibc()
    if library is not None:
        library.mallopt(M_MMAP_THRESHOLD, USUAL_MAPPED)
        library.mallopt(M_TRIM_THRESHOLD, USUAL_TRIMMED)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return (
        library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    )  # musl has neither
