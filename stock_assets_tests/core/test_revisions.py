"""What counts as a revision and what as rounding, what is told of many that have one cause, and real corrections."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import adjusting, revisions, validation
from stock_assets.sources import base

WEEK = pd.DatetimeIndex(pd.bdate_range("2024-03-04", "2024-03-08").to_numpy(), name="session").as_unit("ns")
COLUMNS = ["session", "last_session", "column", "before", "after", "rows"]


def bars(index: pd.DatetimeIndex = WEEK, **columns) -> pd.DataFrame:
    """Closes of 10, 11, 12 ... and 1000 shares a session, no dividend and no split; `columns` instead."""
    close = np.arange(10.0, 10.0 + len(index))
    given = dict.fromkeys(("open", "high", "low", "close", "adj_close"), close)
    given |= {"volume": np.full(len(index), 1000.0), "dividends": 0 * close, "stock_splits": 0 * close}
    return base.raw_frame(index, given | columns)


def rows(found: revisions.Revisions) -> list[tuple]:
    """(session, column, before, after, rows) of each run."""
    table = found.table
    values = table[["column", "before", "after", "rows"]].itertuples(index=False, name=None)
    return [(f"{session:%m-%d}", *row) for session, row in zip(table.index, values, strict=True)]


def at(frame: pd.DataFrame, session: str, **values: float) -> pd.DataFrame:
    changed = frame.copy()
    for name, value in values.items():
        changed.loc[session, name] = value
    return changed


class TestNothing:
    def test_the_same_bars(self):
        found = revisions.revisions(bars(), bars())
        assert (found.count, found.compared, found.explanation, len(found.table)) == (0, 5, "", 0)
        assert [found.table.index.name, *found.table.columns] == COLUMNS

    def test_a_later_session_is_no_revision(self):
        found = revisions.revisions(bars().iloc[:3], bars())
        assert (found.count, found.compared) == (0, 3)

    def test_order_and_repetition_are_no_revisions(self):
        assert revisions.revisions(bars().iloc[[2, 0, 1, 1, 4, 3]], bars().iloc[[4, 0, 1, 2, 2, 3]]).count == 0

    def test_missing_in_both(self):
        nowhere = at(bars(), "2024-03-05", open=np.nan, adj_close=np.nan)
        assert revisions.revisions(nowhere, nowhere).count == 0

    @pytest.mark.parametrize("empty", [(0, 5), (5, 0), (0, 0)])
    def test_no_bars(self, empty):
        before, after = empty
        found = revisions.revisions(bars().iloc[:before], bars().iloc[:after])
        assert (found.count, found.compared) == (0, 0)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("close", 11.00001),  # 1e-6: Yahoo's sixth digit
            ("volume", 1009),
            ("dividends", 0.0001),  # its fourth
            ("stock_splits", 0.0),
        ],
    )
    def test_rounding(self, column, value):
        assert revisions.revisions(bars(), at(bars(), "2024-03-05", **{column: value})).count == 0

    def test_a_dividend_after_a_split_of_four(self):
        """NVDA 2012-11-20: 0.075 came as 0.0748 when its fourth part was rounded to four decimals."""
        before, after = (at(bars(), "2024-03-05", dividends=dividend) for dividend in (0.075, 0.0748))
        assert revisions.revisions(before, after).count == 0


class TestValues:
    @pytest.mark.parametrize(
        ("column", "then", "now"),
        [
            ("open", 11.0, 11.01),
            ("high", 11.0, 11.01),
            ("low", 11.0, 10.99),
            ("volume", 1000.0, 1100.0),
            ("dividends", 0.0, 0.205),
            ("capital_gains", 0.0, 0.1),
            ("stock_splits", 0.0, 2.0),
        ],
    )
    def test_one_that_changed(self, column, then, now):
        found = revisions.revisions(bars(), at(bars(), "2024-03-05", **{column: now}))
        assert rows(found) == [("03-05", column, then, now, 1)]
        assert found.count == 1

    def test_close_with_its_adjusted_close(self):
        found = revisions.revisions(bars(), at(bars(), "2024-03-05", close=11.1, adj_close=11.1))
        assert rows(found) == [("03-05", "close", 11.0, 11.1, 1)]

    @pytest.mark.parametrize("nothing", [np.nan, np.inf])
    def test_a_number_that_is_none_any_more(self, nothing):
        found = revisions.revisions(bars(), at(bars(), "2024-03-05", open=nothing))
        assert [(session, column, then) for session, column, then, *_ in rows(found)] == [("03-05", "open", 11.0)]

    def test_a_number_where_none_was(self):
        [row] = rows(revisions.revisions(at(bars(), "2024-03-05", open=np.nan), bars()))
        assert (row[1], np.isnan(row[2]), row[3]) == ("open", True, 11.0)

    def test_in_order_of_session_then_of_columns(self):
        after = at(at(bars(), "2024-03-07", open=1.0), "2024-03-05", volume=9e9, low=1.0, dividends=1.0)
        found = [(session, column) for session, column, *_ in rows(revisions.revisions(bars(), after))]
        assert found == [("03-05", "low"), ("03-05", "volume"), ("03-05", "dividends"), ("03-07", "open")]

    @pytest.mark.parametrize(("volume", "count"), [(1300.0, 0), (990.0, 0), (400.0, 1), (1600.0, 1)])
    def test_volume_of_the_last_evening_is_completed_overnight(self, volume, count):
        """PFE 2026-07-27: 28.0 million shares in the evening, 38.4 million in the end."""
        later = at(bars(), "2024-03-08", volume=volume)
        assert revisions.revisions(bars(), later).count == count
        again = at(bars(), "2024-03-07", volume=volume)
        assert revisions.revisions(bars(), again).count == (abs(volume - 1000) > 20)

    def test_a_column_of_one_only_is_not_compared(self):
        found = revisions.revisions(bars().drop(columns="capital_gains"), at(bars(), "2024-03-05", capital_gains=1.0))
        assert found.count == 0


class TestBars:
    def test_one_that_is_gone(self):
        [row] = rows(revisions.revisions(bars(), bars().drop(WEEK[1])))
        assert (row[:3], np.isnan(row[3]), row[4]) == (("03-05", "bar", 11.0), True, 1)

    def test_one_that_has_come(self):
        [row] = rows(revisions.revisions(bars().drop(WEEK[1]), bars()))
        assert (row[0], row[1], np.isnan(row[2]), row[3]) == ("03-05", "bar", True, 11.0)

    def test_the_last_one_is_gone(self):
        assert [row[:2] for row in rows(revisions.revisions(bars(), bars().iloc[:-1]))] == [("03-08", "bar")]

    def test_more_history_in_front_is_no_revision(self):
        found = revisions.revisions(bars().iloc[2:], bars())
        assert (found.count, found.compared) == (0, 3)

    def test_a_window_that_moves_along_forgets_its_first_bars(self):
        found = revisions.revisions(bars().iloc[:3], bars().iloc[2:])
        assert (found.count, found.compared) == (0, 1)

    @pytest.mark.parametrize("start", [3, 4])
    def test_a_history_that_got_shorter_lost_them(self, start):
        """Four bars, then one or two: the source has not moved along, it has forgotten."""
        [row] = rows(revisions.revisions(bars().iloc[:4], bars().iloc[start:]))
        assert (row[0], row[1], row[4]) == ("03-04", "bar", start)


class TestSplitsSince:
    def split_since(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Three sessions; then five with a split of 4 for 1 on the fourth, by which those before are adjusted."""
        before = at(bars().iloc[:3], "2024-03-05", dividends=2.0, capital_gains=1.0)
        after = at(at(bars(), "2024-03-05", dividends=2.0, capital_gains=1.0), "2024-03-07", stock_splits=4.0)
        past = after.index < "2024-03-07"
        in_shares = ["open", "high", "low", "close", "adj_close", "dividends", "capital_gains"]
        after.loc[past, in_shares] /= 4
        after.loc[past, "volume"] *= 4
        return before, after

    def test_the_same_in_other_shares(self):
        assert revisions.revisions(*self.split_since()).count == 0

    def test_before_is_shown_in_the_new_shares(self):
        before, after = self.split_since()
        found = revisions.revisions(before, at(after, "2024-03-05", open=3.0))
        assert rows(found) == [("03-05", "open", 2.75, 3.0, 1)]

    def test_as_served_on_undoes_what_is_done_here(self):
        before, after = self.split_since()
        assert revisions.revisions(before, adjusting.as_served_on(after, WEEK[2].date())).count == 0


class TestAdjustedClose:
    """Yields of 10 % on Wednesday: 12 / 10.8, as a dividend of 1.2 after a close of 12 would have it."""

    FACTOR = np.array([0.9, 0.9, 1.0, 1.0, 1.0])

    def paid(self, factor: np.ndarray, **columns) -> pd.DataFrame:
        close = np.full(5, 12.0)
        return bars(**dict.fromkeys(("open", "high", "low", "close"), close), adj_close=close * factor, **columns)

    def test_its_level_is_not_compared(self):
        assert revisions.revisions(self.paid(self.FACTOR), self.paid(self.FACTOR * 0.97)).count == 0

    def test_a_dividend_that_only_it_knows(self):
        found = revisions.revisions(self.paid(np.ones(5)), self.paid(self.FACTOR))
        assert rows(found) == [("03-06", "adj_close", 0.0, pytest.approx(0.1), 1)]

    def test_it_follows_from_a_revised_dividend(self):
        dividends = [0, 0, 1.2, 0, 0]
        found = revisions.revisions(self.paid(np.ones(5)), self.paid(self.FACTOR, dividends=dividends))
        assert rows(found) == [("03-06", "dividends", 0.0, 1.2, 1)]

    @pytest.mark.parametrize("unknown", [np.nan, 0.0, -1.0])
    def test_where_it_is_not_known_it_is_not_compared(self, unknown):
        found = revisions.revisions(self.paid(self.FACTOR), at(self.paid(self.FACTOR), "2024-03-05", adj_close=unknown))
        assert found.count == 0

    def test_six_decimals_of_a_small_one_are_rounding(self):
        close = np.array([0.0123456, 0.0123456, 0.0123456, 0.0123456, 0.0123456])
        then, now = (bars(adj_close=np.round(close * scale, 6)) for scale in (1.0, 1.00004))
        assert revisions.revisions(then, now).count == 0


class TestRuns:
    def test_neighbours_in_one_proportion_are_one(self):
        """AAPL, May 2020: volumes stood in old shares."""
        after = bars(volume=[1000, 4000, 3990, 4010, 1000])
        found = revisions.revisions(bars(), after)
        assert rows(found) == [("03-05", "volume", 1000.0, 4000.0, 3)]
        assert found.table["last_session"].tolist() == [WEEK[3]]
        assert found.count == 3

    def test_neighbours_in_others_are_not(self):
        after = bars(open=[10.0, 11.011, 11.988, 13.0, 14.0])  # +0.1 %, -0.1 %
        assert [row[0] for row in rows(revisions.revisions(bars(), after))] == ["03-05", "03-06"]

    def test_nor_are_those_with_a_bar_between(self):
        after = bars(volume=[1000, 4000, 1000, 4000, 1000])
        assert [row[0] for row in rows(revisions.revisions(bars(), after))] == ["03-05", "03-07"]

    def test_bars_gone_side_by_side_are_one(self):
        found = revisions.revisions(bars(), bars().drop(WEEK[1:4]))
        assert [(row[0], row[1], row[4]) for row in rows(found)] == [("03-05", "bar", 3)]


class TestExplanation:
    LONG = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=60).to_numpy(), name="session").as_unit("ns")

    def rescaled(self, factor: float, upto: int) -> pd.DataFrame:
        frame = bars(self.LONG)
        frame.loc[frame.index[:upto], ["open", "high", "low", "close", "adj_close"]] *= factor
        return frame

    def test_applied_but_not_recorded(self):
        found = revisions.revisions(bars(self.LONG), self.rescaled(0.2, 50))
        assert found.explanation == (
            "all 50 closes up to 2024-03-08 are 0.2 times what they were: "
            "a split that is applied but not recorded, or one that was and is taken back"
        )
        assert found.count == 4 * 50
        assert [(row[1], row[4]) for row in rows(found)] == [(name, 50) for name in ("open", "high", "low", "close")]

    def test_recorded_since_but_not_applied(self):
        after = at(bars(self.LONG), f"{self.LONG[-1]:%Y-%m-%d}", stock_splits=5.0)
        found = revisions.revisions(bars(self.LONG).iloc[:-1], after)
        assert found.explanation == (
            "all 59 closes up to 2024-03-21 are 5 times what they were: "
            "the split recorded since, 5 for 1, is not applied to them"
        )

    def test_a_split_that_was_recorded_late(self):
        """On its own evening neither the split nor the new shares were there."""
        after = at(self.rescaled(0.2, 50), f"{self.LONG[50]:%Y-%m-%d}", stock_splits=5.0)
        found = revisions.revisions(bars(self.LONG), after)
        assert found.explanation == (
            "all 50 closes up to 2024-03-08 are 0.2 times what they were: "
            "the split of 2024-03-11, not recorded then, is recorded and applied now"
        )

    @pytest.mark.parametrize(
        "after",
        [
            pytest.param(lambda self: self.rescaled(0.2, 19), id="too few"),
            pytest.param(lambda self: at(bars(self.LONG), "2024-01-01", close=1.0), id="one"),
            pytest.param(
                lambda self: pd.concat([bars(self.LONG).iloc[:9], self.rescaled(2, 50).iloc[9:]]), id="inside"
            ),
        ],
    )
    def test_not_all_up_to_a_session(self, after):
        found = revisions.revisions(bars(self.LONG), after(self))
        assert found.count
        assert found.explanation == ""


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_as_many_as_were_changed_are_found(data):
    """Values changed by a tenth at least, in any places: as many are found, where they are, and nowhere else."""
    index = TestExplanation.LONG
    places = data.draw(
        st.lists(
            st.tuples(st.integers(0, len(index) - 2), st.sampled_from(["open", "high", "low", "volume"])), unique=True
        )
    )
    after = bars(index)
    for row, column in places:
        after.loc[index[row], column] *= data.draw(st.sampled_from([0.5, 0.9, 1.1, 3.0]))
    found = revisions.revisions(bars(index), after)
    assert found.count == len(places)
    covered = {
        (row, run.column)
        for run in found.table.itertuples()
        for row in range(index.get_loc(run.Index), index.get_loc(run.last_session) + 1)
    }
    assert covered == set(places)


THEN, NOW = date(2020, 12, 11), date(2024, 3, 8)

DIVIDEND, VOLUME = "dividends", "volume"
REAL: dict[str, list[tuple]] = {
    "AAPL": [
        ("2020-05-01", "2020-06-12", VOLUME, 30),  # stood in the shares of before the 4:1 of 2020-08-31
        ("2020-05-08", "2020-05-08", DIVIDEND, 1),  # 0.82, in old shares too, for 0.205
    ],
    "JPM": [
        ("2017-04-05", "2017-04-05", DIVIDEND, 1),  # 0.50 that was never paid
        ("2019-08-12", "2019-08-12", VOLUME, 1),  # + 11 %, as on that session in KO and XOM
    ],
    "KO": [
        *[(session, session, DIVIDEND, 1) for session in ("2010-03-11", "2010-06-11", "2010-09-13", "2010-11-29")],
        *[(session, session, DIVIDEND, 1) for session in ("2011-03-11", "2011-06-13", "2011-09-13", "2011-11-29")],
        *[(session, session, DIVIDEND, 1) for session in ("2012-03-13", "2012-06-13")],  # not halved by the 2:1 of 2012
        ("2019-08-12", "2019-08-12", VOLUME, 1),  # + 38 %
    ],
    "MSFT": [("2019-07-18", "2019-07-18", VOLUME, 1)],  # - 1.4 %
    "NVDA": [],
    "STX": [("2014-11-07", "2014-11-07", DIVIDEND, 1)],  # 0.54 that was never paid
    "TSLA": [
        ("2020-02-28", "2020-02-28", VOLUME, 1),  # - 1.4 %
        ("2020-04-03", "2020-06-12", VOLUME, 49),  # stood in the shares of before the 5:1 of 2020-08-31
    ],
    "XOM": [
        ("2019-08-12", "2019-08-12", VOLUME, 1),  # + 10 %
        ("2020-08-05", "2020-08-05", VOLUME, 1),  # - 1.6 %
    ],
}
"""All that Yahoo said otherwise in 2024 than in 2020 about 2010 to 2020: first and last session, column, values."""


class TestRealPrices:
    @staticmethod
    def served(folder: Path, ticker: str, as_of: date) -> pd.DataFrame:
        table = pd.read_csv(folder / f"as_of_{as_of}" / f"{ticker}.csv", parse_dates=["Date"], index_col="Date")
        return base.raw_frame(
            pd.DatetimeIndex(table.index), table.rename(columns=base.YAHOO_HEADINGS).to_dict("series")
        )

    @pytest.mark.parametrize("rebased", [False, True], ids=["as served in 2024", "as served in 2020"])
    @pytest.mark.parametrize("ticker", REAL)
    def test_what_yahoo_corrected(self, real_prices_dir, ticker, rebased):
        """TSLA and NVDA were split since, by 3 and by 4: 21,000 bars agree in either basis."""
        then, now = self.served(real_prices_dir, ticker, THEN), self.served(real_prices_dir, ticker, NOW)
        found = revisions.revisions(then, adjusting.as_served_on(now, THEN) if rebased else now)
        told = [
            (f"{session:%Y-%m-%d}", f"{run.last_session:%Y-%m-%d}", run.column, run.rows)
            for session, run in zip(found.table.index, found.table.itertuples(), strict=True)
        ]
        assert told == REAL[ticker]
        assert found.compared == len(then)
        assert found.explanation == ""

    @pytest.mark.parametrize("session", [date(2022, 8, 24), date(2022, 8, 25), date(2023, 6, 1)], ids=str)
    def test_evenings_of_one_fetch_agree(self, real_prices_dir, session):
        """Around the 3:1 of TSLA on 2022-08-25."""
        now = self.served(real_prices_dir, "TSLA", NOW)
        before, after = adjusting.as_served_on(now, session), adjusting.as_served_on(now, date(2023, 6, 2))
        assert revisions.revisions(before, after).count == 0

    def test_a_split_that_only_the_prices_know(self, real_prices_dir):
        now = self.served(real_prices_dir, "TSLA", NOW)
        before = adjusting.as_served_on(now, date(2022, 8, 24))
        unrecorded = now.assign(stock_splits=0.0)
        found = revisions.revisions(before, unrecorded)
        assert "all 3,061 closes up to 2022-08-24 are 0.333333 times what they were: a split that" in found.explanation
        finding = validation.history_is_unrevised(unrecorded, before, ticker="TSLA", as_of=NOW)
        assert (finding.passed, finding.note) == (False, found.explanation)
        # Four prices and the volume; and what volumes differ by besides.
        assert finding.observed >= 5 * 3_061
        assert len(finding.offending) <= 20
