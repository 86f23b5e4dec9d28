"""Finished runs and forecasts as monitoring keeps them, made up. No test lives here."""

import datetime as dt

from stock_assets.monitoring.records import (
    CheckRecord,
    FetchRecord,
    ForecastRecord,
    MaterialisationRecord,
    OutcomeRecord,
    RunRecord,
    StepRecord,
)

THURSDAY = dt.date(2024, 3, 7)
FRIDAY = dt.date(2024, 3, 8)
MONDAY = dt.date(2024, 3, 11)
EVENING = dt.datetime(2024, 3, 8, 22, 10, tzinfo=dt.UTC)


def minutes(n: float) -> dt.datetime:
    """So many minutes after 22:10 UTC of that Friday."""
    return EVENING + dt.timedelta(minutes=n)


def run(run_id: str, *, at: float = 1, ticker: str = "TSLA", session: dt.date = FRIDAY, **more) -> RunRecord:
    """A run that ended `at` minutes after the evening's tick and made all there is of two assets."""
    ended = minutes(at)
    given = {
        "job": "daily_job",
        "status": "success",
        "started": ended - dt.timedelta(seconds=50),
        "steps": (
            StepRecord("raw_prices", "success", attempts=2, seconds=1.5),
            StepRecord("predictions", "success", attempts=1, seconds=0.25),
        ),
        "materialisations": (
            MaterialisationRecord("raw_prices", ticker, session, ended, "canned", rows=676, bytes=2**33, checksum="r"),
            MaterialisationRecord("predictions", ticker, session, ended, "canned", rows=1, bytes=100, checksum="p"),
        ),
        "checks": (
            CheckRecord(
                "raw_prices", "prices_are_positive", ticker, session, True, "warn", False, ended, "0", "0 rows"
            ),
        ),
        "fetches": (
            FetchRecord(1, ticker, session, False, ended - dt.timedelta(seconds=49), f"{ticker} {session}: busy"),
            FetchRecord(2, ticker, session, True, ended - dt.timedelta(seconds=40)),
        ),
    }
    return RunRecord(run_id=run_id, ended=ended, ticker=ticker, session=session, **(given | more))


def failed(run_id: str, *, at: float = 1, ticker: str = "TSLA", session: dt.date = FRIDAY) -> RunRecord:
    """A run whose only step failed."""
    why = f"{ticker} {session}: busy"
    return run(
        run_id,
        at=at,
        ticker=ticker,
        session=session,
        status="failure",
        error=why,
        steps=(StepRecord("raw_prices", "failure", attempts=4, seconds=1.0, error=why),),
        materialisations=(),
        checks=(),
        fetches=(),
    )


def forecast(checksum: str = "p", *, at: float = 1, session: dt.date = FRIDAY, **more) -> ForecastRecord:
    """A forecast of TSLA's Monday made after Friday's close of 100."""
    given = {
        "ticker": "TSLA",
        "target_session": MONDAY,
        "made": minutes(at),
        "origin": "asset",
        "run_id": "a",
        "source": "canned",
        "last_close": 100.0,
        "probability_up": 0.55,
        "expected_return": 0.01,
        "predicted_close": 101.0,
        "interval_low": 95.0,
        "interval_high": 107.0,
        "interval_level": 0.9,
        "naive_close": 100.0,
        "naive_probability_up": 0.53,
        "model_session": FRIDAY,
        "beats_naive": False,
    }
    return ForecastRecord(checksum=checksum, session=session, **(given | more))


def outcome(**more) -> OutcomeRecord:
    """What followed that forecast: TSLA fell by 2 %."""
    given = {
        "ticker": "TSLA",
        "session": FRIDAY,
        "target_session": MONDAY,
        "known_from": MONDAY,
        "realised_return": -0.02,
        "realised_close": 98.0,
    }
    return OutcomeRecord(**(given | more))
