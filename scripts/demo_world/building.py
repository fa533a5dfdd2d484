"""What the scripts that build a demo share: their options, how torch is set up, and what is said of fairness."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def parse(description: str | None, folder: str, arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line of a script that fills `folder`, from the repository's root."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / folder, help="folder to fill")
    parser.add_argument("--threads", type=int, default=2, help="threads that torch may use")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--data-only", action="store_true", help="write the data, train nothing")
    only.add_argument("--tune-only", action="store_true", help="keep the stored base; tune and measure")
    only.add_argument("--measure-only", action="store_true", help="measure the stored models")
    return parser.parse_args(arguments)


def set_up_torch(threads: int) -> None:
    """Load torch, for models that are all made here; whoever writes data alone has no need of it."""
    # Nothing may reach for a hub.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Threads that wait by spinning make training ten times slower where another program uses the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(threads)


def store_fairness(fairness: ModuleType, figures: dict[str, Any], output: Path, subject: str) -> int:
    """Print and store how fair the stored demo is; 1 if it isn't.

    Args:
        fairness: the demo's own module of that name.
        subject: what the demo is called in a sentence.
    """
    fairness.write(figures, output / "fairness.json")
    print(fairness.describe(figures))
    missed = fairness.unfair(figures)
    print("\n".join(f"NOT FAIR: {claim}" for claim in missed) or f"{subject} is fair.")
    return int(bool(missed))
