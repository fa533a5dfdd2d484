"""What every template of derived prompts keeps to, and that none changes under its version."""

from __future__ import annotations

import pytest

from llmood.identity import digest
from llmood.prompting.base import Material, Shot, Template, template_of, templates
from llmood.records import CaptureSpec, Message

TEMPLATES = [pytest.param(template, id=name) for name, template in templates]
CHAT = (
    Message("system", "Be brief."),
    Message("user", "Where is Lyon?"),
    Message("assistant", "In France."),
    Message("user", " And Bergen? "),
)
MATERIALS = [
    Material(
        CHAT,
        " In Norway.\n",
        ("Norway", "In Norway.", "Sweden"),
        ("Norway", "Kingdom of Norway"),
        (Shot("Where is Nice?", "France", True), Shot("Where is Ulm?", "Peru", False)),
    ),
    Material((Message("user", "Question: 6 × 7?\nAnswer:"),), " 42", ("41",), ("42",)),
]

# A template that makes something else is another one: raise its version, and write down what that makes.
DIGESTS = {
    "answer_words@1": "6b4afcb544958861",
    "answer_with_confidence@1": "d37152a3fd62bd74",
    "confidence@1": "323e781b393aad44",
    "judge@1": "f783fa433fa20490",
    "p_true@1": "a21bf8bcf1ab926f",
    "p_true_few_shot@1": "8fbf27fb392b5042",
    "p_true_sampled@1": "1dfdb2c76be93acf",
    "reference_words@1": "bf0ea8b502b4d3fd",
    "same_answer@1": "2373a6d0ccc56fa8",
    "top_guesses@1": "d52b77beef25a872",
}


def made(template: Template) -> list[object]:
    found = [template.make(material) for material in MATERIALS]
    return [[[(each.role, each.content) for each in turns.messages], turns.text] for turns in found]


def test_what_a_version_makes_never_changes() -> None:
    assert {name: digest(made(template))[:16] for name, template in templates} == DIGESTS


@pytest.mark.parametrize("template", TEMPLATES)
def test_its_target_names_it(template: Template) -> None:
    spec = CaptureSpec.of("response", "tuned", template.target, max_new_tokens=5)
    assert template_of(CaptureSpec.from_id(spec.id).target) is template
    assert spec.is_derived
    assert spec.needs_response
    assert spec.fed == "prompt"


def test_words_alone_are_read_alone() -> None:
    bare = {name: template for name, template in templates if template.bare}
    assert set(bare) == {"answer_words@1", "reference_words@1"}
    for name, words in (("answer_words@1", "In Norway."), ("reference_words@1", "Norway")):
        turns = bare[name].make(MATERIALS[0])
        assert [(each.role, each.content) for each in turns.messages] == [("user", words)]
        assert turns.lead == ""


@pytest.mark.parametrize("template", [param for param in TEMPLATES if not param.values[0].bare])
def test_the_model_is_to_answer(template: Template) -> None:
    for material in MATERIALS:
        turns = template.make(material)
        assert turns.messages[-1].role == "user"
        assert all(message.content.strip() for message in turns.messages)
        assert turns.text.endswith(turns.lead)
        assert turns.lead.strip()
        assert material.question in turns.text


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_reads_what_it_says_that_it_reads(template: Template) -> None:
    told = {"response": "xqresponse", "draws": ("xqdraw", "xqother"), "references": ("xqreference",)}
    text = template.make(Material(CHAT, **told)).text  # type: ignore[arg-type]
    for part, words in told.items():
        for word in (words,) if isinstance(words, str) else words:
            assert (word in text) == (part in template.reads), (part, word)
    shot = Shot("xqasked", "xqshot", True)
    shown = template.make(Material(CHAT, references=("xqreference",), shots=(shot,))).text
    assert ("xqshot" in shown) == ("shots" in template.reads)
