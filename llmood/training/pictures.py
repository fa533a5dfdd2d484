"""Pictures in a training: who reads them, what is refused of them, and their tensors when a step shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmood.engines.folders import ModelFolder, processor_files
from llmood.engines.pictures import PictureTokenizer, why_blind
from llmood.engines.tokenizer import FolderTokenizer
from llmood.errors import ConfigError, EngineError
from llmood.identity import FileDigests
from llmood.picture_records import ArchiveMember, Picture
from llmood.tasks import LoadedTask
from llmood.tasks.row_errors import RowError

if TYPE_CHECKING:
    from llmood.engines.models.pixels import Pixels


class EndingTokenizer(FolderTokenizer):
    """A folder's tokenizer that also says which token ends a text."""

    @property
    def end_id(self) -> int | None:
        found = self._tokenizer.eos_token_id
        return None if found is None else int(found)


class EndingPictureTokenizer(EndingTokenizer, PictureTokenizer):
    """The same of a model that sees."""


def ending_tokenizer(base: ModelFolder, *, trust: bool) -> EndingTokenizer:
    """What makes a base's examples: as a run reads its prompts, with the processor where the base sees."""
    kind = EndingPictureTokenizer if base.sees else EndingTokenizer
    return kind(base.folder, base.folder, place="models.base", trust_remote_code=trust)


def check_sees(base: ModelFolder, tokenizer: FolderTokenizer, tasks: Iterable[LoadedTask]) -> None:
    """Refuse pictures for a model that sees none, as a run does: their words alone are another question.

    Raises:
        ConfigError: a task has pictures.
    """
    for task in tasks:
        if any(sample.pictures for samples in task.samples.values() for sample in samples):
            why = why_blind(base, tokenizer)
            if why is not None:
                raise ConfigError(f"{why}, and {task.spec.name} has them", hint="name a model that sees")


def processor_digest(base: ModelFolder) -> str:
    """What is made of a picture, by content."""
    return FileDigests().of_all(processor_files(base.folder))


def pixels_of(tokenizer: FolderTokenizer, pictures: tuple[Picture, ...]) -> Pixels:
    """The tensors of one example's pictures, read now.

    Raises:
        EngineError: one can't be read any more. To go on without it would be another training.
    """
    if not pictures or not isinstance(tokenizer, PictureTokenizer):
        return {}
    try:
        return tokenizer.pixels(pictures)
    except RowError as error:
        named = ", ".join(name for picture in pictures if (name := _name(picture)) and name not in str(error))
        raise EngineError(
            f"{error}{f' ({named})' if named else ''}", hint="put it back: the same command goes on from here"
        ) from error


def _name(picture: Picture) -> str:
    source = picture.source
    if isinstance(source, ArchiveMember):
        return f"{source.archive.name}/{source.name}"
    return "" if isinstance(source, bytes) else str(getattr(source, "name", ""))
