"""The kinds of model: how each is put together from the settings, fitted, tried again, and asked.

Lives here: everything that differs between a random forest, extra trees, gradient boosting and the linear models. Not
here: their hyperparameters, defaults and reasons (model_settings), and which rows a model may see (modelling,
backtesting).

**Same rows and settings, same bits**, in a new process and with any number of threads: each tree of a forest draws from
its own stream, derived from the seed before any thread starts. Gradient boosting and the linear models run on one
thread: OpenMP and BLAS may split a sum over threads, and its last bit then depends on their number. On a few thousand
rows one thread is also the faster way.

scikit-learn is imported inside the functions: importing it takes a second that loading the definitions must not pay.
"""

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from stock_assets.core.errors import ModelError, OutOfMemoryError
from stock_assets.core.model_settings import ModelSettings

FORESTS = ("random_forest", "extra_trees")

Part = Literal["classifier", "regressor"]


class Fitted(NamedTuple):
    """What a fit gives.

    Attributes:
        classifier: Knows the probability that the target return is above zero.
        regressor: Knows the expected target return.
        attempts: One dict an attempt at fitting either, that JSON can hold: part ("classifier" or "regressor"), attempt
            (from 1), changed (hyperparameters that differ from the settings), outcome ("fitted" or the warning).
    """

    classifier: Any
    regressor: Any
    attempts: tuple[dict[str, Any], ...]


class HasEstimators(Protocol):
    """What can be asked for a forecast: a `Fitted`, or a model with its card."""

    @property
    def classifier(self) -> Any: ...
    @property
    def regressor(self) -> Any: ...


def fit(
    values: np.ndarray,
    target_return: np.ndarray,
    target_up: np.ndarray,
    settings: ModelSettings,
    *,
    where: str = "",
) -> Fitted:
    """Classifier of the direction and regressor of the return, fitted on the rows given and nothing else.

    A warning that a solver did not converge counts as a failure: the fit is tried again with the next of the
    `adjustments`. Running out of memory is not tried again, since it would happen again.

    Args:
        values: Rows x features, finite.
        target_return: Total return that followed each row.
        target_up: 1 where it was above zero, else 0.
        settings: Estimator, hyperparameters, seed and threads.
        where: Ticker and session, for messages.

    Raises:
        ModelError: No attempt converged, or all rows have one direction and the estimator needs both.
        OutOfMemoryError: The memory was not enough.
    """
    # How the numbers lie in memory, which nobody chose, would show in the last bits of the linear models.
    values = np.ascontiguousarray(values)
    classifier, attempts = _fit_part("classifier", values, target_up.astype("int64"), settings, where)
    regressor, more = _fit_part("regressor", values, target_return, settings, where)
    return Fitted(classifier, regressor, (*attempts, *more))


def forecast(fitted: HasEstimators, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Uncalibrated probability of a rise and expected total return for each row of `values` (rows x features).

    A forest that saw only one direction in training answers 0 or 1.
    """
    return probability_up(fitted, values), _expected_return(fitted, values)


def probability_up(fitted: HasEstimators, values: np.ndarray) -> np.ndarray:
    """The first half of `forecast` alone: the classifier is asked, the regressor is not."""
    classifier = fitted.classifier
    if _is_linear(classifier):
        from scipy.special import expit

        return expit(_linear(classifier, values))
    with _one_thread():
        shares = np.asarray(classifier.predict_proba(values), dtype="float64")
    # A sum of shares can end a bit above 1.
    return (shares @ (np.asarray(classifier.classes_) == 1).astype("float64")).clip(0.0, 1.0)


def _expected_return(fitted: HasEstimators, values: np.ndarray) -> np.ndarray:
    if _is_linear(fitted.regressor):
        return _linear(fitted.regressor, values)
    with _one_thread():
        return np.asarray(fitted.regressor.predict(values), dtype="float64")


def _is_linear(estimator: Any) -> bool:
    from sklearn.pipeline import Pipeline

    return isinstance(estimator, Pipeline)


def _linear(pipeline: Any, values: np.ndarray) -> np.ndarray:
    """What the linear model at the pipeline's end says of its standardised features, every row summed up by itself.

    `predict` multiplies matrices, and the last bit of a row then depends on how many rows are asked about at once: a
    longer history would change forecasts that were made already.
    """
    products = pipeline[0].transform(values) * pipeline[-1].coef_.ravel()
    # NumPy adds up in another order when the numbers of a row do not lie side by side.
    return np.ascontiguousarray(products).sum(axis=1) + pipeline[-1].intercept_


def adjustments(estimator: str, part: Part, parameters: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """What each attempt at a fit changes in the hyperparameters; the first changes nothing.

    Only the linear models have a solver that can fail. Logistic regression: ten times the steps; then also ten times
    the penalty, which rounds the valley that the solver descends into; then also Newton's method, which needs few
    steps where L-BFGS needs many. Ridge, solved at once, can only be ill-conditioned: ten times the penalty; then also
    a singular value decomposition.
    """
    if estimator != "linear":
        return [{}]
    if part == "regressor":
        stronger = {"alpha": 10 * parameters["alpha"]}
        return [{}, stronger, stronger | {"solver": "svd"}]
    longer = {"max_iter": 10 * parameters["max_iter"]}
    stronger = longer | {"C": parameters["C"] / 10}
    return [{}, longer, stronger, stronger | {"solver": "newton-cholesky"}]


IMPORTANCE = {
    "random_forest": "mean decrease in impurity",
    "extra_trees": "mean decrease in impurity",
    "hist_gradient_boosting": "sum of the gains of its splits",
    "linear": "absolute coefficient on the standardised feature",
}
"""Estimator -> what `importance` measures."""


def importance(estimator: Any, kind: str) -> np.ndarray:
    """Share of each feature in what the fitted estimator of this kind makes of them: adds up to 1, or all 0.

    See `IMPORTANCE`. In sample, and shared out at random among features that say the same: a hint, no proof.
    """
    if kind in FORESTS:
        return estimator.feature_importances_
    if kind == "linear":
        size = np.abs(estimator[-1].coef_).ravel()
    else:
        # scikit-learn gives the importance only of forests; the gains are in the trees.
        nodes = np.concatenate([tree.nodes for trees in estimator._predictors for tree in trees])
        splits = nodes[nodes["is_leaf"] == 0]
        size = np.bincount(splits["feature_idx"], weights=splits["gain"], minlength=estimator.n_features_in_)
    return size / size.sum() if size.sum() > 0 else size


def _fit_part(
    part: Part, values: np.ndarray, target: np.ndarray, settings: ModelSettings, where: str
) -> tuple[Any, list[dict[str, Any]]]:
    from scipy.linalg import LinAlgWarning
    from sklearn.exceptions import ConvergenceWarning

    prefix = f"{where}: " if where else ""
    what = f"{prefix}the {settings.estimator} {part}, on {values.shape[0]} rows of {values.shape[1]} features,"
    if part == "classifier" and settings.estimator not in FORESTS and len(classes := np.unique(target)) < 2:
        raise ModelError(
            f"{what} can't be fitted: the direction is {classes[0]:g} on every row; expected both 0 and 1 among them"
        )
    parameters = settings.all_parameters()
    attempts: list[dict[str, Any]] = []
    for attempt, changed in enumerate(adjustments(settings.estimator, part, parameters), start=1):
        estimator = _unfitted(part, settings, parameters | changed)
        outcome = "fitted"
        try:
            with warnings.catch_warnings(), _one_thread():
                warnings.simplefilter("error", ConvergenceWarning)
                warnings.simplefilter("error", LinAlgWarning)
                estimator.fit(values, target)
        except (ConvergenceWarning, LinAlgWarning) as warning:
            outcome = str(warning).splitlines()[0]
        except MemoryError as error:
            reason = f" ({error})" if str(error) else ""
            raise OutOfMemoryError(
                f"{what} ran out of memory{reason}; expected the fit to have room: end other programs, or choose a "
                f"smaller model than {_shown(parameters)}"
            ) from error
        attempts.append({"part": part, "attempt": attempt, "changed": changed, "outcome": outcome})
        if outcome == "fitted":
            if settings.estimator in FORESTS:
                # Several threads add the trees up in the order in which they finish, which changes the last bits.
                estimator.set_params(n_jobs=1)
            return estimator, attempts
    told = "; ".join(
        f"{made['attempt']} ({_shown(made['changed']) or 'as set'}): {made['outcome']}" for made in attempts
    )
    raise ModelError(f"{what} did not converge in {len(attempts)} attempts; expected one to. {told}")


def _unfitted(part: Part, settings: ModelSettings, parameters: Mapping[str, Any]) -> Any:
    from sklearn import ensemble, linear_model, pipeline, preprocessing

    is_classifier = part == "classifier"
    if settings.estimator == "linear":
        if is_classifier:
            solver = {"solver": parameters.get("solver", "lbfgs")}
            model = linear_model.LogisticRegression(C=parameters["C"], max_iter=parameters["max_iter"], **solver)
        else:
            model = linear_model.Ridge(alpha=parameters["alpha"], solver=parameters.get("solver", "cholesky"))
        return pipeline.make_pipeline(preprocessing.StandardScaler(), model)
    if settings.estimator == "hist_gradient_boosting":
        # Depth and size of the leaves alone limit a tree; and no sample is drawn from the rows to stop early.
        own: dict[str, Any] = {"max_leaf_nodes": None, "early_stopping": False, "categorical_features": None}
        classes = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)
    else:
        own = {"n_jobs": settings.threads}
        classes = {
            "random_forest": (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor),
            "extra_trees": (ensemble.ExtraTreesClassifier, ensemble.ExtraTreesRegressor),
        }[settings.estimator]
    return classes[0 if is_classifier else 1](**parameters, **own, random_state=settings.seed)


def _one_thread() -> contextlib.AbstractContextManager[Any]:
    """Keeps OpenMP and BLAS to one thread. The threads that grow a forest are joblib's, and not concerned."""
    import threadpoolctl

    return threadpoolctl.threadpool_limits(limits=1)


def _shown(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters.items())
