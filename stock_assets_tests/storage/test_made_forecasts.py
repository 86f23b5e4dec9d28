"""Forecasts of earlier sessions, gathered from their files, or from the last track record where that tells the same."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from stock_assets.core import track_record
from stock_assets.storage import formats, made_forecasts
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.core.test_track_record import FIRST, clean, forecast, table

SESSIONS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4), dt.date(2024, 1, 5)]
LAST = SESSIONS[-1]


class Counting(ArtefactStore):
    """A store that writes down what was read of it in full."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.reads: list[tuple[str, dt.date]] = []

    def read(self, asset, ticker, session, *, suffixes=None):
        self.reads.append((asset, session))
        return super().read(asset, ticker, session, suffixes=suffixes)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    """Three forecasts, of the sessions before `LAST`."""
    store = Counting(tmp_path)
    for row in range(3):
        predict(store, row)
    return store


def predict(store: ArtefactStore, row: int, **changes) -> None:
    session = SESSIONS[row]
    made = table(forecast(row, **changes)).drop(columns="checksum")
    about = {"asset": "predictions", "ticker": "TSLA", "as_of": session, "source": made["source"].iloc[0]}
    store.write("predictions", "TSLA", session, {".parquet": formats.encode_table(made, **about)})


def record(store: ArtefactStore, session: dt.date) -> None:
    """A track record of `session`, as the asset makes it."""
    n = SESSIONS.index(session) + 1
    made = made_forecasts.made_before(store, "TSLA", session).table
    joined = track_record.join(made, clean([100.0 + row for row in range(n)]), ticker="TSLA", as_of=session)
    content = formats.encode_table(joined, asset="track_record", ticker="TSLA", as_of=session, source="yahoo")
    store.write("track_record", "TSLA", session, {".parquet": content, ".json": b"{}"})


def gathered(store: Counting, session: dt.date = LAST) -> made_forecasts.Made:
    store.reads.clear()
    return made_forecasts.made_before(store, "TSLA", session)


def test_a_row_a_session_with_the_checksum_of_its_file(store: Counting) -> None:
    found = gathered(store)
    assert found.table["as_of"].dt.date.tolist() == SESSIONS[:3]
    assert found.table["checksum"].tolist() == [
        store.checksum("predictions", "TSLA", session) for session in SESSIONS[:3]
    ]
    assert set(found.table.columns) == set(forecast(0))
    assert found.unreadable == {}


def test_the_session_itself_and_later_ones_are_not_read(store: Counting) -> None:
    found = gathered(store, SESSIONS[1])
    assert found.table["as_of"].dt.date.tolist() == [FIRST]
    assert store.reads == [("predictions", FIRST)]


def test_nothing_was_made_yet(tmp_path: Path) -> None:
    found = gathered(Counting(tmp_path))
    assert len(found.table) == 0
    assert len(track_record.join(found.table, clean([100.0, 101.0]), ticker="TSLA", as_of=SESSIONS[1])) == 0


def test_what_the_last_record_tells_is_not_read_again(store: Counting) -> None:
    without = gathered(store).table
    record(store, SESSIONS[2])
    found = gathered(store)
    assert store.reads == [("track_record", SESSIONS[2]), ("predictions", SESSIONS[2])]
    pd.testing.assert_frame_equal(found.table, without)


def test_a_forecast_that_was_made_again_is_read_again(store: Counting) -> None:
    record(store, SESSIONS[2])
    predict(store, 0, up=0.9)
    found = gathered(store)
    assert ("predictions", FIRST) in store.reads
    assert found.table["probability_up"].tolist() == [0.9, 0.6, 0.6]


def test_a_forecast_that_is_gone_is_gone(store: Counting, tmp_path: Path) -> None:
    record(store, SESSIONS[2])
    for file in (tmp_path / "predictions" / "TSLA").glob("2024-01-02*"):
        file.unlink()
    assert gathered(store).table["as_of"].dt.date.tolist() == SESSIONS[1:3]


def test_a_damaged_forecast_is_told_and_holds_nothing_up(store: Counting, tmp_path: Path) -> None:
    (tmp_path / "predictions" / "TSLA" / "2024-01-03.parquet").write_bytes(b"PAR1 is not all")
    found = gathered(store)
    assert found.table["as_of"].dt.date.tolist() == [SESSIONS[0], SESSIONS[2]]
    assert found.unreadable.keys() == {SESSIONS[1]}
    assert "TSLA 2024-01-03: predictions" in found.unreadable[SESSIONS[1]]


def test_a_forecast_of_an_older_version_is_told(store: Counting) -> None:
    made = table(forecast(1)).drop(columns=["checksum", "interval_level"])
    about = {"asset": "predictions", "ticker": "TSLA", "as_of": SESSIONS[1], "source": "yahoo"}
    store.write("predictions", "TSLA", SESSIONS[1], {".parquet": formats.encode_table(made, **about)})
    told = gathered(store).unreadable[SESSIONS[1]]
    assert told == "TSLA 2024-01-03: predictions lacks interval_level; expected one row of a forecast"


def test_a_damaged_record_costs_time_only(store: Counting, tmp_path: Path) -> None:
    without = gathered(store).table
    record(store, SESSIONS[2])
    (tmp_path / "track_record" / "TSLA" / "2024-01-04.parquet").write_bytes(b"?")
    pd.testing.assert_frame_equal(gathered(store).table, without)


def test_another_sources_forecasts_are_told_apart(store: Counting) -> None:
    predict(store, 1, source="simulated")
    record(store, SESSIONS[2])
    found = gathered(store).table
    assert found["source"].tolist() == ["yahoo", "simulated", "yahoo"]
