"""The asset `report`."""

import dagster as dg

from stock_assets.defs import describe, logs, partitions, report_inputs, retries


@dg.asset(
    group_name="reporting",
    kinds={"report", "matplotlib"},
    io_manager_key="reports",
    required_resource_keys={"log_dir", "store"},
    ins={"backtest": partitions.most_recent(), "evaluation": partitions.most_recent()},
    # Of the model only the card is told, which report_inputs reads.
    deps=["model"],
    retry_policy=retries.ONCE,
    code_version="3",
)
def report(
    context: dg.AssetExecutionContext,
    raw_prices,
    clean_prices,
    price_metrics,
    backtest,
    evaluation,
    predictions,
    track_record,
):
    """A self-contained HTML page: the verdict, the forecast, the charts and the scores beside naive forecasts, what the
    model is made of, and how good the data are.

    Copy the `path` that the metadata names into the address line of a browser: Dagster's pages may not link to files.
    The figures lie beside it as PNG files too.

    - **Source:** prices, metrics, predictions and track record of the same ticker and session; the card of the model
      that made the forecast; the most recent backtest and evaluation of the last ten sessions; for what the source has
      revised, the ticker's raw prices of the session before that are stored.
    - **When:** once after the close of every session.
    """
    from stock_assets.reporting import html

    with logs.working(context) as work:
        inputs = report_inputs.gather(
            context.resources.store,
            work.ticker,
            work.session,
            raw_prices=raw_prices,
            clean_prices=clean_prices,
            price_metrics=price_metrics,
            backtest=backtest,
            evaluation=evaluation,
            predictions=predictions,
            track_record=track_record,
        )
        files = html.render_report(inputs)
        facts = {"verdict": evaluation["verdict"]["text"], "figures": len(files) - 1}
        describe.tell(context, describe.headed(inputs.source, facts))
        return files
