"""Fixtures shared by the tests of serving."""

from pathlib import Path

import pytest

from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.serving import stores


@pytest.fixture
def small_store(tmp_path: Path) -> ArtefactStore:
    """TSLA and STX on three sessions up to Friday 2024-03-08, with models of the first of them."""
    return stores.small_store(tmp_path / "data", sessions=[stores.later(n) for n in (-2, -1, 0)])
