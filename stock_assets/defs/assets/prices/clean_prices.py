"""The asset `clean_prices`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs


@dg.asset(
    group_name="prices",
    kinds={"pandas", "parquet"},
    io_manager_key="tables",
    required_resource_keys={"log_dir", "store"},
    code_version="1",
)
def clean_prices(context: dg.AssetExecutionContext, raw_prices):
    """One validated row a session, with dividends adjusted for by us and every repair flagged on its row.

    A fault that can't be repaired with certainty halts this partition, and the raw prices are kept under `quarantine`;
    missing sessions are never filled.

    - **Source:** raw_prices of the same ticker and session.
    - **When:** once after the close of every session.
    - **Units:** prices in the quote currency; `adjusted_*` also take dividends out, so that their changes are total
      returns and the last row equals the close; `total_return` is a fraction (0.01 is 1 %).
    """
    from stock_assets.core import cleaning
    from stock_assets.storage import quarantine

    with logs.working(context) as work:
        with quarantine.keeping(
            context.resources.store,
            "clean_prices",
            ticker=work.ticker,
            session=work.session,
            source=raw_prices.attrs["source"],
            snapshot=raw_prices,
        ):
            clean = cleaning.clean_prices(raw_prices, ticker=work.ticker, as_of=work.session)
        clean.attrs["source"] = raw_prices.attrs["source"]
        repaired = clean[clean["repairs"] != ""]
        for session, repairs in zip(repaired.index, repaired["repairs"], strict=True):
            work.log.warning("%s: %s", f"{session:%Y-%m-%d}", repairs)
        work.log.info("%d rows of %d kept, %d repaired", len(clean), len(raw_prices), len(repaired))
        describe.tell(context, asset_metadata.clean_prices(clean, raw_prices, work))
        return clean
