"""The asset `backtest`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs


@dg.asset(
    group_name="modelling",
    kinds={"scikitlearn", "parquet"},
    io_manager_key="tables",
    required_resource_keys={"log_dir", "model_settings"},
    code_version="2",
)
def backtest(context: dg.AssetExecutionContext, features):
    """What the model would have said after each past session, fitted only on outcomes known by then.

    A walk-forward with regular refits and an embargo, of the same configuration as `model`; one row a session, the
    outcome beside the forecast.

    - **Source:** features of the same ticker and session.
    - **When:** together with `model`.
    - **Units:** probabilities from 0 to 1; returns and volatility as fractions per session; closes in the quote
      currency.
    """
    from stock_assets.core import backtesting

    with logs.working(context) as work:
        forecasts = backtesting.walk_forward(
            features, context.resources.model_settings.of(work.ticker).model, ticker=work.ticker, as_of=work.session
        )
        forecasts.attrs["source"] = features.attrs["source"]
        refits = len(forecasts["train_end"].unique())
        work.log.info("%d forecasts from %d fits", len(forecasts), refits)
        describe.tell(context, asset_metadata.backtest(forecasts, fits=refits))
        return forecasts
