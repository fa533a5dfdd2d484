"""The seeded generator: facts, question kinds, paraphrases, splits, typos and pre-training text.

Everything follows from ``SEED`` and the word lists. Nothing here needs more than the standard library.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from demo_world.words import DOMAINS, FAR_DOMAINS, ID_DOMAIN, Domain, Kind

SEED = 20261124
ID_NAMES, OTHER_TOWNS = 50, 120
# How many ID facts are seen how often in tuning: 50 towns x 8 kinds = 400 facts in all.
FACTS_BY_TIMES_SEEN = {0: 80, 1: 80, 4: 100, 16: 140}
VALIDATION_ROWS, CALIBRATION_ROWS, TEST_ROWS = 300, 400, 600
NEAR_ROWS, NEAR_TRAIN_ROWS, FAR_ROWS = 300, 800, 300
# The base has met slips of the keyboard, as any base model has; tuning never does.
PRETRAINING_TYPOS = 0.1
PRETRAINING_SHARES = {"towns": 0.4, "beasts": 0.2, "ships": 0.2, "dishes": 0.2}

Row = dict[str, Any]


@dataclass(frozen=True)
class Fact:
    """One invented fact: the answer to every question of one kind about one name."""

    domain: Domain
    name: str
    kind: Kind
    answer: str

    @property
    def group(self) -> str:
        return f"{self.domain.name}/{self.name}/{self.kind.name.replace(' ', '_')}"


@dataclass(frozen=True)
class World:
    """All facts: those of the tuned towns, those held out as near, and those the base reads about."""

    id_facts: list[Fact]
    near_facts: list[Fact]
    base_facts: dict[str, list[Fact]]


def prompt(question: str) -> str:
    """The form in which every question is put to the models; the text scored for OOD is exactly this."""
    return f"Question: {question}\nAnswer:"


def document(question: str, answer: str) -> str:
    """Prompt and answer, as read in pre-training and tuning; the end token is added after tokenising."""
    return f"{prompt(question)} {answer}"


def _rng(*parts: object) -> random.Random:
    # One independent stream a purpose: changing one list doesn't reshuffle everything else.
    return random.Random(":".join(map(str, (SEED, *parts))))


def make_world() -> World:
    """Draw every fact. Tuned towns and the towns of pre-training share syllables and answers, no names."""
    base_facts: dict[str, list[Fact]] = {}
    for domain in DOMAINS:
        rng = _rng("facts", domain.name)
        names = [head + tail for head, tail in product(domain.heads, domain.tails)]
        rng.shuffle(names)
        base_facts[domain.name] = [
            Fact(domain, name, kind, rng.choice(kind.answers)) for name in names for kind in domain.kinds
        ]
    towns, kinds = base_facts[ID_DOMAIN.name], len(ID_DOMAIN.kinds)
    tuned_towns = towns[: ID_NAMES * kinds]
    base_facts[ID_DOMAIN.name] = towns[ID_NAMES * kinds : (ID_NAMES + OTHER_TOWNS) * kinds]
    near = [fact for fact in tuned_towns if fact.kind.name in ID_DOMAIN.near_kinds]
    known = [fact for fact in tuned_towns if fact.kind.name not in ID_DOMAIN.near_kinds]
    return World(known, near, base_facts)


def phrase(fact: Fact, opening: str, core: str, closing: str) -> str:
    """One question about a fact."""
    text = opening + core.format(name=fact.name) + closing
    return text[0].upper() + text[1:]


def _paraphrases(
    fact: Fact, cores: tuple[str, ...], rng: random.Random, taken: set[str], count: int
) -> list[str]:
    """Draw ``count`` questions about a fact that nobody has taken yet, and take them."""
    drawn: list[str] = []
    while len(drawn) < count:
        text = phrase(
            fact, rng.choice(fact.domain.openings), rng.choice(cores), rng.choice(fact.domain.closings)
        )
        if text not in taken:
            taken.add(text)
            drawn.append(text)
    return drawn


def _row(fact: Fact, question: str, times_seen: int | None) -> Row:
    return {
        "question": question,
        "answers": [fact.answer],
        "domain": fact.domain.name,
        "kind": fact.kind.name,
        "group": fact.group,
        "times_seen": times_seen,
    }


def _spread(facts: list[Fact], rows: int, rng: random.Random) -> list[Fact]:
    """``rows`` facts, each used equally often give or take one."""
    picked = facts * (rows // len(facts)) + rng.sample(facts, rows % len(facts))
    rng.shuffle(picked)
    return picked


def _id_splits(facts: list[Fact], taken: set[str]) -> dict[str, list[Row]]:
    """Train rows as often as each fact is to be seen, then unseen paraphrases for the other splits."""
    rng = _rng("id")
    counts = [times for times, number in FACTS_BY_TIMES_SEEN.items() for _ in range(number)]
    rng.shuffle(counts)
    seen = {fact.group: times for fact, times in zip(facts, counts, strict=True)}
    train = [
        _row(fact, question, seen[fact.group])
        for fact in facts
        for question in _paraphrases(fact, fact.kind.cores[:-1], rng, taken, seen[fact.group])
    ]
    rng.shuffle(train)
    splits = {"id_train": train}
    sizes = {"validation": VALIDATION_ROWS, "calibration": CALIBRATION_ROWS, "test": TEST_ROWS}
    for split, rows in sizes.items():
        splits[f"id_{split}"] = [
            _row(fact, question, seen[fact.group])
            for fact in _spread(facts, rows, rng)
            for question in _paraphrases(fact, fact.kind.cores, rng, taken, 1)
        ]
    return splits


def _ood_rows(facts: list[Fact], rows: int, name: str, taken: set[str]) -> list[Row]:
    rng = _rng(name)
    return [
        _row(fact, question, None)
        for fact in _spread(facts, rows, rng)
        for question in _paraphrases(fact, fact.kind.cores, rng, taken, 1)
    ]


def add_typos(text: str, rng: random.Random) -> str:
    """Two slips of the keyboard in different places: a letter lost, doubled, or swapped with the next."""
    spots = [i for i in range(1, len(text) - 1) if text[i - 1 : i + 2].isalpha() and text[i] != text[i + 1]]
    for spot in sorted(rng.sample(spots, 2), reverse=True):
        slip = rng.choice(("lost", "doubled", "swapped"))
        middle = {"lost": "", "doubled": text[spot] * 2, "swapped": text[spot + 1] + text[spot]}[slip]
        text = text[:spot] + middle + text[spot + 1 + (slip == "swapped") :]
    return text


def _typo_rows(parents: list[Row]) -> list[Row]:
    rng = _rng("typos")
    return [{**row, "question": add_typos(row["question"], rng), "parent_id": row["id"]} for row in parents]


def make_splits(world: World) -> dict[str, list[Row]]:
    """Every checked-in file's rows, by file name without ending; no question text occurs twice."""
    taken: set[str] = set()
    splits = _id_splits(world.id_facts, taken)
    splits["near_test"] = _ood_rows(world.near_facts, NEAR_ROWS, "near", taken)
    for domain in FAR_DOMAINS:
        name = f"far_{domain.name}_test"
        splits[name] = _ood_rows(world.base_facts[domain.name], FAR_ROWS, name, taken)
    for name, rows in list(splits.items()):
        splits[name] = _number(name, rows)
    splits["typos_test"] = _number("typos_test", _typo_rows(splits["id_test"]))
    # What a contamination sweep mixes into the tuning: the near test's facts in other words.
    near_train = _ood_rows(world.near_facts, NEAR_TRAIN_ROWS, "near_train", taken)
    splits["near_train"] = _number("near_train", near_train)
    return splits


def _number(name: str, rows: list[Row]) -> list[Row]:
    return [{**row, "id": f"{name}-{i:04d}"} for i, row in enumerate(rows)]


def pretraining_documents(world: World, held_out: set[str], stream: str) -> Iterator[tuple[str, str]]:
    """Endless questions and answers about the facts of pre-training, never a held-out question."""
    rng = _rng("pretraining", stream)
    domains, shares = list(PRETRAINING_SHARES), list(PRETRAINING_SHARES.values())
    while True:
        fact = rng.choice(world.base_facts[rng.choices(domains, shares)[0]])
        domain = fact.domain
        text = phrase(
            fact, rng.choice(domain.openings), rng.choice(fact.kind.cores), rng.choice(domain.closings)
        )
        if rng.random() < PRETRAINING_TYPOS:
            text = add_typos(text, rng)
        if text not in held_out:
            yield text, fact.answer


def questions(splits: dict[str, list[Row]]) -> set[str]:
    """Every question text that is checked in."""
    return {row["question"] for rows in splits.values() for row in rows}


def write_splits(splits: dict[str, list[Row]], folder: Path) -> None:
    """Write one JSONL file a split; the same splits give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        lines = [json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
