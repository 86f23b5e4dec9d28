"""Splits that were recorded, but not applied to all bars before."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import cleaning
from stock_assets.core.errors import BadPricesError
from stock_assets_tests.core.event_frames import PRICES, amounts, history, in_old_shares, with_adj_close_of

SPLIT = 200


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    return cleaning.clean_prices(raw, ticker="TSLA", as_of=raw.index[-1].date())


def right(ratio: float) -> pd.DataFrame:
    return history(dividends={30: 0.5, 93: 0.5, 156: 0.5}, splits={SPLIT: ratio})


def repaired_rows(table: pd.DataFrame) -> list[int]:
    assert set(table["repairs"]) <= {"", "split_applied"}
    return np.flatnonzero(table["repairs"] == "split_applied").tolist()


def assert_like(table: pd.DataFrame, raw: pd.DataFrame) -> None:
    expected = clean(raw).drop(columns=["repairs", "volume"])
    pd.testing.assert_frame_equal(table.drop(columns=["repairs", "volume"]), expected, rtol=1e-9)
    np.testing.assert_allclose(table["volume"], raw["volume"], rtol=1e-3)


@pytest.mark.parametrize("ratio", [2.0, 5.0, 1.5, 0.1, 0.0001])
@pytest.mark.parametrize(
    "rows",
    [
        slice(0, SPLIT),
        slice(0, SPLIT - 1),  # 4063.T 2023-03
        slice(150, SPLIT),
        slice(40, 120),
        slice(SPLIT - 2, SPLIT - 1),  # ALPHA.PA, MOB.ST 2023-05
        slice(SPLIT, SPLIT + 1),  # LA.V 2020-08-26
        slice(SPLIT + 3, SPLIT + 5),
    ],
    ids=lambda rows: f"{rows.start}-{rows.stop}",
)
def test_bars_in_old_shares_are_brought_to_the_new_ones(ratio, rows):
    table = clean(in_old_shares(right(ratio), rows, ratio))
    assert repaired_rows(table) == list(range(rows.start, rows.stop))
    assert_like(table, right(ratio))


def test_dividends_in_old_shares_go_with_their_bars():
    raw = in_old_shares(right(4.0), slice(0, SPLIT), 4.0)
    table = clean(amounts(raw, {30: 2.0, 93: 2.0, 156: 2.0}))
    assert_like(table, right(4.0))


def test_the_split_of_another_session_is_a_week_off():
    raw = history(splits={SPLIT: 4.0})
    table = clean(in_old_shares(raw, slice(0, SPLIT - 6), 4.0))
    assert repaired_rows(table) == list(range(SPLIT - 6))


def test_two_splits():
    raw = history(splits={100: 5.0, SPLIT: 3.0})
    table = clean(in_old_shares(in_old_shares(raw, slice(190, SPLIT), 3.0), slice(80, 100), 5.0))
    assert repaired_rows(table) == [*range(80, 100), *range(190, SPLIT)]
    assert_like(table, raw)


@given(ratio=st.sampled_from([2.0, 3.0, 4.0, 10.0, 0.5, 0.05]), seed=st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_splits_that_were_applied_are_left_alone(ratio, seed):
    raw = history(splits={SPLIT: ratio}, move=0.03, seed=seed)
    assert repaired_rows(clean(raw)) == []


class TestNotUnmistakable:
    def test_a_crash_long_before_a_split(self):
        raw = history(splits={SPLIT: 2.0})
        raw = in_old_shares(raw, slice(0, 100), 2.0)
        assert repaired_rows(clean(raw)) == []

    def test_wide_bars(self):
        raw = in_old_shares(right(2.0), slice(SPLIT - 30, SPLIT - 20), 2.0)
        raw.iloc[SPLIT - 30, raw.columns.get_loc("low")] /= 2
        assert repaired_rows(clean(raw)) == []

    def test_a_stretch_whose_beginning_is_not_clear(self):
        raw = in_old_shares(right(3.0), slice(100, SPLIT - 4), 3.0)
        raw.iloc[100:110, raw.columns.get_indexer([*PRICES, "adj_close"])] *= 0.85
        assert repaired_rows(clean(raw)) == []

    def test_a_special_dividend_of_half_the_price(self):
        # CNE.L 2023-05-16: paid back 244 of 461, and 33 for 70 the same session.
        raw = history(dividends={SPLIT: 50.0}, splits={SPLIT: 0.5})
        assert repaired_rows(clean(raw)) == []

    def test_a_jump_on_the_session_in_a_wild_market_halts(self):
        raw = history(splits={SPLIT: 2.0}, move=0.12)
        raw = in_old_shares(raw, slice(0, SPLIT), 2.0)
        jump = raw["close"].iloc[SPLIT] / raw["close"].iloc[SPLIT - 1]
        raw.iloc[SPLIT:, raw.columns.get_indexer([*PRICES, "adj_close"])] *= 0.5 / jump
        with pytest.raises(BadPricesError, match="1 bar with a split that the prices before it are not adjusted for"):
            clean(raw)

    def test_last_bars_in_old_shares_halt(self):
        raw = right(4.0).iloc[: SPLIT + 3]
        with pytest.raises(
            BadPricesError, match="1 bar from which on prices seem to be in the shares of before a split"
        ):
            clean(with_adj_close_of(in_old_shares(raw, slice(SPLIT + 1, SPLIT + 3), 4.0)))
