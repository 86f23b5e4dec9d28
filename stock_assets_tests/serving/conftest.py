"""Fixtures shared by the tests of serving."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.serving import apps, stores


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


@pytest.fixture(scope="module")
def store(made_store: Path) -> ArtefactStore:
    """TSLA and STX on three sessions up to Friday 2024-03-08. No test changes it."""
    return ArtefactStore(made_store)


@pytest.fixture(scope="module")
def app(store: ArtefactStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[flask.Flask]:
    made = apps.make(store, tmp_path_factory.mktemp("app"))
    yield made
    apps.parts(made).recorder.close()


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def make(store: ArtefactStore, tmp_path: Path) -> Iterator[Any]:
    """Another client, with changes to its config."""
    made = []

    def another(at: ArtefactStore = store, **changes: Any) -> FlaskClient:
        made.append(apps.make(at, tmp_path / f"app{len(made)}", **changes))
        return made[-1].test_client()

    yield another
    for one in made:
        apps.parts(one).recorder.close()
