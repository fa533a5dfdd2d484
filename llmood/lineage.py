"""Which samples belong together: what one was made from, and what is drawn as one when an interval is made."""

from __future__ import annotations

import json

import pyarrow as pa

ROW_ID = "id"  # the key of `meta` that holds a row's own name in its data set


def with_parents(samples: pa.Table) -> pa.Table:
    """The samples with each `parent_id` that names an ID row by its data set's own id (`meta.id`) as its sample id.

    A parent that names no row stays as it is: rows that share it still belong together.
    """
    named = {
        str(json.loads(meta)[ROW_ID]): sample_id
        for population, split, meta, sample_id in zip(
            *(samples[name].to_pylist() for name in ("population", "split", "meta", "sample_id")), strict=True
        )
        if population == "id" and split == "test" and meta and ROW_ID in json.loads(meta)
    }
    parents = [named.get(parent, parent) for parent in samples["parent_id"].to_pylist()]
    position = samples.schema.get_field_index("parent_id")
    return samples.set_column(position, samples.schema.field(position), pa.array(parents, pa.string()))


def group_keys(samples: pa.Table) -> list[str]:
    """What each sample is resampled with: its group, else its parent's, else itself and what was made from it.

    A sample without a group is never in one that a name gives.
    """
    columns = ("sample_id", "group", "parent_id")
    own = {
        sample_id: (group, parent)
        for sample_id, group, parent in zip(*(samples[name].to_pylist() for name in columns), strict=True)
    }

    def key(sample_id: str) -> str:
        seen = {sample_id}
        while True:
            group, parent = own[sample_id]
            if group is not None:
                return f"group:{group}"
            if parent is None or parent in seen:
                return f"sample:{sample_id}"
            if parent not in own:
                return f"sample:{parent}"
            seen.add(parent)
            sample_id = parent

    return [key(sample_id) for sample_id in own]
