"""A made-up ticker with everything a report needs: a random walk, forecasts without skill, and their results."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import evaluation, features, metrics, model_settings, track_record
from stock_assets.reporting import html


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


def backtest_of(clean: pd.DataFrame, *, seed: int = 11) -> pd.DataFrame:
    """Forecasts that know nothing, from the 500th session (or the middle) on."""
    random = np.random.default_rng(seed)
    start = min(500, len(clean) // 2)
    made_on = clean.iloc[start:-1]
    following = clean.iloc[start + 1 :]
    n = len(made_on)
    said = np.clip(0.52 + 0.03 * random.standard_normal(n), 0.05, 0.95)
    opens = clean["adjusted_open"]
    return pd.DataFrame(
        {
            "target_session": following.index.to_numpy(),
            "train_end": clean.index[start - 1],
            "close": made_on["close"].to_numpy(),
            "volatility": 0.018,
            "raw_probability_up": said,
            "probability_up": said,
            "expected_return": 0.0005 + 0.001 * random.standard_normal(n),
            "mean_return": 0.0005,
            "up_share": 0.521,
            "realised_return": following["total_return"].to_numpy(),
            "realised_close": following["close"].to_numpy(),
            "realised_up": following["total_return"].to_numpy() > 0,
            "open_return": (opens.shift(-2) / opens.shift(-1) - 1).iloc[start:-1].to_numpy(),
        },
        index=made_on.index,
    ).rename_axis("session")


def make_inputs(*, ticker: str = "DEMO", source: str = "csv", n: int = 1500) -> html.ReportInputs:
    """Everything a report of `ticker` needs, after the close of the last of `n` sessions."""
    clean = walk(n)
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
        metrics=metrics.price_metrics(clean, ticker=ticker, as_of=as_of.date(), source=source),
        backtest=backtest,
        evaluation=evaluation.evaluate(backtest, ticker=ticker, as_of=as_of.date(), source=source),
        predictions=predictions,
        card=card_of(clean, ticker=ticker, source=source),
        quality=quality_of(clean, ticker=ticker, source=source),
        track_record=record_of(clean, ticker=ticker, source=source),
    )


def record_of(clean: pd.DataFrame, *, ticker: str, source: str, n: int = 13) -> dict[str, Any]:
    """What `n` forecasts came to that were made on the evenings before: of the last one nothing is known."""
    said_on, close = clean.index[-1 - n :], clean["close"].to_numpy()[-1 - n :]
    made = pd.DataFrame(
        {
            "ticker": ticker,
            "as_of": said_on[:-1],
            "target_session": said_on[1:],
            "probability_up": 0.5 + 0.02 * np.sin(np.arange(n)),
            "expected_return": 0.0,
            "predicted_close": close[:-1] * 1.001,
            "interval_low": close[:-1] * 0.98,
            "interval_high": close[:-1] * 1.02,
            "interval_level": 0.9,
            "naive_close": close[:-1],
            "model_as_of": said_on[:-1],
            "beats_naive": False,
            "source": source,
            "checksum": "ef" * 32,
        }
    )
    prices = clean.copy()
    prices.attrs["source"] = source
    as_of = clean.index[-1].date()
    forecasts = track_record.join(made, prices, ticker=ticker, as_of=as_of)
    none = pd.DataFrame(columns=features.feature_columns(), dtype="float64")
    return track_record.summarise(forecasts, none, "no earlier snapshot", ticker=ticker, as_of=as_of)


def card_of(clean: pd.DataFrame, *, ticker: str, source: str) -> dict[str, Any]:
    """The card of a random forest that found little in four features."""
    as_of = clean.index[-1]
    first, last, known = clean.index[0], clean.index[-2], len(clean) - 1
    importance = {"return_5": 0.31, "return_21": 0.28, "volatility_21": 0.25, "rsi_14": 0.16}
    rises = {
        "return_5": {"mean": 0.00212, "deviation": 0.00091},
        "return_21": {"mean": 0.00035, "deviation": 0.00082},
        "volatility_21": {"mean": -0.00011, "deviation": 0.00049},
        "rsi_14": {"mean": -0.00048, "deviation": 0.00038},
    }
    settings = model_settings.ModelSettings()
    return {
        "ticker": ticker,
        "as_of": f"{as_of:%Y-%m-%d}",
        "source": source,
        "estimator": settings.estimator,
        "hyperparameters": settings.hyperparameters(),
        "fingerprint": settings.fingerprint(),
        "seed": settings.seed,
        "target": {
            "horizon_sessions": 1,
            "return": "total return (dividends included) from the close of a session to the close 1 session(s) later",
            "up": "whether that return is above zero",
        },
        "features": list(importance),
        "feature_importance": importance,
        "feature_importance_measures": "mean decrease in impurity, in sample: a hint, no proof",
        "permutation_importance": {
            "measures": "rise of the log loss (nats a forecast) when one feature is shuffled among the rows held out",
            "n_repeats": 10,
            "n_rows": known // 5,
            "features": rises,
            "why": None,
        },
        "n_train": known,
        "train_start": f"{first:%Y-%m-%d}",
        "train_end": f"{last:%Y-%m-%d}",
        "last_target_session": f"{as_of:%Y-%m-%d}",
        "snapshot_sha256": "ab" * 32,
        "attempts": [
            {"part": part, "attempt": 1, "changed": {}, "outcome": "fitted"} for part in ("classifier", "regressor")
        ],
        "in_sample": {
            "note": "Scores on the training rows themselves.",
            "accuracy": 0.561,
            "brier": 0.2471,
            "r2": 0.0123,
            "up_share": 0.521,
            "mean_return": 0.00052,
        },
        "holdout": {
            "note": "One try out of sample.",
            "changed": {"n_estimators": 38},
            "n_train": known - known // 5 - 1,
            "train_end": f"{clean.index[known - known // 5 - 2]:%Y-%m-%d}",
            "n_forecasts": known // 5,
            "first_forecast": f"{clean.index[known - known // 5]:%Y-%m-%d}",
            "last_forecast": f"{last:%Y-%m-%d}",
            "accuracy": 0.507,
            "brier": 0.2503,
            "r2": -0.0021,
            "accuracy_naive": 0.512,
            "brier_naive": 0.2499,
        },
        "expires_after_sessions": 10,
        "last_session": f"{as_of + pd.offsets.BDay(9):%Y-%m-%d}",
        "libraries": {
            "python": "3.11.9",
            "numpy": "2.1.0",
            "pandas": "2.3.0",
            "scipy": "1.15.0",
            "scikit-learn": "1.7.0",
        },
    }


def quality_of(clean: pd.DataFrame, *, ticker: str, source: str) -> dict[str, Any]:
    """Prices with two gaps, a bar that was left out, the repairs of `clean`, and two values revised since Thursday."""
    repaired = clean["repairs"].str.split(",").explode()
    repaired = repaired[repaired != ""]
    return {
        "ticker": ticker,
        "as_of": f"{clean.index[-1]:%Y-%m-%d}",
        "source": source,
        "checksum": "cd" * 32,
        "n_bars": len(clean) + 1,
        "n_sessions": len(clean),
        "first_session": f"{clean.index[0]:%Y-%m-%d}",
        "last_session": f"{clean.index[-1]:%Y-%m-%d}",
        "missing": {"n": 2, "sessions": ["2023-06-19", "2023-09-04"]},
        "left_out": {"n": 1, "sessions": ["2023-11-23"]},
        "repairs": [
            {"repair": str(kind), "sessions": len(rows), "latest": f"{rows.index[-1]:%Y-%m-%d}"}
            for kind, rows in repaired.groupby(repaired)
        ],
        "revisions": {
            "compared_with": "2024-03-07",
            "n": 4,
            "why": None,
            "explanation": None,
            "rows": [
                {"session": "2024-02-14", "column": "volume", "before": 41_000_000.0, "now": 43_500_000.0}
                | {"until": "2024-02-16", "values": 3},
                {"session": "2024-02-14", "column": "close", "before": 61.25, "now": None}
                | {"until": "2024-02-14", "values": 1},
            ],
        },
    }


def forecasting(inputs: html.ReportInputs, **columns: Any) -> html.ReportInputs:
    """`inputs` with other values in the one row of its predictions."""
    return dataclasses.replace(inputs, predictions=inputs.predictions.assign(**columns))


@pytest.fixture(scope="session")
def inputs() -> html.ReportInputs:
    """DEMO after the close of Friday 2024-03-08, as if from a file."""
    return make_inputs()


@pytest.fixture(scope="session")
def files(inputs: html.ReportInputs) -> dict[str, bytes]:
    """The report of `inputs`."""
    return html.render_report(inputs)


@pytest.fixture(scope="session")
def simulated_files() -> dict[str, bytes]:
    """The report of the same prices, had they been simulated."""
    return html.render_report(make_inputs(source="simulated"))
