"""Facts about the settings: what is refused, what tells configurations apart, what the defaults are."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import model_settings, modelling
from stock_assets.core.errors import SettingsError
from stock_assets.core.model_settings import ModelSettings, TradingRules


def test_the_default_is_the_forest_of_150_shallow_trees() -> None:
    assert ModelSettings().hyperparameters() == {
        "estimator": "random_forest",
        "parameters": {
            "n_estimators": 150,
            "min_samples_leaf": 100,
            "max_depth": 4,
            "max_features": "sqrt",
            "max_samples": 0.5,
        },
        "seed": 20200102,
        "horizon": 1,
        "min_train": 750,
        "refit_every": 126,
        "window": None,
        "embargo": 1,
        "calibration": "platt",
    }


def test_modelling_offers_the_settings_too() -> None:
    assert modelling.ModelSettings is ModelSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("estimator", "lstm"),
        ("estimator", None),
        ("calibration", "isotonic"),
        ("seed", -1),
        ("seed", 2**32),
        ("horizon", 0),
        ("horizon", 1.0),
        ("min_train", 1),
        ("refit_every", 0),
        ("window", 749),
        ("window", 1000.0),
        ("window", True),
        ("embargo", -1),
        ("threads", 0),
        ("threads", True),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_value(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"{name} is .*{value}.*expected"):
        ModelSettings(**{name: value})


@pytest.mark.parametrize(
    ("estimator", "name", "value"),
    [
        ("random_forest", "n_estimators", 0),
        ("random_forest", "n_estimators", 10.0),
        ("random_forest", "min_samples_leaf", 0),
        ("random_forest", "max_depth", 0),
        ("random_forest", "max_features", "third"),
        ("random_forest", "max_features", 1.5),
        ("random_forest", "max_features", 0),
        ("random_forest", "max_features", True),
        ("random_forest", "max_samples", 0.0),
        ("random_forest", "max_samples", 1.5),
        ("extra_trees", "n_estimators", "many"),
        ("hist_gradient_boosting", "learning_rate", 0),
        ("hist_gradient_boosting", "learning_rate", float("nan")),
        ("hist_gradient_boosting", "learning_rate", True),
        ("hist_gradient_boosting", "max_iter", 0),
        ("hist_gradient_boosting", "l2_regularization", -0.1),
        ("linear", "C", 0.0),
        ("linear", "C", float("inf")),
        ("linear", "alpha", "strong"),
        ("linear", "max_iter", 1.5),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name_and_value(estimator: str, name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is .*{value}.*expected .*, for {estimator}"):
        ModelSettings(estimator=estimator, parameters={name: value})


@pytest.mark.parametrize(("estimator", "name"), [("linear", "n_estimators"), ("extra_trees", "max_samples")])
def test_another_estimators_parameter_is_refused_and_its_own_are_named(estimator: str, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"parameters holds '{name}'; expected of {estimator} only \w+, "):
        ModelSettings(estimator=estimator, parameters={name: 5})


@pytest.mark.parametrize("value", [None, "n_estimators", ["n_estimators"], 5])
def test_parameters_that_are_no_mapping_are_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"parameters is .*expected a mapping"):
        ModelSettings(parameters=value)


@pytest.mark.parametrize("value", ["sqrt", "log2", 3, 0.5, 1.0, None])
def test_max_features_may_be_a_rule_a_count_or_a_share(value: Any) -> None:
    assert ModelSettings(parameters={"max_features": value}).all_parameters()["max_features"] == value


def test_a_window_of_exactly_the_fewest_rows_is_allowed() -> None:
    assert ModelSettings(window=750).window == 750


@pytest.mark.parametrize("estimator", model_settings.ESTIMATORS)
def test_every_default_is_valid_and_has_a_reason(estimator: str) -> None:
    for parameter in model_settings.PARAMETERS[estimator].values():
        assert parameter.is_valid(parameter.default)
        assert parameter.reason.endswith(".")


def test_changing_the_mapping_afterwards_changes_no_settings() -> None:
    given = {"n_estimators": 8}
    settings = ModelSettings(parameters=given)
    before = settings.fingerprint()
    given["n_estimators"] = 9
    assert settings.fingerprint() == before


# --- The fingerprint ---


def test_the_fingerprint_of_the_defaults_is_the_one_that_ledgers_hold() -> None:
    # Changes only when a default or the list of settings changes: then old trials are other configurations.
    assert ModelSettings().fingerprint() == "680641bae77d599c"


def test_what_changes_no_result_changes_no_fingerprint() -> None:
    usual = ModelSettings()
    assert dataclasses.replace(usual, threads=1).fingerprint() == usual.fingerprint()
    spelled_out = ModelSettings(parameters={"n_estimators": 150, "max_features": "sqrt"})
    assert spelled_out == usual
    assert spelled_out.fingerprint() == usual.fingerprint()


def test_a_whole_number_and_the_same_number_with_a_point_are_one_configuration() -> None:
    one, other = (ModelSettings(estimator="linear", parameters={"alpha": alpha}) for alpha in (5, 5.0))
    assert one.fingerprint() == other.fingerprint()


def test_one_feature_and_all_features_are_two_configurations() -> None:
    count, share = (ModelSettings(parameters={"max_features": value}) for value in (1, 1.0))
    assert count.fingerprint() != share.fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": "extra_trees"},
        {"parameters": {"max_depth": None}},
        {"seed": 1},
        {"horizon": 5},
        {"min_train": 751},
        {"refit_every": 63},
        {"window": 1000},
        {"embargo": 0},
        {"calibration": "none"},
    ],
)
def test_whatever_changes_a_result_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert ModelSettings(**change).fingerprint() != ModelSettings().fingerprint()


SOME = {"n_estimators": 10, "min_samples_leaf": 7, "max_depth": None, "max_features": 0.3, "max_samples": 1.0}


@given(st.permutations(list(SOME.items())))
def test_the_order_of_the_parameters_is_of_no_account(parameters: list[tuple[str, Any]]) -> None:
    settings = ModelSettings(parameters=dict(parameters))
    assert settings.fingerprint() == ModelSettings(parameters=SOME).fingerprint()
    assert json.loads(json.dumps(settings.hyperparameters())) == settings.hyperparameters()


# --- Trading rules ---


def test_trading_is_long_or_flat_at_the_close_for_five_basis_points() -> None:
    assert dataclasses.asdict(TradingRules()) == {"cost_bps": 5.0, "execution": "close", "short": False}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cost_bps", -1),
        ("cost_bps", 10_000),
        ("cost_bps", float("nan")),
        ("cost_bps", "5"),
        ("cost_bps", True),
        ("execution", "open"),
        ("short", 1),
        ("short", "no"),
    ],
)
def test_a_rule_out_of_range_is_refused_by_name_and_value(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"{name} is .*{value}.*expected"):
        TradingRules(**{name: value})


def test_trading_may_cost_nothing() -> None:
    assert TradingRules(cost_bps=0) == TradingRules(cost_bps=0.0)
