"""A model's own processor, read in silence."""

from __future__ import annotations

import logging
from pathlib import Path

from llmood.engines.processor import read_processor
from tests.tiny_pictures import save_pictured

WARNED = "Model config: pad_token_id must be `None` or an integer within the vocabulary (between 0 and %d), got %d."


def test_defaults_that_no_model_has_are_not_warned_of(tmp_path: Path) -> None:
    read_processor(save_pictured(tmp_path), "models.base", trust=False)
    logger = logging.getLogger("transformers.configuration_utils")

    def told(vocabulary: int, found: int) -> bool:
        record = logging.LogRecord(logger.name, logging.WARNING, "", 0, WARNED, (vocabulary - 1, found), None)
        return bool(logger.filter(record))

    assert not told(32_000, 128_002)  # Idefics3's own
    assert told(431, 500)  # a model's
