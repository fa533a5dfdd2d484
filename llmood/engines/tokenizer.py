"""A model folder's tokenizer, made to add only what stands before a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from llmood.errors import ConfigError, first_line
from llmood.identity import FileDigests
from llmood.records import Message

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "chat_template.jinja",
    "chat_template.json",
)

# One class under its two names; AutoTokenizer would take it too.
PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a folder that decide what its tokenizer does."""
    return [folder / name for name in FILES if (folder / name).is_file()]


class FolderTokenizer:
    """transformers' tokenizer of a folder, behind the protocol of `engines.base.Tokenizer`.

    Args:
        folder: where the tokenizer's files are.
        model_folder: where `generation_config.json` is, which may name further end tokens.
        place: where the configuration names it, for messages.
    """

    def __init__(
        self, folder: Path, model_folder: Path, *, place: str, trust_remote_code: bool = False
    ) -> None:
        if not tokenizer_files(folder):
            raise ConfigError(
                f"{place}: {folder} holds no tokenizer", hint="copy the model's tokenizer files there"
            )
        self._folder = folder
        self._model_folder = model_folder
        self._place = place
        self._trust = trust_remote_code

    @cached_property
    def identity(self) -> str:
        return FileDigests().of_all(tokenizer_files(self._folder))

    @property
    def has_chat_template(self) -> bool:
        return bool(self._tokenizer.chat_template)

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        return self._affixes[0]

    @cached_property
    def end_ids(self) -> frozenset[int]:
        named = [self._tokenizer.eos_token_id]
        path = self._model_folder / "generation_config.json"
        if path.is_file():
            try:
                value = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
            except (ValueError, AttributeError):
                raise ConfigError(f"{self._place}: {path} is not a JSON object") from None
            named += value if isinstance(value, list) else [value]
        return frozenset(token for token in named if token is not None)

    def render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return self._applied(self._tokenizer, turns)

    def _applied(self, templated: Any, turns: Sequence[Mapping[str, Any]]) -> str:
        try:
            return str(templated.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except Exception as error:
            # Templates refuse by raising (no system turn, roles that don't alternate), and fail as other code does.
            reason = first_line(error)
            raise ConfigError(f"{self._place}: its chat template refuses the messages: {reason}") from error

    def encode(self, texts: Sequence[str], *, rendered: bool) -> list[tuple[int, ...]]:
        if not texts:
            return []
        ids = self._tokenizer(list(texts), add_special_tokens=not rendered, truncation=False, verbose=False)[
            "input_ids"
        ]
        # Some tokenizers also end every text: a prompt that has ended has no answer.
        end = 0 if rendered else len(self._affixes[1])
        return [tuple(row[: len(row) - end]) for row in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    @cached_property
    def _affixes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the tokenizer puts before and after every text by itself."""
        bare = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        full = self._tokenizer("a", add_special_tokens=True)["input_ids"]
        for start in range(len(full) - len(bare) + 1) if bare else ():
            if full[start : start + len(bare)] == bare:
                return tuple(full[:start]), tuple(full[start + len(bare) :])
        raise ConfigError(
            f"{self._place}: its tokenizer reads a text differently with special tokens than without"
        )

    @property
    def _is_plain(self) -> bool:
        """Whether its own configuration names the class that every `tokenizer.json` can be read by."""
        try:
            config = json.loads((self._folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        named = config.get("tokenizer_class") if isinstance(config, dict) else None
        return named in PLAIN and "auto_map" not in config and (self._folder / "tokenizer.json").is_file()

    @cached_property
    def _tokenizer(self) -> Any:
        # The choice among all models' tokenizers imports them all, which takes seconds.
        if self._is_plain:
            from transformers import PreTrainedTokenizerFast as Chosen
        else:
            from transformers import AutoTokenizer as Chosen

        try:
            return Chosen.from_pretrained(self._folder, trust_remote_code=self._trust, local_files_only=True)
        except Exception as error:
            first = first_line(error)
            raise ConfigError(
                f"{self._place}: the tokenizer in {self._folder} can't be read: {first}"
            ) from error
