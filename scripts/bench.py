"""`make bench`: each line holds llmood against something measured in the same run, so that it holds on any machine.

python scripts/bench.py                         # every line, into docs/benchmarks/cpu.json
python scripts/bench.py --only store            # one line; the others' records stay
python scripts/bench.py --device cuda           # what a GPU is for, into docs/benchmarks/cuda.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.context import Context, Line
from benchmarks.lines import lines_for
from benchmarks.record import Record, Skip

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    models, data = (
        Path(os.environ.get(f"LLMOOD_{kind.upper()}", SHARED / kind)) for kind in ("models", "data")
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", metavar="NAME", help="one line, in this process")
    parser.add_argument("--list", action="store_true", help="the lines' names")
    parser.add_argument("--repeats", type=int, default=5, help="how often each side runs; the best counts")
    parser.add_argument("--output", type=Path, help="the file of records")
    parser.add_argument("--models", type=Path, default=models, help="folder of the real models")
    parser.add_argument("--data", type=Path, default=data, help="folder of the real data")
    chosen = parser.parse_args(arguments)
    names = [line.name for line in lines_for(chosen.device)]
    if chosen.only is not None and chosen.only not in names:
        parser.error(f"--only: '{chosen.only}' is no line of {chosen.device}: {', '.join(names)}")
    if chosen.repeats < 1:
        parser.error("--repeats: at least 1")
    chosen.output = chosen.output or ROOT / "docs" / "benchmarks" / f"{chosen.device}.json"
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if a line broke down or missed its target."""
    chosen = parse(arguments)
    lines = {line.name: line for line in lines_for(chosen.device)}
    if chosen.list:
        print(*lines, sep="\n")
        return 0
    if chosen.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            print("bench: no CUDA device is here", file=sys.stderr)
            return 2
    if chosen.only is not None:
        records = measure(lines[chosen.only], chosen)
        merge(chosen.output, records)
        print_table(records)
        return 0
    # A process each: threads, allocator and caches are as a user has them. A run of all leaves nothing old behind.
    write(chosen.output, [])
    broken = [name for name in lines if subprocess.run(_child(name, chosen), check=False).returncode]
    records = read(chosen.output)
    print_table(records)
    for name in broken:
        print(f"bench: {name} broke down", file=sys.stderr)
    missed = [record.name for record in records if record.reached is False]
    if missed:
        print(f"bench: not reached: {', '.join(missed)}", file=sys.stderr)
    return 1 if broken or missed else 0


def measure(line: Line, chosen: argparse.Namespace) -> list[Record]:
    """A line's records; none, with the reason, where it can't be measured here."""
    load, *_ = os.getloadavg()
    print(f"bench: {line.name} (load {load:.1f})", file=sys.stderr)
    device = f" --device {chosen.device}" if chosen.device != "cpu" else ""
    command = f"python scripts/bench.py{device} --only {line.name}"
    with tempfile.TemporaryDirectory(prefix="llmood-bench-") as folder:
        context = Context(chosen.device, Path(folder), chosen.models, chosen.data, chosen.repeats, command)
        try:
            return line.measure(context)
        except Skip as reason:
            print(f"bench: {line.name} skipped: {reason}", file=sys.stderr)
            return []


def _child(name: str, chosen: argparse.Namespace) -> list[str]:
    given = {
        "--device": chosen.device,
        "--only": name,
        "--repeats": chosen.repeats,
        "--output": chosen.output,
        "--models": chosen.models,
        "--data": chosen.data,
    }
    return [sys.executable, __file__, *(str(part) for pair in given.items() for part in pair)]


def merge(path: Path, records: Sequence[Record]) -> None:
    """Put a line's records in place of its old ones, known by their command; one that gave none leaves them."""
    if not records:
        return
    old = read(path)
    kept = [record for record in old if record.command != records[0].command]
    place = next(
        (index for index, record in enumerate(old) if record.command == records[0].command), len(kept)
    )
    write(path, [*kept[:place], *records, *kept[place:]])


def read(path: Path) -> list[Record]:
    """The stored records; none where there is no file."""
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Record(**each) for each in found]


def write(path: Path, records: Iterable[Record]) -> None:
    """Store records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(record) for record in records]
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def print_table(records: Sequence[Record]) -> None:
    """For people; a peer's own figure stands beside ours."""
    marks = {None: "", True: "reached", False: "missed"}
    rows = [("line", "llmood", "ratio", "target", "", "against")]
    for record in records:
        ratio, target = (
            "" if number is None else f"{number:.3g}" for number in (record.ratio, record.target)
        )
        ours = f"{record.value:.4g} {record.unit}"
        rows.append((record.name, ours, ratio, target, marks[record.reached], record.peer or ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
