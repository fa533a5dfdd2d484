"""Pictures on their way into a model: their places among a prompt's tokens, and the pixels themselves.

The model's own processor makes both. A picture's places are the tokens that it puts where one image token stood; how
many they are may depend on the picture's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from llmood.engines.base import Pictures, Tokenizer
from llmood.engines.folders import ModelFolder, processor_files
from llmood.engines.kept_pixels import KeptPixels
from llmood.engines.opened_pictures import load_all
from llmood.engines.placing import Placed, Places, with_marks, without_marks
from llmood.engines.processor import QWEN_MARKS, QWEN_VL, of_pixels, process, read_processor
from llmood.engines.tokenizer import FolderTokenizer, tokenizer_files
from llmood.errors import ConfigError
from llmood.identity import FileDigests
from llmood.records import Message, parts_of
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from llmood.engines.models.pixels import Pixels

SEVERAL = frozenset({"Idefics3Processor"}) | frozenset(QWEN_VL.values())
"""The processors of models that were trained on several pictures in a prompt. None says so itself; any takes them."""


class PictureTokenizer(FolderTokenizer):
    """The tokenizer of a model that sees, with the processor that its folder brings.

    Args:
        kept: what processors made of pictures, shared by the roles of an engine.
    """

    def __init__(self, *args: Any, kept: KeptPixels | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept = KeptPixels() if kept is None else kept
        self._tokens: dict[str, tuple[int, ...]] = {}  # by a picture's digest, what stands for it
        self._alike: dict[tuple[int, ...], tuple[int, ...]] = {}  # the same tokens are kept once
        self._beside: set[tuple[int | None, ...]] = set()  # what pictures stood between, and all was well

    @cached_property
    def identity(self) -> str:
        return FileDigests().of_all(
            [*tokenizer_files(self._folder), *processor_files(self._processor_folder)]
        )

    @property
    def has_chat_template(self) -> bool:
        return bool(self._processor.chat_template or self._tokenizer.chat_template)

    @property
    def image_token(self) -> str:
        """The token that stands for a picture in a text."""
        return str(self._processor.image_token)

    @property
    def image_text(self) -> str:
        """The same with the marks that a model has around it, as its chat template would write it."""
        return self.image_token.join(QWEN_MARKS) if self.is_qwen else self.image_token

    @cached_property
    def is_qwen(self) -> bool:
        """Whether it is one of Qwen-VL's: a picture stands between marks, and the model counts by its grid."""
        return type(self._processor).__name__ in QWEN_VL.values()

    @property
    def image_token_id(self) -> int:
        return int(self._processor.image_token_id)

    def render(self, messages: Sequence[Message], pictures: int = 0) -> str:
        """As any tokenizer; the pictures stand before the words of the user's first turn.

        The content is always a list of parts: templates of such models pass over what is none.
        """
        return self._applied(self._processor, parts_of(messages, [""] * pictures))

    def refuses(self, pictures: int) -> str | None:
        """Why a prompt with so many pictures is none for this model; None where it is one."""
        if pictures > 1 and type(self._processor).__name__ not in SEVERAL:
            return f"{pictures} pictures, and the model takes 1"
        return None

    def place(self, text: str, images: Sequence[Image.Image], *, rendered: bool) -> Placed:
        """The ids of a text that holds an image token for each of its pictures.

        Raises:
            RowError: the text holds another number of them, or the processor refuses a picture.
        """
        plain = self.plain(text, len(images), rendered=rendered)
        return self._with_marks(self._placed(text, plain, images, rendered=rendered)[0])

    def place_shown(self, text: str, pictures: Pictures, *, rendered: bool) -> Placed:
        """As `place`; what the processor makes of a picture is remembered.

        How many tokens a picture has is known from the first time on: it is read again only beside tokens that no
        picture stood beside before.

        Raises:
            UnreadableError: a file is gone or another.
        """
        plain = self.plain(text, len(pictures), rendered=rendered)
        digests = tuple(picture.digest for picture in pictures)
        first = self._marks(plain)[0]
        beside = (plain[first - 1] if first else None, *plain[first + 1 : first + 2])
        known = self._tokens.get(digests[0]) if len(digests) == 1 and beside in self._beside else None
        if known is not None:
            place = (first, first + len(known))
            return self._with_marks(Placed((*plain[:first], *known, *plain[first + 1 :]), (place,)))
        placed, pixels = self._placed(text, plain, load_all(pictures), rendered=rendered)
        self._kept.add((self._processor_folder, *digests), pixels)
        if len(digests) == 1:
            ((start, stop),) = placed.places
            own = placed.token_ids[start:stop]
            self._tokens[digests[0]] = self._alike.setdefault(own, own)
            self._beside.add(beside)
        return self._with_marks(placed)

    def plain(self, text: str, pictures: int, *, rendered: bool) -> tuple[int, ...]:
        """The ids of a text in which one token stands for each picture."""
        if text.count(self.image_token) != pictures:
            raise RowError(f"the text itself holds {self.image_token}, which stands for a picture")
        return self.encode([text], rendered=rendered)[0]

    def made_places(self, places: Places) -> Places:
        """What a processor makes of one image token each: the places without marks that stand in the text, too."""
        return without_marks(places) if self.is_qwen else places

    def _with_marks(self, placed: Placed) -> Placed:
        """Marks around a picture are its own: nobody wrote them, and they have no likelihood."""
        if not self.is_qwen:
            return placed
        before, after = self._tokenizer.convert_tokens_to_ids(list(QWEN_MARKS))
        return replace(placed, places=with_marks(placed.token_ids, placed.places, (before, after)))

    def _marks(self, plain: Sequence[int]) -> list[int]:
        """Where image tokens stand."""
        return [mark for mark, each in enumerate(plain) if each == self.image_token_id]

    def _placed(
        self, text: str, plain: tuple[int, ...], images: Sequence[Image.Image], *, rendered: bool
    ) -> tuple[Placed, Pixels]:
        ids, pixels = self._expanded(text, images, rendered=rendered)
        marks = self._marks(plain)
        lengths = [len(ids) - len(plain) + 1]
        if len(images) > 1:
            # Pictures side by side have no words between them that would say where one ends: each is read alone, too.
            lengths = [self._length_of(image) for image in images]
        places, read, end = [], 0, 0  # how far in `plain`, and in `ids`
        for mark, length in zip(marks, lengths, strict=True):
            start = end + mark - read
            _check_words(ids[end:start], plain[read:mark])
            read, end = mark + 1, start + length
            places.append((start, end))
        _check_words(ids[end:], plain[read:])
        return Placed(ids, tuple(places)), pixels

    def _length_of(self, image: Image.Image) -> int:
        """How many tokens stand for a picture."""
        plain = self.plain(self.image_token, 1, rendered=True)
        ids, _ = self._expanded(self.image_token, [image], rendered=True)
        return len(ids) - len(plain) + 1

    def _expanded(
        self, text: str, images: Sequence[Image.Image], *, rendered: bool
    ) -> tuple[tuple[int, ...], Pixels]:
        """What the processor makes of a text: its ids with the tokens of pictures, without those that end a text."""
        found = self._processed(text, images, add_special_tokens=not rendered)
        row = found["input_ids"][0].tolist()
        return tuple(row[: len(row) - (0 if rendered else len(self._affixes[1]))]), of_pixels(found)

    def features(self, ids: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Which of a prompt's tokens [start, stop) stand for what the model sees, the marks around them left out."""
        runs = groupby(enumerate(ids), key=lambda each: each[1] == self.image_token_id)
        own = [[place for place, _ in run] for stands, run in runs if stands]
        return tuple((places[0], places[-1] + 1) for places in own)

    def pixels(self, pictures: Pictures) -> Pixels:
        """The tensors of one prompt's pictures.

        Raises:
            RowError: a file is gone or another, or the processor refuses what it shows.
        """
        name = (self._processor_folder, *(picture.digest for picture in pictures))
        found = self._kept.get(name)
        if found is None:
            found = of_pixels(self._processed(self.image_token * len(pictures), load_all(pictures)))
            self._kept.add(name, found)
        return found

    def _processed(self, text: str, images: Sequence[Image.Image], **options: Any) -> Any:
        return process(self._processor, text, images, self._place, **options)

    @cached_property
    def _processor_folder(self) -> Path:
        return self._folder if processor_files(self._folder) else self._model_folder

    @cached_property
    def _processor(self) -> Any:
        folder = self._processor_folder
        if folder != self._folder and FileDigests().of_all(tokenizer_files(folder)) != FileDigests().of_all(
            tokenizer_files(self._folder)
        ):
            raise ConfigError(
                f"{self._place}: {self._folder} holds a tokenizer that is not the base's, and no processor",
                hint="save the processor there, or take the tokenizer's files away",
            )
        return read_processor(folder, self._place, trust=self._trust)

    @cached_property
    def _tokenizer(self) -> Any:
        return self._processor.tokenizer


def seeing(tokenizer: Tokenizer) -> PictureTokenizer:
    """The same, where pictures were let through because it has their pixels."""
    if not isinstance(tokenizer, PictureTokenizer):
        raise TypeError(f"{type(tokenizer).__name__} takes no pictures")
    return tokenizer


def why_blind(weights: ModelFolder, tokenizer: Tokenizer) -> str | None:
    """Why a model is none for pictures, as a message begins; None where it is one."""
    if not weights.sees:
        return f"{weights.place}: {weights.name} lacks a vision_config or a processor, and sees no pictures"
    kind = str(weights.config.get("model_type"))
    if kind not in QWEN_VL and seeing(tokenizer).is_qwen:
        return f"{weights.place}: models of the kind '{kind}' aren't known for pictures yet"
    return None


def _check_words(found: Sequence[int], plain: Sequence[int]) -> None:
    if found != plain:
        raise RowError("the processor reads the words beside a picture differently than without one")
