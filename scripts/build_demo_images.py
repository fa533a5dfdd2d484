"""Build the demo's pictures in ``tasks/demo_images``: data, base model, adapter and the measure of its fairness.

python scripts/build_demo_images.py                  # everything, about half an hour on one core
python scripts/build_demo_images.py --data-only      # the JSONL files and the archive of pictures, half a minute
python scripts/build_demo_images.py --tune-only      # keeps the stored base; tunes and measures
python scripts/build_demo_images.py --measure-only   # what is stored, a minute
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from demo_images.scenes import make_splits
from demo_images.store import write_splits
from demo_world.building import parse, set_up_torch, store_fairness

# The adapter names its base as seen from the repository's root.
BASE = Path("tasks/demo_images/models/base")


def main() -> int:
    """Run the stages that were asked for, in order."""
    options = parse(__doc__, "tasks/demo_images")
    started = time.monotonic()
    splits = make_splits()
    if not (options.measure_only or options.tune_only):
        write_splits(splits, options.output / "data")
    if options.data_only:
        return 0
    set_up_torch(options.threads)
    from demo_images import fairness, train

    models = options.output / "models"
    if not (options.tune_only or options.measure_only):
        train.pretrain(splits, models / "base")
    if not options.measure_only:
        train.tune(
            splits["id_train"], splits["id_validation"], models / "base", models / "tuned", BASE.as_posix()
        )
    figures = fairness.measure(models, splits)
    missed = store_fairness(fairness, figures, options.output, "The demo")
    train.log(f"took {(time.monotonic() - started) / 60:.1f} minutes")
    return missed


if __name__ == "__main__":
    sys.exit(main())
