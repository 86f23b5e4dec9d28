"""A made-up ticker with everything a report needs: a random walk, forecasts without skill, and their results."""

import dataclasses
import datetime
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stock_assets.reporting import html

SESSIONS_A_YEAR = 252


def walk(n: int = 1500, *, seed: int = 7) -> pd.DataFrame:
    """Clean prices of `n` weekdays up to Friday 2024-03-08, with one split, quarterly dividends and one repair."""
    random = np.random.default_rng(seed)
    sessions = pd.bdate_range(end="2024-03-08", periods=n, name="session").as_unit("ns")
    price_return = 0.0004 + 0.018 * random.standard_t(5, n) / math.sqrt(5 / 3)
    close = 60 * np.exp(np.cumsum(price_return))
    dividend = np.where(np.arange(n) % 63 == 40, 0.35, 0.0)
    total_return = np.append(np.nan, (close[1:] + dividend[1:]) / close[:-1] - 1)
    factor = np.append(np.cumprod((1 - dividend[1:] / close[:-1])[::-1])[::-1], 1.0)
    opening = close * np.exp(0.004 * random.standard_normal(n))
    high = np.maximum(opening, close) * np.exp(np.abs(0.006 * random.standard_normal(n)))
    low = np.minimum(opening, close) * np.exp(-np.abs(0.006 * random.standard_normal(n)))
    split = np.ones(n)
    split[-130 % n] = 5.0
    repairs = np.full(n, "", dtype=object)
    repairs[n // 3] = "high_raised"
    return pd.DataFrame(
        {
            "open": opening,
            "high": high,
            "low": low,
            "close": close,
            "volume": random.integers(20_000_000, 90_000_000, n),
            "dividend": dividend,
            "split_ratio": split,
            "adjusted_open": opening * factor,
            "adjusted_high": high * factor,
            "adjusted_low": low * factor,
            "adjusted_close": close * factor,
            "total_return": total_return,
            "repairs": pd.Series(repairs, index=sessions, dtype="str"),
        },
        index=sessions,
    )


def metrics_of(clean: pd.DataFrame, *, ticker: str, source: str) -> dict[str, Any]:
    returns = clean["total_return"].dropna()
    close = clean["close"]
    fall = clean["adjusted_close"] / clean["adjusted_close"].cummax() - 1

    def over(sessions: int) -> float | None:
        return float((1 + returns.tail(sessions)).prod() - 1) if len(returns) >= sessions else None

    def deviation(sessions: int) -> float | None:
        if len(returns) < sessions:
            return None
        return float(returns.tail(sessions).std() * math.sqrt(SESSIONS_A_YEAR))

    def average(sessions: int) -> dict[str, float | None]:
        if len(close) < sessions:
            return {"value": None, "distance": None}
        value = float(close.tail(sessions).mean())
        return {"value": value, "distance": float(close.iloc[-1] / value - 1)}

    var_95, var_99 = (float(returns.quantile(q)) for q in (0.05, 0.01))
    trough = fall.idxmin()
    return {
        "ticker": ticker,
        "as_of": f"{clean.index[-1]:%Y-%m-%d}",
        "source": source,
        "first_session": f"{clean.index[0]:%Y-%m-%d}",
        "n_sessions": len(clean),
        "last_close": float(close.iloc[-1]),
        "last_return": float(returns.iloc[-1]),
        "returns": {str(n): over(n) for n in (1, 5, 21, 63, 252)} | {"year_to_date": over(48)},
        "annual_return": float((1 + returns).prod() ** (SESSIONS_A_YEAR / len(returns)) - 1),
        "annual_volatility": {"21": deviation(21), "63": deviation(63), "252": deviation(252), "all": deviation(2)},
        "moving_averages": {str(n): average(n) for n in (20, 50, 200)},
        "drawdown": {
            "current": float(fall.iloc[-1]),
            "max": float(fall.min()),
            "max_peak": f"{clean['adjusted_close'][:trough].idxmax():%Y-%m-%d}",
            "max_trough": f"{trough:%Y-%m-%d}",
            "max_recovered": None,
        },
        "sharpe": float(returns.mean() / returns.std() * math.sqrt(SESSIONS_A_YEAR)),
        "sortino": float(returns.mean() / math.sqrt((returns.clip(upper=0) ** 2).mean()) * math.sqrt(SESSIONS_A_YEAR)),
        "var_95": var_95,
        "cvar_95": float(returns[returns <= var_95].mean()),
        "var_99": var_99,
        "cvar_99": float(returns[returns <= var_99].mean()),
        "skew": float(returns.skew()),
        "excess_kurtosis": float(returns.kurt()),
        "best": {"session": f"{returns.idxmax():%Y-%m-%d}", "return": float(returns.max())},
        "worst": {"session": f"{returns.idxmin():%Y-%m-%d}", "return": float(returns.min())},
        "dividends_12m": float(clean["dividend"].tail(252).sum()),
        "dividend_yield_12m": float(clean["dividend"].tail(252).sum() / close.iloc[-1]),
        "average_volume_20": float(clean["volume"].tail(20).mean()),
        "n_splits": int((clean["split_ratio"] != 1).sum()),
        "n_repaired_rows": int((clean["repairs"] != "").sum()),
    }


def backtest_of(clean: pd.DataFrame, *, seed: int = 11) -> pd.DataFrame:
    """Forecasts that know nothing, from the 500th session (or the middle) on."""
    random = np.random.default_rng(seed)
    start = min(500, len(clean) // 2)
    made_on = clean.iloc[start:-1]
    following = clean.iloc[start + 1 :]
    n = len(made_on)
    return pd.DataFrame(
        {
            "target_session": following.index.to_numpy(),
            "train_end": clean.index[start - 1],
            "close": made_on["close"].to_numpy(),
            "volatility": 0.018,
            "probability_up": np.clip(0.52 + 0.03 * random.standard_normal(n), 0.05, 0.95),
            "expected_return": 0.0005 + 0.001 * random.standard_normal(n),
            "mean_return": 0.0005,
            "up_share": 0.521,
            "realised_return": following["total_return"].to_numpy(),
            "realised_close": following["close"].to_numpy(),
            "realised_up": following["total_return"].to_numpy() > 0,
        },
        index=made_on.index,
    ).rename_axis("session")


def evaluation_of(backtest: pd.DataFrame, *, ticker: str, as_of: str, source: str) -> dict[str, Any]:
    up = backtest["realised_up"].to_numpy()
    said = backtest["probability_up"].to_numpy() > 0.5
    accuracy = float((up == said).mean())
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / len(up))
    matrix = [[int((~up & ~said).sum()), int((~up & said).sum())], [int((up & ~said).sum()), int((up & said).sum())]]
    years = backtest["target_session"].dt.year
    return {
        "ticker": ticker,
        "as_of": as_of,
        "source": source,
        "horizon_sessions": 1,
        "n_forecasts": len(up),
        "first_forecast": f"{backtest.index[0]:%Y-%m-%d}",
        "last_forecast": f"{backtest.index[-1]:%Y-%m-%d}",
        "classification": {
            "accuracy": accuracy,
            "accuracy_ci95": [accuracy - half, accuracy + half],
            "balanced_accuracy": 0.4987,
            "roc_auc": 0.5031,
            "brier": 0.25071,
            "log_loss": 0.69468,
            "majority_accuracy": float(max(up.mean(), 1 - up.mean())),
            "brier_naive": 0.24962,
            "log_loss_naive": 0.69239,
            "p_value": 0.412,
            "confusion_matrix": matrix,
        },
        "regression": {
            "rmse": 1.8123,
            "mae": 1.2871,
            "mape": 0.01337,
            "rmse_naive": 1.8098,
            "mae_naive": 1.2864,
            "mape_naive": 0.01336,
            "r2_oos": -0.0031,
            "r2_oos_zero": -0.0012,
            "rmse_return": 0.01841,
            "rmse_return_zero": 0.0184,
            "rmse_return_mean": 0.01839,
            "dm_statistic": -0.63,
            "dm_p_value": 0.7357,
        },
        "backtest": {
            "annual_return": 0.041,
            "annual_volatility": 0.212,
            "sharpe": 0.29,
            "deflated_sharpe": 0.34,
            "max_drawdown": -0.331,
            "turnover": 61.2,
            "cost_bps": 5.0,
            "buy_and_hold": {
                "annual_return": 0.112,
                "annual_volatility": 0.289,
                "sharpe": 0.51,
                "deflated_sharpe": None,
                "max_drawdown": -0.382,
                "turnover": 0.0,
                "cost_bps": 5.0,
            },
        },
        "interval": {"level": 0.9, "scaled_quantile": 1.71, "coverage": 0.897, "n": len(up)},
        "by_year": [
            {
                "year": int(year),
                "n": int((years == year).sum()),
                "accuracy": float((up == said)[(years == year).to_numpy()].mean()),
                "brier": 0.2503,
            }
            for year in sorted(years.unique())
        ],
        "verdict": {
            "beats_naive": False,
            "text": "No better than naive: 50.9% of directions were right, against 52.3% for always saying up.",
            "test": "one-sided binomial and Diebold-Mariano, both below 0.05",
        },
    }


def make_inputs(
    *, ticker: str = "DEMO", source: str = "csv", n: int = 1500, clean: pd.DataFrame | None = None
) -> html.ReportInputs:
    clean = walk(n) if clean is None else clean
    backtest = backtest_of(clean)
    last = float(clean["close"].iloc[-1])
    as_of = clean.index[-1]
    predictions = pd.DataFrame(
        {
            "ticker": pd.Series([ticker], dtype="str"),
            "as_of": [as_of],
            "target_session": [as_of + pd.offsets.BDay(1)],
            "probability_up": [0.5213],
            "expected_return": [0.00061],
            "predicted_close": [last * 1.00061],
            "interval_low": [last * 0.9688],
            "interval_high": [last * 1.0324],
            "interval_level": [0.9],
            "naive_close": [last],
            "model_as_of": [as_of],
            "beats_naive": [False],
            "source": pd.Series([source], dtype="str"),
        }
    )
    return html.ReportInputs(
        ticker=ticker,
        as_of=as_of.date(),
        source=source,
        clean=clean,
        metrics=metrics_of(clean, ticker=ticker, source=source),
        backtest=backtest,
        evaluation=evaluation_of(backtest, ticker=ticker, as_of=f"{as_of:%Y-%m-%d}", source=source),
        predictions=predictions,
    )


def changed(inputs: html.ReportInputs, **columns: Any) -> html.ReportInputs:
    """`inputs` with other values in the one row of its predictions."""
    return dataclasses.replace(inputs, predictions=inputs.predictions.assign(**columns))


@pytest.fixture(scope="session")
def inputs() -> html.ReportInputs:
    """DEMO after the close of Friday 2024-03-08, real-looking prices from a file."""
    return make_inputs()


@pytest.fixture(scope="session")
def files(inputs: html.ReportInputs) -> dict[str, bytes]:
    """The rendered report of `inputs`."""
    return html.render_report(inputs)


@pytest.fixture(scope="session")
def session() -> datetime.date:
    return datetime.date(2024, 3, 8)
