"""What the end-to-end tests share."""

from __future__ import annotations

import pytest

from tests import worlds


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs write an empty page."""
    worlds.no_report(monkeypatch)
