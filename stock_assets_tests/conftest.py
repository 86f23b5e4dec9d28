"""Fixtures shared by all tests."""

from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's business; benchmarks measure.
hypothesis.settings.register_profile("untimed", deadline=None)
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
