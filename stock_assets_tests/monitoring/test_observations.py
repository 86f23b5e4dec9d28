"""What runs and the calendar say: each cause once."""

import datetime

import pytest

from stock_assets.core import freshness
from stock_assets.core.errors import ModelExpiredError
from stock_assets.defs import asset_checks, partitions
from stock_assets.defs import freshness as freshness_checks
from stock_assets.monitoring import observations
from stock_assets.monitoring.records import CheckRecord, RunRecord, StepRecord

FRIDAY = datetime.date(2026, 11, 20)
ENDED = datetime.datetime(2026, 11, 20, 22, 31, tzinfo=datetime.UTC)


def step(name: str, status: str = "success", error: str | None = None) -> StepRecord:
    return StepRecord(name, status, attempts=1, error=error)


def check(asset: str, *, passed: bool, blocking: bool = True, **other) -> CheckRecord:
    severity = "error" if blocking else "warn"
    return CheckRecord(asset, "is_right", "TSLA", FRIDAY, passed, severity, blocking, evaluated=ENDED, **other)


def run(status: str = "success", **other) -> RunRecord:
    return RunRecord("run-1", "daily_job", status, ENDED, **({"ticker": "TSLA", "session": FRIDAY} | other))


def told(record: RunRecord) -> set[tuple]:
    return {(*one.subject[0:1], *one.subject[2:], one.passed) for one in observations.of_run(record)}


def test_a_run_that_is_done_says_so_of_its_assets_and_checks():
    steps = (step("raw_prices"), step("raw_prices_checks"))
    assert told(run(steps=steps, checks=(check("raw_prices", passed=True),))) == {
        ("check_failed", "raw_prices", "is_right", True),
        ("run_failed", "raw_prices", "", True),
        ("run_failed", "", "daily_job", True),
    }


def test_a_blocking_check_is_the_only_cause_of_the_failure_it_makes():
    steps = (step("raw_prices"), step("raw_prices_checks", "failure", "blocked"), step("clean_prices", "skipped"))
    assert told(run("failure", steps=steps, checks=(check("raw_prices", passed=False),), error="blocked")) == {
        ("check_failed", "raw_prices", "is_right", False),
        ("run_failed", "raw_prices", "", True),
    }


def test_a_step_that_fails_is_told_and_those_it_held_up_are_not():
    steps = (step("raw_prices", "failure", "TSLA: 503"), step("clean_prices", "skipped"))
    [one] = observations.of_run(run("failure", steps=steps, error="TSLA: 503"))
    assert one.subject == ("run_failed", "TSLA", "raw_prices", "")
    assert (one.session, one.passed, one.severity, one.told, one.run_id) == (
        FRIDAY,
        False,
        "error",
        "TSLA: 503",
        "run-1",
    )
    assert one.at == ENDED


def test_a_warning_explains_no_failure():
    steps = (step("raw_prices"), step("raw_prices_checks", "failure", "out of memory"))
    record = run("failure", steps=steps, checks=(check("raw_prices", passed=False, blocking=False),))
    assert ("run_failed", "raw_prices", "", False) in told(record)
    assert ("run_failed", "raw_prices", "", True) not in told(record)


@pytest.mark.parametrize(
    ("session", "by_the_run"),
    [
        ("2026-11-20", False),
        ("2026-11-16", False),  # the fifth of those that the evenings make
        ("2026-11-13", True),
    ],
)
def test_an_expired_model_is_told_by_the_calendar_on_sessions_that_it_looks_at(session, by_the_run):
    why = f"TSLA {session}: there is no model: {ModelExpiredError.SAYS}; train one"
    steps = (step("raw_prices"), step("predictions", "failure", why), step("report", "skipped"))
    record = run("failure", session=datetime.date.fromisoformat(session), steps=steps, error=why)
    of_raw_prices = ("run_failed", "raw_prices", "", True)
    of_predictions = ("run_failed", "predictions", "", False)
    assert told(record) == ({of_raw_prices, of_predictions} if by_the_run else {of_raw_prices})


def test_what_else_fails_beside_an_expired_model_is_told():
    steps = (step("predictions", "failure", ModelExpiredError.SAYS), step("features", "failure", "disk full"))
    assert told(run("failure", steps=steps, error="disk full")) == {("run_failed", "features", "", False)}


def test_a_run_that_fails_at_no_step_is_told_by_its_job():
    [one] = observations.of_run(run("failure", error="the process was killed", steps=(step("raw_prices", "skipped"),)))
    assert one.subject == ("run_failed", "TSLA", "", "daily_job")
    assert one.told == "the process was killed"


def test_what_somebody_stopped_is_no_failure_but_what_was_done_is_done():
    steps = (step("raw_prices"), step("clean_prices", "failure", "interrupted"))
    assert told(run("canceled", steps=steps)) == {("run_failed", "raw_prices", "", True)}


def test_a_run_about_no_ticker_is_told_under_the_newest_session():
    [one] = observations.of_run(run("failure", ticker=None, session=None, error="disk full"))
    assert (one.subject.ticker, one.session) == ("", FRIDAY)


def test_expected_and_threshold_are_told_together():
    [one] = observations.of_run(run("canceled", checks=(check("a", passed=False, expected="few", threshold="5"),)))
    assert one.expected == "few (threshold 5)"


def test_names_are_those_of_the_graph():
    assert observations.CHECKS_SUFFIX == asset_checks.STEP_SUFFIX
    assert observations.ALL_TICKERS == partitions.ALL_TICKERS
    asked = {("report", freshness_checks.REPORT_CHECK), ("model", freshness_checks.MODEL_CHECK)}
    assert asked == observations.TOLD_BY_THE_CALENDAR


def test_what_the_calendar_tells_is_not_told_by_a_run_too():
    late = CheckRecord("report", "latest_session_is_there", "TSLA", FRIDAY, False, "error", False, evaluated=ENDED)
    assert told(run("success", checks=(late,))) == {("run_failed", "", "daily_job", True)}


@pytest.mark.parametrize(
    ("now", "newest", "passed", "session"),
    [
        ("2026-11-21T01:59", "2026-11-19", True, "2026-11-19"),  # before the deadline
        ("2026-11-21T02:00", "2026-11-19", False, "2026-11-20"),
        ("2026-11-23T21:00", "2026-11-20", True, "2026-11-20"),  # Monday, before the close
        ("2026-11-21T02:00", None, False, "2026-11-20"),
    ],
)
def test_late_or_not(now, newest, passed, session):
    moment = datetime.datetime.fromisoformat(f"{now}+00:00")
    found = freshness.freshness(moment, None if newest is None else datetime.date.fromisoformat(newest))
    one = observations.of_freshness("TSLA", found, moment)
    assert (one.subject, one.passed) == (("data_late", "TSLA", "report", ""), passed)
    assert (one.session.isoformat(), one.at) == (session, moment)


@pytest.mark.parametrize(
    ("model", "passed", "severity"),
    [
        ("2026-11-20", True, "error"),
        ("2026-11-11", False, "warn"),
        ("2026-11-06", False, "error"),
        (None, False, "error"),
    ],
)
def test_a_model_warns_before_it_expires(model, passed, severity):
    model = None if model is None else datetime.date.fromisoformat(model)
    one = observations.of_model("TSLA", FRIDAY, model, ENDED)
    assert (one.passed, one.severity) == (passed, severity)
    assert one.told == (f"the newest model is that of {model}" if model else "there is no model")
