"""Which side of the input is new, picture or question: `modality`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from llmood.calibration_config import each_once
from llmood.picture_records import Control
from llmood.strict import Strict

PARTS: tuple[Control, ...] = ("blank", "no_question")
"""The controls that leave one part of the input: the words, and the picture."""
OTHERS: tuple[Control, ...] = ("shuffled", "noise")
"""Those that put another picture in: does a score look at it?"""

CONTROLS = (*PARTS, *OTHERS)


class ModalityConfig(Strict):
    """Scorers on parts of the input, for populations with pictures.

    `blank` leaves the words (a grey picture), `no_question` the picture (what the row puts in words is taken out): with
    both, each population gets its verdict, which side of it is new. `shuffled` and `noise` put another sample's picture
    or noise in its place, and say how far scores move.

    `scorers` names some of the run's own; the first that reads both parts gives the verdict. By default they are those
    that read the prompt alone, in one pass.
    """

    controls: Annotated[tuple[Control, ...], AfterValidator(each_once)] = CONTROLS
    scorers: Annotated[tuple[str, ...], AfterValidator(each_once)] | None = None
