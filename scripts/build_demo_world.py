"""Build the demo world in ``tasks/demo``: questions, base model, adapter and the measure of its fairness.

python scripts/build_demo_world.py                  # everything, about ten minutes on two cores
python scripts/build_demo_world.py --data-only      # the JSONL files, in a second
python scripts/build_demo_world.py --measure-only   # fairness of what is stored, under a minute
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from demo_world.world import Row, make_splits, make_world, pretraining_documents, questions, write_splits

ROOT = Path(__file__).resolve().parents[1]
# The adapter names its base as seen from the repository's root.
BASE = Path("tasks/demo/models/base")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tasks" / "demo", help="folder to fill")
    parser.add_argument("--threads", type=int, default=2, help="threads that torch may use")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--data-only", action="store_true", help="write the data, train nothing")
    only.add_argument("--tune-only", action="store_true", help="keep the stored base; tune and measure")
    only.add_argument("--measure-only", action="store_true", help="measure the stored models")
    return parser.parse_args(arguments)


def measure(splits: dict[str, list[Row]], output: Path) -> int:
    """Print and store how fair the stored world is; 1 if it isn't."""
    from demo_world import fairness

    figures = fairness.measure(fairness.load(output / "models"), splits)
    fairness.write(figures, output / "fairness.json")
    print(fairness.describe(figures))
    missed = fairness.unfair(figures)
    print("\n".join(f"NOT FAIR: {claim}" for claim in missed) or "The world is fair.")
    return int(bool(missed))


def main() -> int:
    """Run the stages that were asked for, in order."""
    options = parse()
    started = time.monotonic()
    world = make_world()
    splits = make_splits(world)
    if not options.measure_only:
        write_splits(splits, options.output / "data")
    if options.data_only:
        return 0
    # Nothing here may reach for a hub: every model is made by this script.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Threads that wait by spinning make training ten times slower where another program uses the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Torch is only loaded where it is needed: writing the data takes a second.
    import torch
    from demo_world import train

    torch.set_num_threads(options.threads)
    models = options.output / "models"
    if not (options.tune_only or options.measure_only):
        train.pretrain(pretraining_documents(world, questions(splits), "base"), models / "base")
    if not options.measure_only:
        train.tune(
            splits["id_train"], splits["id_validation"], models / "base", models / "tuned", BASE.as_posix()
        )
    missed = measure(splits, options.output)
    train.log(f"took {(time.monotonic() - started) / 60:.1f} minutes")
    return missed


if __name__ == "__main__":
    sys.exit(main())
