"""A made-up state of affairs, for tests of the monitor page."""

import datetime as dt
import math
from typing import Any

from stock_assets.core import freshness
from stock_assets.reporting import monitor_page
from stock_assets.reporting.monitor_page import Alert, Delivery, Durations, Fact, Forecast, Problem, Record, Run, Ticker

NOW = dt.datetime(2024, 3, 12, 6, 30, tzinfo=dt.UTC)
FRIDAY, MONDAY = dt.date(2024, 3, 8), dt.date(2024, 3, 11)


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2024, 3, day, hour, minute, tzinfo=dt.UTC)


def problem(**changes: Any) -> Problem:
    given = {
        "kind": "check_failed",
        "severity": "error",
        "ticker": "STX",
        "asset": "clean_prices",
        "check": "high_is_at_least_low",
        "session": FRIDAY,
        "last_session": MONDAY,
        "opened": at(8, 22, 12),
        "told": "",
        "observed": "1",
        "expected": "0 rows whose high is below their low",
    }
    return Problem(**given | changes)


def forecast(**changes: Any) -> Forecast:
    given = {
        "session": MONDAY,
        "target_session": dt.date(2024, 3, 12),
        "source": "yahoo",
        "predicted_close": 178.12,
        "interval_low": 170.5,
        "interval_high": 185.75,
        "interval_level": 0.9,
        "probability_up": 0.512,
    }
    return Forecast(**given | changes)


def ticker(symbol: str = "TSLA", **changes: Any) -> Ticker:
    given = {
        "ticker": symbol,
        "name": "Tesla",
        "fresh": freshness.freshness(NOW, MONDAY),
        "run": Run("daily_job", "success", MONDAY, at(11, 22, 11), 12.4),
        "forecast": forecast(),
        "record": Record(64, 63, 33, 57, 0.2503, 0.2498, 0.9),
    }
    return Ticker(**given | changes)


LATE = ticker(
    "STX",
    name="Seagate Technology",
    fresh=freshness.freshness(NOW, dt.date(2024, 3, 7)),
    run=Run(
        "daily_job", "failure", MONDAY, at(12, 5, 11), 3.1, "STX 2024-03-11: clean_prices: 1 bar can't be repaired"
    ),
    forecast=forecast(session=dt.date(2024, 3, 7), target_session=FRIDAY, predicted_close=92.4),
    record=Record(12, 11, 4, 10, 0.2571, 0.2493, 0.9),
)
NEW = ticker("NVDA", name="", run=None, forecast=None, record=None, fresh=freshness.freshness(NOW, None))


def monitor(**changes: Any) -> monitor_page.Monitor:
    """Two things wrong, three tickers, of which one is late and one is new, and three alerts."""
    seconds = tuple(3 + math.sin(n) + (6 if n == 40 else 0) for n in range(64))
    late = problem(
        kind="data_late",
        asset="",
        check="",
        severity="warn",
        ticker="NVDA",
        opened=at(12, 2),
        told="no data of 2024-03-11 yet; expected by 2024-03-12 02:00 UTC",
    )
    given = {
        "now": NOW,
        "problems": (late, problem()),
        "tickers": (ticker(), LATE, NEW),
        "durations": (
            Durations("raw_prices", seconds),
            Durations("features", (0.21,)),
            Durations("model", tuple(95.0 + n % 7 for n in range(12))),
        ),
        "alerts": (
            Alert(
                at(12, 2, 1),
                "opened",
                "warn",
                "NVDA: no data of 2024-03-11",
                (
                    Delivery("log", 1, at(12, 2, 1)),
                    Delivery("webhook", 3, None, "ConnectionError: 127.0.0.1 refuses the connection"),
                    Delivery("email", 0),
                ),
            ),
            Alert(at(9, 1), "recovered", "error", "TSLA: raw_prices is well again", (Delivery("log", 1, at(9, 1)),)),
            Alert(
                at(8, 22, 13),
                "opened",
                "error",
                "STX: high_is_at_least_low fails",
                (Delivery("webhook", 3, None, "400 Bad Request", given_up=True),),
            ),
        ),
        "facts": (
            Fact("Database", "sqlite:////srv/stocks/data/yahoo/monitoring.db"),
            Fact("Size of the database", 1_234_567, "bytes"),
            Fact("Runs on record", 1_204),
            Fact("Data folder", "/srv/stocks/data/yahoo"),
        ),
    }
    return monitor_page.Monitor(**given | changes)
