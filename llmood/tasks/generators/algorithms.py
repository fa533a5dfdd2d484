"""Questions about a list of different numbers, each with its exact answer: what `list_algorithms` asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

Numbers = Sequence[int]

# Of the obvious algorithm, which tries everything, in the list's length N: grade 1 to 5.
COMPLEXITY_CLASSES = {1: "N", 2: "N log N or N^2", 3: "N^3", 4: "N^4", 5: "2^N"}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One kind of question.

    Attributes:
        complexity: the grade of `COMPLEXITY_CLASSES`.
        question: what is asked; `{limit}` in it is a number that goes with the list.
        answer: (numbers, limit) to the answer.
        limit_of: how many of the list's numbers the limit is the sum of; 0: the question has none.
    """

    name: str
    complexity: int
    question: str
    answer: Callable[[Numbers, int], int | list[int]]
    limit_of: int = 0


def choices_by_sum(numbers: Numbers, size: int | None = None) -> Counter[int]:
    """How many ways there are to choose numbers (any, or `size` of them; none at all is a way) with each sum."""
    ways: dict[int, Counter[int]] = {0: Counter({0: 1})}
    for number in numbers:
        # From the largest choices down, so that no number is chosen twice.
        for chosen in sorted(ways, reverse=True):
            grown = ways.setdefault(chosen + 1, Counter())
            for total, count in ways[chosen].items():
                grown[total + number] += count
    found: Counter[int] = Counter()
    for chosen in ways if size is None else [size]:
        found.update(ways.get(chosen, {}))
    return found


def ways_below(numbers: Numbers, limit: int, size: int | None = None) -> int:
    """How many choices have a sum below `limit`; choosing none is no choice."""
    found = sum(count for total, count in choices_by_sum(numbers, size).items() if total < limit)
    return found - (size is None and limit > 0)


def increasing_choices(numbers: Numbers, size: int) -> int:
    """How many choices of `size` numbers rise from left to right."""
    ending = [1] * len(numbers)
    for _ in range(size - 1):
        ending = [
            sum(ending[left] for left in range(right) if numbers[left] < numbers[right])
            for right in range(len(numbers))
        ]
    return sum(ending)


def inversions(numbers: Numbers) -> int:
    """How many pairs stand in falling order."""
    seen: list[int] = []
    found = 0
    for number in numbers:
        place = bisect_left(seen, number)
        found += len(seen) - place
        seen.insert(place, number)
    return found


def longest_stretch_within(numbers: Numbers, limit: int) -> int:
    """The length of the longest stretch of neighbours with a sum of at most `limit`; the numbers are positive."""
    best = start = total = 0
    for end, number in enumerate(numbers):
        total += number
        while total > limit:
            total -= numbers[start]
            start += 1
        best = max(best, end + 1 - start)
    return best


def closest_pair_sums(numbers: Numbers) -> int:
    """The smallest difference between the sums of two pairs without a common number."""
    pairs = [(numbers[i] + numbers[j], 1 << i | 1 << j) for i, j in combinations(range(len(numbers)), 2)]
    return min(abs(one - two) for (one, here), (two, there) in combinations(pairs, 2) if not here & there)


def fairest_split(numbers: Numbers) -> int:
    """The smallest difference between the sums of two groups that together are the list."""
    whole = sum(numbers)
    return min(abs(whole - 2 * part) for part in choices_by_sum(numbers))


def fullest_choice(numbers: Numbers, limit: int) -> int:
    """The largest sum of a choice that is at most `limit`."""
    return max(total for total in choices_by_sum(numbers) if total <= limit)


ALGORITHMS = (
    Algorithm("sum", 1, "What is the sum of the numbers?", lambda x, _: sum(x)),
    Algorithm("largest", 1, "What is the largest number?", lambda x, _: max(x)),
    Algorithm("even", 1, "How many of the numbers are even?", lambda x, _: sum(n % 2 == 0 for n in x)),
    Algorithm("sort", 2, "What is the list from the smallest to the largest?", lambda x, _: sorted(x)),
    Algorithm(
        "inversions",
        2,
        "How many pairs of numbers are there of which the left one is larger than the right one?",
        lambda x, _: inversions(x),
    ),
    Algorithm(
        "pairs_below",
        2,
        "How many ways are there to choose two of the numbers with a sum below {limit}?",
        lambda x, limit: ways_below(x, limit, 2),
        limit_of=2,
    ),
    Algorithm(
        "triples_below",
        3,
        "How many ways are there to choose three of the numbers with a sum below {limit}?",
        lambda x, limit: ways_below(x, limit, 3),
        limit_of=3,
    ),
    Algorithm(
        "increasing_triples",
        3,
        "How many ways are there to choose three of the numbers that grow from left to right?",
        lambda x, _: increasing_choices(x, 3),
    ),
    Algorithm(
        "longest_stretch",
        3,
        "How many numbers are in the longest stretch of neighbours with a sum of at most {limit}?",
        longest_stretch_within,
        limit_of=3,
    ),
    Algorithm(
        "quadruples_below",
        4,
        "How many ways are there to choose four of the numbers with a sum below {limit}?",
        lambda x, limit: ways_below(x, limit, 4),
        limit_of=4,
    ),
    Algorithm(
        "increasing_quadruples",
        4,
        "How many ways are there to choose four of the numbers that grow from left to right?",
        lambda x, _: increasing_choices(x, 4),
    ),
    Algorithm(
        "closest_pair_sums",
        4,
        "What is the smallest difference between the sums of two pairs that have no number in common?",
        lambda x, _: closest_pair_sums(x),
    ),
    Algorithm(
        "choices_below",
        5,
        "How many ways are there to choose one or more of the numbers with a sum below {limit}?",
        ways_below,
        limit_of=3,
    ),
    Algorithm(
        "fairest_split",
        5,
        "If the numbers are put into two groups, how small can the difference between their sums be?",
        lambda x, _: fairest_split(x),
    ),
    Algorithm(
        "fullest_choice",
        5,
        "What is the largest sum of chosen numbers that is at most {limit}?",
        fullest_choice,
        limit_of=3,
    ),
)
