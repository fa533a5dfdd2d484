"""The JSON Schemas that editors use say what the program checks."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("schemas", ROOT / "scripts" / "schemas.py")
assert SPEC is not None
assert SPEC.loader is not None
schemas = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(schemas)


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_the_checked_in_schema_is_the_program_s(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == schemas.schema_text(schemas.SCHEMAS[name])
