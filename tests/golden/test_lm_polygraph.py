"""Scores against those that lm-polygraph's own estimators gave of the same recorded answers.

`scripts/golden_lm_polygraph.py` wrote them. What differs on purpose stands beside each score here, and with its reason
in docs/decisions/0020; what isn't compared is in 0026.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np
import pytest

from tests.golden.formulas import MEASURES, Scores
from tests.golden.observed import scores_of_answers, scores_of_draws
from tests.golden.recorded import DRAWS, GOLDEN, KINDS, QUESTIONS, ROOT

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Same:
    """Which registered scorer is an estimator's, and what of it is: `times` its scores and `plus`, of some `kinds`."""

    scorer: str
    times: float = 1.0
    plus: float = 0.0
    kinds: tuple[str, ...] = ()


CLEAR = ("one_answer", "all_different", "two_meanings", "ties")
OF_DRAWS = {
    "MonteCarloSequenceEntropy": Same("sequence_entropy"),
    "MonteCarloNormalizedSequenceEntropy": Same("sequence_entropy.mean"),
    "SemanticEntropyEmpirical": Same("semantic_entropy.discrete"),
    # Its mean is over draws, ours over clusters: the same where a cluster has one draw, or there is one cluster.
    "SemanticEntropyUnique": Same("semantic_entropy.monte_carlo", kinds=("one_answer", "all_different")),
    # It counts connected components, which chain answers whose verdicts aren't clear.
    "NumSemSets": Same("semantic_sets", kinds=CLEAR),
    "LabelProb": Same("self_consistency"),
    "DegMat_NLI_score_entail": Same("degree_matrix"),
    "DegMat_NLI_score_contra": Same("degree_matrix.contradiction"),
    "DegMat_Jaccard_score": Same("degree_matrix.jaccard"),
    "Eccentricity_NLI_score_entail": Same("eccentricity"),
    "Eccentricity_NLI_score_contra": Same("eccentricity.contradiction"),
    "Eccentricity_Jaccard_score": Same("eccentricity.jaccard"),
    "EigValLaplacian_NLI_score_entail": Same("eigenvalue_laplacian"),
    "EigValLaplacian_NLI_score_contra": Same("eigenvalue_laplacian.contradiction"),
    "EigValLaplacian_Jaccard_score": Same("eigenvalue_laplacian.jaccard"),
    # −similarity, ours 1 − similarity; it finds no words in other scripts than Latin.
    "LexicalSimilarity_rougeL": Same(
        "lexical_similarity", plus=-1.0, kinds=(*CLEAR, "repeated", "random", "long")
    ),
    # It divides by log K.
    "KernelLanguageEntropy": Same("kernel_language_entropy", times=1 / np.log(DRAWS)),
    "SentenceSAR": Same("sentence_sar"),
}
OF_ANSWERS = {
    "MaximumSequenceProbability": Same("likelihood.response_given_prompt"),
    "Perplexity": Same("likelihood.response_given_prompt.mean"),
}


def theirs(name: str, kinds: tuple[str, ...] = ()) -> Scores:
    values = np.array(GOLDEN["scores"][name])
    return values[np.isin(KINDS, kinds)] if kinds else values


@pytest.mark.parametrize("name", OF_DRAWS)
def test_scorers_of_draws(name: str) -> None:
    same = OF_DRAWS[name]
    _compare(scores_of_draws(same.scorer, QUESTIONS), same, name)


@pytest.mark.parametrize("name", OF_ANSWERS)
def test_scorers_of_answers(name: str) -> None:
    same = OF_ANSWERS[name]
    _compare(scores_of_answers(same.scorer, QUESTIONS), same, name)


def _compare(ours: Scores, same: Same, name: str) -> None:
    if same.kinds:
        ours = ours[np.isin(KINDS, same.kinds)]
    np.testing.assert_allclose(
        ours * same.times + same.plus, theirs(name, same.kinds), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("name", MEASURES)
def test_measures(name: str) -> None:
    np.testing.assert_allclose(MEASURES[name](), theirs(name), rtol=0, atol=TOLERANCE)


# ------------------------------------------------------------------------------------------- the file


def test_every_recorded_estimator_is_compared() -> None:
    assert set(GOLDEN["scores"]) == {*OF_DRAWS, *OF_ANSWERS, *MEASURES}


def test_it_was_written_by_the_pinned_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    version = import_module("benchmarks.environments").version_of("lm-polygraph")
    assert GOLDEN["peer"] == f"lm-polygraph {version}"
    assert GOLDEN["command"] == "build/bench/lm-polygraph/bin/python scripts/golden_lm_polygraph.py"


def test_the_scores_differ_between_questions() -> None:
    for name, values in GOLDEN["scores"].items():
        assert len(set(values)) >= 4, name


def test_the_exceptions_are_there() -> None:
    cyrillic = theirs("LexicalSimilarity_rougeL", ("cyrillic",))
    assert (cyrillic == 0).all()
    unclear = KINDS == "random"
    sets = scores_of_draws("semantic_sets", QUESTIONS)
    assert (theirs("NumSemSets")[unclear] <= sets[unclear]).all()
    assert (theirs("NumSemSets")[unclear] < sets[unclear]).any()
    clusters = scores_of_draws("semantic_entropy.monte_carlo", QUESTIONS)[KINDS == "two_meanings"]
    assert np.abs(clusters - theirs("SemanticEntropyUnique", ("two_meanings",))).max() > 0.01
