"""The sensor that has the watchlist page made once the tickers of the newest session are done, whoever started them."""

import dagster as dg

EVERY_SECONDS = 60
JOB = "watchlist_job"
_DATE = "dagster/partition/date"
_UNDER_WAY = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]


def build() -> dg.SensorDefinition:
    """The sensor. Its runs are named by the last run of a ticker, so that nothing new starts nothing."""

    @dg.sensor(
        job_name=JOB,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"clock"},
        description="Makes the watchlist page of the newest session when no run of its tickers waits or goes on any "
        "more, failed ones included, and again after later ones.",
    )
    def watchlist_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from stock_assets.core import sessions

        session = sessions.latest_available(context.resources.clock.now()).isoformat()
        of_tickers = {_DATE: session}
        waiting = context.instance.get_runs_count(dg.RunsFilter(tags=of_tickers, statuses=_UNDER_WAY))
        if waiting:
            return dg.SkipReason(f"{waiting} runs of {session} wait or go on")
        # Newest first. The page's own runs have no ticker, and so no tag of this name.
        newest = context.instance.get_run_ids(dg.RunsFilter(tags=of_tickers), limit=1)
        if not newest:
            return dg.SkipReason(f"no ticker of {session} has been run")
        return dg.RunRequest(run_key=f"{session} after {newest[0]}", partition_key=session)

    return watchlist_sensor
