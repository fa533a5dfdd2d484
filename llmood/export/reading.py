"""What an export is made of: a run's samples, and where its observations are."""

from __future__ import annotations

import pyarrow as pa

from llmood.errors import StoreError
from llmood.manifest import check_planned, check_samples
from llmood.runs import Run
from llmood.tables import INDEX, SAMPLES, read_table


def read_run_tables(loaded: Run) -> tuple[pa.Table, pa.Table]:
    """The samples and the index of a run.

    Raises:
        StoreError: `run.json` is damaged, or a table is missing, broken, or lacks what `run.json` says.
    """
    check_planned(loaded.folder, loaded.manifest)
    samples = read_table(loaded.folder / "samples.parquet", SAMPLES)
    check_samples(loaded.folder, loaded.manifest, samples)
    path = loaded.folder / "observations" / "index.parquet"
    index = read_table(path, INDEX)
    lacking = set(loaded.manifest["captures"]) - set(index["capture"].to_pylist())
    if lacking:
        raise StoreError(
            f"{path}: is damaged: it holds nothing of {min(lacking)}", hint="make it anew with 'llmood run'"
        )
    return samples, index
