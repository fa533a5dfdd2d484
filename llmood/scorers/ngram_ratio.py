"""The likelihood ratio without a language model: character n-grams of the train texts, and of the same texts spoilt."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from llmood.engines.observations import Block, Observations
from llmood.measures.character_ngrams import Alphabet, CharacterModel, mutated
from llmood.records import Scores, Split
from llmood.scorers.arguments import check_count, check_seed, check_share
from llmood.scorers.base import Scorer, register
from llmood.scorers.text import NO_TRAIN_TEXT, texts_of, train_texts
from llmood.seeds import derive_generator


@register("ngram_ratio", {"": {"mean": False}, ".mean": {"mean": True}})
class NgramRatio(Scorer):
    """log p_background − log p_ID of the text under two character n-gram models, summed (or averaged): no neural model.

    Formula: `measures.character_ngrams.CharacterModel`, interpolated Witten–Bell; the background is fitted on mutated
    copies of the train texts (Ren et al., "Likelihood Ratios for Out-of-Distribution Detection", NeurIPS 2019, §3), so
    that it knows the domain's letters better than its words. What this shares with the neural `likelihood_ratio` is
    the idea alone. Order and rate were chosen on clinc150's validation rows against clinc150_oos's: AUROC 0.82 summed,
    0.83 averaged. At higher rates the background knows no language at all, and the sum falls with a text's length.

    Args:
        mean: per character.
        order: the n of the longest n-grams.
        mutation_rate: the share of the background's characters that are drawn anew.
        references: at most so many train texts, drawn by hash, as many of each label as of the others.
        seed: another seed mutates other characters.
    """

    fitted_on: ClassVar[Split | None] = "train"
    reads_text: ClassVar[bool] = True
    alphabet_: Alphabet
    domain_: CharacterModel | None
    background_: CharacterModel | None

    def __init__(
        self,
        *,
        mean: bool = False,
        order: int = 4,
        mutation_rate: float = 0.05,
        references: int = 20_000,
        seed: int = 0,
    ) -> None:
        check_count("order", order)
        check_share("mutation_rate", mutation_rate)
        check_count("references", references)
        check_seed(seed)
        self.mean = mean
        self.order = order
        self.mutation_rate = mutation_rate
        self.references = references
        self.seed = seed

    def fit(self, train: Observations, validation: Observations | None = None) -> Self:
        texts = train_texts(train, self.references, self.seed, "ngram_ratio")
        self.alphabet_ = Alphabet.of(texts)
        self.domain_ = self.background_ = None
        if texts:
            symbols = [self.alphabet_.encode(text) for text in texts]
            generator = derive_generator(self.seed, "ngram_ratio", "mutation")
            spoilt = [mutated(row, self.alphabet_, self.mutation_rate, generator) for row in symbols]
            self.domain_ = CharacterModel(symbols, self.alphabet_, self.order)
            self.background_ = CharacterModel(spoilt, self.alphabet_, self.order)
        return self

    def score(self, block: Block) -> Scores:
        texts, reasons = texts_of(block.samples)
        if self.domain_ is None or self.background_ is None:
            return Scores(np.full(len(texts), np.nan), [reason or NO_TRAIN_TEXT for reason in reasons])
        symbols = [self.alphabet_.encode(text) for text in texts]
        domain, characters = self.domain_.log_likelihoods(symbols)
        background, _ = self.background_.log_likelihoods(symbols)
        values = (background - domain) / (characters if self.mean else 1)
        values[[reason is not None for reason in reasons]] = np.nan
        return Scores(values, reasons)
