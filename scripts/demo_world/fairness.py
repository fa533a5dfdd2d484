"""Measures whether the demo world is fair, from the stored files alone and without llmood.

A world is fair when the tuned model is neither always right nor always wrong, knows better what it saw
more often, is unsure where it is wrong, and when the likelihood ratio finds what is OOD although the
plain likelihood is fooled. ``BOUNDS`` says how much of each is asked for.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from transformers import PreTrainedTokenizerFast

from demo_world.train import collate, load_base
from demo_world.world import FAR_DOMAINS, SEED, Row, prompt

DRAWS, NEW_TOKENS = 10, 8
OOD_FILES = ("near_test", *(f"far_{domain.name}_test" for domain in FAR_DOMAINS), "typos_test")
FAR_FILES = tuple(name for name in OOD_FILES if name.startswith("far_"))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Models:
    """Base and tuned model as two separate sets of weights, and their shared tokenizer."""

    tokenizer: PreTrainedTokenizerFast
    base: torch.nn.Module
    tuned: torch.nn.Module


def load(folder: Path) -> Models:
    """Load what a user would load: float16 weights as float32, the adapter on a base of its own."""
    base = folder / "base"
    tuned = PeftModel.from_pretrained(load_base(base), folder / "tuned").eval()
    return Models(PreTrainedTokenizerFast.from_pretrained(base), load_base(base), tuned)


@torch.no_grad()
def log_likelihoods(model: torch.nn.Module, sequences: Sequence[list[int]], pad: int) -> Floats:
    """Sum of log p(token | before) over each sequence without its first token, in float64."""
    sums: list[float] = []
    for start in range(0, len(sequences), 64):
        batch = collate(sequences[start : start + 64], pad)
        targets, mask = batch["input_ids"][:, 1:], batch["attention_mask"][:, 1:]
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        logprobs = torch.log_softmax(logits[:, :-1].double(), dim=-1)
        chosen = logprobs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        sums += (chosen * mask).sum(dim=1).tolist()
    return np.array(sums)


@torch.no_grad()
def answers(models: Models, sequences: Sequence[list[int]], draws: int) -> list[list[str]]:
    """``draws`` answers a prompt at temperature 1 over the whole vocabulary; 0 means one greedy answer."""
    torch.manual_seed(SEED)
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, ids in enumerate(sequences):
        by_length[len(ids)].append(i)
    sampling = {"do_sample": True, "top_k": 0, "top_p": 1.0, "num_return_sequences": draws}
    texts: list[list[str]] = [[] for _ in sequences]
    # Prompts of one length go together: nothing is padded, so nothing can go wrong with padding.
    for length, members in sorted(by_length.items()):
        ids = torch.tensor([sequences[i] for i in members])
        generated = models.tuned.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            **(sampling if draws else {"do_sample": False}),
        )
        decoded = models.tokenizer.batch_decode(generated[:, length:], skip_special_tokens=True)
        for j, text in enumerate(decoded):
            texts[members[j // max(1, draws)]].append(text.strip())
    return texts


def auroc(negative: Floats, positive: Floats) -> float:
    """Share of pairs in which the positive has the higher score, ties half."""
    truth = np.repeat([0, 1], [len(negative), len(positive)])
    return float(roc_auc_score(truth, np.concatenate([negative, positive])))


def _scores(models: Models, rows: list[Row]) -> dict[str, Floats]:
    """Every score of a population, oriented so that higher means more OOD."""
    sequences = models.tokenizer([prompt(row["question"]) for row in rows])["input_ids"]
    base = log_likelihoods(models.base, sequences, models.tokenizer.pad_token_id)
    tuned = log_likelihoods(models.tuned, sequences, models.tokenizer.pad_token_id)
    length = np.array([len(ids) - 1 for ids in sequences], dtype=np.float64)
    return {
        "likelihood_ratio": base - tuned,
        "likelihood_ratio.mean": (base - tuned) / length,
        "likelihood": -tuned,
        "likelihood.mean": -tuned / length,
        "likelihood.base": -base,
        "length": length,
    }


def _right(models: Models, rows: list[Row]) -> NDArray[np.bool_]:
    sequences = models.tokenizer([prompt(row["question"]) for row in rows])["input_ids"]
    greedy = answers(models, sequences, draws=0)
    return np.array([texts[0] in row["answers"] for texts, row in zip(greedy, rows, strict=True)])


def measure(models: Models, splits: dict[str, list[Row]]) -> dict[str, Any]:
    """All fairness figures, as plain data."""
    rows = splits["id_test"]
    right = _right(models, rows)
    times_seen = np.array([row["times_seen"] for row in rows])
    sequences = models.tokenizer([prompt(row["question"]) for row in rows])["input_ids"]
    drawn = answers(models, sequences, DRAWS)
    distinct = np.array([len(set(texts)) / DRAWS for texts in drawn])
    known = _scores(models, rows)
    foreign = {name: _scores(models, splits[name]) for name in OOD_FILES}
    return {
        "accuracy": {"id_test": right.mean()} | {n: _right(models, splits[n]).mean() for n in OOD_FILES},
        "accuracy_by_times_seen": {str(n): right[times_seen == n].mean() for n in np.unique(times_seen)},
        "distinct_answers_auroc": auroc(distinct[right], distinct[~right]),
        "auroc": {
            score: {name: auroc(known[score], foreign[name][score]) for name in OOD_FILES} for score in known
        },
        "mean_score": {
            score: {"id_test": known[score].mean()} | {n: foreign[n][score].mean() for n in OOD_FILES}
            for score in known
        },
        "spearman_likelihood_ratio_length": float(
            spearmanr(known["likelihood_ratio"], known["length"]).statistic
        ),
    }


def unfair(figures: dict[str, Any]) -> list[str]:
    """What the world misses of what is asked of it, in words; empty for a fair world."""
    by_times = [figures["accuracy_by_times_seen"][n] for n in ("0", "1", "4", "16")]
    ratio, plain, length = (figures["auroc"][score] for score in ("likelihood_ratio", "likelihood", "length"))
    asked = {
        "ID accuracy is between 0.5 and 0.9": 0.5 <= figures["accuracy"]["id_test"] <= 0.9,
        "accuracy rises with times seen": all(a < b for a, b in pairwise(by_times)),
        "distinct answers find wrong ones with AUROC 0.7": figures["distinct_answers_auroc"] >= 0.7,
        "likelihood ratio finds near OOD with AUROC 0.80": ratio["near_test"] >= 0.80,
        "likelihood ratio finds each far set with AUROC 0.95": min(ratio[n] for n in FAR_FILES) >= 0.95,
        "plain likelihood ranks a far set wrongly": min(plain[n] for n in FAR_FILES) < 0.5,
        "length alone separates neither near nor far well": max(
            abs(length[n] - 0.5) for n in ("near_test", *FAR_FILES)
        )
        < 0.3,
    }
    return [claim for claim, holds in asked.items() if not holds]


def _table(corner: str, table: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(table.values())))
    lines = [f"{corner:<24}" + "".join(f"{column:>18}" for column in columns)]
    for name, cells in table.items():
        lines.append(f"{name:<24}" + "".join(f"{cells[column]:>18.3f}" for column in columns))
    return "\n".join(lines)


def describe(figures: dict[str, Any]) -> str:
    """The figures as text for a terminal."""
    return "\n\n".join(
        (
            _table("", {"greedy accuracy": figures["accuracy"]}),
            _table("times seen in tuning", {"greedy accuracy": figures["accuracy_by_times_seen"]}),
            f"distinct answers, AUROC of wrong against right: {figures['distinct_answers_auroc']:.3f}",
            _table("AUROC, OOD positive", figures["auroc"]),
            _table("mean score", figures["mean_score"]),
            f"Spearman of likelihood_ratio and length on ID: {figures['spearman_likelihood_ratio_length']:.3f}",
        )
    )


def write(figures: dict[str, Any], path: Path) -> None:
    """Store the figures, rounded to what a re-run on the same machine repeats."""
    rounded = json.loads(json.dumps(figures, default=float), parse_float=lambda text: round(float(text), 4))
    path.write_text(json.dumps(rounded, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
