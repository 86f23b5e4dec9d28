"""The asset `price_metrics`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs, retries


@dg.asset(
    group_name="analysis",
    kinds={"pandas", "json"},
    io_manager_key="documents",
    required_resource_keys={"log_dir"},
    retry_policy=retries.ONCE,
    code_version="1",
)
def price_metrics(context: dg.AssetExecutionContext, clean_prices):
    """Returns, volatility, moving averages, drawdown, Sharpe and Sortino ratio, value at risk as of the session.

    - **Source:** clean_prices of the same ticker and session.
    - **When:** once after the close of every session.
    - **Units:** total returns, volatility, drawdown and value at risk as fractions (-0.02 is -2 %); whatever is annual
      counts 252 sessions a year; the risk-free rate is zero. Value at risk is for one session, from the history.
    """
    from stock_assets.core import metrics

    with logs.working(context) as work:
        values = metrics.price_metrics(
            clean_prices, ticker=work.ticker, as_of=work.session, source=clean_prices.attrs["source"]
        )
        describe.tell(context, asset_metadata.price_metrics(values, clean_prices, work))
        return values
