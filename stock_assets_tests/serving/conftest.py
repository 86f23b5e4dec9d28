"""Fixtures shared by the tests of serving."""

import shutil
from pathlib import Path

import pytest

from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.serving import stores


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of TSLA and STX on three sessions up to Friday 2024-03-08, with models of the first. Only to read."""
    folder = tmp_path_factory.mktemp("made") / "data"
    stores.small_store(folder, sessions=[stores.later(n) for n in (-2, -1, 0)])
    return folder


@pytest.fixture
def small_store(made_store: Path, tmp_path: Path) -> ArtefactStore:
    """A copy of those, of the test's own, with the moments at which the files were written."""
    return ArtefactStore(shutil.copytree(made_store, tmp_path / "data"))


@pytest.fixture(scope="session")
def made_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of TSLA on Friday 2024-03-08, with a model of its own. Only to read."""
    folder = tmp_path_factory.mktemp("alone") / "data"
    stores.small_store(folder, ["TSLA"])
    return folder


@pytest.fixture
def one_store(made_alone: Path, tmp_path: Path) -> ArtefactStore:
    """A copy of that, of the test's own."""
    return ArtefactStore(shutil.copytree(made_alone, tmp_path / "one"))
