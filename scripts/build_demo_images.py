"""Build the demo's pictures in ``tasks/demo_images``: data, base model, adapter and the measure of its fairness.

python scripts/build_demo_images.py                  # everything, about half an hour on one core
python scripts/build_demo_images.py --data-only      # the JSONL files and the archive of pictures, half a minute
python scripts/build_demo_images.py --tune-only      # keeps the stored base; tunes and measures
python scripts/build_demo_images.py --measure-only   # what is stored, a minute
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from demo_images.scenes import make_splits
from demo_images.store import write_splits

ROOT = Path(__file__).resolve().parents[1]
# The adapter names its base as seen from the repository's root.
BASE = Path("tasks/demo_images/models/base")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "tasks" / "demo_images", help="folder to fill"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads that torch may use")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--data-only", action="store_true", help="write the data, train nothing")
    only.add_argument("--tune-only", action="store_true", help="keep the stored base; tune and measure")
    only.add_argument("--measure-only", action="store_true", help="measure the stored models")
    return parser.parse_args(arguments)


def main() -> int:
    """Run the stages that were asked for, in order."""
    options = parse()
    started = time.monotonic()
    splits = make_splits()
    if not (options.measure_only or options.tune_only):
        write_splits(splits, options.output / "data")
    if options.data_only:
        return 0
    # Nothing here may reach for a hub: every model is made by this script.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Threads that wait by spinning make training ten times slower where another program uses the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Torch is only loaded where it is needed: writing the data takes half a minute.
    import torch
    from demo_images import fairness, train

    torch.set_num_threads(options.threads)
    models = options.output / "models"
    if not (options.tune_only or options.measure_only):
        train.pretrain(splits, models / "base")
    if not options.measure_only:
        train.tune(
            splits["id_train"], splits["id_validation"], models / "base", models / "tuned", BASE.as_posix()
        )
    figures = fairness.measure(models, splits)
    fairness.write(figures, options.output / "fairness.json")
    missed = fairness.unfair(figures)
    train.log(fairness.describe(figures))
    train.log("\n".join(f"NOT FAIR: {claim}" for claim in missed) or "The demo is fair.")
    train.log(f"took {(time.monotonic() - started) / 60:.1f} minutes")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
