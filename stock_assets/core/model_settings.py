"""What a model is made of and how it is judged: every setting a result depends on, with its default and the reason.

Lives here: `ModelSettings` (the estimator, its hyperparameters, the walk-forward) and `TradingRules` (how forecasts are
traded in the backtest), validated on construction; the estimators' documented hyperparameters; the fingerprint that
tells one configuration from another. Not here: anything that is fitted or computed (estimators, modelling,
backtesting), and where settings are read from.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from stock_assets.core.errors import SettingsError

CALIBRATIONS = ("platt", "none")
EXECUTIONS = ("close", "next_open")


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One hyperparameter of an estimator.

    Attributes:
        default: Its value unless the settings say otherwise.
        is_valid: Whether a value may be used.
        expected: What is expected of a value, as in "expected ...".
        reason: Why the default is what it is.
    """

    default: Any
    is_valid: Callable[[object], bool]
    expected: str
    reason: str


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value <= 1


def _count(default: int, reason: str) -> Parameter:
    return Parameter(default, _is_count, "a whole number of at least 1", reason)


def _positive(default: float, reason: str) -> Parameter:
    return Parameter(default, lambda value: _is_number(value) and value > 0, "a number above 0", reason)


def _depth(default: int | None, reason: str) -> Parameter:
    return Parameter(
        default, lambda value: value is None or _is_count(value), "a whole number of at least 1, or None", reason
    )


def _forest(*, max_samples: Parameter | None = None) -> dict[str, Parameter]:
    parameters = {
        "n_estimators": _count(
            150, "Trees. A forecast then moves between seeds by less than a third of what it moves between sessions."
        ),
        "min_samples_leaf": _count(
            100,
            "Fewest sessions in a leaf. Daily returns are almost all noise, and a tree grown to pure leaves memorises "
            "it; the mean of 100 sessions still has a standard error of a tenth of a session's volatility. Planted "
            "signals are found as well as with leaves of 50.",
        ),
        "max_depth": _depth(
            4, "Most splits between root and leaf; None for no limit. Leaves of 100 leave little room for more."
        ),
        "max_features": Parameter(
            "sqrt",
            lambda value: value is None or value in ("sqrt", "log2") or _is_count(value) or _is_share(value),
            '"sqrt", "log2", a count from 1, a share above 0 and up to 1, or None',
            "Features tried at each split; None for all. Few, so that the trees disagree.",
        ),
    }
    return parameters | ({"max_samples": max_samples} if max_samples else {})


PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "random_forest": _forest(
        max_samples=Parameter(
            0.5,
            lambda value: value is None or _is_share(value),
            "a share above 0 and up to 1, or None",
            "Share of the training rows drawn for each tree; None for as many as there are. Half, so that the trees "
            "disagree and their average is calmer.",
        )
    ),
    # As large and as deep as the random forest, so that comparing the two varies one thing: how a split is chosen.
    # Every tree sees all rows (Geurts, Ernst & Wehenkel 2006): random thresholds make the trees differ enough.
    "extra_trees": _forest(),
    "hist_gradient_boosting": {
        "learning_rate": _positive(
            0.01,
            "Share of what a tree finds that is taken over. 100 small steps take up 1 - 0.99^100 = 63 % of an effect "
            "that every tree finds, and little of what only one tree sees. On simulated noise 0.02 cost twice as much, "
            "and found simulated signals less well.",
        ),
        "max_iter": _count(
            100,
            "Trees. A fixed number: stopping early would need a held-out sample, which scikit-learn draws at random, "
            "from the future as well as the past.",
        ),
        "max_depth": _depth(2, "Most splits between root and leaf; None for no limit. Two: no more than pairs."),
        "min_samples_leaf": _count(100, "Fewest sessions in a leaf, as in the random forest."),
        "l2_regularization": Parameter(
            0.0,
            lambda value: _is_number(value) and value >= 0,
            "a number of at least 0",
            "Penalty on the values of the leaves. None: leaves of 100 sessions and small steps shrink them already.",
        ),
    },
    # Both penalties say the same beforehand: 46 standardised features explain about 1/2 % of the variance together,
    # which is a lot for daily returns. With coefficients ~ N(0, R2/46) in units of the target's deviation, the most
    # probable ridge has alpha = 46/R2, about 10,000; for the log-odds, four times as steep as the probability,
    # C = 4 R2/46, about 0.0004. On 2,500 rows that keeps a fifth of what least squares would have found.
    "linear": {
        "C": _positive(0.0004, "Logistic regression: inverse strength of the penalty; 4 R2 / features for R2 = 0.5 %."),
        "alpha": _positive(10_000.0, "Ridge: strength of the penalty; features / R2 for R2 = 0.5 %."),
        "max_iter": _count(100, "Most steps of the logistic regression's solver. Fewer than twenty are needed."),
    },
}
"""Estimator -> its hyperparameters, their defaults and reasons.

None was searched for on backtests: the search would use up the history that is to judge them."""

ESTIMATORS = tuple(PARAMETERS)


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """Which model is fitted, and how the walk-forward moves. Validated on construction (`SettingsError`).

    The defaults follow from the noise of daily returns and from cost, a walk-forward of thirteen years in some 10 s of
    processor time; they were not searched for on backtests.

    Attributes:
        estimator: Kind of model: "random_forest", "extra_trees", "hist_gradient_boosting" or "linear" (logistic
            regression for the direction and ridge for the return, on standardised features). The random forest needs no
            scaling, finds thresholds, and is calm on noise.
        parameters: Hyperparameters of the estimator that differ from the documented defaults (`PARAMETERS`). Unknown
            names are refused. A value equal to the default is the same as none.
        seed: Seed of all that is drawn at random. Of the estimators, only the two kinds of forest draw.
        horizon: Sessions from a forecast to its target; must be that of the features.
        min_train: Fewest training rows: about three years, so that calm and stormy sessions have both been seen.
        refit_every: Sessions between refits in the walk-forward. Half a year adds at most a sixth to a history of three
            years, so fresher models would hardly differ and cost in proportion.
        window: None: a fit sees all trainable rows (expanding window; the sample is small beside the noise). A number:
            only that many of the latest (rolling window), at least `min_train`.
        embargo: Rows left out between the last row whose target was known and the refit, over and above the purge of
            unknown targets: the margin for an input stamped one session too early.
        calibration: "platt" corrects the probabilities by what earlier forecasts came to; "none" takes them as they
            are.
        threads: Threads for fitting. Changes the time taken, never a result, and is not part of the stored model.
    """

    estimator: str = "random_forest"
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    seed: int = 20200102
    horizon: int = 1
    min_train: int = 750
    refit_every: int = 126
    window: int | None = None
    embargo: int = 1
    calibration: str = "platt"
    threads: int = 2

    def __post_init__(self) -> None:
        _check_choice("estimator", self.estimator, ESTIMATORS)
        _check_choice("calibration", self.calibration, CALIBRATIONS)
        at_least = {"seed": 0, "horizon": 1, "min_train": 2, "refit_every": 1, "embargo": 0, "threads": 1}
        for name, least in at_least.items():
            value = getattr(self, name)
            if not _is_count(value, least):
                raise SettingsError(f"{name} is {value!r}; expected a whole number of at least {least}")
        if self.seed >= 2**32:
            raise SettingsError(f"seed is {self.seed}; expected less than 2**32")
        if self.window is not None and not _is_count(self.window, self.min_train):
            raise SettingsError(
                f"window is {self.window!r}; expected None or a whole number of at least min_train = {self.min_train}"
            )
        object.__setattr__(self, "parameters", _checked_parameters(self.estimator, self.parameters))

    def all_parameters(self) -> dict[str, Any]:
        """Every hyperparameter of the estimator: `parameters` over the documented defaults."""
        defaults = {name: parameter.default for name, parameter in PARAMETERS[self.estimator].items()}
        return defaults | dict(self.parameters)

    def hyperparameters(self) -> dict[str, Any]:
        """All that a result depends on, defaults included, `threads` not: a dict that JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del values["threads"]
        return values | {"parameters": self.all_parameters()}

    def fingerprint(self) -> str:
        """The first 16 hex digits of the SHA-256 of `hyperparameters`: equal for settings that give equal results."""
        text = json.dumps(self.hyperparameters(), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class TradingRules:
    """How the backtest turns forecasts into positions and money. Validated on construction (`SettingsError`).

    Attributes:
        cost_bps: Cost of trading the whole position once, in basis points (1/10,000) of its value: commission, half
            the spread and slippage. 5 is about what a large, liquid stock costs a private person.
        execution: "close": at the close of the session the forecast is made on, which nobody can trade at who first
            waits for that close; the usual convention, and kind to the model. "next_open": at the next session's open.
        short: False: long after a forecast of a rise, else in cash. True: short instead of in cash.
    """

    cost_bps: float = 5.0
    execution: str = "close"
    short: bool = False

    def __post_init__(self) -> None:
        if not (_is_number(self.cost_bps) and 0 <= self.cost_bps < 10_000):
            raise SettingsError(f"cost_bps is {self.cost_bps!r}; expected a number from 0 to below 10000")
        _check_choice("execution", self.execution, EXECUTIONS)
        if not isinstance(self.short, bool):
            raise SettingsError(f"short is {self.short!r}; expected True or False")
        # So that 5 and 5.0 are written alike.
        object.__setattr__(self, "cost_bps", float(self.cost_bps))


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}; expected one of {', '.join(choices)}")


def _checked_parameters(estimator: str, given: object) -> dict[str, Any]:
    """A copy of the valid parameters that differ from the defaults, in the order of the defaults."""
    known = PARAMETERS[estimator]
    if not isinstance(given, Mapping):
        raise SettingsError(f"parameters is {given!r}; expected a mapping of names of {estimator}'s to values")
    if unknown := [name for name in given if name not in known]:
        raise SettingsError(
            f"parameters holds {', '.join(map(repr, unknown))}; expected of {estimator} only {', '.join(known)}"
        )
    checked = {}
    for name, parameter in known.items():
        if name not in given:
            continue
        value = given[name]
        if not parameter.is_valid(value):
            raise SettingsError(f"{name} is {value!r}; expected {parameter.expected}, for {estimator}")
        if isinstance(parameter.default, float) and isinstance(value, int):
            value = float(value)  # 1 and 1.0 are one learning rate, and one fingerprint
        if value != parameter.default:
            checked[name] = value
    return checked
