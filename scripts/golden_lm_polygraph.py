"""Writes tests/golden/lm_polygraph.json: made-up answers, and lm-polygraph's scores of them.

    build/bench/lm-polygraph/bin/python scripts/golden_lm_polygraph.py

It runs in the environment that `scripts/bench.py --only against_lm_polygraph` makes, so it imports nothing of llmood.
Numbers are multiples of 1/256: float32, which stores keep, and decimals both hold them exactly.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).resolve().parents[1] / "tests" / "golden" / "lm_polygraph.json"
COMMAND = "build/bench/lm-polygraph/bin/python scripts/golden_lm_polygraph.py"
KINDS = ("one_answer", "all_different", "two_meanings", "repeated", "random", "ties", "long", "cyrillic")
OF_A_KIND = 4
DRAWS, VOCABULARY, ALTERNATIVES, LAYERS, HEADS = 5, 10, 4, 6, 3
# Words that the stemmer of `rouge_score` leaves alone.
WORDS = ("the", "fox", "is", "red", "and", "old", "cat", "sat", "on", "a", "mat", "dim")
CYRILLIC = ("кот", "лис", "дом", "сад", "лес", "мак", "дым", "сон", "мел", "лёд", "мёд", "пол")
CONTRADICTION, NEUTRAL, ENTAILMENT = range(3)
LABELS = ("contra", "neutral", "entail")


def exact(values):
    """The nearest multiples of 1/256."""
    return np.round(np.asarray(values) * 256) / 256


def verdict(random, label=None):
    """Probabilities of contradiction, neutral and entailment that add up to 1, one of them above the others."""
    while True:
        first, second = exact(random.dirichlet([1.0, 1.0, 1.0])[:2])
        found = np.array([first, second, 1 - first - second])
        likeliest = np.flatnonzero(found == found.max())
        if found.min() > 0 and len(likeliest) == 1 and label in {None, likeliest[0]}:
            return found


def texts_of(random, kind):
    """The draws, and what each of them means; None: nobody knows."""
    length = 12 if kind == "long" else 0
    words = CYRILLIC if kind == "cyrillic" else WORDS
    known = {}
    while len(known) < DRAWS:
        known[" ".join(random.choice(words, length or random.integers(2, 6)))] = None
    texts = list(known)
    if kind == "one_answer":
        return texts[:1] * DRAWS, [0] * DRAWS
    if kind == "all_different":
        return texts, list(range(DRAWS))
    if kind in {"two_meanings", "ties"}:
        return texts, [0, 1, 0, 0, 1]
    if kind == "repeated":
        return [texts[index] for index in (0, 1, 0, 2, 1)], None
    return texts, None


def question(random, kind):
    """One question: what was drawn, what a pair-reading model said of it, and a greedy answer."""
    texts, meanings = texts_of(random, kind)
    logprobs, relevances, verdicts = {}, {}, {}
    for text in texts:
        tokens = len(text.split())
        values = random.uniform(-4, 0, tokens) if kind != "ties" else np.full(tokens, -4.0 / tokens)
        logprobs[text] = exact(values)
        relevances[text] = exact(random.uniform(1 / 128, 1, tokens))
    for one, first in enumerate(texts):
        for other, second in enumerate(texts):
            label = None
            if meanings is not None:
                label = ENTAILMENT if meanings[one] == meanings[other] else CONTRADICTION
            if first == second:
                verdicts[first, second] = np.eye(3)[ENTAILMENT]
            elif kind == "ties":
                verdicts[first, second] = 0.25 + 0.25 * np.eye(3)[label]
            else:
                verdicts[first, second] = verdict(random, label)
    matrix = np.array([[verdicts[first, second] for second in texts] for first in texts])
    return {
        "kind": kind,
        "draws": [
            {"text": text, "logprobs": logprobs[text].tolist(), "relevances": relevances[text].tolist()}
            for text in texts
        ],
        "contradiction": matrix[..., CONTRADICTION].tolist(),
        "entailment": matrix[..., ENTAILMENT].tolist(),
        "greedy": greedy(random, texts),
    }


def greedy(random, texts):
    """The greedy answer of a few tokens, with what its scorers need."""
    tokens = int(random.integers(2, 6))
    logits = np.sort(exact(random.normal(0, 2, (tokens, VOCABULARY))))[:, ::-1]
    logprobs = log_softmax(logits)[:, 0].astype(np.float32).astype(np.float64)
    said = {text: verdict(random) for text in texts}
    against = np.array([said[text] for text in texts])
    return {
        "logits": logits.tolist(),  # the likeliest first, which is the one that was taken
        "logprobs": logprobs.tolist(),
        "relevances": exact(random.uniform(1 / 128, 1, tokens)).tolist(),
        "similarities": exact(random.uniform(0, 1, DRAWS)).tolist(),
        "contradiction": against[:, CONTRADICTION].tolist(),
        "entailment": against[:, ENTAILMENT].tolist(),
        # Of the token that was taken on each of its alternatives, itself the first, and of those on it.
        "forward": random.integers(0, 3, (tokens, ALTERNATIVES)).tolist(),
        "backward": random.integers(0, 3, (tokens, ALTERNATIVES)).tolist(),
        "attention": exact(random.uniform(1 / 256, 0.5, (LAYERS, HEADS, tokens - 1))).tolist(),
    }


def log_softmax(logits):
    """Log-probabilities, in float64."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def statistics(questions):
    """The questions as lm-polygraph's estimators take them."""
    from lm_polygraph.stat_calculators.entropy import EntropyCalculator
    from lm_polygraph.stat_calculators.semantic_classes import SemanticClassesCalculator

    drawn = [each["draws"] for each in questions]
    taken = [each["greedy"] for each in questions]
    entails = np.array([each["entailment"] for each in questions])
    contradicts = np.array([each["contradiction"] for each in questions])
    classes = np.stack([contradicts, 1 - entails - contradicts, entails]).argmax(axis=0)
    against = {name: np.array([each[name] for each in taken]) for name in ("contradiction", "entailment")}
    with np.errstate(divide="ignore"):  # a text doesn't contradict itself at all
        logits = {"entail": np.log(entails), "contra": np.log(contradicts)}
    found = {
        "sample_texts": [[draw["text"] for draw in own] for own in drawn],
        "sample_tokens": [[list(range(len(draw["logprobs"]))) for draw in own] for own in drawn],
        "sample_log_likelihoods": [[draw["logprobs"] for draw in own] for own in drawn],
        "sample_log_probs": [[sum(draw["logprobs"]) for draw in own] for own in drawn],
        "sample_token_similarity": [[1 - np.array(draw["relevances"]) for draw in own] for own in drawn],
        "sample_sentence_similarity": (entails + np.swapaxes(entails, 1, 2)) / 2,
        "semantic_matrix_entail": entails,
        "semantic_matrix_contra": contradicts,
        "semantic_matrix_entail_logits": logits["entail"],
        "semantic_matrix_contra_logits": logits["contra"],
        "semantic_matrix_classes": classes,
        "entailment_id": ENTAILMENT,
        "concat_greedy_semantic_matrix_contra_forward": against["contradiction"],
        "concat_greedy_semantic_matrix_neutral_forward": 1 - against["contradiction"] - against["entailment"],
        "greedy_log_likelihoods": [np.array(each["logprobs"]) for each in taken],
        "greedy_log_probs": [log_softmax(np.array(each["logits"])) for each in taken],
        "greedy_sentence_similarity": [np.array(each["similarities"]) for each in taken],
        "token_similarity": [1 - np.array(each["relevances"]) for each in taken],
        "greedy_tokens": [list(range(len(each["logprobs"]))) for each in taken],
        "greedy_tokens_alternatives": [alternatives(each) for each in taken],
        "greedy_tokens_alternatives_nli": [alternatives_nli(each) for each in taken],
        "attention_all": [attention(each) for each in taken],
    }
    found |= SemanticClassesCalculator()(found, [], None)
    return found | EntropyCalculator()(found)


def alternatives(answer):
    """Each token's likeliest alternatives with their log-probabilities."""
    rows = log_softmax(np.array(answer["logits"]))[:, :ALTERNATIVES]
    return [[(f"w{index}", value) for index, value in enumerate(row)] for row in rows]


def alternatives_nli(answer):
    """Verdicts of alternatives on each other; only the first row and the first column are read."""
    found = []
    for forward, backward in zip(answer["forward"], answer["backward"], strict=True):
        square = [["neutral"] * ALTERNATIVES for _ in range(ALTERNATIVES)]
        for index in range(ALTERNATIVES):
            square[index][0] = LABELS[backward[index]]
        square[0] = [LABELS[label] for label in forward]
        found.append(square)
    return found


def attention(answer):
    """Attention (layers · heads, tokens, tokens), of which only what a token pays to the one before it is read."""
    weights = np.array(answer["attention"])
    tokens = weights.shape[2] + 1
    found = np.zeros((LAYERS * HEADS, tokens, tokens))
    found[:, np.arange(1, tokens), np.arange(tokens - 1)] = weights.reshape(LAYERS * HEADS, tokens - 1)
    return found


def scores(questions):
    """Each estimator's scores."""
    from lm_polygraph import estimators as of
    from lm_polygraph.estimators.rauq import RAUQ

    shapes = {
        f"{make.__name__}({arguments})": make(*arguments.values())
        for make in (of.DegMat, of.Eccentricity, of.EigValLaplacian)
        for arguments in (
            {"similarity_score": "NLI_score", "affinity": "entail"},
            {"similarity_score": "NLI_score", "affinity": "contra"},
            {"similarity_score": "Jaccard_score"},
        )
    }
    made = [
        of.MaximumSequenceProbability(),
        of.Perplexity(),
        of.MeanTokenEntropy(),
        of.SelfCertainty(),
        of.RenyiNeg(),
        of.FisherRao(),
        of.ClaimConditionedProbability(),
        RAUQ(alpha=0.2, n_layers=LAYERS, n_heads=HEADS),
        of.TokenSAR(),
        of.MonteCarloSequenceEntropy(),
        of.MonteCarloNormalizedSequenceEntropy(),
        of.SemanticEntropy(),
        of.SemanticEntropy(use_unique_responses=True),
        of.SemanticEntropy(class_probability_estimation="frequency"),
        of.NumSemSets(),
        of.LabelProb(),
        *shapes.values(),
        of.LexicalSimilarity("rougeL"),
        of.KernelLanguageEntropy(),
        of.SemanticDensity(),
        of.SentenceSAR(),
        of.SAR(),
        of.LUQ(),
        of.CocoaMSP(),
        of.CocoaPPL(),
        of.CocoaMTE(),
    ]
    stats = statistics(questions)
    return {str(each): np.asarray(each(stats), np.float64).tolist() for each in made}


def main():
    """Make the questions, score them, write both."""
    random = np.random.Generator(np.random.PCG64(0))
    questions = [question(random, kind) for _ in range(OF_A_KIND) for kind in KINDS]
    found = scores(questions)
    if not all(np.isfinite(values).all() for values in found.values()):
        raise SystemExit("lm-polygraph has no number for some question: there is nothing to compare")

    def line(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    parts = [
        f'"peer": {line("lm-polygraph " + version("lm-polygraph"))}',
        f'"command": {line(COMMAND)}',
        '"questions": [\n' + ",\n".join(map(line, questions)) + "\n]",
        '"scores": {\n' + ",\n".join(f"{line(name)}: {line(own)}" for name, own in found.items()) + "\n}",
    ]
    OUTPUT.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
