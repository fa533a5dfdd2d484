"""What columns are called in the files that people have."""

from __future__ import annotations

# In the order in which they are preferred; capitals don't matter.
TEXT = (
    "question prompt text input query sentence utterance instruction problem request title_and_text content "
    "review body passage document"
).split()
ANSWERS = (
    "references answers answer response responses output outputs target targets completion ideal gold "
    "gold_answer solution"
).split()
LABELS = "label intent class category sentiment label_text".split()
DOMAINS = "domain topic subject".split()
GROUPS = (
    "group group_id document_id doc_id article_id article passage_id context_id conversation_id dialogue_id "
    "thread_id user_id author_id title"
).split()
CHOICES = "choices options".split()
IDS = "id uid uuid qid question_id example_id".split()
CHATS = "messages conversations conversation input prompt turns dialogue".split()
# Two columns that are read together, and whether the second may be empty.
PAIRS = (
    ("instruction", "input", True),
    ("instruction", "context", True),
    ("context", "question", False),
    ("passage", "question", False),
    ("premise", "hypothesis", False),
    ("sentence1", "sentence2", False),
)
