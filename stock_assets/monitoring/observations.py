"""What a finished run, or a look at the calendar, says about what may be wrong. Pure; what follows is in conditions.

A run tells of each cause once. A step that a blocking check stopped is told by the check, a step that never started by
the one before it, one that lacks a model by the calendar; of a run only what no step of it tells.
"""

import datetime

from stock_assets.core import evenings, freshness, sessions
from stock_assets.core.errors import ModelExpiredError
from stock_assets.monitoring.conditions import Kind, Observation, Severity, Subject
from stock_assets.monitoring.records import CheckRecord, RunRecord

CHECKS_SUFFIX = "_checks"
"""A step of checks is called as its asset with this behind it."""

ALL_TICKERS = "ALL_TICKERS"
"""What stands for a ticker where it is about all of them."""

TOLD_BY_THE_CALENDAR = {("report", "latest_session_is_there"), ("model", "model_is_valid")}
"""Checks (asset, name) that say what `of_freshness` and `of_model` say: asked in a run, they would tell it twice."""


def of_run(run: RunRecord) -> list[Observation]:
    """What a run says: of each check, of each asset whose steps came to an end, and of the run itself.

    A run that somebody stopped says nothing of its failures, which are that person's.
    """
    asked = (check for check in run.checks if (check.asset, check.check) not in TOLD_BY_THE_CALENDAR)
    return [*(_of_check(run, check) for check in asked), *_of_steps(run)]


def _of_check(run: RunRecord, check: CheckRecord) -> Observation:
    expected = check.expected
    if expected and check.threshold:
        expected = f"{expected} (threshold {check.threshold})"
    return Observation(
        subject=Subject(Kind.CHECK_FAILED, check.ticker, check.asset, check.check),
        session=check.session,
        passed=check.passed,
        at=run.ended,
        severity=check.severity,
        observed=check.observed,
        expected=expected or (f"threshold {check.threshold}" if check.threshold else None),
        told=check.told or "",
        run_id=run.run_id,
    )


def _of_steps(run: RunRecord) -> list[Observation]:
    told = _blocked(run) | _without_a_model(run)
    failed: dict[str, str | None] = {}
    done: list[str] = []
    for step in run.steps:
        asset = step.step.removesuffix(CHECKS_SUFFIX)
        if step.status == "failure" and asset not in told:
            failed.setdefault(asset, step.error)
        elif step.status == "success":
            done.append(asset)
    found = [_of_run(run, asset, "", passed=True) for asset in dict.fromkeys(done) if asset not in failed]
    if run.status == "failure":
        found += [_of_run(run, asset, "", passed=False, why=why or run.error) for asset, why in failed.items()]
        if not failed and not told:
            found.append(_of_run(run, "", run.job, passed=False, why=run.error))
    elif run.status == "success":
        found.append(_of_run(run, "", run.job, passed=True))
    return found


def _blocked(run: RunRecord) -> set[str]:
    """Assets with a check that told why what comes after them failed."""
    return {check.asset for check in run.checks if check.blocking and not check.passed and check.severity == "error"}


def _without_a_model(run: RunRecord) -> set[str]:
    """Assets that failed as the model has expired, which `of_model` tells by the session's deadline.

    It looks at the sessions that the evenings make. On an older one, where somebody asked for a forecast by hand, only
    the run can tell.
    """
    looked_at = sessions.previous_session(sessions.latest_available(run.ended), evenings.CATCH_UP - 1)
    if run.session is None or run.session < looked_at:
        return set()
    return {
        step.step for step in run.steps if step.status == "failure" and ModelExpiredError.SAYS in (step.error or "")
    }


def _of_run(run: RunRecord, asset: str, job: str, *, passed: bool, why: str | None = None) -> Observation:
    return Observation(
        subject=Subject(Kind.RUN_FAILED, run.ticker or "", asset, job),
        # What is about no session is told under the one that was the newest then.
        session=run.session or sessions.latest_available(run.ended),
        passed=passed,
        at=run.ended,
        told=why or "",
        run_id=run.run_id,
    )


def of_freshness(ticker: str, found: freshness.Freshness, now: datetime.datetime) -> Observation:
    """Whether a ticker's report is late. `session` is the one that had to be there."""
    newest = f"the newest report is that of {found.newest}" if found.newest else "there is no report yet"
    return Observation(
        subject=Subject(Kind.DATA_LATE, ticker, "report", ""),
        session=found.expected,
        passed=found.state is not freshness.State.LATE,
        at=now,
        observed=newest,
        expected=f"the report of {found.expected} by {found.deadline:%Y-%m-%d %H:%M} UTC",
        told=newest,
    )


def of_model(ticker: str, session: datetime.date, model: datetime.date | None, now: datetime.datetime) -> Observation:
    """How the model trained after `model` (None: there is none) stands after the close of `session`."""
    state = freshness.model_state(session, model)
    trained = f"the newest model is that of {model}" if model else "there is no model"
    return Observation(
        subject=Subject(Kind.MODEL_EXPIRED, ticker, "model", ""),
        session=session,
        passed=state is freshness.ModelState.VALID,
        at=now,
        severity=Severity.WARN if state is freshness.ModelState.EXPIRING else Severity.ERROR,
        observed=trained,
        expected="a new model each week",
        told=trained,
    )
