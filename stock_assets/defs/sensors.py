"""What watches: finished runs into the monitoring database, and from there to people. What is late is for freshness."""

from collections.abc import Sequence

import dagster as dg

from stock_assets.defs import run_intake
from stock_assets.defs.resources import Alerts, LazyDatabase

SECONDS = 30


def build(tickers: Sequence[str]) -> list[dg.SensorDefinition]:
    """The sensors, for the tickers of the watchlist."""

    @dg.sensor(
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"database", "store", "clock", "alerts"},
        description=_DESCRIPTION,
    )
    def monitoring_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        database: LazyDatabase = context.resources.database
        alerts: Alerts = context.resources.alerts
        now = context.resources.clock.now()
        taken = run_intake.take_finished(context.instance, database, context.resources.store, now, context.log)
        sent = alerts.send(database, tickers, now)
        for problem in sent.problems:
            context.log.warning("%s", problem)
        waiting = f", {taken.waiting} more wait" if taken.waiting else ""
        return dg.SkipReason(f"{taken.runs} finished runs taken{waiting}; {sent.delivered} alerts delivered")

    return [monitoring_sensor]


_DESCRIPTION = (
    "Keeps what finished runs tell, whoever started them, in the monitoring database: steps, artefacts, checks, "
    "fetches, forecasts and, a session later, what happened. Opens and closes what is wrong, and sends alerts. Starts "
    "no run."
)
