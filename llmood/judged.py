"""Which answers of a run are right: judged while it has the words, and again where another rule is asked for."""

from __future__ import annotations

from dataclasses import asdict, replace

import pyarrow as pa

from llmood.config import RunConfig
from llmood.correctness_choice import asks_for_answers
from llmood.engines.captures import required_comparisons
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.errors import ConfigError
from llmood.judging.asked import Asked, Said, answers_spec, ask_models, judge_replies, replies_spec
from llmood.judging.choose import chosen_rule, make_judging
from llmood.judging.equivalence.embeddings import Embeddings
from llmood.judging.equivalence.threshold import choose_threshold
from llmood.judging.judge import judge_answers
from llmood.plan import Plan
from llmood.run_folder import RunFolder
from llmood.scorers.choose import make_scorers
from llmood.tables import CORRECTNESS, JUDGED, read_table


def judge_run(plan: Plan, observations: Observations, said: Said, store: Store) -> pa.Table | None:
    """Which answers are right; the models that a rule asks are asked here."""
    rule = chosen_rule(plan.config.correctness)
    question = plan.config.equivalence.question is not False
    asked = ask_models(rule, observations, said, plan.readers.nli, store, question=question)
    return judge_answers(plan.judging, observations, said.answers, asked)


def settled(plan: Plan, index: pa.Table, store: Store, judged: pa.Table | None, target: RunFolder) -> Plan:
    """A plan with the threshold that its equivalence takes, chosen on `validation` where it asks for that.

    From here on it is a number like one that was configured: captures and scorers name it. `run.json` keeps it.

    Raises:
        ConfigError: the answers to `validation` tell no threshold from another.
    """
    encoder = plan.readers.encoder
    if plan.choosing is None or encoder is None:
        target.write_manifest("running", threshold=None)
        return plan
    rows = [] if judged is None else judged.select(["sample_id", "correct"]).to_pylist()
    known = {row["sample_id"]: row["correct"] for row in rows if row["correct"] is not None}
    embeddings = Embeddings(encoder.embed, encoder.identity, store)
    try:
        chosen = choose_threshold(plan.choosing, Observations(plan.samples, index, store), known, embeddings)
    finally:
        embeddings.flush()
        encoder.close()
    scorers = make_scorers(plan.config, threshold=chosen.value)
    plan = replace(plan, scorers=scorers, comparisons=required_comparisons(scorers.values()))
    target.write_manifest("running", captures=plan.describe()["captures"], threshold=asdict(chosen))
    return plan


def judge_again(
    folder: RunFolder, config: RunConfig, before: RunConfig, observations: Observations
) -> pa.Table | None:
    """The verdicts of a run that is scored again: as they stand, unless others are asked for or there are none."""
    path = folder.file(JUDGED)
    if path.is_file() and config.correctness == before.correctness:
        return read_table(path, CORRECTNESS)
    manifest = folder.manifest
    if not config.text and config.correctness != before.correctness and asks_for_answers(config.correctness):
        raise ConfigError(
            "--set correctness: answers are judged by their text, and this run kept none (--no-text)",
            hint="'llmood run' judges them while it has the text",
        )
    rule = chosen_rule(config.correctness)
    if rule is not None and "entailed" in rule.reads:
        raise ConfigError(
            f"--set correctness: {rule.name} asks models.nli, and scoring again loads no model",
            hint="'llmood run' with that in the configuration asks it",
        )
    if rule is not None and "reply" in rule.reads and replies_spec(observations) is None:
        raise ConfigError(
            f"--set correctness: {rule.name} asks a model, which {folder.path} didn't",
            hint="an import runs none: take another rule"
            if manifest.get("imported")
            else "'llmood run' with that in the configuration asks it",
        )
    judging = make_judging(
        config.correctness, manifest["tasks"], observations.samples, imported=bool(manifest.get("imported"))
    )
    if judging is not None and judging.asked and answers_spec(observations) is None:
        raise ConfigError(
            f"--set correctness: {folder.path} captured no answers",
            hint="'llmood run' with that in the configuration captures them",
        )
    replies = {} if judging is None else judge_replies(observations)
    return judge_answers(judging, observations, asked=Asked(replies))
