"""`import_file`: from files to a run folder, no engine in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from llmood.calibrated import IMPORT_ROWS, check_calibrated
from llmood.config import RunConfig
from llmood.engines.captures import SPREAD, required_comparisons
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError, DataError
from llmood.importing import folder as exports
from llmood.importing import table
from llmood.importing.columns import named_columns
from llmood.importing.imported import Imported
from llmood.importing.placing import ID_ROWS, OOD_ROWS, TRAIN_ROWS
from llmood.judging.asked import answers_spec
from llmood.judging.choose import make_judging
from llmood.judging.equivalence.compare import compare_all
from llmood.judging.judge import judge_answers
from llmood.progress import Progress
from llmood.records import SHIFTS, Shift
from llmood.rescoring import RESCORABLE
from llmood.run import conclude, write_inputs
from llmood.run_folder import RunFolder, RunStatus, default_folder
from llmood.runs import Run
from llmood.tables import SAMPLES, write_table
from llmood.tokenise import without_text, without_values

# An import has no states of answers and references for `emi` to read, nor is a model shown a part of its input.
SETTABLE = (*(key for key in RESCORABLE if key not in ("emi", "modality")), "equivalence")
WITHOUT_MODEL = ("exact", "numeric")
KEPT_IN_META = ("confidence", "correct")  # numbers of the model's, no words of anybody's


def import_file(
    source: str | Path,
    *,
    ood: Sequence[str | Path] = (),
    train: Sequence[str | Path] = (),
    shift: Shift | None = None,
    fields: Sequence[str] = (),
    keep: bool = False,
    scorers: Sequence[str] = (),
    text: bool = True,
    overrides: Sequence[str] = (),
    output_dir: str | Path | None = None,
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Make a run of what a model was asked and said elsewhere. The row format: `llmood.importing`.

    Args:
        source: a file of rows, or a folder that `llmood cache export` wrote.
        ood: files whose rows are OOD unless they say otherwise.
        train: files whose rows are of the ID task's split `train` unless they say otherwise: what scorers learn from.
        shift: of OOD rows that name none.
        fields: `key=column` for columns with names of their own.
        keep: put columns that are no key of the row format into `meta`.
        scorers: by default all that have what they need.
        text: whether the run keeps the words.
        overrides: `scorers=[…]`, `equivalence.rule=numeric`, `bootstrap.draws=…`, `seed=…`.
        output_dir: the run folder; by default `runs/<name>-<8 hex of the configuration>`.

    Raises:
        ConfigError: an option, a column or a population is not clear, or the folder holds another run.
        DataError: a file can't be read at all, or holds no row that can be used.
    """
    _check_options(shift, overrides)
    progress = progress or Progress()
    target = None if output_dir is None else RunFolder(Path(output_dir))
    read = _read_folder if Path(source).is_dir() else _read_files
    imported = read(
        [Path(source), *map(Path, ood)],
        target,
        train=[Path(path) for path in train],
        shift=shift,
        fields=fields,
        keep=keep,
        scorers=scorers,
        text=text,
        overrides=overrides,
        progress=progress,
    )
    _check_equivalence(imported)
    check_calibrated(imported.config, imported.samples, imported.name, hint=IMPORT_ROWS)
    target = target or RunFolder(default_folder(imported.config, imported.name))
    _refuse_other(target, imported.described["imported"]["digest"])
    target.claim(imported.config)
    with target.locked():
        target.claim(imported.config)
        with target.ending(text=imported.config.text):
            target.begin(imported.config, imported.name, command)
            status = _write(imported, target, progress)
        target.write_manifest(status)
    return Run(target.path)


def _check_options(shift: str | None, overrides: Sequence[str]) -> None:
    if shift is not None and shift not in SHIFTS:
        raise ConfigError(f"--shift {shift}: is none of {', '.join(SHIFTS)}")
    for override in overrides:
        if override.partition("=")[0].partition(".")[0].removesuffix("+") not in SETTABLE:
            raise ConfigError(f"--set {override}: an import can set only {', '.join(SETTABLE)}")


def _check_equivalence(imported: Imported) -> None:
    there = set(imported.index["capture"].to_pylist())
    lacking = [spec for spec in required_comparisons(imported.scorers.values()) if spec.id not in there]
    rules = [rule for spec in lacking if (rule := str(dict(spec.params)["rule"])) not in WITHOUT_MODEL]
    if any(dict(spec.params)["pairs"] == SPREAD for spec in lacking):
        raise ConfigError(
            "scorers: eigenscore needs models.encoder, and an import has none", hint="leave it out"
        )
    if rules:
        raise ConfigError(
            f"equivalence.rule: {rules[0]} needs a model, and an import has none",
            hint=f"--set equivalence.rule=… with one of {', '.join(WITHOUT_MODEL)}",
        )


def _read_files(
    files: Sequence[Path],
    target: RunFolder | None,
    *,
    train: Sequence[Path],
    shift: Shift | None,
    fields: Sequence[str],
    keep: bool,
    scorers: Sequence[str],
    text: bool,
    overrides: Sequence[str],
    progress: Progress,
) -> Imported:
    named = named_columns(fields)
    for path in (*files, *train):
        if not path.is_file():
            raise DataError(f"{path}: {'is a folder' if path.is_dir() else 'is not there'}")
    settings = {"fields": named, "keep": keep, "shift": shift, "ood": len(files) - 1}
    settings |= {"train": len(train)} if train else {}
    content = table.digest_of([*files, *train], settings)
    _refuse_other(target, content)
    return table.read_files(
        [
            *((path, ID_ROWS if place == 0 else OOD_ROWS) for place, path in enumerate(files)),
            *((path, TRAIN_ROWS) for path in train),
        ],
        Store(),
        content,
        shift=shift,
        named=named,
        keep=keep,
        text=text,
        scorers=scorers,
        overrides=overrides,
        progress=progress,
    )


def _read_folder(
    files: Sequence[Path],
    target: RunFolder | None,
    *,
    train: Sequence[Path],
    shift: Shift | None,
    fields: Sequence[str],
    keep: bool,
    scorers: Sequence[str],
    text: bool,
    overrides: Sequence[str],
    progress: Progress,
) -> Imported:
    folder = files[0]
    if len(files) > 1 or train or shift or fields or keep:
        raise ConfigError(
            f"{folder}: an export says itself what is what: leave out --ood, --train, --shift, --field, "
            "--keep"
        )
    progress.say(f"reading {folder}")
    content = exports.digest_of(folder)
    _refuse_other(target, content)
    return exports.read_folder(folder, Store(), content, text=text, scorers=scorers, overrides=overrides)


def _refuse_other(target: RunFolder | None, content: str) -> None:
    """Before a long file is read: a folder that can't hold its run."""
    if target is None:
        return
    if not target.file("run.json").exists():
        target.claim(RunConfig(benchmark="imported"))
        return
    made = target.manifest.get("imported")
    if not isinstance(made, dict) or made.get("digest") != content:
        raise ConfigError(f"{target.path}: holds another run", hint="choose another folder with -o")


def _write(imported: Imported, target: RunFolder, progress: Progress) -> RunStatus:
    target.write_manifest("running", **imported.described)
    private = not imported.config.text
    samples = _without_text(imported.samples) if private else imported.samples
    rejects = [without_values(reject) for reject in imported.rejects] if private else imported.rejects
    write_inputs(target, samples, rejects)
    index, store = imported.index, Store()
    observed = Observations(imported.samples, index, store)
    comparisons = [spec for spec in required_comparisons(imported.scorers.values()) if not observed.has(spec)]
    if comparisons:
        # By words alone: an import has no models.
        compared, counts = compare_all(comparisons, observed, store, None, progress)
        target.write_manifest("running", compared=counts)
        index = pa.concat_tables([index, compared])
    write_table(target.file("observations/index.parquet"), index)
    observations = Observations(imported.samples, index, store)
    judged = _judged(imported, observations)
    return conclude(target, imported.config, observations, imported.scorers, progress, judged=judged)


def _judged(imported: Imported, observations: Observations) -> pa.Table | None:
    """Which answers are right: as was read, else by a rule."""
    if imported.judged is not None:
        return imported.judged
    choice, tasks = imported.config.correctness, imported.described["tasks"]
    judging = make_judging(choice, tasks, imported.samples, imported=True)
    if judging is not None and judging.asked and answers_spec(observations) is None:
        raise ConfigError(f"correctness: nothing in {imported.name} gives an answer to judge")
    return judge_answers(judging, observations, imported.answers)


def _without_text(samples: pa.Table) -> pa.Table:
    meta = [None if text is None else json.loads(text) for text in samples["meta"].to_pylist()]
    numbers = [
        None if row is None else json.dumps({name: row[name] for name in KEPT_IN_META if name in row})
        for row in meta
    ]
    hidden = without_text(samples)
    column = pa.array(numbers, pa.string())  # of a type also where every sample's is empty
    return hidden.set_column(hidden.schema.get_field_index("meta"), SAMPLES.field("meta"), column)
