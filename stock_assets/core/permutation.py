"""What a fitted model makes of each feature out of sample: how much worse it forecasts when that feature is shuffled.

Permutation importance (Breiman 2001, Random Forests, section 10; Fisher, Rudin & Dominici 2019). Unlike the importance
that a fit leaves behind (estimators.importance) it is about rows that the model has not seen, and near zero, of either
sign, for a feature that only looked useful. Which rows those are is for model_card.
"""

from typing import Any

import numpy as np

from stock_assets.core import estimators, losses

N_REPEATS = 5
"""Shuffles of a feature. More would only measure better what the luck of the rows blurs anyway. On 46 features and 640
rows five take 0.3 s for a forest and 0.5 s for gradient boosting."""

FEWEST_ROWS = 30
"""Of fewer rows the rise of the mean loss is a matter of single forecasts."""

MEASURES = (
    "rise of the mean log loss of the direction, in nats, when one feature is shuffled among the rows held out: mean "
    "and standard deviation over the shuffles; the luck of these rows comes on top, so that a few deviations prove "
    "nothing, and features that say the same hide one another"
)


def importance(
    fitted: estimators.HasEstimators, values: np.ndarray, up: np.ndarray, names: list[str], *, seed: int
) -> dict[str, Any]:
    """Permutation importance of each feature for the classifier, on rows it was not fitted on.

    For feature j and shuffle r: L(values with column j in order r) - L(values), where L is the mean over the rows of
    -ln of the probability that was given to what happened (see losses.log_loss). All features are put into the same
    `N_REPEATS` random orders, drawn from `seed`; the outcomes stay where they are.

    Args:
        fitted: A model that was fitted on other rows.
        values: Rows x features, finite.
        up: 1 where the return was above zero, else 0.
        names: The features, in the order of the columns.
        seed: Of the orders.

    Returns:
        What JSON can hold: measures, n_repeats, n_rows; features, name -> mean and deviation (standard deviation over
        the repeats, n - 1), in nats; why, null. Where it can't be told, features is null and why says why: fewer than
        `FEWEST_ROWS` rows, or one direction on all of them, when it would reward the bolder model and no knowledge.
    """
    if len(values) < FEWEST_ROWS:
        return unknown(f"{len(values)} rows held out; expected at least {FEWEST_ROWS}", n_rows=len(values))
    if len(directions := np.unique(up)) < 2:
        told = "rose on every row" if directions[0] == 1 else "rose on no row"
        return unknown(f"the price {told} held out; expected both directions among them", n_rows=len(values))
    random = np.random.default_rng(seed)
    orders = np.stack([random.permutation(len(values)) for _ in range(N_REPEATS)])
    before = losses.log_loss(estimators.probability_up(fitted, values), up).mean()
    features = {}
    for column, name in enumerate(names):
        # All shuffles of a column in one question: a forest takes its time to be asked at all.
        shuffled = np.tile(values, (N_REPEATS, 1))
        shuffled[:, column] = values[orders.ravel(), column]
        after = losses.log_loss(estimators.probability_up(fitted, shuffled), np.tile(up, N_REPEATS))
        rises = after.reshape(N_REPEATS, -1).mean(axis=1) - before
        features[name] = {"mean": float(rises.mean()), "deviation": float(rises.std(ddof=1))}
    return _document(len(values), features, None)


def unknown(why: str, *, n_rows: int) -> dict[str, Any]:
    """What `importance` returns where it can't be told, and why."""
    return _document(n_rows, None, why)


def _document(n_rows: int, features: dict[str, dict[str, float]] | None, why: str | None) -> dict[str, Any]:
    return {"measures": MEASURES, "n_repeats": N_REPEATS, "n_rows": n_rows, "features": features, "why": why}
