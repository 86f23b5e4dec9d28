import datetime
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import adjusting, metrics, schemas, sessions
from stock_assets.core.errors import BadPricesError, InsufficientHistoryError

AS_OF = datetime.date(2024, 3, 8)
NAN = math.nan

returns_lists = st.lists(st.floats(-0.5, 1.0), min_size=1, max_size=60)


def clean_table(close: Any, dividend: Any = 0.0, last: datetime.date = AS_OF, **columns: Any) -> pd.DataFrame:
    """A clean table of bars without a range that ends on `last`; 1,000 shares a session unless given in `columns`."""
    closes = np.asarray(close, dtype="float64")
    index = sessions.sessions_between(sessions.previous_session(last, len(closes) - 1), last)
    prices = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), closes), index=index)
    prices = prices.assign(volume=1_000, dividend=dividend, split_ratio=1.0)
    table = prices.join(adjusting.adjust(prices))
    table["total_return"] = adjusting.total_returns(prices["close"], prices["dividend"])
    table["repairs"] = ""
    table = table.assign(**columns).astype({"volume": "int64", "dividend": "float64", "split_ratio": "float64"})
    return schemas.validate(table, schemas.CLEAN_PRICES, ticker="TEST", as_of=last)


def price_metrics(clean: pd.DataFrame) -> dict[str, Any]:
    found = metrics.price_metrics(clean, ticker="TEST", as_of=clean.index[-1].date(), source="simulated")
    json.dumps(found, allow_nan=False)
    return found


class TestReturn:
    def test_wealth_starts_at_one(self):
        np.testing.assert_allclose(metrics.wealth([0.1, -0.5]), [1, 1.1, 0.55])

    def test_annual_return_is_geometric(self):
        # 1.1 * 0.9 = 0.99 in two sessions: 0.99 ** 126
        assert metrics.annual_return([0.1, -0.1]) == pytest.approx(0.99**126 - 1)

    def test_a_year_of_returns_is_its_own_annual_return(self):
        assert metrics.annual_return([0.001] * 252) == pytest.approx(1.001**252 - 1)

    def test_annual_return_of_weekly_returns(self):
        assert metrics.annual_return([0.01] * 26, periods_per_year=52) == pytest.approx(1.01**52 - 1)

    @pytest.mark.parametrize(
        ("returns", "expected"),
        [
            ([], NAN),
            ([0.1, NAN], NAN),
            ([0.5, -1.0], -1.0),  # all is lost
            ([-1.5], NAN),  # more than all is lost: no rate leads there
            ([1e6], NAN),  # (1e6) ** 252 is beyond a float
        ],
    )
    def test_annual_return_at_its_limits(self, returns, expected):
        assert metrics.annual_return(returns) == pytest.approx(expected, nan_ok=True)


class TestRisk:
    def test_annual_volatility(self):
        # mean 0, squares 4e-4 + 4e-4, divided by 1
        assert metrics.annual_volatility([0.02, -0.02]) == pytest.approx(math.sqrt(8e-4 * 252))

    @pytest.mark.parametrize("returns", [[], [0.01], [0.01, NAN]])
    def test_annual_volatility_needs_two_returns(self, returns):
        assert math.isnan(metrics.annual_volatility(returns))

    def test_equal_returns_have_no_volatility_and_no_sharpe_ratio(self):
        tenths = [0.1] * 3
        assert np.std(tenths) > 0, "the trap is gone and the guard with it untested"
        assert metrics.annual_volatility(tenths) == 0
        assert math.isnan(metrics.sharpe_ratio(tenths))

    def test_sharpe_ratio(self):
        # mean 0.01, deviations 0.02 and -0.02: sqrt(8e-4)
        assert metrics.sharpe_ratio([0.03, -0.01]) == pytest.approx(0.01 / math.sqrt(8e-4) * math.sqrt(252))

    def test_sharpe_ratio_of_monthly_returns(self):
        expected = 0.01 / math.sqrt(8e-4) * math.sqrt(12)
        assert metrics.sharpe_ratio([0.03, -0.01], periods_per_year=12) == pytest.approx(expected)

    @pytest.mark.parametrize("returns", [[], [0.01], [0.01, NAN]])
    def test_sharpe_ratio_needs_two_returns(self, returns):
        assert math.isnan(metrics.sharpe_ratio(returns))

    def test_sortino_ratio_divides_by_all_returns(self):
        # mean 0.01; falls squared 1e-4 over 2 returns
        assert metrics.sortino_ratio([0.03, -0.01]) == pytest.approx(0.01 / math.sqrt(5e-5) * math.sqrt(252))

    @pytest.mark.parametrize("returns", [[], [0.01, 0.02], [0.01, NAN]])
    def test_sortino_ratio_needs_a_fall(self, returns):
        assert math.isnan(metrics.sortino_ratio(returns))

    def test_a_series_gives_what_its_array_gives(self):
        series = pd.Series([0.03, -0.01, 0.02], index=pd.date_range("2024-03-04", periods=3))
        for measure in (metrics.annual_return, metrics.annual_volatility, metrics.sharpe_ratio, metrics.max_drawdown):
            assert measure(series) == measure(series.to_numpy())
            assert type(measure(series)) is float


class TestDrawdown:
    def test_drawdowns_look_back_to_the_highest_level(self):
        np.testing.assert_allclose(metrics.drawdowns([100, 120, 90, 120, 60]), [0, 0, -0.25, 0, -0.5])

    def test_max_drawdown(self):
        # 1, 1.1, 0.88, 0.968
        assert metrics.max_drawdown([0.1, -0.2, 0.1]) == pytest.approx(-0.2)

    def test_a_fall_on_the_first_session_is_a_fall_from_the_start(self):
        assert metrics.max_drawdown([-0.1, 0.05]) == pytest.approx(-0.1)

    @pytest.mark.parametrize(("returns", "expected"), [([0.1, 0.0], 0.0), ([], NAN), ([0.1, NAN], NAN)])
    def test_max_drawdown_at_its_limits(self, returns, expected):
        assert metrics.max_drawdown(returns) == pytest.approx(expected, nan_ok=True)

    @given(returns_lists)
    def test_is_a_fraction_of_the_peak_and_at_least_the_total_loss(self, returns):
        found = metrics.max_drawdown(returns)
        assert -1 <= found <= 0
        assert found <= metrics.wealth(returns)[-1] - 1 + 1e-12


class TestTails:
    # -10 %, -9 %, ... 9 %: twenty returns, in no order
    TWENTY = np.roll(np.arange(-10, 10) / 100, 7)

    def test_value_at_risk_is_the_best_of_the_worst(self):
        assert metrics.value_at_risk(self.TWENTY, 0.95) == -0.10  # the single worst of twenty
        assert metrics.value_at_risk(self.TWENTY, 0.90) == -0.09
        assert metrics.value_at_risk(self.TWENTY, 0.88) == -0.08  # 2.4 returns: the third

    def test_conditional_value_at_risk_is_their_mean(self):
        assert metrics.conditional_value_at_risk(self.TWENTY, 0.95) == pytest.approx(-0.10)
        assert metrics.conditional_value_at_risk(self.TWENTY, 0.90) == pytest.approx(-0.095)
        # (-0.10 - 0.09 - 0.4 * 0.08) / 2.4
        assert metrics.conditional_value_at_risk(self.TWENTY, 0.88) == pytest.approx(-0.0925)

    def test_five_per_cent_of_a_hundred_are_five_though_one_minus_the_level_is_a_little_more(self):
        assert 100 * (1 - 0.95) > 5
        assert metrics.value_at_risk(np.arange(-50, 50) / 1000, 0.95) == -0.046

    @pytest.mark.parametrize("measure", [metrics.value_at_risk, metrics.conditional_value_at_risk])
    def test_a_tail_of_less_than_one_return_is_not_known(self, measure):
        assert math.isnan(measure(self.TWENTY[:19], 0.95))
        assert math.isnan(measure(self.TWENTY, 0.99))
        assert math.isnan(measure([], 0.95))
        assert math.isnan(measure([*self.TWENTY, NAN], 0.95))

    @pytest.mark.parametrize("level", [0, 1, 95, -0.05])
    @pytest.mark.parametrize("measure", [metrics.value_at_risk, metrics.conditional_value_at_risk])
    def test_a_level_that_is_no_probability_is_refused(self, measure, level):
        with pytest.raises(ValueError, match=f"level: {level} came"):
            measure(self.TWENTY, level)

    @given(returns_lists, st.floats(0.5, 0.95))
    def test_expected_shortfall_lies_between_the_worst_return_and_the_value_at_risk(self, returns, level):
        shortfall = metrics.conditional_value_at_risk(returns, level)
        if len(returns) * (1 - level) >= 1:
            assert min(returns) - 1e-12 <= shortfall <= metrics.value_at_risk(returns, level)

    def test_skewness_and_kurtosis(self):
        # 0, 0, 3: second moment 2, third 2; 0, 0, 0, 4: second 3, fourth 21
        assert metrics.skewness([0, 0, 3]) == pytest.approx(1 / math.sqrt(2))
        assert metrics.excess_kurtosis([0, 0, 0, 4]) == pytest.approx(21 / 9 - 3)

    @pytest.mark.parametrize("returns", [[], [0.1, 0.2], [0.1] * 5, [0.1, 0.2, 0.4, 0.1, NAN]])
    def test_shape_of_too_few_or_equal_returns_is_not_defined(self, returns):
        assert math.isnan(metrics.skewness(returns))
        assert math.isnan(metrics.excess_kurtosis(returns))


class TestPublished:
    """Numbers that others published or computed."""

    # The series on which the library empyrical tests itself, in per cent; its expected values are in its test_stats.py.
    EMPYRICAL = np.array([1, 10, -4, 2, 3, 2, 1, -10]) / 100

    @pytest.mark.parametrize(
        ("measure", "expected"),
        [
            (metrics.sharpe_ratio, 1.7238613961706866),
            (metrics.sortino_ratio, 2.605531251673693),
            (metrics.annual_volatility, 0.9136465399704637),
            (metrics.max_drawdown, -0.1),
        ],
    )
    def test_measures_agree_with_empyrical(self, measure, expected):
        assert measure(self.EMPYRICAL) == pytest.approx(expected, rel=1e-12)

    def test_sortino_ratio_of_eight_years(self):
        # Rollinger & Hoffman (2013), Sortino: a "sharper" ratio: a mean of 10 %, a downside deviation of 2.26 %.
        returns = np.array([17, 15, 23, -5, 12, 9, 13, -4]) / 100
        assert metrics.sortino_ratio(returns, 1) == pytest.approx(4.417, abs=5e-4)

    def test_value_at_risk_of_500_scenarios_is_the_fifth_worst(self):
        # Hull, Risk Management and Financial Institutions, table 14.4: losses on 10 million dollars.
        losses = [477_841, 345_435, 282_204, 277_041, 253_385, 217_974, 202_256, 201_389, 191_269, 191_050]
        returns = np.concatenate([-np.array(losses) / 10e6, np.linspace(-0.019, 0.05, 490)])
        assert metrics.value_at_risk(returns, 0.99) * 10e6 == pytest.approx(-253_385)
        # The mean of the five worst; Hull leaves out the fifth and gets 345,630.
        assert metrics.conditional_value_at_risk(returns, 0.99) * 10e6 == pytest.approx(-sum(losses[:5]) / 5)
        assert sum(losses[:4]) / 4 == pytest.approx(345_630, abs=0.5)


class TestPriceMetrics:
    def test_six_sessions_by_hand(self):
        # 2024-03-01, 04, 05, 06, 07, 08
        found = price_metrics(
            clean_table(
                [100, 110, 88, 99, 110, 121],
                split_ratio=[1, 1, 2, 1, 1, 1],
                repairs=["", "low_raised,volume_missing", "", "", "", "high_raised"],
            )
        )
        assert {key: found[key] for key in ("ticker", "as_of", "source", "first_session", "n_sessions")} == {
            "ticker": "TEST",
            "as_of": "2024-03-08",
            "source": "simulated",
            "first_session": "2024-03-01",
            "n_sessions": 6,
        }
        assert found["last_close"] == 121
        assert found["last_return"] == pytest.approx(0.1)
        assert found["returns"]["5"] == pytest.approx(0.21)
        assert found["returns"]["21"] is None
        assert found["annual_return"] == pytest.approx(1.21 ** (252 / 5) - 1)
        # 0.1, -0.2, 0.125, 1/9, 0.1
        assert found["annual_volatility"]["all"] == pytest.approx(
            np.std([0.1, -0.2, 1 / 8, 1 / 9, 0.1], ddof=1) * 252**0.5
        )
        assert found["drawdown"] == {
            "current": 0,
            "max": pytest.approx(-0.2),
            "max_peak": "2024-03-04",
            "max_trough": "2024-03-05",
            "max_recovered": "2024-03-07",  # level with the peak
        }
        assert found["best"] == {"session": "2024-03-06", "return": pytest.approx(0.125)}
        assert found["worst"] == {"session": "2024-03-05", "return": pytest.approx(-0.2)}
        assert found["n_splits"] == 1
        assert found["n_repaired_rows"] == 2

    def test_a_single_session_has_every_key_and_hardly_a_value(self):
        found = price_metrics(clean_table([100]))
        assert found.keys() == price_metrics(clean_table(np.linspace(100, 200, 300))).keys()
        assert found == {
            "ticker": "TEST",
            "as_of": "2024-03-08",
            "source": "simulated",
            "first_session": "2024-03-08",
            "n_sessions": 1,
            "last_close": 100,
            "last_return": None,
            "returns": dict.fromkeys(["1", "5", "21", "63", "252", "year_to_date"]),
            "annual_return": None,
            "annual_volatility": dict.fromkeys(["21", "63", "252", "all"]),
            "moving_averages": {span: {"value": None, "distance": None} for span in ("20", "50", "200")},
            "drawdown": {"current": 0, "max": 0, "max_peak": None, "max_trough": None, "max_recovered": None},
            **dict.fromkeys(["sharpe", "sortino", "var_95", "cvar_95", "var_99", "cvar_99", "skew", "excess_kurtosis"]),
            "best": {"session": None, "return": None},
            "worst": {"session": None, "return": None},
            "dividends_12m": None,
            "dividend_yield_12m": None,
            "average_volume_20": None,
            "n_splits": 0,
            "n_repaired_rows": 0,
        }

    def test_all_is_defined_after_a_year(self):
        walk = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.02, 260)))
        found = price_metrics(clean_table(walk, dividend=np.where(np.arange(260) == 200, 1.0, 0.0)))
        flat = pd.json_normalize(found).iloc[0].drop("drawdown.max_recovered")
        assert flat.notna().all(), flat[flat.isna()]

    def test_spans_start_when_the_history_is_just_long_enough(self):
        twenty_one_returns = price_metrics(clean_table(np.linspace(100, 121, 22)))
        assert twenty_one_returns["returns"]["21"] == pytest.approx(0.21)
        assert twenty_one_returns["annual_volatility"]["21"] is not None
        twenty_returns = price_metrics(clean_table(np.linspace(100, 120, 21)))
        assert twenty_returns["returns"]["21"] is None
        assert twenty_returns["annual_volatility"]["21"] is None

    def test_moving_average_is_of_the_close(self):
        found = price_metrics(clean_table([50.0] * 5 + [100.0] * 19 + [120.0]))
        assert found["moving_averages"]["20"] == {"value": 101, "distance": pytest.approx(120 / 101 - 1)}
        assert found["moving_averages"]["50"] == {"value": None, "distance": None}

    def test_year_to_date_starts_from_the_last_close_of_the_year_before(self):
        # 2023-12-28, 2023-12-29, 2024-01-02, 2024-01-03
        found = price_metrics(clean_table([70, 100, 104, 105], last=datetime.date(2024, 1, 3)))
        assert found["returns"]["year_to_date"] == pytest.approx(0.05)

    def test_year_to_date_is_unknown_when_the_history_begins_in_the_year(self):
        found = price_metrics(clean_table([104, 105], last=datetime.date(2024, 1, 3)))
        assert found["returns"]["year_to_date"] is None

    def test_returns_include_dividends_and_closes_do_not(self):
        found = price_metrics(clean_table([100, 99], dividend=[0, 2]))
        assert found["last_return"] == pytest.approx(0.01)
        assert found["last_close"] == 99
        # Adjusted close 98, then 99: the dividend is no fall.
        assert found["drawdown"]["max"] == 0

    def test_dividends_of_twelve_months(self):
        dividend = np.zeros(260)
        index = clean_table(np.full(260, 50.0)).index
        dividend[index.get_loc("2023-03-08")] = 8.0  # a year ago to the date: outside
        dividend[index.get_loc("2023-03-09")] = 0.5
        dividend[-1] = 0.75  # ex on the last session: inside
        found = price_metrics(clean_table(np.full(260, 50.0), dividend=dividend))
        assert found["dividends_12m"] == 1.25
        assert found["dividend_yield_12m"] == 0.025

    @pytest.mark.parametrize(("first_session", "known"), [("2023-03-08", True), ("2023-03-09", False)])
    def test_dividends_of_twelve_months_take_a_history_of_twelve_months(self, first_session, known):
        found = price_metrics(clean_table(np.full(260, 50.0)).loc[first_session:])
        assert (found["dividends_12m"] is not None) == known
        assert (found["dividend_yield_12m"] is not None) == known

    def test_no_dividends_in_twelve_months_is_zero(self):
        found = price_metrics(clean_table(np.linspace(50, 60, 260)))
        assert (found["dividends_12m"], found["dividend_yield_12m"]) == (0, 0)

    def test_average_volume(self):
        found = price_metrics(clean_table(np.full(21, 10.0), volume=[10**9, *range(1, 21)]))
        assert found["average_volume_20"] == 10.5

    def test_a_drawdown_not_recovered_yet(self):
        found = price_metrics(clean_table([100, 80, 60, 90]))["drawdown"]
        assert found == {
            "current": pytest.approx(-0.1),
            "max": pytest.approx(-0.4),
            "max_peak": "2024-03-05",
            "max_trough": "2024-03-07",
            "max_recovered": None,
        }

    def test_a_price_that_never_moves_has_no_ratio_and_no_shape(self):
        found = price_metrics(clean_table(np.full(300, 10.0)))
        assert found["annual_return"] == 0
        assert found["annual_volatility"]["all"] == 0
        assert [found[key] for key in ("sharpe", "sortino", "skew", "excess_kurtosis")] == [None] * 4
        assert found["var_95"] == found["cvar_99"] == 0

    def test_numbers_are_plain(self):
        def leaves(node: Any) -> list[Any]:
            return [leaf for child in node.values() for leaf in leaves(child)] if isinstance(node, dict) else [node]

        kinds = {type(leaf) for leaf in leaves(price_metrics(clean_table(np.linspace(100, 90, 300))))}
        assert kinds <= {str, int, float, type(None)}

    def test_no_rows_at_all(self):
        with pytest.raises(InsufficientHistoryError, match="TEST 2024-03-08: 0 bars came"):
            metrics.price_metrics(clean_table([1.0]).iloc[:0], ticker="TEST", as_of=AS_OF, source="simulated")

    def test_a_table_that_ends_on_another_session_is_refused(self):
        with pytest.raises(BadPricesError, match=r"TEST 2024-03-07: the clean prices end on 2024-03-08"):
            metrics.price_metrics(
                clean_table([1.0, 2.0]), ticker="TEST", as_of=datetime.date(2024, 3, 7), source="simulated"
            )
