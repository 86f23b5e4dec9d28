"""Facts about the kinds of model: equal bits whatever the machine does, signals found, and fits that fail."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, linear_model

from stock_assets.core import estimators
from stock_assets.core.errors import ModelError, OutOfMemoryError
from stock_assets.core.model_settings import ESTIMATORS, ModelSettings

FEW_TREES = {"n_estimators": 20, "min_samples_leaf": 20}
PARAMETERS: dict[str, dict[str, Any]] = {
    "random_forest": FEW_TREES,
    "extra_trees": FEW_TREES,
    "hist_gradient_boosting": {"max_iter": 20, "min_samples_leaf": 20},
    "linear": {},
}

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def settings(estimator: str, **changes: Any) -> ModelSettings:
    return ModelSettings(estimator=estimator, parameters=PARAMETERS[estimator], **changes)


def rows(n: int = 600, signal: float = 0.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nine features of which the first gives away `signal` of the return's standard deviation; return; direction."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, 9))
    returns = 0.02 * (signal * values[:, 0] + rng.standard_normal(n))
    return values, returns, (returns > 0).astype("float64")


def fitted(estimator: str, **changes: Any) -> estimators.Fitted:
    return estimators.fit(*rows(), settings(estimator, **changes))


def forecasts(model: estimators.Fitted, values: np.ndarray) -> np.ndarray:
    return np.stack(estimators.forecast(model, values))


# --- Equal bits ---


@every_estimator
def test_the_number_of_threads_changes_no_bit(estimator: str) -> None:
    values, _, _ = rows()
    assert np.array_equal(
        forecasts(fitted(estimator, threads=1), values), forecasts(fitted(estimator, threads=2), values)
    )


def fingerprints() -> list[str]:
    """Hashes over the forecasts of every estimator."""
    values, _, _ = rows()
    return [hashlib.sha256(forecasts(fitted(name), values).tobytes()).hexdigest() for name in ESTIMATORS]


def test_a_new_process_with_one_thread_for_everything_gives_the_same_bits() -> None:
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import fingerprints; print(*fingerprints())"],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **one},
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.split() == fingerprints()


@every_estimator
@pytest.mark.parametrize("n", [1, 2, 126])
def test_a_forecast_does_not_depend_on_how_many_are_asked_for(estimator: str, n: int) -> None:
    values, _, _ = rows()
    model = fitted(estimator)
    assert np.array_equal(forecasts(model, values[100 : 100 + n]), forecasts(model, values)[:, 100 : 100 + n])


@every_estimator
def test_the_layout_of_the_numbers_in_memory_changes_no_bit(estimator: str) -> None:
    values, returns, up = rows()
    by_column = np.asfortranarray(values)
    other = estimators.fit(by_column, returns, up, settings(estimator))
    assert np.array_equal(forecasts(other, by_column), forecasts(fitted(estimator), values))


@pytest.mark.parametrize("estimator", ["random_forest", "extra_trees"])
def test_another_seed_gives_another_forest(estimator: str) -> None:
    values, _, _ = rows()
    assert not np.array_equal(forecasts(fitted(estimator), values), forecasts(fitted(estimator, seed=2), values))


@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "linear"])
def test_the_others_draw_nothing_at_random(estimator: str) -> None:
    values, _, _ = rows()
    assert np.array_equal(forecasts(fitted(estimator), values), forecasts(fitted(estimator, seed=2), values))


# --- What they forecast ---


@every_estimator
def test_probabilities_and_returns_are_those_of_scikit_learn(estimator: str) -> None:
    values, _, _ = rows()
    model = fitted(estimator)
    probability_up, expected_return = estimators.forecast(model, values)
    assert probability_up == pytest.approx(model.classifier.predict_proba(values)[:, 1], abs=1e-14)
    assert expected_return == pytest.approx(model.regressor.predict(values), abs=1e-14)


@every_estimator
def test_a_planted_signal_is_found_on_rows_not_seen(estimator: str) -> None:
    # Ten years of sessions, of whose variance one feature explains 4 %. With the default hyperparameters.
    model = estimators.fit(*rows(2500, signal=0.2), ModelSettings(estimator=estimator))
    values, returns, up = rows(2500, signal=0.2, seed=2)
    probability_up, expected_return = estimators.forecast(model, values)
    # The best possible: 0.20 and 0.16. A standard error of 0.02 around none.
    assert np.corrcoef(expected_return, returns)[0, 1] > 0.1
    assert np.corrcoef(probability_up, up)[0, 1] > 0.1


@every_estimator
def test_nothing_but_noise_makes_no_forecast_bold(estimator: str) -> None:
    model = estimators.fit(*rows(2500), ModelSettings(estimator=estimator))
    values, _, _ = rows(2500, seed=2)
    probability_up, expected_return = estimators.forecast(model, values)
    assert np.abs(probability_up - 0.5).max() < 0.15
    assert expected_return.std() < 0.1 * 0.02


@every_estimator
def test_importance_adds_up_to_one_and_knows_the_signal(estimator: str) -> None:
    model = estimators.fit(*rows(signal=1.0), settings(estimator))
    for part in (model.classifier, model.regressor):
        share = estimators.importance(part, estimator)
        assert share.sum() == pytest.approx(1.0)
        assert share.argmax() == 0
        assert len(share) == 9


@every_estimator
def test_a_return_that_never_changes_makes_no_feature_important(estimator: str) -> None:
    values, returns, up = rows()
    model = estimators.fit(values, np.full_like(returns, 0.01), up, settings(estimator))
    assert estimators.importance(model.regressor, estimator).sum() == 0
    assert estimators.forecast(model, values)[1] == pytest.approx(np.full(len(values), 0.01))


@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "linear"])
def test_a_single_direction_is_refused_where_two_are_needed(estimator: str) -> None:
    values, returns, up = rows()
    with pytest.raises(
        ModelError, match=rf"^TSLA 2024-03-08: the {estimator} classifier, on 600 rows .* is 0 on every"
    ):
        estimators.fit(values, returns, np.zeros_like(up), settings(estimator), where="TSLA 2024-03-08")


# --- Fits that fail ---


@every_estimator
def test_a_fit_that_works_is_one_attempt_a_part(estimator: str) -> None:
    assert fitted(estimator).attempts == (
        {"part": "classifier", "attempt": 1, "changed": {}, "outcome": "fitted"},
        {"part": "regressor", "attempt": 1, "changed": {}, "outcome": "fitted"},
    )


def test_too_few_steps_are_tried_again_with_more() -> None:
    model = estimators.fit(*rows(signal=1.0), ModelSettings(estimator="linear", parameters={"C": 1.0, "max_iter": 2}))
    first, second, regressor = model.attempts
    assert first["changed"] == {}
    assert "lbfgs failed to converge" in first["outcome"]
    assert second == {"part": "classifier", "attempt": 2, "changed": {"max_iter": 20}, "outcome": "fitted"}
    assert (regressor["part"], regressor["attempt"]) == ("regressor", 1)
    assert model.classifier[-1].max_iter == 20


def test_a_solver_that_never_ends_is_given_up_after_four_attempts() -> None:
    # The first feature tells the directions apart: without a penalty the coefficient grows for ever.
    values, returns, _ = rows()
    up = (values[:, 0] > 0).astype("float64")
    endless = ModelSettings(estimator="linear", parameters={"C": 1e12, "max_iter": 1})
    with pytest.raises(ModelError, match="did not converge in 4 attempts") as caught:
        estimators.fit(values, returns, up, endless, where="TSLA 2024-03-08")
    told = str(caught.value)
    assert told.startswith("TSLA 2024-03-08: the linear classifier, on 600 rows of 9 features,")
    assert "1 (as set): lbfgs failed" in told
    assert "2 (max_iter = 10): lbfgs failed" in told
    assert "3 (max_iter = 10, C = 100000000000.0): lbfgs failed" in told
    assert "4 (max_iter = 10, C = 100000000000.0, solver = newton-cholesky): " in told


def test_an_ill_conditioned_ridge_is_tried_again() -> None:
    values, returns, up = rows()
    values[:, 1] = values[:, 0] + 1e-8 * values[:, 1]
    almost_none = ModelSettings(estimator="linear", parameters={"alpha": 1e-14})
    _, first, *more = estimators.fit(values, returns, up, almost_none).attempts
    assert "ill-conditioned" in first["outcome"].lower()
    assert more[0]["changed"] == {"alpha": 1e-13}
    assert more[-1]["outcome"] == "fitted"


def test_a_ridge_is_tried_with_ten_times_the_penalty_and_then_another_solver() -> None:
    changes = estimators.adjustments("linear", "regressor", {"alpha": 5.0, "C": 1.0, "max_iter": 100})
    assert changes == [{}, {"alpha": 50.0}, {"alpha": 50.0, "solver": "svd"}]


@every_estimator
@pytest.mark.parametrize("what", ["numpy", "scikit-learn"])
def test_running_out_of_memory_is_told_and_not_tried_again(
    estimator: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fit(self: Any, *args: Any, **kwargs: Any) -> None:
        calls.append(self)
        if what == "scikit-learn":
            raise MemoryError  # Cython says no more
        np.empty(2**59)

    for kind in (
        ensemble.RandomForestClassifier,
        ensemble.ExtraTreesClassifier,
        ensemble.HistGradientBoostingClassifier,
        linear_model.LogisticRegression,
    ):
        monkeypatch.setattr(kind, "fit", fit)
    with pytest.raises(OutOfMemoryError) as caught:
        estimators.fit(*rows(), settings(estimator), where="TSLA 2024-03-08")
    told = str(caught.value)
    assert told.startswith(f"TSLA 2024-03-08: the {estimator} classifier, on 600 rows of 9 features, ran out of memory")
    assert ("Unable to allocate 4.00 EiB" in told) == (what == "numpy")
    assert "expected" in told
    assert len(calls) == 1


def test_memory_that_ends_in_a_thread_of_a_forest_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*args: Any, **kwargs: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ensemble._forest.DecisionTreeClassifier, "_fit", fit)
    with pytest.raises(OutOfMemoryError):
        fitted("random_forest", threads=2)


def test_other_errors_are_not_dressed_up() -> None:
    values, returns, up = rows()
    values[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        estimators.fit(values, returns, up, settings("linear"))


def test_settings_of_the_caller_are_left_alone() -> None:
    before = settings("linear")
    copy = dataclasses.replace(before)
    estimators.fit(*rows(), before)
    assert before == copy
