"""The asset `raw_prices`."""

from typing import Any

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs


@dg.asset(
    group_name="prices",
    kinds={"pandas", "parquet"},
    io_manager_key="tables",
    required_resource_keys={"prices", "clock", "store", "log_dir", "retry_delay"},
    # At most so many steps at once, of all runs on this instance, as its dagster.yaml says.
    pool="price_source",
    code_version="1",
)
def raw_prices(context: dg.AssetExecutionContext):
    """Daily bars, dividends and splits up to the session, as the source served them that evening.

    The whole history of one ticker, not judged yet: the checks do that, and a blocking one that fails stops everything
    downstream. Nothing is stored before the session's own bar is final: a passing fault is waited out. An answer that
    can't be read as prices is kept under `quarantine`.

    - **Source:** Yahoo Finance, a folder of CSV files, or a simulation; the metadata says which.
    - **When:** once after the close of every session; its partition opens at 22:00 UTC.
    - **Units:** prices and dividends in the quote currency, volume in shares, all adjusted for splits up to the session
      and for no later ones, whenever they are fetched.
    """
    from stock_assets.core import adjusting, schemas, sessions
    from stock_assets.sources import fetching
    from stock_assets.storage import quarantine, snapshots

    prices, store, now = context.resources.prices, context.resources.store, context.resources.clock.now()
    with logs.working(context) as work:
        sessions.require_available(work.session, now)
        where: dict[str, Any] = {"ticker": work.ticker, "session": work.session, "source": prices.name}
        with quarantine.keeping(store, "raw_prices", **where):
            history = fetching.fetch_final(prices, work.ticker, work.session, now=now)
        with quarantine.keeping(store, "raw_prices", snapshot=history.bars, **where):
            snapshot = adjusting.as_served_on(history.bars, work.session)
            schemas.validate(snapshot, schemas.RAW_PRICES, ticker=work.ticker, as_of=work.session)
        snapshot.attrs["source"] = history.source
        earlier = snapshots.Snapshot(store, work.ticker, work.session).earlier_table("raw_prices")
        span = f"{snapshot.index[0]:%Y-%m-%d} to {snapshot.index[-1]:%Y-%m-%d}"
        work.log.info("%d bars from %s, %s", len(snapshot), history.source, span)
        describe.tell(context, asset_metadata.raw_prices(snapshot, history, earlier, work, now=now))
        return snapshot
