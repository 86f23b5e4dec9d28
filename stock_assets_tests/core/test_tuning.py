"""The search for settings: candidates, what each part may see, and what is concluded."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from stock_assets.core import cleaning, configuration, features, tuning
from stock_assets.core.errors import InsufficientHistoryError, SettingsError
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.core import forecast_frames

IN_FORCE = configuration.combine(
    {"estimator": "linear", "min_train": 60, "refit_every": 60, "threads": 1, "calibration": "none"}
)
# Weights so small that only the share of rises is forecast, and such that what is found is believed.
NOTHING_LEARNT = {"parameters": {"C": 1e-9}}
ALL_BELIEVED = {"parameters": {"C": 1.0}}


def frame(n: int = 500, **how) -> pd.DataFrame:
    made = forecast_frames.features_frame(n, **how)
    if "target_open_return" not in made:
        made["target_open_return"] = made["target_return"].where(made["target_session"] < made.index[-1])
    return made


def search(made, candidates, in_force=IN_FORCE, **how) -> tuning.Result:
    return tuning.search(
        made,
        in_force,
        candidates,
        ticker="TSLA",
        as_of=forecast_frames.last_session(made),
        source="simulated",
        **how,
    )


class TestCandidates:
    def test_a_grid_is_every_combination(self):
        assert tuning.grid({"window": [None, 1500], "parameters": {"max_depth": [3, 4]}}) == [
            {"window": None, "parameters": {"max_depth": 3}},
            {"window": None, "parameters": {"max_depth": 4}},
            {"window": 1500, "parameters": {"max_depth": 3}},
            {"window": 1500, "parameters": {"max_depth": 4}},
        ]
        assert tuning.grid({"estimator": ["linear"]}) == [{"estimator": "linear"}]

    @pytest.mark.parametrize(
        ("values", "problem"),
        [
            ({"horizon": [1, 5]}, "a candidate sets horizon; expected only estimator, parameters, window"),
            ({"window": 1500}, "window is 1500; expected a list of values to try"),
            ({"parameters": {"C": []}}, r"parameters.C is \[\]; expected a list"),
            ({"parameters": [1]}, r"parameters is \[1\]; expected a mapping"),
        ],
    )
    def test_a_grid_that_can_not_be(self, values, problem):
        with pytest.raises(SettingsError, match=problem):
            tuning.grid(values)

    def test_random_ones_are_possible_different_and_the_same_again(self):
        drawn = tuning.draw(40, 7, configuration.combine())
        assert drawn == tuning.draw(40, 7, configuration.combine()) != tuning.draw(40, 8, configuration.combine())
        assert len({configuration.combine(candidate).fingerprint() for candidate in drawn}) == 40
        assert {candidate["estimator"] for candidate in drawn} == set(tuning.SPACE)

    def test_windows_are_as_long_as_the_training(self):
        drawn = tuning.draw(100, 0, configuration.combine({"min_train": 1200}))
        assert {candidate["window"] for candidate in drawn} == {None, 1500}

    def test_more_than_there_are(self):
        with pytest.raises(SettingsError, match="random_candidates is 10000; expected from 0 to"):
            tuning.draw(10_000, 0, configuration.combine())

    def test_the_defaults_are_among_what_is_drawn_from(self):
        for estimator, space in tuning.SPACE.items():
            default = configuration.combine({"estimator": estimator}).model.all_parameters()
            for name, values in space.items():
                assert default[name] in values

    @pytest.mark.parametrize("candidates", [[], [{}], [{"estimator": "linear"}]])
    def test_nothing_to_try(self, candidates):
        with pytest.raises(SettingsError, match="no candidate differs from the configuration in force"):
            search(frame(), candidates)

    @pytest.mark.parametrize("key", ["horizon", "embargo", "cost_bps", "seed"])
    def test_guards_and_costs_are_not_searched(self, key):
        with pytest.raises(SettingsError, match=f"a candidate sets {key}"):
            search(frame(), [{key: 2}])


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    as_of = dt.date(2024, 3, 8)
    raw = SimulatedSource().fetch("TSLA", as_of).bars.loc["2022-06-01":]
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=as_of)


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_earlier_part_is_the_table_of_that_session(prices, horizon):
    """Masking later outcomes gives what the graph would have made that evening."""
    table = features.build_features(prices, ticker="TSLA", as_of=dt.date(2024, 3, 8), horizon=horizon)
    end = dt.date(2024, 1, 12)
    then = features.build_features(prices.loc[: pd.Timestamp(end)], ticker="TSLA", as_of=end, horizon=horizon)
    pd.testing.assert_frame_equal(tuning.as_known(table, end), then, check_exact=True)


class TestSearch:
    def test_planted_signal_is_chosen_and_found_in_the_later_part(self):
        result = search(frame(1200, signal=0.5), [ALL_BELIEVED], configuration.combine({**_plain(), **NOTHING_LEARNT}))
        document = result.document
        assert [row["chosen"] for row in document["candidates"]] == [True, False]
        assert document["later"]["chosen"]["gain"] > 3 * document["later"]["chosen"]["standard_error"]
        assert document["later"]["tests"]["p_better_than_in_force"] < 0.01
        assert "is better than the configuration in force and than naive" in document["conclusion"]

    def test_noise_is_no_better(self):
        document = search(frame(1000), [{"parameters": {"C": c}} for c in (1e-9, 1e-4, 1.0)]).document
        assert "no better than" in document["conclusion"]
        assert len(document["candidates"]) == 4

    def test_candidates_are_in_order_and_one_is_chosen(self):
        document = search(frame(), [ALL_BELIEVED, NOTHING_LEARNT, {"window": 100}]).document
        losses = [row["log_loss"] for row in document["candidates"]]
        assert losses == sorted(losses)
        assert [row["chosen"] for row in document["candidates"]] == [True, False, False, False]
        assert sum(row["in_force"] for row in document["candidates"]) == 1

    def test_no_choice_has_seen_the_later_part(self):
        """Whatever happens there, the same candidate is chosen, with the same scores."""
        made = frame(600)
        document = search(made, [ALL_BELIEVED, NOTHING_LEARNT]).document
        end = pd.Timestamp(document["earlier"]["end"])
        changed = made.copy()
        later = changed["target_session"] > end
        for name in ("target_return", "target_open_return"):
            changed.loc[later, name] = -changed.loc[later, name]
        up = (changed["target_return"] > 0).astype("float64")
        changed["target_up"] = up.where(changed["target_return"].notna())
        changed.loc[changed.index > end, "hint"] *= 100
        other = search(changed, [ALL_BELIEVED, NOTHING_LEARNT]).document
        assert other["candidates"] == document["candidates"]
        assert other["earlier"] == document["earlier"]
        assert other["later"] != document["later"]

    def test_the_parts_do_not_overlap(self):
        document = search(frame(), [ALL_BELIEVED]).document
        end = document["earlier"]["end"]
        assert document["earlier"]["last_forecast"] < end < document["later"]["first_forecast"]
        rows = frame().index[60:]
        assert end == f"{rows[int(len(rows) * 0.6) - 1]:%Y-%m-%d}"

    def test_every_configuration_counts_as_tried(self):
        result = search(frame(), [ALL_BELIEVED, NOTHING_LEARNT, ALL_BELIEVED])
        assert [trial.configured.model.parameters for trial in result.trials] == [{}, {"C": 1.0}, {"C": 1e-9}]
        by_fingerprint = {row["fingerprint"]: row["sharpe"] for row in result.document["candidates"]}
        assert {trial.configured.fingerprint(): trial.sharpe for trial in result.trials} == by_fingerprint

    def test_what_to_write_into_the_watchlist_gives_the_chosen_model(self):
        result = search(frame(1200, signal=0.5), [ALL_BELIEVED], configuration.combine({**_plain(), **NOTHING_LEARNT}))
        [entry] = yaml.safe_load(result.document["watchlist_entry"])
        assert entry["ticker"] == "TSLA"
        of_all = {"parameters": {"C": 5.0}, "threads": 1}
        assert configuration.combine(of_all, entry["model"]).model == result.trials[1].configured.model

    @pytest.mark.parametrize("c", [4e-05, 1e20, 0.5])
    def test_numbers_in_the_watchlist_are_numbers(self, c):
        configured = configuration.combine({"estimator": "linear", "parameters": {"C": c}})
        [entry] = yaml.safe_load(tuning.watchlist_entry("TSLA", configured))
        assert entry["model"]["parameters"]["C"] == c

    def test_the_same_again(self):
        first, second = (json.dumps(search(frame(), [ALL_BELIEVED]).document) for _ in range(2))
        assert first == second

    def test_too_few_to_judge(self):
        with pytest.raises(InsufficientHistoryError, match=r"TSLA .*: the later part, after .* has \d+ forecasts"):
            search(frame(250), [ALL_BELIEVED], earlier_share=0.8)
        with pytest.raises(InsufficientHistoryError, match=r"the earlier part, up to .* expected at least 60"):
            search(frame(250), [ALL_BELIEVED], earlier_share=0.2)
        with pytest.raises(InsufficientHistoryError, match="expected more than min_train = 300"):
            search(frame(250), [{"min_train": 300}])

    def test_a_share_that_leaves_nothing(self):
        with pytest.raises(SettingsError, match="earlier_share is 1"):
            search(frame(), [ALL_BELIEVED], earlier_share=1.0)


def _plain() -> dict:
    overrides = IN_FORCE.overrides()
    return {name: value for name, value in overrides.items() if name != "parameters"}


def test_standard_error_by_hand():
    """1, 2, 3, 4: variance 1.25, autocovariance at lag 1 (1.5 * 0.5 - 0.5 * 0.5 + 0.5 * 1.5) / 4 = 0.3125."""
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert tuning.standard_error(values) == pytest.approx((1.25 / 4) ** 0.5)
    assert tuning.standard_error(values, horizon=2) == pytest.approx(((1.25 + 0.3125) / 4) ** 0.5)
