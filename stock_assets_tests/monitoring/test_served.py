"""Counts of served forecasts: added to, never replaced."""

import datetime as dt
from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.monitoring import served, tables
from stock_assets.monitoring.database import open_database
from stock_assets.monitoring.served import Served
from stock_assets_tests.monitoring.examples import FRIDAY, THURSDAY, minutes

NINE = minutes(0).replace(second=0)


def one(times: int = 1, *, ticker: str = "TSLA", route: str = "predict", minute: dt.datetime = NINE, **more) -> Served:
    return Served(ticker, more.get("session", FRIDAY), more.get("checksum", "p"), route, minute, times)


def add(database, *answers: Served) -> int:
    with database.begin() as connection:
        return served.add(connection, answers)


def kept(database) -> dict[tuple, int]:
    with database.reading() as connection:
        return {tuple(row[:-1]): row[-1] for row in connection.execute(sa.select(tables.served))}


def test_counts_are_added_to_what_is_there(database):
    assert add(database, one(2), one(3)) == 5
    assert add(database, one(1), one(1, route="batch")) == 2
    assert kept(database) == {one()[:-1]: 6, one(route="batch")[:-1]: 1}


def test_what_differs_in_anything_is_counted_apart(database):
    answers = [
        one(),
        one(ticker="STX"),
        one(session=THURSDAY),
        one(checksum="q"),
        one(route="batch"),
        one(minute=NINE + dt.timedelta(minutes=1)),
    ]
    assert add(database, *answers) == 6
    assert set(kept(database).values()) == {1}


def test_nothing_is_added_for_nothing(database):
    assert add(database) == 0
    assert kept(database) == {}


def test_more_than_a_32_bit_number(database):
    add(database, one(2**31))
    add(database, one(2**31))
    assert list(kept(database).values()) == [2**32]


def test_totals(database):
    add(database, one(2), one(3, route="batch"), one(5, session=THURSDAY), one(7, ticker="STX"))
    with database.reading() as connection:
        assert served.totals(connection, "TSLA") == {THURSDAY: 5, FRIDAY: 5}
        assert served.totals(connection, "AAPL") == {}


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('sums') / 'monitoring.db'}")
    yield database
    database.close()


ROUTES = st.sampled_from(["batch", "predict"])
ANSWERS = st.lists(st.builds(one, st.integers(1, 9), ticker=st.sampled_from(["STX", "TSLA"]), route=ROUTES))


@given(st.lists(ANSWERS, max_size=4))
def test_however_they_are_grouped_the_sums_are_the_same(sums, groups):
    with sums.begin() as connection:
        connection.execute(tables.served.delete())
    expected: Counter = Counter()
    for group in groups:
        assert add(sums, *group) == sum(answer.times for answer in group)
        for answer in group:
            expected[answer[:-1]] += answer.times
    assert kept(sums) == dict(expected)
