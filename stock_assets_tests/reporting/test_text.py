"""The page of scores as plain text, on made-up scores whose every number can be found on it again."""

import copy
from typing import Any

import pytest

from stock_assets.reporting import html, text

EVALUATION: dict[str, Any] = {
    "ticker": "STX",
    "as_of": "2024-03-08",
    "source": "csv",
    "horizon_sessions": 1,
    "n_forecasts": 2565,
    "first_forecast": "2013-12-27",
    "last_forecast": "2024-03-07",
    "classification": {
        "accuracy": 0.525,
        "accuracy_ci95": [0.504, 0.545],
        "balanced_accuracy": 0.496,
        "roc_auc": 0.4935,
        "brier": 0.2497,
        "log_loss": 0.6925,
        "majority_accuracy": 0.534,
        "brier_naive": 0.249,
        "log_loss_naive": 0.6911,
        "p_value": 0.957,
        "confusion_matrix": [[86, 1109], [110, 1260]],
    },
    "regression": {
        "rmse": 1.3993,
        "mae": 0.9558,
        "mape": 0.0171,
        "rmse_naive": 1.3944,
        "mae_naive": 0.9528,
        "mape_naive": 0.0170,
        "r2_oos": -0.0029,
        "dm_statistic": -1.365,
        "dm_p_value": 0.914,
    },
    "backtest": {
        "annual_return": 0.119,
        "annual_volatility": 0.375,
        "sharpe": 0.49,
        "deflated_sharpe": 0.94,
        "max_drawdown": -0.614,
        "turnover": 21.7,
        "cost_bps": 5.0,
        "buy_and_hold": {
            "annual_return": 0.104,
            "annual_volatility": 0.39,
            "sharpe": 0.45,
            "deflated_sharpe": 0.92,
            "max_drawdown": -0.7,
            "turnover": 0.1,
            "cost_bps": 5.0,
        },
    },
    "interval": {"level": 0.9, "scaled_quantile": 1.73, "coverage": 0.897, "n": 2465},
    "verdict": {
        "beats_naive": False,
        "text": "The model called the direction right 52.5% of the time; that is no better than naive.",
        "test": {"name": "one-sided Diebold-Mariano", "p_value": 0.99, "level": 0.05},
    },
}


def lines(evaluation: dict[str, Any]) -> list[str]:
    return text.scores(evaluation).splitlines()


def row(evaluation: dict[str, Any], name: str) -> list[str]:
    """The cells of the one line that begins with `name`."""
    [found] = [line for line in lines(evaluation) if line.startswith(name)]
    return found.removeprefix(name).split()


def test_it_says_whose_scores_they_are_and_the_verdict_first() -> None:
    page = lines(EVALUATION)
    assert page[0] == "STX, as of 2024-03-08, prices from csv"
    assert page[1].startswith("2,565 out-of-sample forecasts, 2013-12-27 to 2024-03-07, 1 session")
    assert page[3] == EVALUATION["verdict"]["text"]
    assert page[4] == "Test: one-sided Diebold-Mariano; p = 0.990, expected at most 0.05 for a claim"
    assert page[-1] == "Not investment advice."


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("accuracy", ["52.5%", "53.4%", "majority", "direction"]),
        ("  95 % interval", ["50.4%", "to", "54.5%"]),
        ("balanced accuracy", ["49.6%"]),
        ("ROC AUC", ["0.4935", "0.5000", "coin"]),
        ("Brier score", ["0.2497", "0.2490", "share", "of", "rises"]),
        ("log loss", ["0.6925", "0.6911", "share", "of", "rises"]),
        ("RMSE", ["1.3993", "1.3944", "yesterday's", "close"]),
        ("MAE", ["0.9558", "0.9528", "yesterday's", "close"]),
        ("MAPE", ["1.71%", "1.70%", "yesterday's", "close"]),
        ("R2 of returns", ["−0.29%", "0.00%", "prevailing", "mean"]),
        ("Diebold-Mariano p", ["0.914"]),
        ("90% interval covers", ["89.7%"]),
        ("STRATEGY (5 bps a trade)", ["long", "or", "cash", "buy", "and", "hold"]),
        ("annual return", ["11.9%", "10.4%"]),
        ("annual volatility", ["37.5%", "39.0%"]),
        ("Sharpe ratio", ["0.49", "0.45"]),
        ("worst drawdown", ["−61.4%", "−70.0%"]),
        ("turnover a year", ["21.70", "0.10"]),
    ],
)
def test_each_score_stands_beside_its_naive_one(name: str, cells: list[str]) -> None:
    assert row(EVALUATION, name) == cells


def test_the_confusion_matrix_has_what_happened_in_rows_and_what_was_said_in_columns() -> None:
    page = lines(EVALUATION)
    start = page.index("CONFUSION MATRIX")
    assert page[start + 1].split() == ["said", "down", "said", "up"]
    assert page[start + 2].split() == ["fell", "86", "1,109"]
    assert page[start + 3].split() == ["rose", "110", "1,260"]


def test_columns_are_aligned_and_lines_end_without_blanks() -> None:
    page = lines(EVALUATION)
    numbers = [line for line in page if line.startswith(("accuracy", "Brier", "RMSE", "annual", "fell"))]
    assert {len(line.split("   share")[0].split("   yest")[0].split("   maj")[0]) for line in numbers} == {58}
    assert all(line == line.rstrip() for line in page)


def test_simulated_prices_are_told_before_anything_else() -> None:
    assert lines(EVALUATION | {"source": "simulated"})[0] == "SIMULATED PRICES, NOT REAL ONES"
    assert "SIMULATED" not in text.scores(EVALUATION)


def test_what_is_not_defined_is_a_dash_and_no_number() -> None:
    evaluation = copy.deepcopy(EVALUATION)
    evaluation["classification"]["roc_auc"] = None
    evaluation["regression"]["dm_p_value"] = None
    evaluation["verdict"]["test"]["p_value"] = None
    assert row(evaluation, "ROC AUC") == ["–", "0.5000", "coin"]
    assert row(evaluation, "Diebold-Mariano p") == ["–"]
    assert "p = –, expected" in lines(evaluation)[4]


def test_a_real_evaluation_has_all_that_the_page_shows(inputs: html.ReportInputs) -> None:
    page = text.scores(inputs.evaluation)
    assert inputs.evaluation["verdict"]["text"] in page
    assert "nan" not in page.lower().split()
