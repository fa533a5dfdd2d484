"""Scorers on parts of the input: what they ask for, and who can be had of which part."""

from __future__ import annotations

from typing import Any

import pytest

from llmood.engines.captures import capture_splits, required_captures, serves
from llmood.errors import ConfigError
from llmood.modality_config import CONTROLS, ModalityConfig
from llmood.picture_records import Control
from llmood.records import CaptureSpec
from llmood.scorers.base import Scorer, scorers
from llmood.scorers.on_part import check_profile, make_profile, part_of, why_not

STATES = {
    "layers": "-1",
    "positions": "last_prompt,mean_prompt,mean_image,mean_text",
    "dtype": "float32",
}


def made(name: str, **arguments: Any) -> Scorer:
    settings = {"hidden_states": STATES} if name in ("mahalanobis", "knn") else {}
    return scorers.get(name).make(arguments, **settings)


def test_a_capture_under_a_control() -> None:
    spec = CaptureSpec.of("prompt_logprobs", "tuned", exit="0.5")
    blank = spec.under("blank")
    assert blank.id == "prompt_logprobs/tuned/prompt?control=blank,exit=0.5"
    assert (spec.control, blank.control, blank.plain, blank.under("noise").control) == (
        None,
        "blank",
        spec,
        "noise",
    )
    assert CaptureSpec.from_id(blank.id).control == "blank"
    assert blank.on_adapter("tuned:1").control == "blank"


def test_an_answer_to_a_part_is_no_answer_to_the_whole() -> None:
    params = {"max_new_tokens": 4}
    spec = CaptureSpec.of("prompt_logprobs", "tuned", "prompt_response").under("blank")
    order = required_captures([_Asking(spec, spec.plain)], params)
    answers = sorted((each for each in order if each.kind == "response"), key=lambda each: each.control or "")
    assert [each.control for each in answers] == [None, "blank"]
    whole, part = (CaptureSpec.from_id(each.id) for each in answers)
    for recorded, wanted, right in (
        (whole, answers[0], True),
        (part, answers[0], False),
        (whole, answers[1], False),
    ):
        assert serves(recorded, wanted) is right


class _Asking:
    fit_needs = background_needs = ()
    fitted_on = chosen_on = None

    def __init__(self, *needs: CaptureSpec) -> None:
        self.needs = needs


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("likelihood", {"no_question": "it scores the question’s words, and none are left"}),
        ("likelihood.response_given_prompt", {}),
        ("mahalanobis", {}),
        ("length", dict.fromkeys(CONTROLS, "it reads nothing of a model that is shown the picture")),
        ("tfidf_knn", dict.fromkeys(CONTROLS, "it reads nothing of a model that is shown the picture")),
        ("semantic_entropy", dict.fromkeys(CONTROLS, "it takes more than one answer, or asks about one")),
        ("p_true", dict.fromkeys(CONTROLS, "it takes more than one answer, or asks about one")),
    ],
)
def test_who_can_be_had_of_what(name: str, left_out: dict[Control, str]) -> None:
    scorer = made(name)
    assert {control: why for control in CONTROLS if (why := why_not(scorer, control))} == left_out


def test_states_of_one_side_are_read_at_the_tokens_of_the_side_that_is_left() -> None:
    for position in ("mean_image", "mean_text"):
        scorer = made("mahalanobis", position=position)
        found = make_profile(ModalityConfig(), {"mahalanobis": scorer})
        assert found is not None
        assert (found.deciding, found.left_out) == ("mahalanobis", {})
        read = {control: vars(part.scorer)["position"] for (_, control), part in found.parts.items()}
        assert read == {
            "blank": "mean_text",
            "no_question": "mean_image",
            "shuffled": position,
            "noise": position,
        }
        assert vars(scorer)["position"] == position
    whole = made("mahalanobis", position="last_prompt")
    found = make_profile(ModalityConfig(), {"mahalanobis": whole})
    assert found is not None
    assert {vars(part.scorer)["position"] for part in found.parts.values()} == {"last_prompt"}


def test_a_position_of_the_other_side_is_not_kept() -> None:
    spec = made("mahalanobis").needs[0]
    assert dict(part_of(spec, "blank").params)["positions"] == "last_prompt,mean_prompt,mean_text"
    assert dict(part_of(spec, "no_question").params)["positions"] == "last_prompt,mean_prompt,mean_image"
    assert part_of(spec, "noise").plain == spec
    kept = {**STATES, "positions": "mean_image"}
    scorer = scorers.get("mahalanobis").make({"position": "mean_image"}, hidden_states=kept)
    assert why_not(scorer, "blank") == "it reads mean_image, and of this side the run keeps no mean_text"
    assert why_not(scorer, "no_question") is None
    eye = made("mahalanobis", position="eye")
    assert why_not(eye, "blank") == "it reads eye, which says nothing of this part"
    assert [why_not(eye, control) is None for control in CONTROLS] == [False, True, True, True]


def test_a_profile() -> None:
    own = {
        name: made(name) for name in ("likelihood", "perplexity", "mahalanobis", "knn", "length", "random")
    }
    found = make_profile(ModalityConfig(), own)
    assert found is not None
    assert found.scorers == ("likelihood", "perplexity", "mahalanobis", "knn")
    assert found.deciding == "mahalanobis"
    assert set(found.left_out) == {("likelihood", "no_question"), ("perplexity", "no_question")}
    check_profile(ModalityConfig(), found)

    # A part is learned from; another picture is put before a scorer as it is.
    part, noisy = found.under("blank")["mahalanobis"], found.under("noise")["mahalanobis"]
    assert (part.fitted_on, noisy.fitted_on) == ("train", None)
    assert part.scorer is not own["mahalanobis"]
    assert noisy.scorer is own["mahalanobis"]
    splits = capture_splits(found.parts.values(), {}, "test")
    assert {spec.control: set(rows) for spec, rows in splits.items() if spec.kind == "hidden_states"} == {
        "blank": {"train", "test"},
        "no_question": {"train", "test"},
        "shuffled": {"test"},
        "noise": {"test"},
    }
    assert part.definition is not None
    assert part.definition.endswith("; of its words, the picture grey")


def test_named_scorers_decide_in_their_order() -> None:
    own = {name: made(name) for name in ("mahalanobis", "knn")}
    config = ModalityConfig(scorers=("knn", "mahalanobis"), controls=("blank", "no_question"))
    found = make_profile(config, own)
    assert found is not None
    assert (found.scorers, found.deciding) == (("knn", "mahalanobis"), "knn")
    assert make_profile(None, own) is None


def test_answers_are_decoded_for_who_asks_for_them() -> None:
    own = {name: made(name) for name in ("likelihood.response_given_prompt", "mahalanobis")}
    found = make_profile(ModalityConfig(), own)
    assert found is not None
    assert found.scorers == ("mahalanobis",)


def test_what_can_say_nothing_is_refused() -> None:
    own = {"likelihood": made("likelihood")}
    config = ModalityConfig()
    found = make_profile(config, own)
    assert found is not None
    with pytest.raises(
        ConfigError, match="no scorer of the run can be had of its picture, the question left out"
    ):
        check_profile(config, found)
    words = ModalityConfig(controls=("blank", "shuffled"))
    found = make_profile(words, own)
    assert found is not None
    check_profile(words, found)
    apart = {
        name: scorers.get(name).make(
            {"position": f"mean_{side}"}, hidden_states={**STATES, "positions": f"mean_{side}"}
        )
        for name, side in (("mahalanobis", "image"), ("knn", "text"))
    }
    found = make_profile(config, apart)
    assert found is not None
    with pytest.raises(ConfigError, match="can be had of both parts"):
        check_profile(config, found)
    with pytest.raises(ConfigError, match=r"modality.scorers\[0\]: knn is not among the run's scorers"):
        make_profile(ModalityConfig(scorers=("knn",)), own)
