"""The asset `track_record`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs, retries
from stock_assets.storage import made_forecasts, snapshots


@dg.asset(
    group_name="monitoring",
    kinds={"pandas", "parquet"},
    io_manager_key="records",
    required_resource_keys={"log_dir", "model_settings", "store"},
    retry_policy=retries.ONCE,
    code_version="1",
)
def track_record(context: dg.AssetExecutionContext, clean_prices, features):
    """The forecasts that were made on earlier sessions, beside what happened: directions, closes, intervals, scores.

    What is not known by this session is missing. The scores stand in the JSON file beside the table, each beside that
    of a forecast that needs no model, over the latest 21, the latest 63 and all forecasts; with them, how far the
    features of the last 63 sessions are from those that the model learnt from (population stability index).

    - **Source:** clean_prices and features of the same ticker and session; every forecast that is stored of the
      ticker's earlier sessions, as it is stored now; the newest backtest before this session.
    - **When:** once after the close of every session.
    - **Units:** probabilities and shares from 0 to 1; returns and errors of the close as fractions; closes in the
      shares of the evening on which the forecast was made.
    """
    from stock_assets.core import track_record as core_track_record

    with logs.working(context) as work:
        store = context.resources.store
        # By hand and not as inputs: to Dagster a dependency on earlier partitions would draw those into a backfill.
        made = made_forecasts.made_before(store, work.ticker, work.session)
        backtest = snapshots.Snapshot(store, work.ticker, work.session).earlier_table("backtest")
        for session, why in made.unreadable.items():
            work.log.warning("the forecast of %s is left out: %s", session, why)
        record = core_track_record.build(
            made.table,
            clean_prices,
            features,
            backtest,
            ticker=work.ticker,
            as_of=work.session,
            window=context.resources.model_settings.of(work.ticker).model.window,
            unreadable=[session.isoformat() for session in made.unreadable],
        )
        work.log.info("%d forecasts, outcome known of %d", len(record.forecasts), record.summary["n_known"])
        describe.tell(context, asset_metadata.track_record(record))
        return record
