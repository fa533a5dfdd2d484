"""Build the demo world in ``tasks/demo``: questions, base model, adapter and the measure of its fairness.

python scripts/build_demo_world.py                  # everything, about ten minutes on two cores
python scripts/build_demo_world.py --data-only      # the JSONL files, in a second
python scripts/build_demo_world.py --measure-only   # fairness of what is stored, under a minute
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from demo_world.building import parse, set_up_torch, store_fairness
from demo_world.world import make_splits, make_world, pretraining_documents, questions, write_splits

# The adapter names its base as seen from the repository's root.
BASE = Path("tasks/demo/models/base")


def main() -> int:
    """Run the stages that were asked for, in order."""
    options = parse(__doc__, "tasks/demo")
    started = time.monotonic()
    world = make_world()
    splits = make_splits(world)
    if not options.measure_only:
        write_splits(splits, options.output / "data")
    if options.data_only:
        return 0
    set_up_torch(options.threads)
    from demo_world import fairness, train

    models = options.output / "models"
    if not (options.tune_only or options.measure_only):
        train.pretrain(pretraining_documents(world, questions(splits), "base"), models / "base")
    if not options.measure_only:
        train.tune(
            splits["id_train"], splits["id_validation"], models / "base", models / "tuned", BASE.as_posix()
        )
    figures = fairness.measure(fairness.load(models), splits)
    missed = store_fairness(fairness, figures, options.output, "The world")
    train.log(f"took {(time.monotonic() - started) / 60:.1f} minutes")
    return missed


if __name__ == "__main__":
    sys.exit(main())
