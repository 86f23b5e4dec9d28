"""What is known of a finished run, and of a forecast, as plain values: a dataclass a table, named as its columns.

Sessions are dates, moments are UTC with a time zone. Where they come from is in defs.run_records; into the database
they get by intake and forecasts.
"""

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class StepRecord:
    """A step of a run. `error`, in a line, when it failed or had to be tried again."""

    step: str
    status: str
    """success, failure or skipped"""
    attempts: int
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class MaterialisationRecord:
    """An artefact that a run made."""

    asset: str
    ticker: str
    session: datetime.date
    made: datetime.datetime
    source: str | None = None
    rows: int | None = None
    bytes: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class CheckRecord:
    """What a check found."""

    asset: str
    check: str
    ticker: str
    session: datetime.date
    passed: bool
    severity: str
    """warn or error"""
    blocking: bool
    evaluated: datetime.datetime
    observed: str | None = None
    expected: str | None = None
    threshold: str | None = None
    told: str | None = None


@dataclass(frozen=True)
class FetchRecord:
    """An attempt to fetch prices; the first is number 1."""

    attempt: int
    ticker: str
    session: datetime.date
    succeeded: bool
    ended: datetime.datetime
    error: str | None = None


@dataclass(frozen=True)
class RunRecord:
    """A finished run and what it left. Each child is there once: a step by its name, a check by asset and name ...

    Of a run that made many partitions, each is one more record; behind a slash, its id has the partition's key.
    """

    run_id: str
    job: str
    status: str
    """success, failure or canceled"""
    ended: datetime.datetime
    ticker: str | None = None
    """None when the run is not about one ticker."""
    session: datetime.date | None = None
    started: datetime.datetime | None = None
    """None when it never started."""
    error: str | None = None
    steps: tuple[StepRecord, ...] = ()
    materialisations: tuple[MaterialisationRecord, ...] = ()
    checks: tuple[CheckRecord, ...] = ()
    fetches: tuple[FetchRecord, ...] = ()


def dagster_run(run_id: str) -> str:
    """The id by which Dagster knows a run."""
    return run_id.partition("/")[0]


@dataclass(frozen=True)
class ForecastRecord:
    """A forecast: the columns of `predictions` (see core.schemas), and what made it."""

    ticker: str
    session: datetime.date
    checksum: str
    target_session: datetime.date
    made: datetime.datetime
    origin: str
    """asset or served"""
    source: str
    last_close: float
    probability_up: float
    expected_return: float
    predicted_close: float
    interval_low: float
    interval_high: float
    interval_level: float
    naive_close: float
    model_session: datetime.date
    beats_naive: bool
    run_id: str | None = None
    naive_probability_up: float | None = None


@dataclass(frozen=True)
class OutcomeRecord:
    """What followed a session up to another; see the columns of `outcomes`."""

    ticker: str
    session: datetime.date
    target_session: datetime.date
    known_from: datetime.date
    realised_return: float
    realised_close: float
