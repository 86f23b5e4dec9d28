"""What starts by itself: every session's evening, with training at the end of a week. What is due, core.evenings says.

Two schedules tick together and share the tickers that are owed something: `training_schedule` takes those with a
session that needs training, and all that they are owed, so that what needs the new model comes after it;
`daily_schedule` the others. Of many tickers `daily_schedule` takes all: training goes in turns then, a fifth of them
each evening, in runs of few tickers that begin after those of the others. The first tick is ten minutes after the
prices of a session count as final; the later ones give what is still missing another chance, and start nothing when all
is there: on holidays, for example.

A tick that comes twice doesn't run twice, as every run is named by ticker, session and tick; nor does a tick start what
waits or runs already. Of the ticks that it missed, the daemon evaluates the last: it has no need of the others, as each
sees all that is missing. Runs of one ticker go one at a time, in the order in which they are asked for (dagster.yaml).

By hand only, and so without a schedule: tuning and the PDF summary.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import PRIORITY_TAG

from stock_assets.defs import evening, jobs, on_hand, partitions
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.core.evenings import Due

TICKS = ("10 22 * * *", "10 23 * * *", "10 1 * * *", "10 5 * * *", "10 12 * * *")
"""In UTC, like the prices' becoming final: New York's summer time changes nothing. Every date, as a session's later
chances may fall on a Saturday; sessions are told apart by the exchange's calendar, not by the weekday."""

MOST_ALONE = 20
"""Tickers on the watchlist up to which each has runs of its own: a few minutes at most, each a line in the UI. Beyond,
an evening goes by groups of tickers (see evening), at a third of the cost."""

MOST_REQUESTS = 200
"""Of one tick: Dagster gives a tick a minute, and the next tick asks for the rest."""


def build(tickers: Sequence[str]) -> list[dg.ScheduleDefinition]:
    """Both schedules, for the tickers of the watchlist."""

    always = {
        "cron_schedule": list(TICKS),
        "execution_timezone": "UTC",
        "default_status": dg.DefaultScheduleStatus.RUNNING,
        "required_resource_keys": {"store"},
    }

    together = len(tickers) > MOST_ALONE

    @dg.schedule(job_name=evening.JOB if together else jobs.daily_job.name, description=_DAILY, **always)
    def daily_schedule(context: dg.ScheduleEvaluationContext):
        return _requests(context, tickers, training=False, together=together)

    @dg.schedule(job=jobs.whole_graph_job, description=_TRAINING, **always)
    def training_schedule(context: dg.ScheduleEvaluationContext):
        if together:
            return dg.SkipReason(
                f"of {len(tickers)} tickers, daily_schedule sees to training too, a fifth each evening"
            )
        return _requests(context, tickers, training=True)

    return [daily_schedule, training_schedule]


def _requests(
    context: dg.ScheduleEvaluationContext, tickers: Sequence[str], *, training: bool, together: bool = False
) -> list[dg.RunRequest] | dg.SkipReason:
    from stock_assets.core import evenings

    store: ArtefactStore = context.resources.store
    tick = context.scheduled_execution_time

    due = evenings.due(
        tick,
        tickers,
        made=lambda ticker: on_hand.reports(store, ticker),
        last_model=lambda ticker, session: on_hand.last_model(store, ticker, session),
        in_turns=together,
    )
    trained = {one.ticker for one in due if one.training}
    mine = due if together else [one for one in due if (one.ticker in trained) is training]
    if not mine:
        told = "the other schedule sees to all that is due" if due else f"all {len(tickers)} tickers are up to date"
        return dg.SkipReason(f"nothing to do: {told}")
    under_way = _under_way(context.instance)
    asked = [one for one in mine if partitions.key(one.ticker, one.session) not in under_way]
    if not asked:
        return dg.SkipReason(f"all {len(mine)} that are due wait or run already")
    if together:
        return _of_groups(asked, tick)
    return [
        dg.RunRequest(
            run_key=f"{one.ticker} {one.session} {tick:%Y-%m-%dT%H:%M}",
            partition_key=partitions.key(one.ticker, one.session),
            asset_selection=None if one.training or not training else [dg.AssetKey(name) for name in jobs.DAILY_ASSETS],
        )
        for one in asked[:MOST_REQUESTS]
    ]


def _of_groups(asked: "Sequence[Due]", tick: datetime) -> list[dg.RunRequest]:
    """Runs of many tickers each, and of few where some are trained, which wait until the others have begun.

    A forecast is made with the model of its own evening, where there is one: so that of a ticker in its turn waits for
    the training, but no other does. The tag tells the newest session, for which the watchlist's page waits.
    """
    newest = max(one.session for one in asked)
    trained = {one.ticker for one in asked if one.training}
    requests = []
    for training, most in ((False, evening.MOST_TICKERS), (True, evening.MOST_TRAININGS)):
        mine = [one for one in asked if (one.ticker in trained) is training]
        new_models = {str(partitions.key(one.ticker, one.session)) for one in mine if one.training}
        for group in evening.groups([str(partitions.key(one.ticker, one.session)) for one in mine], most):
            requests.append(
                dg.RunRequest(
                    run_key=f"{group[0]} and {len(group) - 1} more {tick:%Y-%m-%dT%H:%M}",
                    run_config=evening.config_of(group, new_models),
                    tags={partitions.SESSION_TAG: newest.isoformat()} | ({PRIORITY_TAG: "-1"} if training else {}),
                )
            )
    return requests


def _under_way(instance: dg.DagsterInstance) -> set[str]:
    """Partitions of which a run that makes a report waits or runs, whoever started it."""
    unfinished = [status for status in dg.DagsterRunStatus if status not in _FINISHED]
    runs = instance.get_runs(dg.RunsFilter(statuses=unfinished))
    return {key for run in runs if run.job_name not in jobs.WITHOUT_A_REPORT for key in partitions.of_run(run)}


_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

_DAILY = """After every session: prices, metrics, features, forecast and report of each ticker, one run a ticker, or one
for up to 25 of them when more than 20 are followed.

What is missing of the last five sessions is caught up, oldest first; holidays and weekends start nothing."""

_TRAINING = """After the last session of a week, and wherever a model would have expired: the evening with training.

Model, backtest and evaluation are made anew with the seed of the settings, before the forecast. Other sessions that
such a ticker is owed are made in the same go, without training. Of more than 20 tickers, `daily_schedule` does it."""
