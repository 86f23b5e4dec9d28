"""Fixtures shared by all tests."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from stock_assets.monitoring.database import Database, open_database
from stock_assets_tests import postgres

# How long an example takes is the machine's business; benchmarks measure.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of data that lies beside the checkout and is not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared beside the checkout: real prices that may not be redistributed")
    return SHARED


@pytest.fixture(scope="session")
def real_prices_dir(shared_dir: Path) -> Path:
    """Folders `as_of_2020-12-11` and `as_of_2024-03-08`: real daily bars of eight tickers as Yahoo served them then."""
    return shared_dir / "prices"


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """Folder of the socket of a PostgreSQL server that all tests share; see `database_url`."""
    with postgres.server() as socket:
        yield socket


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database of its own for each test, which does not exist yet (SQLite) or is empty (PostgreSQL)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'monitoring.db'}"
    return postgres.create_database(request.getfixturevalue("postgres_socket"), f"test-{uuid.uuid4().hex}")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """That database, opened and with our tables."""
    opened = open_database(database_url)
    yield opened
    opened.close()
