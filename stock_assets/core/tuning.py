"""Is there a better configuration than the one in force? A search that is nested in time and judges its own choice.

    |--- earlier part: all candidates, the best is chosen ---|--- later part: the chosen one beside that in force ---|

The earlier part is the `features` table as it was known on the session it ends with, so no candidate is scored on an
outcome that the later part is about. The later part has been seen by no choice: what the chosen one shows there is what
it is worth. The score of the winner in the earlier part is not: the best of many is the luckiest of many.

Lives here: which settings may be searched, how candidates come about, the search, its result in words. Not here: the
ledger in which every candidate counts as tried (storage.ledger), and the picture (reporting.tuning_chart).
"""

import datetime
import itertools
import json
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stock_assets.core import backtesting, configuration, evaluation, inference, losses, trading
from stock_assets.core.configuration import Configuration, Overrides
from stock_assets.core.errors import InsufficientHistoryError, SettingsError
from stock_assets.core.model_settings import ESTIMATORS

TUNABLE = ("estimator", "parameters", "window", "min_train", "refit_every", "calibration")
"""Keys that a candidate may set. Not the horizon, the costs or the embargo: they make another question, or a leak."""

EARLIER_SHARE = 0.6
"""Share of the rows after the first training that the choice may look at."""

LEVEL = 0.05
"""Chance, at most, of calling the chosen configuration better than the one in force when it is not."""

SPACE: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "random_forest": {
        "max_depth": (2, 3, 4, 6),
        "min_samples_leaf": (50, 100, 200),
        "max_features": ("sqrt", 0.5),
        "max_samples": (0.25, 0.5),
    },
    "extra_trees": {"max_depth": (2, 3, 4, 6), "min_samples_leaf": (50, 100, 200), "max_features": ("sqrt", 0.5)},
    "hist_gradient_boosting": {
        "learning_rate": (0.01, 0.02, 0.05),
        "max_iter": (50, 100, 200),
        "max_depth": (1, 2, 3),
        "min_samples_leaf": (50, 100, 200),
    },
    "linear": {"C": (0.00004, 0.0004, 0.004), "alpha": (1_000.0, 10_000.0, 100_000.0)},
}
"""Estimator -> values that random candidates take: the defaults, and what is calmer or bolder by much."""

WINDOWS = (None, 1_000, 1_500)


class Trial(NamedTuple):
    """A configuration and the annualised Sharpe ratio that it showed in the earlier part; None where not defined."""

    configured: Configuration
    sharpe: float | None


class Result(NamedTuple):
    """What a search found: the document that is stored, and every configuration tried, for the ledger."""

    document: dict[str, Any]
    trials: list[Trial]


def grid(values: Mapping[str, Any]) -> list[Overrides]:
    """Every combination of the values given, as overrides.

    `{"window": [None, 1500], "parameters": {"max_depth": [3, 4]}}` makes four.

    Raises `SettingsError` for a key that is not in `TUNABLE`, or values that are no list.
    """
    _check_tunable(values)
    parameters = values.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise SettingsError(f"parameters is {parameters!r}; expected a mapping of names to lists of values")
    axes = {(name,): given for name, given in values.items() if name != "parameters"}
    axes |= {("parameters", name): given for name, given in parameters.items()}
    for path, given in axes.items():
        if not isinstance(given, list | tuple) or not given:
            raise SettingsError(f"{'.'.join(map(str, path))} is {given!r}; expected a list of values to try")
    found: list[Overrides] = []
    for combination in itertools.product(*axes.values()):
        candidate: dict[str, Any] = {}
        for (*folder, name), value in zip(axes, combination, strict=True):
            (candidate.setdefault("parameters", {}) if folder else candidate)[name] = value
        found.append(candidate)
    return found


def draw(n: int, seed: int, in_force: Configuration) -> list[Overrides]:
    """`n` different candidates at random: an estimator, a value of each of its hyperparameters in `SPACE`, a window.

    The same seed gives the same candidates. Windows too short for the `min_train` in force are left out. Raises
    `SettingsError` when there are not as many.
    """
    every = [
        {"estimator": estimator, "parameters": dict(zip(space, values, strict=True)), "window": window}
        for estimator, space in SPACE.items()
        for values in itertools.product(*space.values())
        for window in WINDOWS
        if window is None or window >= in_force.model.min_train
    ]
    by_estimator = {name: [each for each in every if each["estimator"] == name] for name in ESTIMATORS}
    if not 0 <= n <= len(every):
        raise SettingsError(f"random_candidates is {n}; expected from 0 to {len(every)}, as many as there are")
    drawn: list[Overrides] = []
    source = random.Random(seed)
    while len(drawn) < n:
        # Each kind of model has the same chance, however many candidates there are of it.
        kind = by_estimator[source.choice([name for name, left in by_estimator.items() if left])]
        drawn.append(kind.pop(source.randrange(len(kind))))
    return drawn


def as_known(features: pd.DataFrame, session: datetime.date) -> pd.DataFrame:
    """The `features` table as it was after the close of `session`: without later rows, or outcomes known later."""
    end = pd.Timestamp(session)
    known = features.loc[:end].copy()
    target_session = known["target_session"]
    for name in ("target_return", "target_up", "target_close"):
        known[name] = known[name].mask(target_session > end)
    # A position entered at the next open is closed one session after the target session.
    known["target_open_return"] = known["target_open_return"].mask(target_session >= end)
    return known


def search(
    features: pd.DataFrame,
    in_force: Configuration,
    candidates: Sequence[Overrides],
    *,
    ticker: str,
    as_of: datetime.date,
    source: str,
    earlier_share: float = EARLIER_SHARE,
) -> Result:
    """Judge `candidates`, laid over the configuration in force, in the earlier part; the best beside it in the later.

    The score is the log loss of the probabilities, mean(-ln p(what happened)), on the sessions for which every
    candidate has a forecast; `gain` is by how much it is below that of the naive share of rises so far, its
    `standard_error` that of a mean of such differences, autocorrelated over a horizon (Newey & West 1987). The
    configuration in force is a candidate too.

    Args:
        features: The `features` table up to `as_of`.
        in_force: What the ticker is modelled with now.
        candidates: What to try instead; those that are the same are tried once.
        ticker: For the result and messages.
        as_of: Session after whose close this is done.
        source: Where the prices came from.
        earlier_share: Share of the rows after the first training that the choice may look at.

    Raises:
        SettingsError: A candidate that can't be, or no candidate beside the configuration in force.
        SchemaError: Features of another horizon than the settings', and so on: see `modelling.check_features`.
        InsufficientHistoryError: Too few rows to train, choose and judge.
    """
    if not 0.2 <= earlier_share <= 0.8:
        raise SettingsError(f"earlier_share is {earlier_share}; expected from 0.2 to 0.8: both parts need forecasts")
    configured = _distinct(in_force, candidates)
    end = _end_of_earlier(features, configured, earlier_share, ticker=ticker, as_of=as_of)
    earlier = _common(
        [backtesting.walk_forward(as_known(features, end), each.model, ticker=ticker, as_of=end) for each in configured]
    )
    _require_forecasts(earlier[0], in_force, f"{ticker} {as_of}: the earlier part, up to {end},")
    naive = losses.log_losses(earlier[0])[1]
    scored = [
        {"fingerprint": each.fingerprint(), "configuration": _told(each)}
        | _scores(forecasts, naive, each)
        | {"in_force": each is in_force}
        for each, forecasts in zip(configured, earlier, strict=True)
    ]
    best = min(range(len(scored)), key=lambda n: scored[n]["log_loss"])
    for n, row in enumerate(scored):
        row["chosen"] = n == best
    chosen = configured[best]
    later_part = _later(features, in_force, chosen, end, ticker=ticker, as_of=as_of)
    document = {
        "ticker": ticker,
        "as_of": as_of.isoformat(),
        "source": source,
        "metric": "log_loss",
        "horizon_sessions": in_force.model.horizon,
        "conclusion": "",
        "earlier": {"end": end.isoformat(), **_span(earlier[0]), "naive_log_loss": float(naive.mean())},
        "candidates": sorted(scored, key=lambda row: row["log_loss"]),
        "later": later_part,
        "watchlist_entry": watchlist_entry(ticker, chosen),
    }
    document["conclusion"] = _conclusion(document)
    return Result(document, [Trial(each, row["sharpe"]) for each, row in zip(configured, scored, strict=True)])


def watchlist_entry(ticker: str, configured: Configuration) -> str:
    """What to write into the watchlist so that `ticker` is modelled this way, whatever else stands there: YAML."""
    model = {name: _told(configured)[name] for name in TUNABLE}
    # JSON is YAML, but for 4e-05: without a dot that is a text.
    text = re.sub(r"(?<=[ :\[])(-?\d+)e", r"\1.0e", json.dumps({"ticker": ticker, "model": model}))
    return f"- {text}"


def _told(configured: Configuration) -> dict[str, Any]:
    return configured.model.hyperparameters()


def _check_tunable(candidate: Mapping[str, Any]) -> None:
    if unknown := [str(name) for name in candidate if name not in TUNABLE]:
        raise SettingsError(f"a candidate sets {', '.join(unknown)}; expected only {', '.join(TUNABLE)}")


def _distinct(in_force: Configuration, candidates: Iterable[Overrides]) -> list[Configuration]:
    found = {in_force.fingerprint(): in_force}
    for candidate in candidates:
        _check_tunable(candidate)
        each = configuration.combine(in_force.overrides(), candidate)
        found.setdefault(each.fingerprint(), each)
    if len(found) == 1:
        raise SettingsError("no candidate differs from the configuration in force; expected at least one to try")
    return list(found.values())


def _end_of_earlier(
    features: pd.DataFrame,
    configured: Sequence[Configuration],
    earlier_share: float,
    *,
    ticker: str,
    as_of: datetime.date,
) -> datetime.date:
    """The session that the earlier part ends with: that share of the rows that are left after the first training."""
    most = max(each.model.min_train for each in configured)
    if len(features) <= most:
        raise InsufficientHistoryError(
            f"{ticker} {as_of}: {len(features)} sessions have features; expected more than min_train = {most} to tune"
        )
    return features.index[most + int((len(features) - most) * earlier_share) - 1].date()


def _common(backtests: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """The backtests on the sessions that all of them have."""
    index = backtests[0].index
    for backtest in backtests[1:]:
        index = index.intersection(backtest.index)
    return [backtest.loc[index] for backtest in backtests]


def _require_forecasts(backtest: pd.DataFrame, configured: Configuration, what: str) -> None:
    needed = evaluation.MIN_FORECASTS * configured.model.horizon
    if len(backtest) < needed:
        raise InsufficientHistoryError(f"{what} has {len(backtest)} forecasts; expected at least {needed} to judge by")


def _span(backtest: pd.DataFrame) -> dict[str, Any]:
    return {
        "first_forecast": f"{backtest.index[0]:%Y-%m-%d}",
        "last_forecast": f"{backtest.index[-1]:%Y-%m-%d}",
        "n_forecasts": len(backtest),
    }


def _scores(backtest: pd.DataFrame, naive: np.ndarray, configured: Configuration) -> dict[str, Any]:
    loss = losses.log_losses(backtest)[0]
    gain = naive - loss
    return {
        "log_loss": float(loss.mean()),
        "gain": float(gain.mean()),
        "standard_error": standard_error(gain, horizon=configured.model.horizon),
        "sharpe": _sharpe(backtest, configured),
    }


def standard_error(values: np.ndarray, *, horizon: int = 1) -> float:
    """Standard error of the mean of `values`, shape (n,), n > 1, each of which overlaps the `horizon` - 1 after it.

    sqrt(V / n), V = variance + 2 * sum over lags k < horizon of (1 - k / horizon) * autocovariance(k).

    Reference: Newey & West (1987), Econometrica 55.
    """
    n = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred) / n
    for lag in range(1, min(horizon, n)):
        variance += 2 * (1 - lag / horizon) * float(centred[lag:] @ centred[:-lag]) / n
    return math.sqrt(max(variance, 0.0) / n)


def _sharpe(backtest: pd.DataFrame, configured: Configuration) -> float | None:
    traded = trading.scores(backtest, configured.rules, configured.model.horizon, trading.Luck())
    return traded["sharpe"]


def _later(
    features: pd.DataFrame,
    in_force: Configuration,
    chosen: Configuration,
    end: datetime.date,
    *,
    ticker: str,
    as_of: datetime.date,
) -> dict[str, Any]:
    """Both configurations and naive on the forecasts made after `end`."""
    both = {"in_force": in_force} if chosen is in_force else {"in_force": in_force, "chosen": chosen}
    forecasts = _common(
        [backtesting.walk_forward(features, each.model, ticker=ticker, as_of=as_of) for each in both.values()]
    )
    backtests = {name: each.loc[each.index > pd.Timestamp(end)] for name, each in zip(both, forecasts, strict=True)}
    _require_forecasts(backtests["in_force"], in_force, f"{ticker} {as_of}: the later part, after {end},")
    naive = losses.log_losses(backtests["in_force"])[1]
    scores = {name: _scores(backtests[name], naive, each) for name, each in both.items()}
    scores.setdefault("chosen", scores["in_force"])
    of_chosen = losses.log_losses(backtests.get("chosen", backtests["in_force"]))[0]
    of_in_force = losses.log_losses(backtests["in_force"])[0]
    horizon = in_force.model.horizon
    return {
        **_span(backtests["in_force"]),
        "naive_log_loss": float(naive.mean()),
        **scores,
        "tests": {
            "name": "one-sided Diebold-Mariano (Harvey-Leybourne-Newbold) on log losses",
            "level": LEVEL,
            "p_better_than_in_force": inference.diebold_mariano(of_chosen, of_in_force, horizon=horizon).p_value,
            "p_better_than_naive": inference.diebold_mariano(of_chosen, naive, horizon=horizon).p_value,
        },
    }


def _conclusion(document: Mapping[str, Any]) -> str:
    """What came out, in one sentence for people."""
    later, tests = document["later"], document["later"]["tests"]
    chosen = next(row for row in document["candidates"] if row["chosen"])
    n = len(document["candidates"]) - 1
    if chosen["in_force"]:
        return (
            f"None of {n} candidates did better than the configuration in force on the "
            f"{document['earlier']['n_forecasts']:,} earlier sessions: no better than the default, keep it."
        )
    beside = (
        f"log loss {later['chosen']['log_loss']:.4f} beside {later['in_force']['log_loss']:.4f}, "
        f"naive {later['naive_log_loss']:.4f}, p = {tests['p_better_than_in_force']:.2f}"
    )
    best = f"The best of {n} candidates ({chosen['configuration']['estimator']})"
    where = f"on the {later['n_forecasts']:,} later sessions that no choice had seen"
    if tests["p_better_than_in_force"] > LEVEL:
        return f"{best} is no better than the configuration in force {where} ({beside}): keep what you have."
    if tests["p_better_than_naive"] > LEVEL:
        return f"{best} is better than the configuration in force {where} ({beside}), but no better than naive."
    return f"{best} is better than the configuration in force and than naive {where} ({beside})."
