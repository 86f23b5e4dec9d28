"""Planted futures are found, honest features are not accused, and shuffled outcomes are nobody's own."""

import datetime
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import (
    backtesting,
    evaluation,
    features,
    leaks,
    modelling,
    verdict,
)
from stock_assets_tests.core.clean_frames import AS_OF, random_walk

CLEAN = random_walk(1_100)


def build(clean: pd.DataFrame, as_of: datetime.date) -> pd.DataFrame:
    return features.build_features(clean, ticker="TEST", as_of=as_of)


TABLE = build(CLEAN, AS_OF)


def tomorrows_return(clean: pd.DataFrame) -> pd.Series:
    return clean["total_return"].shift(-1)


def centred_mean(clean: pd.DataFrame) -> pd.Series:
    return clean["total_return"].rolling(11, center=True).mean()


def narrow_centred_mean(clean: pd.DataFrame) -> pd.Series:
    return clean["total_return"].rolling(3, center=True).mean()


def full_sample_z_score(clean: pd.DataFrame) -> pd.Series:
    r = clean["total_return"]
    return (r - r.mean()) / r.std()


def next_month_at_a_glance(clean: pd.DataFrame) -> pd.Series:
    """The mean over the calendar month, on each of its sessions: a resample that was joined back."""
    return clean["total_return"].groupby(clean.index.to_period("M")).transform("mean")


def filled_from_behind(clean: pd.DataFrame) -> pd.Series:
    return clean["dividend"].where(clean["dividend"] > 0).bfill()


def adjusted_close(clean: pd.DataFrame) -> pd.Series:
    """Changes with every later dividend."""
    return clean["adjusted_close"]


def price_level(clean: pd.DataFrame) -> pd.Series:
    """Changes with every later split."""
    return clean["close"].rolling(10).mean()


PLANTED = [
    *(
        tomorrows_return,
        centred_mean,
        narrow_centred_mean,
        full_sample_z_score,
        next_month_at_a_glance,
        filled_from_behind,
    ),
    *(next_month_at_a_glance, filled_from_behind, adjusted_close, price_level),
]


def with_planted(column: Callable[[pd.DataFrame], pd.Series]) -> leaks.Build:
    """Features in which `column` stands in the place of the return of five sessions ago."""

    def build_leaking(clean: pd.DataFrame, as_of: datetime.date) -> pd.DataFrame:
        table = build(clean, as_of)
        return table.assign(return_1_lag_4=column(clean).fillna(0.0))

    return build_leaking


class TestLookAhead:
    def test_honest_features_have_the_same_bits_at_every_cut(self):
        assert leaks.look_ahead(CLEAN, TABLE, build).empty

    @pytest.mark.parametrize("horizon", [5, 20])
    def test_for_other_horizons_too(self, horizon):
        table = features.build_features(CLEAN, ticker="TEST", as_of=AS_OF, horizon=horizon)
        assert leaks.look_ahead(CLEAN, table, build).empty

    def test_at_each_of_the_last_forty_rows(self):
        assert leaks.look_ahead(CLEAN, TABLE, build, rows=range(len(TABLE) - 41, len(TABLE) - 1)).empty

    @pytest.mark.parametrize("column", PLANTED)
    def test_a_planted_future_is_found_and_named(self, column):
        leaking = with_planted(column)
        found = leaks.look_ahead(CLEAN, leaking(CLEAN, AS_OF), leaking)
        assert set(found["column"]) == {"return_1_lag_4"}

    def test_tomorrows_return_differs_on_the_last_row_of_each_cut(self):
        leaking = with_planted(tomorrows_return)
        found = leaks.look_ahead(CLEAN, leaking(CLEAN, AS_OF), leaking)
        assert found["cut"].tolist() == [TABLE.index[row] for row in leaks.cuts(TABLE)]
        assert (found["first"] == found["cut"]).all()
        assert (found["values"] == 1).all()

    def test_the_centred_mean_differs_on_the_last_five(self):
        leaking = with_planted(centred_mean)
        found = leaks.look_ahead(CLEAN, leaking(CLEAN, AS_OF), leaking)
        # Near the end fewer: there the mean of the whole is missing as well.
        assert found["values"].tolist() == [5, 3, 1]

    def test_cuts_are_few_in_order_and_leave_something_out(self):
        assert leaks.cuts(TABLE) == [423, 844, 846]
        assert leaks.cuts(TABLE.iloc[:2]) == [0]
        assert leaks.cuts(TABLE.iloc[:1]) == []

    def test_an_earlier_snapshot_is_one_before_a_split(self):
        earlier = leaks.earlier_snapshot(CLEAN, CLEAN.index[700])
        assert earlier.index.equals(CLEAN.index[:701])
        assert (earlier["close"] * 2 == CLEAN["close"].iloc[:701]).all()
        assert (earlier["volume"] == CLEAN["volume"].iloc[:701] * 2).all()
        assert earlier["adjusted_close"].iloc[-1] == earlier["close"].iloc[-1]
        assert CLEAN["adjusted_close"].iloc[700] < CLEAN["close"].iloc[700]


class TestShuffled:
    def test_outcomes_move_together_at_least_a_block(self):
        table = leaks.shuffled(TABLE, block=21, seed=3)
        origin = {value: row for row, value in enumerate(TABLE["target_return"])}
        moved = table[list(features.TARGETS)].notna().to_numpy().all(axis=1)
        rows = np.flatnonzero(moved)
        sources = np.array([origin[value] for value in table["target_return"][moved]])
        distance = np.abs(rows - sources)
        assert len(rows) == 846 - 846 % 21
        assert distance.min() >= 21
        assert (distance % 21 == 0).all()
        for name in ("target_up", "target_open_return"):
            np.testing.assert_array_equal(table[name][moved], TABLE[name].iloc[sources])
        price_return = (TABLE["target_close"] / TABLE["close"]).to_numpy()
        np.testing.assert_allclose((table["target_close"] / table["close"])[moved], price_return[sources])

    def test_everything_else_stays(self):
        table = leaks.shuffled(TABLE)
        stays = [name for name in TABLE if name not in features.TARGETS]
        pd.testing.assert_frame_equal(table[stays], TABLE[stays], check_exact=True)
        modelling.check_features(table, ticker="TEST", as_of=AS_OF)

    def test_the_oldest_rows_that_fill_no_block_lose_their_outcomes(self):
        table = leaks.shuffled(TABLE, block=21)
        assert table["target_return"].isna().to_numpy().nonzero()[0].tolist() == [*range(846 % 21), 847]

    def test_the_seed_decides(self):
        one, same, other = (leaks.shuffled(TABLE, seed=seed) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(one, same, check_exact=True)
        assert not one["target_return"].equals(other["target_return"])

    @pytest.mark.parametrize(("block", "rows"), [(0, 800), (21, 40)])
    def test_nobody_to_trade_with(self, block, rows):
        with pytest.raises(ValueError, match=f"blocks of {block} rows and {rows} rows with known outcomes came"):
            leaks.shuffled(TABLE.iloc[:rows], block=block)

    def test_nothing_is_in_its_place(self):
        for n in (2, 3, 40):
            for seed in range(20):
                order = leaks._cycle(n, seed)
                assert sorted(order) == list(range(n))
                assert (order != np.arange(n)).all()


class TestScores:
    """A future that stands in the table already changes with no cut: its scores give it away."""

    SETTINGS = modelling.ModelSettings(estimator="linear", min_train=300, refit_every=250)

    def suspicion(self, table: pd.DataFrame) -> str | None:
        forecasts = backtesting.walk_forward(table, self.SETTINGS, ticker="TEST", as_of=AS_OF)
        scores = evaluation.evaluate(forecasts, ticker="TEST", as_of=AS_OF, source="simulated")
        return verdict.suspicion(scores["classification"]["accuracy"], scores["regression"]["r2_oos"])

    @pytest.mark.parametrize("column", [tomorrows_return, narrow_centred_mean])
    def test_a_planted_future_is_too_good_to_be_true(self, column):
        leaking = with_planted(column)(CLEAN, AS_OF)
        assert "a leak of the future until proven otherwise" in (self.suspicion(leaking) or "")

    def test_a_random_walk_is_not(self):
        assert self.suspicion(TABLE) is None

    def test_nor_are_the_outcomes_of_other_times(self):
        """The plant is strong, but it is about other sessions than the outcomes now are."""
        leaking = leaks.shuffled(with_planted(tomorrows_return)(CLEAN, AS_OF))
        assert self.suspicion(leaking) is None

    def test_prices_stamped_a_session_early_pass_the_cuts_but_not_the_scores(self):
        early = CLEAN.iloc[1:].set_axis(CLEAN.index[:-1])
        as_of = early.index[-1].date()
        table = build(early, as_of)
        assert leaks.look_ahead(early, table, build).empty
        honest = build(CLEAN.iloc[:-1], as_of)
        table = table.assign(**{name: honest[name] for name in features.TARGETS})
        forecasts = backtesting.walk_forward(table, self.SETTINGS, ticker="TEST", as_of=as_of)
        scores = evaluation.evaluate(forecasts, ticker="TEST", as_of=as_of, source="simulated")
        assert verdict.suspicion(scores["classification"]["accuracy"], scores["regression"]["r2_oos"])
