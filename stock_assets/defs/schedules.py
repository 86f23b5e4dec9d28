"""What starts by itself: every session's evening, with training at the end of a week. What is due, core.evenings says.

Two schedules tick together and share the partitions that are due: `daily_schedule` takes those that need no training,
`training_schedule` the others. The first tick is ten minutes after the prices of a session count as final; the later
ones give what is still missing another chance, and start nothing when all is there: on holidays, for example.

A tick that comes twice doesn't run twice, as every run is named by ticker, session and tick; nor does a tick start what
waits or runs already. After a standstill the daemon evaluates the last missed tick, which sees all that is missing.

By hand only, and so without a schedule: tuning and the PDF summary.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from stock_assets.defs import jobs, partitions
from stock_assets.storage.artefacts import ArtefactStore

TICKS = ("10 22 * * *", "10 23 * * *", "10 1 * * *", "10 5 * * *", "10 12 * * *")
"""In UTC, like the prices' becoming final: New York's summer time changes nothing. Every date, as a session's later
chances may fall on a Saturday; sessions are told apart by the exchange's calendar, not by the weekday."""


def build(tickers: Sequence[str]) -> list[dg.ScheduleDefinition]:
    """Both schedules, for the tickers of the watchlist."""

    @dg.schedule(
        job=jobs.daily_job,
        cron_schedule=list(TICKS),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"store"},
    )
    def daily_schedule(context: dg.ScheduleEvaluationContext):
        """After every session: prices, metrics, features, forecast and report of each ticker, one run a ticker.

        What is missing of the last five sessions is caught up, oldest first; holidays and weekends start nothing.
        """
        return _requests(context, tickers, training=False)

    @dg.schedule(
        job=jobs.whole_graph_job,
        cron_schedule=list(TICKS),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"store"},
    )
    def training_schedule(context: dg.ScheduleEvaluationContext):
        """After the last session of a week, and wherever a model would have expired: the evening with training.

        Model, backtest and evaluation are made anew with the seed of the settings, before the forecast.
        """
        return _requests(context, tickers, training=True)

    return [daily_schedule, training_schedule]


def _requests(
    context: dg.ScheduleEvaluationContext, tickers: Sequence[str], *, training: bool
) -> list[dg.RunRequest] | dg.SkipReason:
    from stock_assets.core import evenings, sessions

    store: ArtefactStore = context.resources.store
    tick = context.scheduled_execution_time
    newest = sessions.latest_available(tick)

    def last_made(ticker: str) -> date | None:
        made = (session for session in reversed(store.sessions("report", ticker)) if session <= newest)
        return next((session for session in made if store.is_whole("report", ticker, session)), None)

    def last_model(ticker: str, session: date) -> date | None:
        return store.latest("evaluation", ticker, not_after=session, not_before=partitions.lookback(session))

    due = evenings.due(tick, tickers, last_made=last_made, last_model=last_model)
    mine = [one for one in due if one.training is training]
    if not mine:
        told = f"{len(due)} of other kind" if due else f"all {len(tickers)} tickers have {newest}"
        return dg.SkipReason(f"nothing to do: {told}")
    under_way = _under_way(context.instance)
    asked = [one for one in mine if partitions.key(one.ticker, one.session) not in under_way]
    if not asked:
        return dg.SkipReason(f"all {len(mine)} that are due wait or run already")
    return [
        dg.RunRequest(
            run_key=f"{one.ticker} {one.session} {tick:%Y-%m-%dT%H:%M}",
            partition_key=partitions.key(one.ticker, one.session),
        )
        for one in asked
    ]


def _under_way(instance: dg.DagsterInstance) -> set[str]:
    """Partitions whose runs wait or run, whoever started them."""
    unfinished = [
        status
        for status in dg.DagsterRunStatus
        if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    ]
    runs = instance.get_runs(dg.RunsFilter(statuses=unfinished))
    return {run.tags["dagster/partition"] for run in runs if "dagster/partition" in run.tags}
