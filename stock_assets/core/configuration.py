"""One ticker's configuration: model settings and trading rules, put together from levels of overrides.

Lives here: which keys an override may have and what they mean, how levels are laid over each other, and the fingerprint
that tells two configurations apart. Not here: what each setting means in detail and its default (model_settings), and
where the levels are read from (watchlist, defs.resources).
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from stock_assets.core.errors import SettingsError
from stock_assets.core.model_settings import (
    CALIBRATIONS,
    ESTIMATORS,
    EXECUTIONS,
    PARAMETERS,
    ModelSettings,
    TradingRules,
)

Overrides = Mapping[str, Any]
"""Key of `KEYS` -> value."""

_PARAMETERS = "; ".join(f"{estimator}: {', '.join(names)}" for estimator, names in PARAMETERS.items())

KEYS: dict[str, str] = {
    "estimator": f"Kind of model: {', '.join(ESTIMATORS)}",
    "parameters": f"Hyperparameters of the estimator by name. {_PARAMETERS}",
    "seed": "Seed of all that is drawn at random",
    "horizon": "Sessions from a forecast to its target; features, model, backtest and forecasts share it",
    "min_train": "Fewest training rows of a fit",
    "refit_every": "Sessions between refits in the walk-forward",
    "window": "Latest rows that a fit sees, at least min_train; null: all of them",
    "embargo": "Rows left out before each refit, over and above the purge of unknown targets",
    "calibration": f"Correction of the probabilities: {', '.join(CALIBRATIONS)}",
    "threads": "Threads for fitting; changes the time taken, never a result",
    "cost_bps": "Cost of trading one unit of capital, in hundredths of a percent",
    "execution": f"Price at which the backtest trades: {', '.join(EXECUTIONS)}",
    "short": "Whether the backtest sells short where it would else hold cash",
}
"""What an override may say, with the meaning: the fields of `ModelSettings` and `TradingRules`."""

_RULES = {field.name for field in dataclasses.fields(TradingRules)}


class Configuration(NamedTuple):
    """What a partition is modelled and judged with."""

    model: ModelSettings
    rules: TradingRules

    def fingerprint(self) -> str:
        """The first 16 hex digits of the SHA-256 of all that a result depends on: equal for equal results.

        Trading rules count: whoever tries out selling short has tried another strategy.
        """
        text = json.dumps([self.model.hyperparameters(), dataclasses.asdict(self.rules)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def overrides(self) -> dict[str, Any]:
        """What differs from the defaults, as overrides that JSON can hold: combining them gives this again."""
        values = _plain(self.model) | _plain(self.rules)
        usual = _plain(ModelSettings()) | _plain(TradingRules())
        return {name: values[name] for name in KEYS if values[name] != usual[name]}


def combine(*levels: Overrides) -> Configuration:
    """The defaults under all `levels`; where two say something of the same key, the later one holds.

    `parameters` are merged name by name, until a level names another estimator: whose they were not.

    Raises `SettingsError` for an unknown key or a value that can't be.
    """
    merged: dict[str, Any] = {"estimator": ModelSettings.estimator}
    for level in levels:
        check_keys(level)
        given = level.get("parameters", {})
        if not isinstance(given, Mapping):
            raise SettingsError(f"parameters is {given!r}; expected a mapping of names to values")
        same = level.get("estimator", merged["estimator"]) == merged["estimator"]
        parameters = {**(merged.get("parameters", {}) if same else {}), **given}
        merged |= {**level, "parameters": parameters}
    return Configuration(
        ModelSettings(**{name: value for name, value in merged.items() if name not in _RULES}),
        TradingRules(**{name: value for name, value in merged.items() if name in _RULES}),
    )


def check_keys(level: Overrides) -> None:
    """Raises `SettingsError` when `level` has a key that is not in `KEYS`."""
    if unknown := [str(name) for name in level if name not in KEYS]:
        raise SettingsError(f"unknown: {', '.join(unknown)}; expected only {', '.join(KEYS)}")


def _plain(settings: ModelSettings | TradingRules) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def told(overrides: Overrides) -> str:
    """Overrides in one line for people: `estimator linear, horizon 5, max_depth 3`."""
    flat = {**overrides, **dict(overrides.get("parameters", {}))}
    return ", ".join(
        f"{name} {'none' if value is None else value}" for name, value in flat.items() if name != "parameters"
    )
