"""The asset `evaluation`."""

import dagster as dg

from stock_assets.defs import describe, logs, retries


@dg.asset(
    group_name="modelling",
    kinds={"json"},
    io_manager_key="documents",
    required_resource_keys={"log_dir"},
    retry_policy=retries.ONCE,
    code_version="1",
)
def evaluation(context: dg.AssetExecutionContext, backtest):
    """Scores of the backtest beside naive forecasts on the same sessions, with intervals, and a verdict in plain words.

    Naive: zero return, prevailing mean, majority class, yesterday's close.
    """
    from stock_assets.core import evaluation as core_evaluation

    with logs.working(context) as work:
        scores = core_evaluation.evaluate(
            backtest, ticker=work.ticker, as_of=work.session, source=backtest.attrs["source"]
        )
        work.log.info("%s", scores["verdict"]["text"])
        numbers = {
            "accuracy": scores["classification"]["accuracy"],
            "majority accuracy": scores["classification"]["majority_accuracy"],
            "brier": scores["classification"]["brier"],
            "r2 out of sample": scores["regression"]["r2_oos"],
            "p value": scores["classification"]["p_value"],
        }
        context.add_output_metadata(
            {
                "verdict": scores["verdict"]["text"],
                "beats naive": scores["verdict"]["beats_naive"],
                **{name: value for name, value in numbers.items() if value is not None},
                "scores": dg.MetadataValue.json(scores),
                "source": describe.source(scores["source"]),
            }
        )
        return scores
