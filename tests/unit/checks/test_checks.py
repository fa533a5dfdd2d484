"""Each named check: raised where it should be, and silent where it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from llmood.checks import CheckInput, checks, run_checks
from llmood.checks.comparisons import pairs_cut, pairs_read, pairs_unread
from llmood.checks.entropy import entropy_is_a_bound
from llmood.checks.errors import few_errors
from llmood.engines.base import Captured, Request
from llmood.engines.observations import Observations
from llmood.engines.store import Store
from llmood.questions.populations import Population, ScoredBenchmark
from llmood.records import CaptureSpec, Check
from llmood.scoring import ScorerColumn
from llmood.tables import INDEX, SAMPLES
from tests.observing import ALL, BASE, RESPONSE, TUNED, Spy, observe, prompts_of, samples_of

N_ID, N_NEAR, N_FAR = 200, 150, 100


@dataclass
class Given:
    """A run in which nothing is wrong; each test spoils one thing."""

    sizes: tuple[int, int, int] = (N_ID, N_NEAR, N_FAR)
    aurocs: Mapping[tuple[str, str], float | None] = field(default_factory=dict)
    margin: float = 0.05  # of each interval, to both sides
    status: Mapping[str, Mapping[int, tuple[str, str]]] = field(default_factory=dict)
    prompts: Mapping[int, str] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    observations: Observations | None = None
    constant: Sequence[str] = ("constant",)

    def input(self) -> CheckInput:
        starts = np.cumsum([0, *self.sizes])
        names = ["home", "near", "far"]
        shifts = ["none", "near", "far"]
        populations = [
            Population(name, shift, None, np.arange(starts[index], starts[index + 1]))
            for index, (name, shift) in enumerate(zip(names, shifts, strict=True))
        ]
        total = int(starts[-1])
        scorers = ["likelihood_ratio", "length", "random", "constant"]
        columns = [self.column(name, total) for name in scorers]
        scored = ScoredBenchmark(
            "b",
            populations[0],
            tuple(populations[1:]),
            {column.scorer: column.values for column in columns},
            np.array([str(row) for row in range(total)]),
        )
        defaults = {"likelihood_ratio": 0.85, "length": 0.6, "random": 0.5, "constant": 0.5}
        records = [
            {
                "question": "ood_detection",
                "metric": "auroc",
                "scorer": scorer,
                "correctness": None,
                "ood_task": task,
                "slice": None,
                "value": value,
                "ci_low": None if value is None else value - self.margin,
                "ci_high": None if value is None else value + self.margin,
            }
            for scorer in scorers
            for task in names[1:]
            for value in [self.aurocs.get((scorer, task), defaults[scorer])]
        ]
        tasks = [
            {"name": name, "note": None, "rejects": 0} | dict(self.tasks.get(name, {})) for name in names
        ]
        return CheckInput(
            scored, columns, records, tasks, self.models, self.observations or self.empty(total)
        )

    def column(self, name: str, total: int) -> ScorerColumn:
        values, status = np.arange(total, dtype=float), np.full(total, "ok", object)
        if name in self.constant:
            values[:] = 0.25
        reasons = np.full(total, None, object)
        for row, (state, reason) in self.status.get(name, {}).items():
            values[row], status[row], reasons[row] = np.nan, state, reason
        return ScorerColumn(name, values, status, reasons, None)

    def empty(self, total: int) -> Observations:
        rows = [
            {"sample_id": str(row), "prompt_hash": self.prompts.get(row, f"hash {row}")}
            for row in range(total)
        ]
        return Observations(pa.Table.from_pylist(rows, schema=SAMPLES), INDEX.empty_table(), Store())


def raised(given: Given, code: str) -> list[Check]:
    return [check for check in run_checks(given.input()) if check.code == code]


def one(given: Given, code: str) -> Check:
    (check,) = raised(given, code)
    assert check.severity in ("info", "warning", "error")
    assert check.title
    assert check.detail.endswith(".")
    return check


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    assert run_checks(Given().input()) == []


def test_a_constant_score() -> None:
    found = one(Given(constant=["constant", "likelihood_ratio"]), "constant_scores")
    assert found.values == {"scorer": "likelihood_ratio", "samples": N_ID + N_NEAR + N_FAR, "score": 0.25}
    assert "likelihood_ratio gives all 450 samples that it scores the same score, 0.25" in found.detail
    # Of those that have a score; of one sample nobody can tell.
    gone = dict.fromkeys(range(400), ("unscored", "empty"))
    given = Given(constant=["constant", "random"], status={"random": gone})
    assert one(given, "constant_scores").values["samples"] == 50
    alone = dict.fromkeys(range(449), ("unscored", "empty"))
    assert not raised(replace(given, status={"random": alone}), "constant_scores")


def test_every_check_is_tested_here() -> None:
    elsewhere = {
        *("canary", "noise_floor"),  # tests/unit/engines/test_canary.py
        *("judge_replies", "stated_confidence"),  # tests/e2e/test_asking.py
        "judging_failed",  # tests/e2e/test_servers.py
        "texts_cut",  # tests/e2e/test_encoder_runs.py
        "fewer_shots",  # tests/e2e/test_few_shot.py
        *("nothing_learned", "condition_number"),  # test_learning.py
        "train_remembered",  # test_memory.py
        "promise_missed",  # tests/e2e/test_calibration.py
    }
    assert set(checks.names()) - elsewhere == {
        "constant_scores",
        "declared_overlap",
        "entropy_is_a_bound",
        "failed",
        "few_errors",
        "fake_engine",
        "id_ood_overlap",
        "length_separates",
        "lengths_in_bytes",
        "pairs_cut",
        "pairs_read",
        "pairs_unread",
        "rejected_rows",
        "same_adapter",
        "too_few_samples",
        "tuned_equals_base",
        "unpinned",
        "unscored",
        "unseen_weights",
    }


def test_the_gravest_come_first() -> None:
    given = Given(tasks={"near": {"note": "a note."}}, sizes=(N_ID, 99, N_FAR))
    given.observations = _observed("b")
    found = [check.severity for check in run_checks(given.input())]
    assert found == ["error", "warning", "info"]


def test_two_adapters_of_one_content() -> None:
    def of(*adapters: str) -> Given:
        roles = ["tuned", *(f"tuned:{place}" for place in range(1, len(adapters)))]
        models = {
            role: {"name": role, "identity": {"adapter": one}}
            for role, one in zip(roles, adapters, strict=True)
        }
        return Given(models={"base": {"name": "b", "identity": {"adapter": None}}, **models})

    assert raised(of("x", "y", "z"), "same_adapter") == []
    assert "tuned and tuned:2 are the same adapter" in one(of("x", "y", "x"), "same_adapter").detail


@pytest.mark.parametrize(("near", "expected"), [(100, None), (99, {"near": 99})])
def test_too_few_samples(near: int, expected: dict[str, int] | None) -> None:
    given = Given(sizes=(N_ID, near, N_FAR))
    if expected is None:
        assert raised(given, "too_few_samples") == []
    else:
        check = one(given, "too_few_samples")
        assert check.values == expected
        assert "near has 99" in check.detail


def test_unscored_beyond_one_in_a_hundred() -> None:
    def missing(count: int) -> Given:
        rows = dict.fromkeys(range(count), ("unscored", "empty answer"))
        return Given(status={"likelihood_ratio": rows, "length": rows})

    assert raised(missing(2), "unscored") == []  # 2 of 200: not more than 1 %
    check = one(missing(3), "unscored")
    assert check.task == "home"
    assert check.values == {"unscored": 3, "samples": N_ID}
    assert "likelihood_ratio, length" in check.detail  # alike: said once
    assert "empty answer" in check.detail


def test_unscored_names_the_commonest_reason() -> None:
    rows = {row: ("unscored", "rare" if row == 0 else "common") for row in range(10)}
    assert "common" in one(Given(status={"likelihood_ratio": rows}), "unscored").detail


def test_failed() -> None:
    check = one(Given(status={"likelihood_ratio": {3: ("failed", "out of memory")}}), "failed")
    assert check.values["failed"] == 1
    assert "out of memory" in check.detail
    assert raised(Given(status={"likelihood_ratio": {3: ("unscored", "x")}}), "failed") == []


def test_the_same_prompt_in_id_and_ood() -> None:
    check = one(Given(prompts={0: "same", N_ID: "same", N_ID + 1: "same"}), "id_ood_overlap")
    assert check.task == "near"
    assert check.values == {"shared": 2}
    # Twins within one population are nobody's false alarm.
    assert raised(Given(prompts={0: "same", 1: "same"}), "id_ood_overlap") == []
    assert raised(Given(prompts={N_ID: "same", N_ID + N_NEAR: "same"}), "id_ood_overlap") == []


@pytest.mark.parametrize(
    ("length", "best", "said"),
    [
        (0.6, 0.85, None),
        (0.4, 0.85, None),
        (0.9, 0.99, "longer = OOD"),  # strong by itself
        (0.05, 0.99, "shorter = OOD"),
        (0.7, 0.65, "longer = OOD"),  # weak, and as good as the best
        (None, 0.9, None),
        (0.95, None, None),
    ],
)
def test_length_separates(length: float | None, best: float | None, said: str | None) -> None:
    given = Given(
        aurocs={("length", "near"): length, ("likelihood_ratio", "near"): best, ("random", "near"): 1.0}
    )
    if said is None:
        assert raised(given, "length_separates") == []
    else:
        check = one(given, "length_separates")
        assert check.task == "near"
        assert said in check.detail
        assert check.values == {"length_auroc": length, "best_auroc": best}


@pytest.mark.parametrize(("length", "margin", "said"), [(0.54, 0.18, 0), (0.54, 0.03, 1), (0.92, 0.5, 0)])
def test_length_separates_nothing_that_chance_could_have_separated(
    length: float, margin: float, said: int
) -> None:
    given = Given(
        aurocs={("length", "near"): length, ("likelihood_ratio", "near"): 0.5, ("length", "far"): 0.5},
        margin=margin,
    )
    assert len(raised(given, "length_separates")) == said


def test_declared_overlap() -> None:
    check = one(Given(tasks={"far": {"note": "its questions are ours."}}), "declared_overlap")
    assert (check.task, check.severity) == ("far", "info")
    assert "its questions are ours" in check.detail


def test_rejected_rows() -> None:
    check = one(Given(tasks={"far": {"rejects": 7}}), "rejected_rows")
    assert (check.task, check.values) == ("far", {"rows": 7})


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"commit": "abc", "revision": None}, 1),
        ({"commit": "abc", "revision": "v1"}, 0),
        ({"commit": None, "revision": None}, 0),  # a folder: its digest says what it is
    ],
)
def test_unpinned(model: Mapping[str, Any], expected: int) -> None:
    found = raised(Given(models={"base": {"identity": {}, **model}}), "unpinned")
    assert len(found) == expected
    assert all("models.base" in check.detail and "abc" in check.detail for check in found)


@pytest.mark.parametrize(
    ("model", "severity", "words"),
    [
        ({"seen_before": 0, "identity": {"weights": "seen:1"}}, "info", "first on 2026-01-02."),
        (
            {"seen_before": 1, "identity": {"weights": "seen:1"}},
            "info",
            "another model was served under that name",
        ),
        ({"seen_before": 3, "identity": {"weights": "seen:1"}}, "info", "3 other models were served"),
        ({"seen_before": None, "identity": {"weights": None}}, "warning", "a change would go unnoticed"),
    ],
)
def test_a_served_name_is_no_model(model: Mapping[str, Any], severity: str, words: str) -> None:
    served = {"name": "m", "server": "http://x/v1", "first_seen": "2026-01-02", **model}
    check = one(Given(models={"tuned": served}), "unseen_weights")
    assert check.severity == severity
    assert "models.tuned is what http://x/v1 serves as 'm'" in check.detail
    assert words in check.detail
    assert (
        raised(Given(models={"tuned": {"name": "m", "identity": {"weights": "x"}}}), "unseen_weights") == []
    )


def test_bytes_are_no_tokens() -> None:
    for unit, expected in (("bytes", 1), ("tokens", 0)):
        models = {"base": {"identity": {}, "counted_in": unit}}
        assert len(raised(Given(models=models), "lengths_in_bytes")) == expected


def _observed(tuned: str, texts: Sequence[str] = ("one", "two", "x" * 90)) -> Observations:
    engine = Spy(max_length=60)
    engine.models = engine.models.model_copy(
        update={"tuned": engine.models.base.model_copy(update={"model": tuned})}
    )
    return observe(
        [*texts, *(f"text {row}" for row in range(N_ID + N_NEAR + N_FAR - len(texts)))], ALL, engine
    )[1]


def test_tuned_equals_base() -> None:
    check = one(Given(observations=_observed("b")), "tuned_equals_base")
    assert check.severity == "error"
    assert check.values == {"largest_difference": 0.0}
    assert raised(Given(observations=_observed("t")), "tuned_equals_base") == []


def test_fake_numbers_say_so() -> None:
    for engine, expected in (("fake", 1), ("transformers", 0)):
        models = {"base": {"commit": None, "identity": {"engine": engine}}}
        assert len(raised(Given(models=models), "fake_engine")) == expected


def test_tuned_equals_base_by_what_was_loaded() -> None:
    models = {role: {"commit": None, "identity": {"weights": "w"}} for role in ("base", "tuned")}
    check = one(Given(models=models), "tuned_equals_base")
    assert "the same weights" in check.detail
    models["tuned"] = {"commit": None, "identity": {"weights": "w", "adapter": "a"}}
    assert raised(Given(models=models), "tuned_equals_base") == []


@pytest.mark.parametrize("target", ["prompt_response", "response"])
def test_tuned_equals_base_in_what_it_answers(target: str) -> None:
    after = [CaptureSpec.of("prompt_logprobs", role, target) for role in ("tuned", "base")]
    texts = [f"text {row}" for row in range(N_ID + N_NEAR + N_FAR)]
    for tuned, expected in (("b", 1), ("t", 0)):
        engine = Spy()
        engine.models = engine.models.model_copy(
            update={"tuned": engine.models.base.model_copy(update={"model": tuned})}
        )
        _, observations = observe(texts, [RESPONSE, *after], engine)
        assert len(raised(Given(observations=observations), "tuned_equals_base")) == expected


def test_without_two_models_nothing_is_said_of_their_difference() -> None:
    texts = [f"text {row}" for row in range(sum(Given().sizes))]
    for specs in ([BASE], [TUNED], []):
        _, observations = observe(texts, specs)
        assert raised(Given(observations=observations), "tuned_equals_base") == []


def test_where_nothing_was_predicted_there_is_no_difference_to_judge() -> None:
    _, observations = observe([""] * sum(Given().sizes), [BASE, TUNED])
    assert raised(Given(observations=observations), "tuned_equals_base") == []


def test_a_difference_of_rounding_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {row}" for row in range(sum(Given().sizes))]
    prompts = prompts_of(texts)
    for shift, expected in ((5e-5, 1), (5e-3, 0)):
        engine = _Shifted(shift)
        observer, _ = observe(texts, [BASE, TUNED], engine)
        observations = Observations(samples_of(prompts), observer.index(), observer.store)
        assert len(raised(Given(observations=observations), "tuned_equals_base")) == expected


class _Shifted(Spy):
    """The tuned model is the base but for one token of one text."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def identity(self, role: str) -> dict[str, Any]:
        return super().identity(role) | {"shift": self.shift}

    def capture(self, spec: Any, requests: Any) -> Any:
        results = super().capture(BASE, requests)
        for request, result in zip(requests, results, strict=True):
            if spec == TUNED and request.token_ids == prompts_of(["text 7"])[0].token_ids:
                result.values["logprobs"][2] += self.shift
        return results


def test_entropies_that_are_bounds_are_counted() -> None:
    texts = [f"text {row}" for row in range(sum(Given().sizes))]
    bounded = CaptureSpec.of("response", "tuned", max_new_tokens=20, top=2)
    engine = Spy(batch_tokens=100_000)

    def before(spec: CaptureSpec, requests: Sequence[Request]) -> list[Captured] | None:
        if spec != bounded:
            return None
        top = {"top_logprobs": [[-1.0, -2.0]], "residual_mass": [0.5]}
        known = [{"entropy": [1.0]}, top, top | {"entropy": [1.0]}, {}]
        return [
            Captured({"text": "a", "token_ids": [2], "logprobs": [-1.0], "finish": "length"} | known[at % 4])
            for at, _ in enumerate(requests)
        ]

    engine.before = before
    for spec, count in ((bounded, len(texts) // 4), (RESPONSE, None)):
        _, observations = observe(texts, [spec], engine)
        given = Given(observations=observations).input()
        assert list(entropy_is_a_bound(given)) == []  # no scorer reads them
        column = Given().column("token_entropy.max", len(texts))
        found = list(entropy_is_a_bound(replace(given, columns=[column])))
        if count is None:
            assert found == []
        else:
            assert found[0].severity == "info"
            assert found[0].values["answers"] == len(texts)
            assert abs(int(str(found[0].values["bounded"])) - count) <= 1


def test_what_comparing_took() -> None:
    took = {"samples": 2, "pairs": 200, "compared": 30, "asked": 10, "unread": 0}
    by_words = took | {"asked": 0}
    given = replace(Given().input(), compared={"equivalence/a": took, "equivalence/b": by_words})
    (found,) = pairs_read(given)
    assert (found.severity, found.values) == ("info", {"asked": 10, "pairs": 200})
    assert "10 texts or pairs of texts for 200 ordered pairs (5.0%) of equivalence/a" in found.detail
    assert list(pairs_unread(given)) == []
    (short,) = pairs_unread(replace(given, compared={"equivalence/a": took | {"unread": 3}}))
    assert (short.severity, short.values) == ("warning", {"unread": 3})
    assert list(pairs_cut(given)) == []  # as in the manifest of an older run: it has no such count
    (cut,) = pairs_cut(replace(given, compared={"equivalence/a": took | {"cut": 4}, "equivalence/b": took}))
    assert (cut.severity, cut.values) == ("warning", {"cut": 4})
    assert "4 pairs of equivalence/a" in cut.detail


def test_few_right_or_wrong_answers_are_counted_by_population() -> None:
    def accuracy(ood: str | None, right: int, wrong: int) -> dict[str, Any]:
        names = {"question": "error_detection", "metric": "accuracy", "id_task": "home", "ood_task": ood}
        return {**names, "value": right / (right + wrong), "n_negative": right, "n_positive": wrong}

    records = [accuracy(None, 50, 10), accuracy("near", 90, 9), accuracy("far", 3, 40)]
    found = list(few_errors(replace(Given().input(), records=records)))
    assert [(check.task, check.severity) for check in found] == [("near", "warning"), ("far", "warning")]
    assert [check.values for check in found] == [{"right": 90, "wrong": 9}, {"right": 3, "wrong": 40}]
