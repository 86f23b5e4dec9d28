"""The asset `predictions`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs, partitions, retries


@dg.asset(
    group_name="serving",
    kinds={"scikitlearn", "parquet"},
    io_manager_key="tables",
    required_resource_keys={"log_dir", "model_settings"},
    ins={"model": partitions.most_recent(), "evaluation": partitions.most_recent()},
    retry_policy=retries.ONCE,
    code_version="2",
)
def predictions(context: dg.AssetExecutionContext, features, model, evaluation):
    """The forecast for the target session: probability, return, close with an interval, the naive one beside it.

    - **Source:** features of the same ticker and session; the most recent model and evaluation of the last ten
      sessions. None there, or of another horizon than the settings ask for: an error, never an old forecast.
    - **When:** once after the close of every session.
    - **Units:** probability and level of the interval from 0 to 1; expected total return as a fraction; closes in the
      quote currency.
    """
    from stock_assets.core import prediction

    with logs.working(context) as work:
        horizon = context.resources.model_settings.of(work.ticker).model.horizon
        prediction.require_horizon(model, evaluation, horizon, ticker=work.ticker, as_of=work.session)
        forecast = prediction.predict(
            features, model, evaluation, ticker=work.ticker, as_of=work.session, source=features.attrs["source"]
        )
        forecast.attrs["source"] = features.attrs["source"]
        row = forecast.iloc[0]
        work.log.info(
            "%s: close %.2f, up with %.1f %%", row.target_session.date(), row.predicted_close, 100 * row.probability_up
        )
        describe.tell(context, asset_metadata.predictions(forecast, features["close"], work))
        return forecast
