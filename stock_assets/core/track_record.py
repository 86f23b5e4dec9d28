"""How the forecasts that were really made turned out: joined with what followed, scored beside naive ones.

A backtest says what a model would have said; this is what was said. Few forecasts prove nothing, so what too few can't
tell is null, with the reason. Drift of what goes into the model and comes out of it is told along (stability).

Not here: where the forecasts are read from (storage.made_forecasts), and when drift is worth a warning (validation).
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stock_assets.core import features, inference, losses, sessions, stability
from stock_assets.core.errors import SchemaError

WINDOWS = (21, 63)
"""Latest forecasts with a known outcome that are scored by themselves, beside all of them."""

FEWEST_SCORED = 10
"""With fewer known outcomes a score is an anecdote: of ten, accuracy is known to some 30 points either way."""

FEWEST_FOR_INTERVAL = 20
"""With fewer, resampling shows less than half of the luck there was."""

RECENT = 63
"""Sessions whose inputs are compared with what the model learnt from: a quarter."""

_LEVEL = 0.95
_SEED = 20200102
_PAIRED = ("brier", "log_loss", "close_error")


class TrackRecord(NamedTuple):
    """The `track_record` of one ticker and session: the table of forecasts with outcomes, and what it comes to."""

    forecasts: pd.DataFrame
    summary: dict[str, Any]


def join(made: pd.DataFrame, clean: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> pd.DataFrame:
    """The table of `schemas.TRACK_RECORD`: one row a forecast, with what happened as known from `clean`.

    With t the session of a forecast and u its target session, each a row of `clean`:

        split_factor          product of the split ratios after t, up to `as_of`
        realised_return       product of 1 + total_return over the rows after t up to u, - 1
        realised_close        close[u] * split_factor: in the shares in which the forecast was made
        naive_probability_up  share of rises over as many rows as t is before u, of those that had ended by t

    Outcomes are missing while u is not there yet, and for good where the exchange was open and the source had no bar of
    t or u. Forecasts from another source than `clean` (`attrs["source"]`) are left out: they are about other prices.

    Args:
        made: Rows as in `schemas.PREDICTIONS`, and `checksum`, that of the artefact they are from.
        clean: The `clean_prices` of `as_of`.
        ticker: Ticker.
        as_of: Session after whose close this is done.

    Raises:
        SchemaError: Prices that end on another session, forecasts of another ticker, not earlier than `as_of`, about a
            session that is not later than their own, or two of one session.
    """
    _check(made, clean, ticker=ticker, as_of=as_of)
    own = made.loc[made["source"] == clean.attrs["source"]].sort_values("as_of")
    said_on, target = (pd.DatetimeIndex(own[name]) for name in ("as_of", "target_session"))
    index = pd.DatetimeIndex(clean.index)
    start, end = index.get_indexer(said_on), index.get_indexer(target)
    growth = (1 + clean["total_return"].fillna(0.0)).cumprod().to_numpy()
    # Of each row the product of the ratios from it on; nothing follows the last one.
    ratios = np.append(np.cumprod(clean["split_ratio"].to_numpy()[::-1])[::-1], 1.0)
    split_factor = ratios[index.searchsorted(said_on, side="right")]
    close = clean["close"].to_numpy()
    joined = pd.DataFrame(
        {
            "target_session": target.to_numpy(),
            "model_as_of": own["model_as_of"].to_numpy(),
            "probability_up": own["probability_up"].to_numpy(),
            "naive_probability_up": _share_of_rises(growth, start, sessions_ahead(said_on, target)),
            "expected_return": own["expected_return"].to_numpy(),
            "predicted_close": own["predicted_close"].to_numpy(),
            "interval_low": own["interval_low"].to_numpy(),
            "interval_high": own["interval_high"].to_numpy(),
            "interval_level": own["interval_level"].to_numpy(),
            "naive_close": own["naive_close"].to_numpy(),
            "beats_naive": own["beats_naive"].to_numpy(),
            "split_factor": split_factor,
            "realised_return": np.where((start >= 0) & (end >= 0), growth[end] / growth[start] - 1, np.nan),
            "realised_close": np.where(end >= 0, close[end] * split_factor, np.nan),
            "checksum": own["checksum"].to_numpy(dtype=object),
        },
        index=pd.DatetimeIndex(said_on.to_numpy(), name="session"),
    )
    joined = joined.astype({"checksum": "str", "beats_naive": "bool"})
    joined.attrs["source"] = clean.attrs["source"]
    return joined


def _check(made: pd.DataFrame, clean: pd.DataFrame, *, ticker: str, as_of: datetime.date) -> None:
    where = f"{ticker} {as_of}"
    if not len(clean) or clean.index[-1] != pd.Timestamp(as_of):
        came = f"end on {clean.index[-1]:%Y-%m-%d}" if len(clean) else "have no rows"
        raise SchemaError(f"{where}: the clean prices {came}; expected their last row to be {as_of}")
    strangers = made.loc[made["ticker"] != ticker, "ticker"]
    if len(strangers):
        raise SchemaError(f"{where}: a forecast is of {strangers.iloc[0]}; expected {ticker}")
    for wrong, what, expected in (
        (made["as_of"] >= pd.Timestamp(as_of), "was made", f"one made before {as_of}"),
        (made["as_of"].duplicated(), "comes twice, made", "one a session"),
        (made["target_session"] <= made["as_of"], "is about no later session, made", "a target that lay ahead"),
    ):
        if wrong.to_numpy().any():
            session = made.loc[wrong, "as_of"].iloc[0]
            raise SchemaError(f"{where}: a forecast {what} on {session:%Y-%m-%d}; expected {expected}")


def sessions_ahead(said_on: pd.DatetimeIndex, target: pd.DatetimeIndex) -> np.ndarray:
    """How many sessions each target is after its forecast, shape (n,). Raises `NotASessionError` for another date."""
    return sessions.positions(target) - sessions.positions(said_on)


def _share_of_rises(growth: np.ndarray, start: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Of each forecast: how often so many rows had brought a rise, of all that ended at its row or before."""
    shares = np.full(len(start), np.nan)
    for horizon in np.unique(ahead):
        rises = np.cumsum(growth[horizon:] / growth[:-horizon] > 1)
        known = start - horizon
        rows = (ahead == horizon) & (known >= 0)
        shares[rows] = rises[known[rows]] / (known[rows] + 1)
    return shares


def summarise(
    forecasts: pd.DataFrame,
    table: pd.DataFrame,
    backtest: pd.DataFrame | str,
    *,
    ticker: str,
    as_of: datetime.date,
    window: int | None = None,
    unreadable: Sequence[str] = (),
) -> dict[str, Any]:
    """What the joined `forecasts` come to, a dict that JSON can hold: never NaN, but None with an entry in `reasons`.

    `n_forecasts` were made, of which the outcome of `n_known` is known, `n_pending` have their target session ahead,
    and `n_lost` never will be known, for want of a bar. `horizon_sessions` is that of the newest forecast; `n_other`
    were made with another one, and are in the table but not scored.

    `scores`: of the latest 21 and 63 forecasts with a known outcome, and of all of them, see `scores`.
    `drift`: see `drift`; `probability` there compares the last 63 forecasts with those of the backtest.

    Args:
        forecasts: The table that `join` gave.
        table: The `features` of `as_of`.
        backtest: The newest `backtest` of an earlier session, or why there is none to compare forecasts with.
        ticker: Ticker.
        as_of: Session after whose close this is done.
        window: Latest rows that a fit sees; None: all of them.
        unreadable: Sessions whose forecast is stored but can't be read.
    """
    ahead = sessions_ahead(pd.DatetimeIndex(forecasts.index), pd.DatetimeIndex(forecasts["target_session"]))
    horizon = int(ahead[-1]) if len(ahead) else None
    known = forecasts["realised_return"].notna().to_numpy() & forecasts["naive_probability_up"].notna().to_numpy()
    pending = (forecasts["target_session"] > pd.Timestamp(as_of)).to_numpy()
    scored = forecasts.loc[known & (ahead == horizon)] if horizon else forecasts.iloc[:0]
    reasons: dict[str, str] = {}
    result = {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": forecasts.attrs["source"],
        "horizon_sessions": horizon,
        "n_forecasts": len(forecasts),
        "n_known": int(known.sum()),
        "n_pending": int(pending.sum()),
        "n_lost": int((~known & ~pending).sum()),
        "n_other": int((known & (ahead != horizon)).sum()) if horizon else 0,
        "first_forecast": f"{forecasts.index[0]:%Y-%m-%d}" if len(forecasts) else None,
        "last_forecast": f"{forecasts.index[-1]:%Y-%m-%d}" if len(forecasts) else None,
        "unreadable": list(unreadable),
        "scores": {
            name: scores(rows, horizon or 1, f"scores.{name}", reasons)
            for name, rows in (*((str(n), scored.tail(n)) for n in WINDOWS), ("all", scored))
        },
        "drift": drift(table, window, reasons) | {"probability": _drift_of_forecasts(forecasts, backtest, reasons)},
    }
    if not len(forecasts):
        reasons |= dict.fromkeys(("horizon_sessions", "first_forecast", "last_forecast"), "no forecast was made yet")
    return result | {"reasons": dict(sorted(reasons.items()))}


def scores(rows: pd.DataFrame, horizon: int, path: str, reasons: dict[str, str]) -> dict[str, Any]:
    """Scores of joined forecasts whose outcome is known, each beside a naive forecast that knew no more.

    - `right`: directions called right, up being a probability above one half; `accuracy` = right / n with its 95 %
      Wilson interval; naive: the more frequent direction so far.
    - `brier`, `log_loss`: of the probability (see losses); naive: the share of rises so far.
    - `close_error`: mean |predicted close - realised close| / last close, a fraction; naive: the last close.
    - `<score>_gain_ci95`: 95 % interval of how much less was lost than by the naive forecast; block bootstrap.
    - `coverage`: share of closes inside their interval, with its 95 % Wilson interval, beside `interval_level`.

    Outcomes over several sessions overlap, and are worth as many fewer: the Wilson intervals take n / horizon, blocks
    are at least twice the horizon long. What `FEWEST_SCORED` and `FEWEST_FOR_INTERVAL` rows (times the horizon) are
    needed for is None without them, and `reasons` is told why, by path.
    """
    n = len(rows)
    judged = rows.rename(columns={"naive_probability_up": "up_share"}).assign(realised_up=rows["realised_return"] > 0)
    wrong, naive_wrong = losses.direction_losses(judged)
    paired = {"brier": losses.brier_losses(judged), "log_loss": losses.log_losses(judged)}
    paired["close_error"] = _close_errors(rows)
    inside = rows["realised_close"].between(rows["interval_low"], rows["interval_high"]).to_numpy(dtype="float64")
    found: dict[str, Any] = {
        "n": n,
        "first_forecast": f"{rows.index[0]:%Y-%m-%d}" if n else None,
        "last_forecast": f"{rows.index[-1]:%Y-%m-%d}" if n else None,
        "right": int((1 - wrong).sum()),
        "accuracy": _mean(1 - wrong),
        "accuracy_ci95": _of_share(1 - wrong, horizon),
        "accuracy_naive": _mean(1 - naive_wrong),
    }
    for name in _PAIRED:
        model, naive = paired[name]
        found |= {
            name: _mean(model),
            f"{name}_naive": _mean(naive),
            f"{name}_gain_ci95": _of_gain(naive - model, horizon),
        }
    found |= {
        "inside": int(inside.sum()),
        "coverage": _mean(inside),
        "coverage_ci95": _of_share(inside, horizon),
        "interval_level": _mean(rows["interval_level"].to_numpy()),
    }
    for name in found:
        least = (FEWEST_FOR_INTERVAL if name.endswith("_ci95") else FEWEST_SCORED) * horizon
        if name.endswith("_forecast"):
            if found[name] is None:
                reasons[f"{path}.{name}"] = "no outcome is known yet"
        elif name not in ("n", "right", "inside") and n < least:
            found[name] = None
            reasons[f"{path}.{name}"] = f"the outcome of {n} forecast(s) is known; expected at least {least}"
    return found


def _close_errors(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """|predicted - realised| and |last - realised|, as fractions of the last close."""
    last, realised = rows["naive_close"].to_numpy(), rows["realised_close"].to_numpy()
    return np.abs(rows["predicted_close"].to_numpy() - realised) / last, np.abs(last - realised) / last


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _of_share(came_true: np.ndarray, horizon: int) -> list[float] | None:
    if not len(came_true):
        return None
    low, high = inference.wilson_interval(np.array([came_true.mean()]), np.array([len(came_true) / horizon]))
    return [max(0.0, float(low[0])), min(1.0, float(high[0]))]


def _of_gain(gain: np.ndarray, horizon: int) -> list[float] | None:
    if len(gain) < FEWEST_FOR_INTERVAL:
        return None
    block = max(2 * horizon, int(np.ceil(len(gain) ** (1 / 3)))) if horizon > 1 else None
    return list(inference.bootstrap_mean_interval(gain, level=_LEVEL, seed=_SEED, block=block))


def drift(table: pd.DataFrame, window: int | None, reasons: dict[str, str]) -> dict[str, Any]:
    """How far the last 63 rows of `features` are from the rows before, which a model learnt from: feature by feature.

    `features`: name -> `psi`, `highest_before` (of the earlier stretches of 63 rows) and whether it has `shifted`, see
    `stability`; `n_shifted` counts those. The training rows are the latest `window` before the last 63, or all. None,
    with the reason, when there are fewer than 16 earlier stretches.
    """
    names = features.feature_columns()
    before = table.iloc[:-RECENT]
    training = before if window is None else before.iloc[-window:]
    needed = stability.FEWEST_STRETCHES * RECENT
    found: dict[str, Any] = {
        "n_recent": RECENT,
        "n_training": len(training),
        "limit": stability.SHIFTED,
        "n_shifted": None,
        "features": None,
    }
    if len(before) < needed:
        why = (
            f"{len(before)} rows before the last {RECENT} are too few to say what is usual; expected at least {needed}"
        )
        reasons |= {"drift.n_shifted": why, "drift.features": why}
        return found
    learnt, values = training[names].to_numpy("float64"), table[names].to_numpy("float64")
    each = {
        name: stability.stability(learnt[:, column], values[:, column], stretch=RECENT)
        for column, name in enumerate(names)
    }
    return found | {
        "n_shifted": sum(one.shifted for one in each.values()),
        "features": {name: one._asdict() | {"shifted": one.shifted} for name, one in each.items()},
    }


def _drift_of_forecasts(
    forecasts: pd.DataFrame, backtest: pd.DataFrame | str, reasons: dict[str, str]
) -> dict[str, Any] | None:
    """`psi` of the last 63 probabilities against those of the backtest, `training_as_of` being its last forecast."""
    why = None
    if len(forecasts) < RECENT:
        why = f"{len(forecasts)} forecast(s) were made so far; expected at least {RECENT}"
    elif isinstance(backtest, str):
        why = backtest
    if why or isinstance(backtest, str):
        reasons["drift.probability"] = str(why)
        return None
    said = forecasts["probability_up"].to_numpy()[-RECENT:]
    return {
        "psi": stability.population_stability(backtest["probability_up"].to_numpy(), said),
        "n_training": len(backtest),
        "training_as_of": f"{backtest.index[-1]:%Y-%m-%d}",
    }


def shifted_features(summary: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """(feature, psi, highest before) of those that shifted, the largest index first."""
    found = summary["drift"]["features"] or {}
    for name, one in sorted(found.items(), key=lambda item: (-item[1]["psi"], item[0])):
        if one["shifted"]:
            yield name, one["psi"], one["highest_before"]


def build(
    made: pd.DataFrame,
    clean: pd.DataFrame,
    table: pd.DataFrame,
    backtest: pd.DataFrame | str,
    *,
    ticker: str,
    as_of: datetime.date,
    window: int | None = None,
    unreadable: Sequence[str] = (),
) -> TrackRecord:
    """`join` and `summarise` in one; arguments and errors as theirs."""
    forecasts = join(made, clean, ticker=ticker, as_of=as_of)
    summary = summarise(forecasts, table, backtest, ticker=ticker, as_of=as_of, window=window, unreadable=unreadable)
    return TrackRecord(forecasts, summary)
