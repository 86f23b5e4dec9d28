"""Suspicious bars: seldom traded, stale, or far off for one session."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import checks, validation
from stock_assets.core.adjusting import PRICES
from stock_assets.sources.csv_files import CsvSource
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.core.price_frames import swinging

SUSPICIONS = ("volume_is_seldom_zero", "prices_are_not_stale", "prices_do_not_spike")


def ask(name: str, frame: pd.DataFrame) -> validation.Finding:
    return getattr(validation, name)(frame, ticker="TSLA", as_of=date(2024, 3, 8))


def rows_of(finding: validation.Finding, frame: pd.DataFrame) -> list[int]:
    assert finding.observed == len(finding.offending)
    return frame.index.get_indexer(finding.offending.index).tolist()


@pytest.fixture
def calm() -> pd.DataFrame:
    """300 bars from 100 to 104, each close about 1 % above or below the one before, with 1,000 and some shares."""
    frame = swinging(300, date(2023, 1, 3))
    close = np.where(np.arange(300) % 2 == 0, 100.0, 101.0) + 0.01 * np.arange(300)
    frame[["open", "high", "low", "close"]] = np.stack([close - 0.3, close + 0.5, close - 0.5, close], axis=1)
    return frame.assign(volume=1000.0 + np.arange(300))


def test_suspicions_only_warn():
    asked = {check.name: check.blocking for check in checks.CLEAN}
    assert not any(asked[name] for name in SUSPICIONS)


def test_prices_that_are_not_positive_block_only_what_was_cleaned():
    assert {check.name: check.blocking for check in checks.CLEAN}["prices_are_positive"]
    assert not {check.name: check.blocking for check in checks.RAW}["prices_are_positive"]


@pytest.mark.parametrize("name", SUSPICIONS)
@pytest.mark.parametrize("as_of", [date(2020, 12, 11), date(2024, 3, 8)], ids=str)
def test_real_prices_are_not_suspicious(real_prices_dir, as_of, name):
    folder = real_prices_dir / f"as_of_{as_of}"
    for path in sorted(folder.glob("*.csv")):
        finding = ask(name, CsvSource(folder).fetch(path.stem, as_of).bars)
        assert finding.passed, (path.stem, finding)


@pytest.mark.parametrize("name", SUSPICIONS)
def test_simulated_prices_are_not_suspicious(name):
    for number in range(10):
        finding = ask(name, SimulatedSource().fetch(f"SIM{number}", date(2049, 12, 1)).bars)
        assert finding.passed, (number, finding)


@pytest.mark.parametrize("name", SUSPICIONS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_bars(calm, name, n):
    assert ask(name, calm.head(n)).passed


class TestZeroVolume:
    def without_volume(self, calm: pd.DataFrame, rows: slice, *, flat: bool) -> validation.Finding:
        calm.iloc[rows, calm.columns.get_loc("volume")] = 0.0
        if flat:
            calm.iloc[rows, calm.columns.get_indexer(["high", "low"])] = 100.0
        return ask("volume_is_seldom_zero", calm)

    @pytest.mark.parametrize(("n", "found"), [(2, []), (3, [100, 101, 102])])
    def test_two_of_the_last_252_pass(self, calm, n, found):
        assert rows_of(self.without_volume(calm, slice(100, 100 + n), flat=True), calm) == found

    def test_one_on_which_the_price_moved_does_not(self, calm):
        assert rows_of(self.without_volume(calm, slice(10, 11), flat=False), calm) == [10]

    @pytest.mark.parametrize("flat", [True, False])
    def test_thin_trading_in_the_youth_of_a_stock(self, calm, flat):
        assert self.without_volume(calm, slice(0, 48), flat=flat).passed

    def test_an_index_has_none(self, calm):
        finding = ask("volume_is_seldom_zero", calm.assign(volume=0))
        assert finding.passed
        assert finding.observed == "no volume at all, as indices and currencies have none"

    def test_a_stock_that_is_no_longer_traded(self, calm):
        finding = self.without_volume(calm, slice(40, 300), flat=True)
        assert (finding.passed, finding.observed, len(finding.offending)) == (False, 252, 20)


class TestStale:
    def repeated(self, calm: pd.DataFrame, n: int, columns: list[str]) -> list[int]:
        """Bars 100 to 100 + n - 1 with the same values in `columns`; what is found."""
        positions = calm.columns.get_indexer(columns)
        calm.iloc[100 : 100 + n, positions] = calm.iloc[100, positions].to_numpy()
        return rows_of(ask("prices_are_not_stale", calm), calm)

    def test_two_equal_bars_with_equal_volume(self, calm):
        assert self.repeated(calm, 2, [*PRICES, "volume"]) == [100, 101]

    @pytest.mark.parametrize(("n", "found"), [(2, []), (3, [100, 101, 102])])
    def test_equal_prices_with_other_volumes(self, calm, n, found):
        assert self.repeated(calm, n, [*PRICES]) == found

    @pytest.mark.parametrize(("n", "found"), [(7, []), (8, list(range(100, 108)))])
    def test_equal_closes(self, calm, n, found):
        assert self.repeated(calm, n, ["close"]) == found

    @pytest.mark.parametrize("flat", [True, False])
    @pytest.mark.parametrize(
        ("n", "seldom", "found"), [(1, 0, [101]), (1, 50, []), (6, 50, []), (7, 50, [*range(100, 108)])]
    )
    def test_bars_that_are_carried_on_without_volume(self, calm, n, seldom, found, flat):
        """Where a stock trades on every session one is enough; where it often does not, the close must stand still."""
        calm.iloc[:seldom, calm.columns.get_loc("volume")] = 0.0
        calm.iloc[101 : 101 + n, calm.columns.get_loc("volume")] = 0.0
        if flat:
            calm.iloc[100, calm.columns.get_indexer(PRICES)] = calm["close"].iloc[100]
        assert self.repeated(calm, n + 1, [*PRICES]) == found

    def test_a_last_bar_like_the_one_before(self, calm):
        calm.iloc[-1, calm.columns.get_indexer(PRICES)] = calm[list(PRICES)].iloc[-2].to_numpy()
        assert rows_of(ask("prices_are_not_stale", calm), calm) == [299]

    def test_prices_in_eighths_of_a_dollar_stood_still(self, calm):
        old = calm.set_axis(calm.index - pd.Timedelta(days=365 * 25))
        assert self.repeated(old, 20, [*PRICES, "volume"]) == []


class TestSpikes:
    """The usual move is 1 %, so 15 of it are 0.15 in log terms: the absolute sizes decide, but in the last two."""

    def found(self, calm: pd.DataFrame, row: int, /, **factors: float) -> list[int]:
        for column, factor in factors.items():
            calm.iloc[row, calm.columns.get_loc(column)] *= factor
        return rows_of(ask("prices_do_not_spike", calm), calm)

    @pytest.mark.parametrize("factor", [0.1, 10.0])
    def test_a_slip_by_ten(self, calm, factor):
        # The open after it stands alone too: it is far from the close before, and near its own.
        assert self.found(calm, 100, **dict.fromkeys(PRICES, factor)) == [100]

    @pytest.mark.parametrize(("factor", "found"), [(1.27, []), (1.31, [100]), (0.79, []), (0.76, [100])])
    @pytest.mark.parametrize("column", ["open", "close"])
    def test_a_trade(self, calm, column, factor, found):
        assert self.found(calm, 100, **{column: factor}) == found

    @pytest.mark.parametrize(
        ("column", "factor", "found"),
        [("high", 1.6, []), ("high", 1.7, [100]), ("low", 0.62, []), ("low", 0.59, [100])],
    )
    def test_an_extreme(self, calm, column, factor, found):
        assert self.found(calm, 100, **{column: factor}) == found

    def test_a_crash_that_lasts(self, calm):
        calm.loc[calm.index[100:], list(PRICES)] *= 0.5
        assert self.found(calm, 0) == []

    def test_the_flash_crash(self, calm):
        # AAPL on 2010-05-06: 199 at worst, between 258 before, 246 at the close and 249 next morning.
        assert self.found(calm, 100, low=199 / 246) == []

    def test_the_close_of_the_last_bar_is_not_known_to_come_back(self, calm):
        assert self.found(calm, 299, **dict.fromkeys(PRICES, 2.0)) == []
        assert self.found(calm, 299, open=1.5) == [299]

    @pytest.mark.parametrize(("swing", "found"), [(1.015, [100]), (1.05, [])])
    def test_wild_times(self, calm, swing, found):
        frame = calm.copy()
        wild = np.where(np.arange(300) % 2 == 0, 100.0, 100.0 * swing)
        for column in PRICES:
            frame[column] = wild
        assert self.found(frame, 100, **dict.fromkeys(PRICES, 1.5)) == found

    def test_prices_that_have_no_logarithm_are_for_others(self, calm):
        assert self.found(calm, 100, close=0.0, low=-1.0) == []
