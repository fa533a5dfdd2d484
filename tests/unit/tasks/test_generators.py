"""Generated tasks: exact answers, no row twice, and a record that says what was made."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmood.errors import ConfigError, DataError, UnknownNameError
from llmood.identity import digest
from llmood.tasks import TaskSpec, find_benchmark, find_task, load_task
from llmood.tasks.generators.algorithms import ALGORITHMS, COMPLEXITY_CLASSES
from llmood.tasks.generators.base import GENERATORS
from llmood.tasks.generators.list_algorithms import ListAlgorithms

LISTS = st.lists(st.integers(1, 60), min_size=4, max_size=8, unique=True)


def combinations(numbers: list[int], *sizes: int) -> list[tuple[int, ...]]:
    """Every choice of so many numbers, in the list's order."""
    return [choice for size in sizes for choice in itertools.combinations(numbers, size)]


def below(limit: int, choices: Iterable[tuple[int, ...]]) -> int:
    return sum(sum(choice) < limit for choice in choices)


def rising(choices: Iterable[tuple[int, ...]]) -> int:
    return sum(all(a < b for a, b in itertools.pairwise(choice)) for choice in choices)


def swaps_of_bubble_sort(numbers: list[int]) -> int:
    x, swaps = list(numbers), 0
    for _ in x:
        for i in range(len(x) - 1):
            if x[i] > x[i + 1]:
                x[i], x[i + 1] = x[i + 1], x[i]
                swaps += 1
    return swaps


def selection_sort(numbers: list[int]) -> list[int]:
    left, out = list(numbers), []
    while left:
        out.append(left.pop(left.index(min(left))))
    return out


def longest_stretch(numbers: list[int], limit: int) -> int:
    ends = combinations(list(range(len(numbers) + 1)), 2)
    return max((end - start for start, end in ends if sum(numbers[start:end]) <= limit), default=0)


def closest_pairs(numbers: list[int]) -> int:
    return min(
        min(abs(a + b - c - d), abs(a + c - b - d), abs(a + d - b - c))
        for a, b, c, d in combinations(numbers, 4)
    )


def fairest(numbers: list[int]) -> int:
    signs = itertools.product((1, -1), repeat=len(numbers))
    return min(abs(sum(s * n for s, n in zip(sign, numbers, strict=True))) for sign in signs)


def all_choices(numbers: list[int]) -> list[tuple[int, ...]]:
    return combinations(numbers, *range(1, len(numbers) + 1))


# Written a second time, trying everything.
BRUTE_FORCE: dict[str, Callable[[list[int], int], Any]] = {
    "sum": lambda x, _: len([None for n in x for _ in range(n)]),
    "largest": lambda x, _: selection_sort(x)[-1],
    "even": lambda x, _: len(x) - sum(n % 2 for n in x),
    "sort": lambda x, _: selection_sort(x),
    "inversions": lambda x, _: swaps_of_bubble_sort(x),
    "pairs_below": lambda x, k: below(k, combinations(x, 2)),
    "triples_below": lambda x, k: below(k, combinations(x, 3)),
    "increasing_triples": lambda x, _: rising(combinations(x, 3)),
    "longest_stretch": longest_stretch,
    "quadruples_below": lambda x, k: below(k, combinations(x, 4)),
    "increasing_quadruples": lambda x, _: rising(combinations(x, 4)),
    "closest_pair_sums": lambda x, _: closest_pairs(x),
    "choices_below": lambda x, k: below(k, all_choices(x)),
    "fairest_split": lambda x, _: fairest(x),
    "fullest_choice": lambda x, k: max((s for s in map(sum, all_choices(x)) if s <= k), default=0),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
@given(numbers=LISTS, limit=st.integers(1, 300))
def test_answers_are_those_of_trying_everything(algorithm: Any, numbers: list[int], limit: int) -> None:
    assert algorithm.answer(numbers, limit) == BRUTE_FORCE[algorithm.name](numbers, limit)


def test_answers_by_hand() -> None:
    by_name = {algorithm.name: algorithm for algorithm in ALGORITHMS}

    def answer(name: str, limit: int = 0) -> Any:
        return by_name[name].answer([4, 1, 3, 2], limit)

    assert answer("sum") == 10
    assert answer("even") == 2
    assert answer("sort") == [1, 2, 3, 4]
    assert answer("inversions") == 4  # 4>1, 4>3, 4>2, 3>2
    assert answer("pairs_below", 5) == 2  # 1+3, 1+2
    assert answer("increasing_triples") == 0
    assert answer("longest_stretch", 6) == 3  # 1, 3, 2
    assert answer("closest_pair_sums") == 0  # 4+1, 3+2
    assert answer("choices_below", 4) == 4  # 1, 3, 2, 1+2
    assert answer("fairest_split") == 0
    assert answer("fullest_choice", 8) == 8  # 4+1+3


def test_every_grade_has_its_questions() -> None:
    counts = Counter(algorithm.complexity for algorithm in ALGORITHMS)
    assert counts == dict.fromkeys(COMPLEXITY_CLASSES, 3)
    assert len({algorithm.name for algorithm in ALGORITHMS}) == len(ALGORITHMS)
    assert all(("{limit}" in algorithm.question) == bool(algorithm.limit_of) for algorithm in ALGORITHMS)


def test_rows_are_different_and_within_their_range() -> None:
    made = ListAlgorithms(smallest=1000, largest=9999).rows({"train": 150, "test": 75}, seed=0)
    assert {split: len(rows) for split, rows in made.items()} == {"train": 150, "test": 75}
    seen = set()
    for row in (row for rows in made.values() for row in rows):
        numbers = [int(number) for number in row["numbers"].split(", ")]
        assert len(set(numbers)) == len(numbers) == row["n"]
        assert 5 <= len(numbers) <= 9
        assert all(1000 <= number <= 9999 for number in numbers)
        seen.add((row["algorithm"], frozenset(numbers)))
    assert len(seen) == 225
    assert set(Counter(row["algorithm"] for row in made["train"]).values()) == {10}


def test_the_same_rows_on_every_machine() -> None:
    sizes: dict[Any, int] = {"train": 30, "test": 15}
    rows = ListAlgorithms().rows(sizes, seed=0)
    assert digest(rows) == "77892d52702833b6b0354a7cf63a2c99", "raise the generator's version"
    assert ListAlgorithms().rows(sizes, seed=0) == rows
    assert ListAlgorithms().rows(sizes, seed=1) != rows
    # What one split gets doesn't depend on which others are made.
    assert ListAlgorithms().rows({"train": 30}, seed=0)["train"] == rows["train"]


def test_limits_are_neither_below_nor_above_everything() -> None:
    rows = ListAlgorithms().rows({"test": 300}, seed=0)["test"]
    for row in rows:
        if row["algorithm"].endswith("_below"):
            assert int(row["answers"][0]) >= 1


def test_no_more_lists_is_an_error() -> None:
    narrow = ListAlgorithms(smallest=1, largest=5, min_length=5, max_length=5)
    assert len(narrow.rows({"test": 15}, seed=0)["test"]) == 15  # each question once about 1 … 5
    with pytest.raises(DataError, match="no more different lists for 'sum'"):
        narrow.rows({"test": 16}, seed=0)


def spec_of(**source: Any) -> TaskSpec:
    made = {"generate": "list_algorithms", "splits": {"train": 30, "test": 30}, **source}
    prompt = "{{ numbers }} {{ question }}"
    return TaskSpec.model_validate(
        {"name": "lists", "sources": [made], "prompt": prompt, "fields": {"severity": "complexity"}}
    )


def test_a_task_is_loaded_from_its_generator() -> None:
    loaded = load_task(spec_of(seed=7, arguments={"max_length": 6}), ["test"])
    assert len(loaded.samples["test"]) == 30
    assert loaded.samples["test"][0].source_line == "list_algorithms/test:1"
    assert Counter(sample.severity for sample in loaded.samples["test"]) == dict.fromkeys(range(1, 6), 6)
    rows = ListAlgorithms(max_length=6).rows({"train": 30, "test": 30}, seed=7)
    assert loaded.source == {
        "kind": "generated",
        "generator": "list_algorithms",
        "version": ListAlgorithms.version,
        "arguments": {"smallest": 1, "largest": 99, "min_length": 5, "max_length": 6},
        "seed": 7,
        "digests": {"test": digest(rows["test"])},
    }


def test_the_run_s_seed_changes_no_row() -> None:
    one, two = (load_task(spec_of(), ["test"], seed=seed) for seed in (0, 1))
    assert one.samples == two.samples


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"arguments": {"largst": 5}}, r"sources\.0\.arguments: largst: unknown key .*largest"),
        ({"arguments": {"smallest": "1"}}, r"sources\.0\.arguments: smallest: "),
        ({"arguments": {"min_length": 3}}, r"sources\.0\.arguments: min_length: "),
        ({"arguments": {"largest": 5}}, "fewer numbers from 'smallest' to 'largest'"),
        ({"arguments": {"min_length": 8, "max_length": 6}}, "'max_length' is below 'min_length'"),
    ],
)
def test_a_wrong_argument_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_task(spec_of(**source))


def test_an_unknown_generator_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"sources\.0\.generate: no generator 'list_algorithm'"):
        load_task(spec_of(generate="list_algorithm"))
    assert GENERATORS.names() == ["list_algorithms"]


@pytest.mark.parametrize("splits", [{}, {"test": 0}, {"test": "10"}, {"tests": 10}])
def test_sizes_are_whole_numbers_of_rows(splits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="splits"):
        spec_of(splits=splits)


def test_the_shifted_task_asks_the_same_about_other_numbers() -> None:
    home = load_task(find_task("list_algorithms")).samples
    away = load_task(find_task("list_algorithms_ood")).samples["test"]
    assert {split: len(samples) for split, samples in home.items()} == {
        "train": 3000,
        "validation": 300,
        "calibration": 300,
        "test": 600,
    }
    for one, two in zip(home["test"], away, strict=True):
        assert (one.label, one.severity, one.meta, one.group) == (
            two.label,
            two.severity,
            two.meta,
            two.group,
        )

    def numbers(samples: Iterable[Any]) -> set[int]:
        lines = (sample.text.splitlines()[0].removeprefix("Numbers: ") for sample in samples)
        return {int(number) for line in lines for number in line.split(", ")}

    assert max(numbers(itertools.chain(*home.values()))) < 1000 <= min(numbers(away))


@pytest.mark.parametrize(
    ("whole", "grades"), [("list_algorithms", [3]), ("list_algorithms_ood", [1, 2, 3, 4, 5])]
)
def test_the_graded_tasks_are_the_rows_of_the_whole(whole: str, grades: list[int]) -> None:
    samples = load_task(find_task(whole), ["test"]).samples["test"]
    for grade in grades:
        own = load_task(find_task(f"{whole}_{grade}"), ["test"]).samples["test"]
        assert len(own) == 120
        assert [sample.text for sample in own] == [s.text for s in samples if s.severity == grade]


def test_the_benchmark_s_family_is_the_size_of_the_numbers() -> None:
    benchmark = find_benchmark("list_algorithms")
    graded = {ood.severity: str(ood.task) for ood in benchmark.ood if ood.family is not None}
    assert sorted(filter(None, graded)) == [1, 2, 3, 4]
    for grade, task in graded.items():
        for sample in load_task(find_task(task)).samples["test"]:
            numbers = sample.text.splitlines()[0].removeprefix("Numbers: ").split(", ")
            assert {len(number) for number in numbers} == {(grade or 0) + 2}
