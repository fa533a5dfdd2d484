"""Pictures on their way into a model: their places among a prompt's tokens, and the pixels themselves.

The model's own processor makes both. A picture's places are the tokens that it puts where one image token stood; how
many they are may depend on the picture's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from PIL import Image

from llmood.engines.base import Captured, Request, Tokenizer
from llmood.engines.folders import processor_files
from llmood.engines.tokenizer import FolderTokenizer, tokenizer_files
from llmood.errors import ConfigError
from llmood.identity import FileDigests
from llmood.records import FAILED, Message, Picture, parts_of
from llmood.tasks.images.cells import load_picture
from llmood.tasks.images.read import LIMITS
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from llmood.engines.models.pixels import Pixels

Shown = Sequence["Pixels"] | None
"""What each request of a pass is shown; None: none of them anything."""
Reading = Callable[[], list[Captured]]
"""Waits for a batch that was begun, and gives its results in the order of its requests."""

OF_TOKENS = frozenset({"input_ids", "attention_mask"})
OF_PIXELS = frozenset({"pixel_values", "pixel_attention_mask"})
"""What a processor may give. What else a model asks for is not known here, and would be left out in silence."""
SEVERAL = frozenset({"Idefics3Processor"})
"""The processors of models that were trained on several pictures in a prompt. None says so itself; any takes them."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A prompt's ids with its pictures' places in them, (start, end), in their order."""

    token_ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


class PictureTokenizer(FolderTokenizer):
    """The tokenizer of a model that sees, with the processor that its folder brings."""

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
        """What stands for a picture in a text."""
        return str(self._processor.image_token)

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
        if text.count(self.image_token) != len(images):
            raise RowError(f"the text itself holds {self.image_token}, which stands for a picture")
        plain, ids = self._both(text, images, rendered=rendered)
        # Pictures side by side have no words between them that would say where one ends: each is read alone, too.
        alone = (
            [(plain, ids)] if len(images) == 1 else [self._both(self.image_token, [one]) for one in images]
        )
        lengths = [len(expanded) - len(words) + 1 for words, expanded in alone]
        marks = [mark for mark, each in enumerate(plain) if each == self._processor.image_token_id]
        places, read, end = [], 0, 0  # how far in `plain`, and in `ids`
        for mark, length in zip(marks, lengths, strict=True):
            start = end + mark - read
            _check_words(ids[end:start], plain[read:mark])
            read, end = mark + 1, start + length
            places.append((start, end))
        _check_words(ids[end:], plain[read:])
        return Placed(ids, tuple(places))

    def _both(
        self, text: str, images: Sequence[Image.Image], *, rendered: bool = True
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids of a text with its image tokens as they stand, and with what the processor makes of them."""
        (plain,) = self.encode([text], rendered=rendered)
        end = 0 if rendered else len(self._affixes[1])
        row = self._processed(text, images, add_special_tokens=not rendered)["input_ids"][0]
        return plain, tuple(int(each) for each in row[: len(row) - end])

    def features(self, ids: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Which of a prompt's tokens [start, stop) stand for what the model sees, the marks around them left out."""
        wanted = self._processor.image_token_id
        runs = groupby(enumerate(ids), key=lambda each: each[1] == wanted)
        own = [[place for place, _ in run] for stands, run in runs if stands]
        return tuple((places[0], places[-1] + 1) for places in own)

    def pixels(self, images: Sequence[Image.Image]) -> Pixels:
        """The tensors of one prompt's pictures.

        Raises:
            RowError: the processor refuses them.
        """
        found = self._processed(self.image_token * len(images), images, return_tensors="pt")
        return {name: value for name, value in found.items() if name in OF_PIXELS}

    def _processed(self, text: str, images: Sequence[Image.Image], **options: Any) -> Any:
        try:
            found = self._processor(text=[text], images=[list(images)], **options)
        except ValueError as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RowError(f"picture: the model's processor refuses it: {first}") from error
        further = sorted(set(found) - OF_TOKENS - OF_PIXELS)
        if further:
            raise ConfigError(
                f"{self._place}: its processor gives {further[0]}, which is not known for pictures yet"
            )
        return found

    @property
    def _processor_folder(self) -> Any:
        return self._folder if processor_files(self._folder) else self._model_folder

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoProcessor

        folder = self._processor_folder
        if folder != self._folder and FileDigests().of_all(tokenizer_files(folder)) != FileDigests().of_all(
            tokenizer_files(self._folder)
        ):
            raise ConfigError(
                f"{self._place}: {self._folder} holds a tokenizer that is not the base's, and no processor",
                hint="save the processor there, or take the tokenizer's files away",
            )
        try:
            return AutoProcessor.from_pretrained(folder, trust_remote_code=self._trust, local_files_only=True)
        except (OSError, ValueError, ImportError, TypeError, KeyError, AttributeError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigError(f"{self._place}: the processor in {folder} can't be read: {first}") from error

    @cached_property
    def _tokenizer(self) -> Any:
        return self._processor.tokenizer


def seeing(tokenizer: Tokenizer) -> PictureTokenizer:
    """The same, where pictures were let through because it can take them."""
    if not isinstance(tokenizer, PictureTokenizer):
        raise TypeError(f"{type(tokenizer).__name__} takes no pictures")
    return tokenizer


def _check_words(found: Sequence[int], plain: Sequence[int]) -> None:
    if found != plain:
        raise RowError("the processor reads the words beside a picture differently than without one")


def load_all(pictures: Sequence[Picture]) -> list[Image.Image]:
    """Their pixels, all of them in memory.

    Raises:
        RowError: a file is gone or another, or together they are too large.
    """
    found, pixels = [], 0
    for picture in pictures:
        found.append(load_picture(picture))
        pixels += found[-1].width * found[-1].height
        if pixels > LIMITS.max_together:
            most = f"the {LIMITS.max_together:,} pixels of one sample that are read"
            raise RowError(f"picture: {len(pictures)} together have more than {most}")
    return found


def begin_shown(
    requests: Sequence[Request],
    tokenizer: Tokenizer,
    run: Callable[[Sequence[Request], Shown], Reading],
) -> Reading:
    """Begin a batch of which some are shown pictures: those whose tensors are alike in one pass, by `run`."""
    reader = seeing(tokenizer)
    found: dict[int, Captured] = {}
    groups: dict[tuple[Any, ...], list[tuple[int, Pixels]]] = {}
    for index, request in enumerate(requests):
        try:
            pixels = reader.pixels(load_all(request.pictures)) if request.pictures else {}
        except RowError as error:
            found[index] = Captured(status=FAILED, reason=str(error))
        else:
            shapes = tuple((name, tuple(value.shape)) for name, value in sorted(pixels.items()))
            groups.setdefault(shapes, []).append((index, pixels))
    begun = [
        (
            [index for index, _ in group],
            run([requests[index] for index, _ in group], [pixels for _, pixels in group] if shapes else None),
        )
        for shapes, group in groups.items()
    ]

    def read() -> list[Captured]:
        for indices, reading in begun:
            found.update(zip(indices, reading(), strict=True))
        return [found[index] for index in range(len(requests))]

    return read
