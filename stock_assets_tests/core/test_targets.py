"""What followed a session, and when it is known."""

import datetime
import math

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import features, sessions, targets
from stock_assets.core.errors import NotASessionError
from stock_assets.core.histories import Histories
from stock_assets_tests.core.clean_frames import clean_table, random_walk

NAN = math.nan
LAST = datetime.date(2024, 4, 2)
CLEAN = clean_table(
    [100, 110, 99, 99, 108.9],
    open_=[98, 105, 100, 98, 108.9],
    high=[100, 110, 100, 99, 108.9],
    low=[98, 105, 99, 98, 108.9],
    dividend=[0, 0, 0, 1.98, 0],
    last=LAST,
)


def compute(clean: pd.DataFrame, horizon: int) -> targets.Outcomes:
    """The outcomes of one table, a value a row."""
    sessions_of_all, *columns = targets.compute_targets(Histories.from_cleans([clean]), horizon=horizon)
    return targets.Outcomes(sessions_of_all, *(column[0] for column in columns))


def text(dates: np.ndarray) -> list[str]:
    return [str(date)[:10] for date in dates]


class TestByHand:
    def test_target_is_the_next_session_of_the_exchange(self):
        found = compute(CLEAN, horizon=1)
        assert text(found.target_session) == [
            "2024-03-27",
            "2024-03-28",
            "2024-04-01",  # over Good Friday
            "2024-04-02",
            "2024-04-03",  # not in the table
        ]
        np.testing.assert_allclose(found.target_return, [0.1, -0.1, 0.02, 0.1, NAN])
        np.testing.assert_array_equal(found.target_up, [1, 0, 1, 1, NAN])
        np.testing.assert_array_equal(found.target_close, [110, 99, 99, 108.9, NAN])

    def test_two_sessions_ahead_compounds_with_dividends(self):
        found = compute(CLEAN, horizon=2)
        np.testing.assert_allclose(found.target_return, [1.1 * 0.9 - 1, 0.9 * 1.02 - 1, 1.02 * 1.1 - 1, NAN, NAN])
        np.testing.assert_array_equal(found.target_close, [99, 99, 108.9, NAN, NAN])
        assert text(found.target_session)[-1] == "2024-04-04"

    def test_from_open_to_open(self):
        found = compute(CLEAN, horizon=1).target_open_return
        # bought at 105, sold at 100; bought at 100, sold at 98 on the ex-session of 1.98 (2 % of its close of 99);
        # bought at 98 on the ex-session itself: no dividend; then nobody knows a second open yet.
        np.testing.assert_allclose(found, [100 / 105 - 1, 98 * 1.02 / 100 - 1, 108.9 / 98 - 1, NAN, NAN])

    def test_from_open_to_open_two_sessions_later(self):
        found = compute(CLEAN, horizon=2).target_open_return
        np.testing.assert_allclose(found, [98 * 1.02 / 105 - 1, 108.9 * 1.02 / 100 - 1, NAN, NAN, NAN])

    def test_an_unchanged_price_is_not_a_rise(self):
        found = compute(clean_table([3.3, 3.3, 3.3]), horizon=1)
        np.testing.assert_array_equal(found.target_return, [0, 0, NAN])
        np.testing.assert_array_equal(found.target_up, [0, 0, NAN])


class TestHoles:
    def test_a_target_is_missing_before_a_hole_and_not_taken_from_behind_it(self):
        found = compute(CLEAN.drop(pd.Timestamp("2024-03-28")), horizon=1)
        assert text(found.target_session) == ["2024-03-27", "2024-03-28", "2024-04-02", "2024-04-03"]
        np.testing.assert_allclose(found.target_return, [0.1, NAN, 0.1, NAN])
        np.testing.assert_array_equal(found.target_up, [1, NAN, 1, NAN])
        np.testing.assert_array_equal(found.target_close, [110, NAN, 108.9, NAN])
        # 26th: no open on the 28th to sell at; 27th: none to buy at; 1st: not known yet
        np.testing.assert_array_equal(found.target_open_return, [NAN, NAN, NAN, NAN])

    @pytest.mark.parametrize("horizon", [1, 5, 20])
    def test_a_hole_takes_the_targets_that_end_in_it_and_no_other(self, horizon):
        whole = random_walk(80)
        hole = 50
        holed = whole.drop(whole.index[hole])
        expected = compute(whole, horizon=horizon)
        found = compute(holed, horizon=horizon)
        rest = np.delete(np.arange(80), hole)
        for name in features.TARGETS:
            ends = {hole - horizon} if name != "target_open_return" else {hole - 1, hole - 1 - horizon}
            wanted = np.where(np.isin(rest, list(ends)), NAN, getattr(expected, name)[rest])
            # The return across the hole is missing in the table but for dividends: so only to rounding.
            crossing = (rest < hole) & (rest + horizon + 1 >= hole)
            np.testing.assert_allclose(getattr(found, name)[~crossing], wanted[~crossing], rtol=1e-9)
            np.testing.assert_array_equal(np.isnan(getattr(found, name)), np.isnan(wanted))

    def test_a_row_on_a_holiday_is_refused(self):
        christmas = CLEAN.set_axis(pd.DatetimeIndex(["2023-12-20", "2023-12-21", "2023-12-22", "2023-12-25", LAST]))
        with pytest.raises(NotASessionError, match="2023-12-25, a Monday, is not a session"):
            compute(christmas, horizon=1)

    def test_a_target_beyond_the_calendar_is_refused(self):
        last = clean_table([1.0, 2.0], last=sessions.LAST_SESSION)
        with pytest.raises(NotASessionError, match=r"there is no session \+5 from 2050-12-30"):
            compute(last, horizon=5)


class TestHorizons:
    @pytest.mark.parametrize("horizon", [1, 2, 5, 20])
    def test_only_the_last_rows_of_a_whole_table_have_no_target(self, horizon):
        table = build(horizon)
        for column in features.TARGETS:
            waiting = horizon + (column == "target_open_return")
            assert table[column].isna().to_numpy().nonzero()[0].tolist() == list(range(48 - waiting, 48))

    @pytest.mark.parametrize("horizon", [1, 5, 20])
    def test_every_row_carries_the_session_its_label_ends_on(self, horizon):
        table = build(horizon)
        ends = [sessions.next_session(session.date(), horizon) for session in table.index]
        assert table["target_session"].tolist() == [pd.Timestamp(end) for end in ends]

    @pytest.mark.parametrize("horizon", [1, 5, 20])
    def test_a_target_is_what_single_sessions_compound_to(self, horizon):
        one, many = build(1), build(horizon)
        for name in ("target_return", "target_open_return"):
            growth = (1 + one[name]).rolling(horizon).apply(np.prod, raw=True).shift(1 - horizon)
            np.testing.assert_allclose(many[name], growth - 1, atol=1e-12)

    @pytest.mark.parametrize("horizon", [5, 20])
    def test_features_do_not_depend_on_the_horizon(self, horizon):
        names = [*features.feature_columns(), "close", "volatility"]
        pd.testing.assert_frame_equal(build(horizon)[names], build(1)[names], check_exact=True)

    @pytest.mark.parametrize("horizon", [0, -1])
    def test_a_target_that_does_not_lie_ahead_is_refused(self, horizon):
        with pytest.raises(ValueError, match=f"{horizon} came; expected at least 1 session"):
            build(horizon)


def build(horizon: int) -> pd.DataFrame:
    clean = random_walk(300)
    return features.build_features(clean, ticker="TEST", as_of=clean.index[-1].date(), horizon=horizon)
