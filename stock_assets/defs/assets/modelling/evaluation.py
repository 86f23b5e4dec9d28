"""The asset `evaluation`."""

import dagster as dg

from stock_assets.defs import asset_metadata, describe, logs, retries


@dg.asset(
    group_name="modelling",
    kinds={"json"},
    io_manager_key="documents",
    required_resource_keys={"log_dir", "model_settings", "store"},
    retry_policy=retries.ONCE,
    code_version="2",
)
def evaluation(context: dg.AssetExecutionContext, backtest):
    """Scores of the backtest beside naive forecasts on the same sessions, with intervals, and a verdict in plain words.

    Naive: zero return, prevailing mean, the more frequent direction, yesterday's close. Every configuration that was
    evaluated or tuned on this ticker by then is on record; the more there are, the more is put down to luck.

    - **Source:** backtest of the same ticker and session.
    - **When:** together with `model`.
    - **Units:** accuracies and p value from 0 to 1; Brier score: lower is better, 0.25 is a coin; out-of-sample R2 of
      returns: above 0 is better than the prevailing mean, by little at best.
    """
    from stock_assets.core import evaluation as core_evaluation
    from stock_assets.core import trading
    from stock_assets.storage import ledger

    with logs.working(context) as work:
        configured, store = context.resources.model_settings.of(work.ticker), context.resources.store
        horizon, rules = configured.model.horizon, configured.rules
        sharpe = trading.scores(backtest, rules, horizon, trading.Luck())["sharpe"]
        this = ledger.Entry(configured.fingerprint(), sharpe, "evaluation", configured.overrides())
        # Of one fingerprint the last counts: making this partition again gives the same.
        tried = [*ledger.tried(store, work.ticker, work.session), this]
        scores = core_evaluation.evaluate(
            backtest,
            ticker=work.ticker,
            as_of=work.session,
            source=backtest.attrs["source"],
            horizon=horizon,
            rules=rules,
            calibrated_by=configured.model.calibration,
            trials=ledger.as_trials(tried, horizon=horizon),
        )
        ledger.record(store, work.ticker, work.session, [this])
        work.log.info("%s", scores["verdict"]["text"])
        describe.tell(context, asset_metadata.evaluation(scores, backtest, configured, work))
        return scores
