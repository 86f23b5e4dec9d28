"""Facts about permutation importance: a model asked about rows it has not seen, with one feature shuffled."""

import math
from typing import Any

import numpy as np
import pytest

from stock_assets.core import estimators, permutation
from stock_assets.core.model_settings import ESTIMATORS, ModelSettings

SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 20, "min_samples_leaf": 20},
    "extra_trees": {"n_estimators": 20, "min_samples_leaf": 20},
    "hist_gradient_boosting": {"max_iter": 50, "learning_rate": 0.1, "min_samples_leaf": 20},
    "linear": {"C": 1.0},
}
NAMES = ["noise_1", "signal", "noise_2", "weak"]


def market(n: int = 1000, *, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """`n` rows of four features, and whether the price rose: mostly as `signal` says, a bit as `weak` does."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((n, 4))
    up = (values[:, 1] + 0.4 * values[:, 3] + random.standard_normal(n) > 0).astype("float64")
    return values, up


def importance_of(estimator: str, threads: int = 1) -> dict[str, Any]:
    """Fitted on the first 800 rows of `market`, asked about the last 200."""
    values, up = market()
    settings = ModelSettings(estimator=estimator, parameters=SMALL[estimator], threads=threads)
    fitted = estimators.fit(values[:800], up[:800] - 0.5, up[:800], settings)
    return permutation.importance(fitted, values[800:], up[800:], NAMES, seed=7)


class Believer:
    """A classifier that believes the first column: a rise is 80 % likely where it is above zero, else 20 %."""

    classes_ = np.array([0, 1])

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        probability = np.where(values[:, 0] > 0, 0.8, 0.2)
        return np.column_stack([1 - probability, probability])


BELIEVER = estimators.Fitted(Believer(), None, ())


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_was_planted_comes_first_and_noise_is_within_its_spread_of_zero(estimator: str) -> None:
    features = importance_of(estimator)["features"]
    by_rise = sorted(features, key=lambda name: features[name]["mean"], reverse=True)
    assert by_rise[:2] == ["signal", "weak"]
    assert features["signal"]["mean"] > 0.1
    assert features["signal"]["mean"] > 5 * features["signal"]["deviation"]
    for noise in ("noise_1", "noise_2"):
        assert abs(features[noise]["mean"]) < 2 * features[noise]["deviation"] + 1e-9
        assert abs(features[noise]["mean"]) < 0.02


def test_by_hand() -> None:
    # Right on every row, a believer loses -ln 0.8 a row; of a row on which the shuffle brings the other sign, -ln 0.2.
    # So a shuffle costs ln 4 on each such row, and the share of those is known from the orders.
    up = np.array([1.0, 0.0] * 20)
    values = np.column_stack([2 * up - 1, np.arange(40.0)])
    random = np.random.default_rng(7)
    wrong = [float((up[random.permutation(40)] != up).mean()) for _ in range(permutation.N_REPEATS)]
    found = permutation.importance(BELIEVER, values, up, ["believed", "unused"], seed=7)
    assert found["n_rows"] == 40
    assert found["n_repeats"] == len(wrong) == 5
    assert found["why"] is None
    assert 0.3 < np.mean(wrong) < 0.7
    assert found["features"]["believed"]["mean"] == pytest.approx(math.log(4) * np.mean(wrong))
    assert found["features"]["believed"]["deviation"] == pytest.approx(math.log(4) * np.std(wrong, ddof=1))
    assert found["features"]["unused"] == {"mean": 0.0, "deviation": 0.0}


def test_a_feature_that_misleads_is_below_zero() -> None:
    up = np.array([1.0, 0.0] * 20)
    found = permutation.importance(BELIEVER, (1 - 2 * up)[:, np.newaxis], up, ["believed"], seed=7)
    assert found["features"]["believed"]["mean"] < -0.5


@pytest.mark.parametrize("estimator", ["random_forest", "hist_gradient_boosting"])
def test_the_same_bits_with_one_thread_or_two(estimator: str) -> None:
    assert importance_of(estimator, threads=1) == importance_of(estimator, threads=2)


def test_the_seed_draws_the_orders_and_the_values_stay_as_they_were() -> None:
    values, up = market(100)
    given = values.copy()
    first, again, other = (permutation.importance(BELIEVER, values, up, NAMES, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["features"]["noise_1"] != other["features"]["noise_1"]
    assert np.array_equal(values, given)


@pytest.mark.parametrize(
    ("n", "up", "why"),
    [
        (29, [0.0, 1.0], "29 rows held out; expected at least 30"),
        (40, [1.0], "the price rose on every row held out; expected both directions among them"),
        (40, [0.0], "the price rose on no row held out; expected both directions among them"),
    ],
)
def test_where_it_can_not_be_told_the_reason_is(n: int, up: list[float], why: str) -> None:
    found = permutation.importance(BELIEVER, np.zeros((n, 1)), np.resize(up, n), ["one"], seed=7)
    assert (found["features"], found["why"], found["n_rows"]) == (None, why, n)
