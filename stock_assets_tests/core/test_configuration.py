"""Levels of overrides: what they may say, how they are laid over each other, what tells two configurations apart."""

import dataclasses
import subprocess
import sys

import pytest

from stock_assets.core import configuration
from stock_assets.core.errors import SettingsError
from stock_assets.core.model_settings import ModelSettings, TradingRules

DEFAULTS = configuration.Configuration(ModelSettings(), TradingRules())


def test_keys_are_the_fields_of_both_kinds_of_settings():
    fields = (*dataclasses.fields(ModelSettings), *dataclasses.fields(TradingRules))
    assert list(configuration.KEYS) == [field.name for field in fields]


def test_no_levels_are_the_defaults():
    assert configuration.combine() == configuration.combine({}, {}) == DEFAULTS


def test_a_later_level_holds():
    found = configuration.combine({"horizon": 5, "cost_bps": 10}, {"horizon": 20})
    assert found.model == ModelSettings(horizon=20)
    assert found.rules == TradingRules(cost_bps=10.0)


def test_parameters_are_merged_by_name():
    found = configuration.combine(
        {"parameters": {"max_depth": 3, "n_estimators": 50}},
        {"estimator": "random_forest", "parameters": {"max_depth": 2}},
    )
    assert found.model.parameters == {"n_estimators": 50, "max_depth": 2}


def test_another_estimator_takes_over_no_parameters():
    found = configuration.combine({"parameters": {"max_depth": 3}}, {"estimator": "linear"}, {"parameters": {"C": 0.1}})
    assert found.model == ModelSettings(estimator="linear", parameters={"C": 0.1})


def test_null_is_a_value():
    assert configuration.combine({"window": 1000}, {"window": None}).model.window is None


@pytest.mark.parametrize(
    ("level", "problem"),
    [
        ({"horizons": 5}, "unknown: horizons; expected only estimator, parameters, seed, horizon"),
        ({1: 5}, "unknown: 1;"),
        ({"parameters": [1]}, r"parameters is \[1\]; expected a mapping"),
        ({"horizon": "5"}, "horizon is '5'; expected a whole number"),
        ({"estimator": "linear", "parameters": {"max_depth": 3}}, "max_depth"),
    ],
)
def test_anything_else_is_refused(level, problem):
    with pytest.raises(SettingsError, match=problem):
        configuration.combine(level)


@pytest.mark.parametrize(
    "level", [{"seed": 1}, {"horizon": 5}, {"parameters": {"max_depth": 3}}, {"window": 900}, {"short": True}]
)
def test_the_fingerprint_tells_what_a_result_depends_on(level):
    assert configuration.combine(level).fingerprint() != DEFAULTS.fingerprint()


@pytest.mark.parametrize("level", [{"threads": 1}, {"horizon": 1}, {"parameters": {"max_depth": 4}}, {"cost_bps": 5}])
def test_equal_results_have_one_fingerprint(level):
    assert configuration.combine(level).fingerprint() == DEFAULTS.fingerprint()


@pytest.mark.parametrize(
    "level", [{}, {"estimator": "linear", "parameters": {"C": 0.1}, "horizon": 5}, {"window": 800, "short": True}]
)
def test_overrides_give_the_configuration_again(level):
    found = configuration.combine(level)
    assert found.overrides() == level
    assert configuration.combine(found.overrides()) == found


def test_overrides_in_words():
    level = {"estimator": "extra_trees", "parameters": {"max_depth": None}, "horizon": 5}
    assert configuration.told(level) == "estimator extra_trees, horizon 5, max_depth none"
    assert configuration.told({}) == ""


def test_importing_it_is_cheap():
    script = "import sys, stock_assets.core.configuration; print({'pandas', 'numpy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
