"""What `scripts/golden_lm_polygraph.py` recorded: made-up answers, and lm-polygraph's scores of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Question = Mapping[str, Any]

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests" / "golden" / "lm_polygraph.json").read_text(encoding="utf-8"))
QUESTIONS: list[Question] = GOLDEN["questions"]
KINDS = np.array([question["kind"] for question in QUESTIONS])
DRAWS = len(QUESTIONS[0]["draws"])
