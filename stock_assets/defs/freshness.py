"""Is the newest session there, is the model still good: as checks that a person can ask, and as Dagster's own badges.

- `latest_session_is_there` on `report`: of a partition, whether its report is there, or still has time. By the
  exchange's calendar: weekends and holidays have no partition, so nothing is ever missing of them.
- `model_is_valid` on `model`: of a partition, whether a forecast could be made after it with the models there are.

Whoever asks them for the newest session learns what the freshness sensor tells by itself, in the same words. They look
at the store and at nothing else: no run makes a report fresh, only the report does.

Badges (`POLICIES`) are Dagster's: the age of an asset's last materialisation, whatever its ticker or session. They stay
green over long weekends, but one ticker, or a backfill, keeps them green for all; the checks tell the truth.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg

from stock_assets.defs import on_hand, partitions

if TYPE_CHECKING:
    from stock_assets.core.news import ModelNews

REPORT_CHECK = "latest_session_is_there"
MODEL_CHECK = "model_is_valid"


POLICIES = {
    # Four days from evening to evening around a long weekend, and an evening takes its time.
    "every-session": dg.FreshnessPolicy.time_window(fail_window=timedelta(days=5)),
    # Eight days from a week's end to the next one after Good Friday. By a missed training, models still live.
    "training": dg.FreshnessPolicy.time_window(fail_window=timedelta(days=15)),
}
"""By cadence (see jobs); what is made by hand is never stale."""


class Finding(NamedTuple):
    """What a check tells, whoever asked."""

    asset: str
    check: str
    passed: bool
    severity: dg.AssetCheckSeverity
    description: str
    metadata: dict[str, Any]

    def result(self) -> dg.AssetCheckResult:
        """For a run that asked."""
        return dg.AssetCheckResult(
            asset_key=self.asset,
            check_name=self.check,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )

    def evaluation(self, ticker: str, session: date) -> dg.AssetCheckEvaluation:
        """For Dagster's event log, without a run."""
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(self.asset),
            check_name=self.check,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
            blocking=False,
            partition=partitions.key(ticker, session),
        )


def build(grid: dg.PartitionsDefinition, deadline: timedelta) -> list[dg.AssetChecksDefinition]:
    """Both checks, for the partitions of `grid`; a report is late when its session was final `deadline` ago."""

    @dg.multi_asset_check(
        name="freshness_of_report",
        specs=[dg.AssetCheckSpec(REPORT_CHECK, asset="report", description=_REPORT, partitions_def=grid)],
        required_resource_keys={"store", "clock"},
    )
    def freshness_of_report(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        ticker, session = partitions.split(context.partition_key)
        listed = on_hand.reports(context.resources.store, ticker)
        yield of_report(session, listed, context.resources.clock.now(), deadline).result()

    @dg.multi_asset_check(
        name="freshness_of_model",
        specs=[
            dg.AssetCheckSpec(
                MODEL_CHECK,
                asset="model",
                # A forecast needs it too: asked between the two, a training that goes on would look like none.
                additional_deps=["evaluation"],
                description=_MODEL,
                partitions_def=grid,
            )
        ],
        required_resource_keys={"store"},
    )
    def freshness_of_model(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from stock_assets.core import freshness, news

        ticker, session = partitions.split(context.partition_key)
        model = on_hand.last_model(context.resources.store, ticker, session)
        yield of_model(news.ModelNews(session, model, freshness.model_state(session, model))).result()

    return [freshness_of_report, freshness_of_model]


def of_report(session: date, listed: list[date], now: datetime, deadline: timedelta) -> Finding:
    """Whether the report of `session` is among those `listed`, or may still come.

    One of a session before the newest that has to be there is not late: nobody waits for it, so its absence warns.
    """
    from stock_assets.core import freshness, sessions

    awaited = freshness.freshness(now, None, deadline=deadline).expected
    until = sessions.available_from(session) + deadline
    by = f"by {until:%Y-%m-%d %H:%M} UTC"
    newest = str(listed[-1]) if listed else "none"
    if session in listed:
        passed, told = True, f"the report of {session} is there"
    elif now < until:
        passed, told = True, f"the report of {session} is not there yet; it is expected {by}"
    elif session < awaited:
        passed, told = False, f"there is no report of {session}: never made, or deleted since; the newest is {newest}"
    else:
        passed, told = False, f"the report of {session} is late: expected {by}, and the newest is {newest}"
    return Finding(
        asset="report",
        check=REPORT_CHECK,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN if session < awaited else dg.AssetCheckSeverity.ERROR,
        description=told,
        metadata={"observed": f"newest report: {newest}", "expected": f"that of {session}, {by}"},
    )


def of_model(news: "ModelNews") -> Finding:
    """Whether a forecast can be made, and will be for some sessions more."""
    from stock_assets.core import evenings, freshness, model_card

    age = evenings.model_age(news.session, news.model)
    lifetime = model_card.EXPIRES_AFTER_SESSIONS
    trained = f"the newest model is that of {news.model}" if news.model else "there is no model"
    told = {
        freshness.ModelState.VALID: f"{trained}: {age} sessions old, and valid for {lifetime}",
        freshness.ModelState.EXPIRING: f"{trained}: {age} sessions old, and expires after {lifetime}",
        freshness.ModelState.EXPIRED: f"no forecast can be made: {trained}, and one is valid for {lifetime} sessions",
    }
    expiring = news.state is freshness.ModelState.EXPIRING
    return Finding(
        asset="model",
        check=MODEL_CHECK,
        passed=news.state is freshness.ModelState.VALID,
        severity=dg.AssetCheckSeverity.WARN if expiring else dg.AssetCheckSeverity.ERROR,
        description=told[news.state],
        metadata={"observed": trained, "expected": "a new model each week"},
    )


_REPORT = (
    "The report of the session is there, or still has time. Told by the freshness sensor for each ticker's newest "
    "session; an error once its deadline has passed. Of an older session, for which nobody waits, it warns."
)
_MODEL = (
    "The newest model can be used for a forecast of the session. Told by the freshness sensor when that changes; warns "
    "when a week's training was missed, an error once forecasts stop."
)
