"""The newest artefact of the last ten sessions, and what is said when there is none."""

import datetime as dt
from pathlib import Path

import pytest

from stock_assets.core.errors import ModelExpiredError
from stock_assets.storage import recent
from stock_assets.storage.artefacts import ArtefactStore

SESSION = dt.date(2024, 3, 8)  # a Friday
TENTH = dt.date(2024, 2, 26)  # ten sessions with the Friday: two weeks of five


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path)


def keep(store: ArtefactStore, *sessions: dt.date) -> None:
    for session in sessions:
        store.write("model", "TSLA", session, {".json": b"{}"})


def test_the_first_of_ten_sessions() -> None:
    assert recent.oldest(SESSION) == TENTH
    # Washington's birthday, 2024-02-19, is none.
    assert recent.oldest(TENTH) == dt.date(2024, 2, 12)


def test_the_newest_one_is_taken_and_none_of_a_later_session(store: ArtefactStore) -> None:
    keep(store, TENTH, dt.date(2024, 3, 1), dt.date(2024, 3, 11))
    assert recent.most_recent(store, "model", "TSLA", SESSION) == dt.date(2024, 3, 1)
    assert recent.find(store, "model", "TSLA", dt.date(2024, 2, 29)) == TENTH


def test_ten_sessions_count_and_no_eleventh(store: ArtefactStore) -> None:
    keep(store, TENTH)
    assert recent.find(store, "model", "TSLA", SESSION) == TENTH
    assert recent.find(store, "model", "TSLA", dt.date(2024, 3, 11)) is None
    with pytest.raises(ModelExpiredError, match="no model from the last 10 sessions, 2024-02-27 to 2024-03-11: the"):
        recent.most_recent(store, "model", "TSLA", dt.date(2024, 3, 11))
