"""The asset `price_metrics`."""

import dagster as dg

from stock_assets.defs import describe, logs, retries


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

    Returns are total returns as fractions; ratios are annualised over 252 sessions with a risk-free rate of zero.
    """
    from stock_assets.core import metrics

    with logs.working(context) as work:
        values = metrics.price_metrics(
            clean_prices, ticker=work.ticker, as_of=work.session, source=clean_prices.attrs["source"]
        )
        context.add_output_metadata(
            {
                "last close": values["last_close"],
                **{
                    name.replace("_", " "): values[name]
                    for name in ("last_return", "annual_return", "sharpe", "var_95")
                    if values[name] is not None
                },
                "current drawdown": values["drawdown"]["current"],
                "metrics": dg.MetadataValue.json(values),
                "source": describe.source(values["source"]),
            }
        )
        return values
