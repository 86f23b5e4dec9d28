"""Forecasts and what happened: which one is kept, when it is known, and across splits and dividends."""

import datetime as dt
import itertools

import pandas as pd
import pytest
import sqlalchemy as sa

from stock_assets.monitoring import forecasts, intake, tables
from stock_assets.monitoring.forecasts import Owed
from stock_assets_tests.monitoring.examples import FRIDAY, MONDAY, THURSDAY, forecast, minutes, outcome, run

TUESDAY = dt.date(2024, 3, 12)


def kept(database, table=tables.forecasts) -> list[dict]:
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def store(database, *made) -> list[bool]:
    with database.begin() as connection:
        return [forecasts.store(connection, one) for one in made]


def owed(database, **more) -> list[Owed]:
    with database.reading() as connection:
        return forecasts.owed(connection, "TSLA", **more)


def settle(database, *found) -> None:
    with database.begin() as connection:
        for one in found:
            forecasts.settle(connection, one)


def test_the_forecast_of_a_table():
    table = pd.DataFrame(
        {
            "ticker": ["TSLA"],
            "as_of": [pd.Timestamp(FRIDAY)],
            "target_session": [pd.Timestamp(MONDAY)],
            "probability_up": [0.55],
            "expected_return": [0.01],
            "predicted_close": [101.0],
            "interval_low": [95.0],
            "interval_high": [107.0],
            "interval_level": [0.9],
            "naive_close": [100.0],
            "model_as_of": [pd.Timestamp(FRIDAY)],
            "beats_naive": [False],
            "source": ["canned"],
        }
    )
    found = forecasts.of_table(table, checksum="p", made=minutes(1), run_id="a", naive_probability_up=0.53)
    assert found == forecast()


def test_a_forecast_again_changes_nothing(database):
    assert store(database, forecast(), forecast()) == [True, False]
    assert len(kept(database)) == 1


def test_a_forecast_made_otherwise_is_another(database):
    assert store(database, forecast("p"), forecast("q", predicted_close=102.0)) == [True, True]
    assert len(kept(database)) == 2


def test_the_run_that_made_it_first_is_told_whichever_comes_first(database):
    """Served a minute before the asset was made, for example, and made again later."""
    made = [
        forecast(at=1, origin="served", run_id=None),
        forecast(at=2, run_id="first"),
        forecast(at=9, run_id="again"),
    ]
    for order in itertools.permutations(made):
        with database.begin() as connection:
            connection.execute(tables.forecasts.delete())
        store(database, *order, *order)
        assert [(row["run_id"], row["origin"], row["made"]) for row in kept(database)] == [
            ("first", "asset", minutes(2))
        ]


def test_which_artefacts_have_no_forecast_yet(database):
    with database.begin() as connection:
        for one in (run("a", at=1), run("b", at=2), run("c", at=3, session=THURSDAY), run("d", ticker="STX")):
            intake.take(connection, one)
        lacking = forecasts.lacking(connection, "TSLA", since=minutes(0))
        assert [(one.session, one.checksum, one.run_id) for one in lacking] == [
            (FRIDAY, "p", "a"),
            (THURSDAY, "p", "c"),
        ]
        assert [one.run_id for one in forecasts.lacking(connection, "TSLA", since=minutes(2.5))] == ["c"]
        forecasts.store(connection, forecast())
        assert [one.run_id for one in forecasts.lacking(connection, "TSLA", since=minutes(0))] == ["c"]


def test_what_is_owed(database):
    store(database, forecast("p"), forecast("q"), forecast("r", session=THURSDAY, target_session=FRIDAY))
    store(database, forecast("p", ticker="STX"))
    assert owed(database) == [(THURSDAY, FRIDAY), (FRIDAY, MONDAY)]
    settle(database, outcome())
    assert owed(database) == [(THURSDAY, FRIDAY)]


def test_prices_that_are_made_again_are_looked_at_again(database):
    store(database, forecast())
    settle(database, outcome(known_from=TUESDAY))
    assert owed(database, made_again=[TUESDAY]) == [(FRIDAY, MONDAY)]
    assert owed(database, made_again=[MONDAY]) == [(FRIDAY, MONDAY)]  # it knows the target too
    assert owed(database, made_again=[FRIDAY]) == []  # it does not
    assert owed(database, made_again=[dt.date(2024, 3, 13)]) == []


def test_an_outcome_again_takes_the_place_of_the_old_one(database):
    settle(database, outcome(), outcome(realised_close=97.0))
    assert [row["realised_close"] for row in kept(database, tables.outcomes)] == [97.0]


def clean(rows: dict[dt.date, tuple[float, float, float]]) -> pd.DataFrame:
    """Session -> close, total return, split ratio."""
    index = pd.DatetimeIndex([pd.Timestamp(session) for session in rows], name="session")
    return pd.DataFrame(list(rows.values()), index=index, columns=["close", "total_return", "split_ratio"])


NAN = float("nan")


def test_what_followed():
    """A close of 100, then 97 and a dividend of 1: a return of -2 %, and a close of 97."""
    table = clean({FRIDAY: (100.0, NAN, 1.0), MONDAY: (97.0, -0.02, 1.0), TUESDAY: (50.0, -0.4, 1.0)})
    found = forecasts.outcome(table, "TSLA", Owed(FRIDAY, MONDAY), known_from=TUESDAY)
    assert found is not None
    assert found.realised_return == pytest.approx(-0.02)
    assert found.realised_close == 97.0
    assert found.known_from == TUESDAY


def test_splits_are_taken_out_between_and_after():
    """Friday's forecast was told per old share. 4:1 on Monday and 2:1 on Tuesday: Tuesday's table says 12.5 for 100."""
    table = clean({FRIDAY: (12.5, NAN, 3.0), MONDAY: (13.0, 0.04, 4.0), TUESDAY: (14.0, 0.08, 2.0)})
    found = forecasts.outcome(table, "TSLA", Owed(FRIDAY, MONDAY), known_from=TUESDAY)
    assert found is not None
    assert found.realised_close == 13.0 * 4 * 2
    assert found.realised_return == pytest.approx(0.04)


def test_returns_of_a_longer_horizon_are_compounded():
    table = clean({FRIDAY: (100.0, 0.5, 1.0), MONDAY: (110.0, 0.1, 1.0), TUESDAY: (55.0, -0.5, 1.0)})
    found = forecasts.outcome(table, "TSLA", Owed(FRIDAY, TUESDAY), known_from=TUESDAY)
    assert found is not None
    assert found.realised_return == pytest.approx(1.1 * 0.5 - 1)
    assert found.realised_close == 55.0


@pytest.mark.parametrize("missing", [FRIDAY, MONDAY])
def test_a_session_without_a_row_is_not_guessed_at(missing):
    rows = {FRIDAY: (100.0, NAN, 1.0), MONDAY: (97.0, -0.03, 1.0), TUESDAY: (96.0, -0.01, 1.0)}
    del rows[missing]
    assert forecasts.outcome(clean(rows), "TSLA", Owed(FRIDAY, MONDAY), known_from=TUESDAY) is None
