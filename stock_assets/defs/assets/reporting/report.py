"""The asset `report`."""

import dagster as dg

from stock_assets.defs import describe, logs, partitions, retries


@dg.asset(
    group_name="reporting",
    kinds={"report", "matplotlib"},
    io_manager_key="reports",
    required_resource_keys={"log_dir"},
    ins={"backtest": partitions.most_recent(), "evaluation": partitions.most_recent()},
    retry_policy=retries.ONCE,
    code_version="1",
)
def report(context: dg.AssetExecutionContext, clean_prices, price_metrics, backtest, evaluation, predictions):
    """A self-contained HTML page: the verdict, the forecast, the charts and the scores beside naive forecasts.

    Open the file that the metadata names under `path`; its figures lie beside it as PNG files too.

    - **Source:** prices, metrics and predictions of the same ticker and session; the most recent backtest and
      evaluation of the last ten sessions.
    - **When:** once after the close of every session.
    """
    from stock_assets.reporting import html

    with logs.working(context) as work:
        files = html.render_report(
            html.ReportInputs(
                ticker=work.ticker,
                as_of=work.session,
                source=clean_prices.attrs["source"],
                clean=clean_prices,
                metrics=price_metrics,
                backtest=backtest,
                evaluation=evaluation,
                predictions=predictions,
            )
        )
        context.add_output_metadata(
            {
                "source": describe.source(clean_prices.attrs["source"]),
                "verdict": evaluation["verdict"]["text"],
                "figures": len(files) - 1,
            }
        )
        return files
