"""The asset `features`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs, retries


@dg.asset(
    group_name="modelling",
    kinds={"pandas", "parquet"},
    io_manager_key="tables",
    required_resource_keys={"log_dir", "model_settings"},
    retry_policy=retries.ONCE,
    code_version="2",
)
def features(context: dg.AssetExecutionContext, clean_prices):
    """About 40 columns a session that were known after its close, and what followed as the targets.

    What followed is the next session, or as many as the configured horizon says (resource `model_settings`).
    Scale-free, so that a split changes nothing. Sessions without a full look-back window are left out.

    - **Source:** clean_prices of the same ticker and session.
    - **When:** once after the close of every session.
    - **Units:** in brackets after each formula. There, r is the total return of a session, G the growth of one unit of
      money (the product of 1 + r), o, h, l and c the session's open, high, low and close in units of G, v its volume.
    """
    from stock_assets.core import features as core_features

    with logs.working(context) as work:
        horizon = context.resources.model_settings.of(work.ticker).model.horizon
        table = core_features.build_features(clean_prices, ticker=work.ticker, as_of=work.session, horizon=horizon)
        table.attrs["source"] = clean_prices.attrs["source"]
        work.log.info("%d rows; dropped: %s", len(table), core_features.dropped_in_words(clean_prices, table))
        describe.tell(context, asset_metadata.features(table, clean_prices))
        return table
