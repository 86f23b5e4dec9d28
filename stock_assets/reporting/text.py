"""Results as plain text, for a terminal or a file. The page with charts is in html."""

from collections.abc import Mapping, Sequence
from typing import Any

from stock_assets.reporting import wording

_WIDTH = 26


def scores(evaluation: Mapping[str, Any]) -> str:
    """The `evaluation` as a page of text: the verdict first, then every score beside its naive baselines."""
    classification = evaluation["classification"]
    regression = evaluation["regression"]
    strategy = evaluation["backtest"]
    hold = strategy["buy_and_hold"]
    interval = evaluation["interval"]
    test = evaluation["verdict"]["test"]
    low, high = classification["accuracy_ci95"]
    (down_down, down_up), (up_down, up_up) = classification["confusion_matrix"]
    simulated = ["SIMULATED PRICES, NOT REAL ONES", ""] if evaluation["source"] == "simulated" else []
    lines = [
        *simulated,
        f"{evaluation['ticker']}, as of {evaluation['as_of']}, prices from {evaluation['source']}",
        f"{wording.count(evaluation['n_forecasts'])} out-of-sample forecasts, {evaluation['first_forecast']} to "
        f"{evaluation['last_forecast']}, {evaluation['horizon_sessions']} session(s) ahead",
        "",
        evaluation["verdict"]["text"],
        f"Test: {test['name']}; p = {wording.p_value(test['p_value'])}, expected at most {test['level']:g} for a claim",
        "",
        _row("DIRECTION", "model", "naive"),
        _row(
            "accuracy",
            wording.percent(classification["accuracy"]),
            wording.percent(classification["majority_accuracy"]),
            "majority direction",
        ),
        _row("  95 % interval", f"{wording.percent(low)} to {wording.percent(high)}"),
        _row("balanced accuracy", wording.percent(classification["balanced_accuracy"])),
        _row("ROC AUC", wording.score(classification["roc_auc"]), "0.5000", "coin"),
        _row(
            "Brier score",
            wording.score(classification["brier"]),
            wording.score(classification["brier_naive"]),
            "share of rises",
        ),
        _row(
            "log loss",
            wording.score(classification["log_loss"]),
            wording.score(classification["log_loss_naive"]),
            "share of rises",
        ),
        "",
        "CONFUSION MATRIX",
        _row("", "said down", "said up"),
        _row("fell", wording.count(down_down), wording.count(down_up)),
        _row("rose", wording.count(up_down), wording.count(up_up)),
        "",
        _row("NEXT CLOSE", "model", "naive"),
        _row("RMSE", wording.score(regression["rmse"]), wording.score(regression["rmse_naive"]), "yesterday's close"),
        _row("MAE", wording.score(regression["mae"]), wording.score(regression["mae_naive"]), "yesterday's close"),
        _row(
            "MAPE",
            wording.fine_percent(regression["mape"]),
            wording.fine_percent(regression["mape_naive"]),
            "yesterday's close",
        ),
        _row("R2 of returns", wording.fine_percent(regression["r2_oos"]), "0.00%", "prevailing mean"),
        _row("Diebold-Mariano p", wording.p_value(regression["dm_p_value"])),
        _row(f"{interval['level']:.0%} interval covers", wording.percent(interval["coverage"])),
        "",
        _row(f"STRATEGY ({strategy['cost_bps']:g} bps a trade)", "long or cash", "buy and hold"),
        _row("annual return", wording.percent(strategy["annual_return"]), wording.percent(hold["annual_return"])),
        _row(
            "annual volatility",
            wording.percent(strategy["annual_volatility"]),
            wording.percent(hold["annual_volatility"]),
        ),
        _row("Sharpe ratio", wording.ratio(strategy["sharpe"]), wording.ratio(hold["sharpe"])),
        _row("worst drawdown", wording.percent(strategy["max_drawdown"]), wording.percent(hold["max_drawdown"])),
        _row("turnover a year", wording.ratio(strategy["turnover"]), wording.ratio(hold["turnover"])),
        "",
        "Not investment advice.",
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _row(name: str, *cells: str) -> str:
    values: Sequence[str] = cells[:2]
    note = f"   {cells[2]}" if len(cells) > 2 else ""
    return f"{name:<{_WIDTH}}" + "".join(f"{value:>16}" for value in values) + note
