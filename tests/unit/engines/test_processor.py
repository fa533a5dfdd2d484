"""A model's own processor, read in silence."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from llmood.engines import processor
from llmood.engines.processor import read_processor
from llmood.errors import ConfigError
from tests.tiny_models import engine_of, save_model
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


def test_a_class_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    folder = save_pictured(tmp_path)
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists():
            values = json.loads(path.read_text(encoding="utf-8"))
            values = {key: "Unheard" if key == "processor_class" else value for key, value in values.items()}
            path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"models\.base: the processor in .* knows no processor_class 'Unheard'"
    ):
        read_processor(folder, "models.base", trust=False)


def test_who_resizes_pictures_is_in_a_model_s_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeing, blind = engine_of(save_pictured(tmp_path / "seeing")), engine_of(save_model(tmp_path / "blind"))
    before = seeing.identity("base"), blind.identity("base")
    real = processor.version
    monkeypatch.setattr(processor, "version", lambda name: "9.9" if name == "torchvision" else real(name))
    after = seeing.identity("base"), blind.identity("base")
    assert after[0]["pictures"] == before[0]["pictures"] | {"torchvision": "9.9"}
    assert after[0] != before[0]
    assert after[1] == before[1]
