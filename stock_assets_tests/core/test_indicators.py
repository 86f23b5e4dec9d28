"""Indicators by hand and from published worked examples."""

import math

import numpy as np
import pytest

from stock_assets.core import indicators, sessions, windows

NAN = math.nan


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype="float64")


class TestIndicators:
    def test_growth_starts_at_one_and_compounds(self):
        np.testing.assert_allclose(indicators.growth_of_one(values(NAN, 0.1, -0.5)), [1, 1.1, 0.55], rtol=1e-15)

    def test_growth_does_not_write_into_its_argument(self):
        returns = values(NAN, 0.1)
        indicators.growth_of_one(returns)
        np.testing.assert_array_equal(returns, [NAN, 0.1])

    def test_relative_strength_of_wilders_textbook_series(self):
        # The 16 closes of ChartSchool's worked example of Wilder's RSI, rounded to cents as printed there.
        # First 14 changes: rises 3.34, falls 1.40, so 100 * 3.34 / 4.74; then a fall of 0.28:
        # rises 3.34 / 14 * 13 / 14, falls (1.40 / 14 * 13 + 0.28) / 14.
        closes = values(
            *(44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42),
            *(45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00),
        )
        rsi = indicators.relative_strength(closes, 14)
        assert np.isnan(rsi[:14]).all()
        assert rsi[14] == pytest.approx(70.464, abs=5e-4)
        assert rsi[15] == pytest.approx(66.250, abs=5e-4)

    @pytest.mark.parametrize(
        ("closes", "expected"),
        [
            ((1, 2, 3), 100),  # only rises
            ((3, 2, 1), 0),  # only falls
            ((2, 2, 2), 50),  # neither
        ],
    )
    def test_relative_strength_at_its_ends(self, closes, expected):
        assert indicators.relative_strength(values(*closes), 2)[-1] == expected

    def test_macd_and_its_signal(self):
        # EMA2: -, 1.5, 2.5, 4 1/6; EMA3: -, -, 2, 3.5; their difference: 1/2, 2/3; its EMA2 begins with their mean.
        prices = values(1, 2, 3, 5)
        fast, slow = windows.exponential_mean(prices, 2), windows.exponential_mean(prices, 3)
        line, signal = indicators.macd(fast, slow, signal=2)
        np.testing.assert_allclose(line, [NAN, NAN, 1 / 2, 2 / 3])
        np.testing.assert_allclose(signal, [NAN, NAN, NAN, 7 / 12])

    def test_true_range_reaches_to_the_previous_close(self):
        found = indicators.true_range(high=values(11, 12, 9), low=values(9, 11, 8), close=values(10, 11.5, 8.5))
        np.testing.assert_array_equal(found, [NAN, 2.0, 3.5])  # gap up: 12 - 10; gap down: 11.5 - 8

    def test_bollinger_position(self):
        # mean 3, population deviation sqrt(14 / 3): (6 - 3) / (2 * 2.1602)
        assert indicators.bollinger_position(values(1, 2, 6), 3)[-1] == pytest.approx(0.69437, abs=1e-5)
        assert indicators.bollinger_position(values(2, 2, 2), 3)[-1] == 0

    def test_parkinson_of_bars_that_double(self):
        # sqrt(ln(2)^2 / (4 ln 2)) = sqrt(ln 2) / 2
        assert indicators.parkinson(values(2, 4), values(1, 2), 2)[-1] == pytest.approx(0.416277, abs=1e-6)

    def test_garman_klass_of_a_bar_that_opens_at_its_low_and_closes_at_its_high(self):
        # ln 2 * sqrt(1/2 - (2 ln 2 - 1)) = 0.693147 * sqrt(0.113706)
        found = indicators.garman_klass(values(1), values(2), values(1), values(2), 1)
        assert found[0] == pytest.approx(0.233731, abs=1e-6)

    def test_skewness_and_kurtosis(self):
        # 0, 0, 3: second moment 2, third 2; 0, 0, 0, 4: second 3, fourth 21
        assert indicators.skewness(values(2), values(2))[0] == pytest.approx(1 / math.sqrt(2))
        assert indicators.excess_kurtosis(values(3), values(21))[0] == pytest.approx(21 / 9 - 3)

    def test_equal_returns_have_neither_skewness_nor_tails(self):
        assert indicators.skewness(values(0), values(0))[0] == 0
        assert indicators.excess_kurtosis(values(0), values(0))[0] == 0

    def test_close_position_is_the_middle_of_a_bar_without_a_range(self):
        found = indicators.close_position(values(4, 4, 4, 3), values(2, 2, 2, 3), values(2, 4, 3.5, 3))
        np.testing.assert_array_equal(found, [0, 1, 0.75, 0.5])

    def test_money_flow_weighs_by_volume(self):
        # (3 * 1 + 1 * -1 + 6 * 0) / 10
        assert indicators.money_flow(values(1, 0, 0.5), values(3, 1, 6), 3)[-1] == pytest.approx(0.2)
        assert indicators.money_flow(values(1, 0, 0.5), values(0, 0, 0), 3)[-1] == 0

    @pytest.mark.parametrize(
        ("session", "expected"),
        [
            ("2024-03-27", 0),
            ("2024-03-28", 1),  # Maundy Thursday, the last session of March: the 29th is Good Friday
            ("2024-04-01", 1),
            ("2024-04-03", 1),  # third session of April
            ("2024-04-04", 0),
            ("2023-01-03", 1),  # the 2nd is New Year's Day observed: this is the first
            ("2023-01-05", 1),
            ("2023-01-06", 0),
        ],
    )
    def test_turn_of_month_follows_the_exchange_calendar(self, session, expected):
        calendar = sessions.calendar()
        found = indicators.turn_of_month(calendar)[calendar == np.datetime64(session)]
        assert found.tolist() == [expected]
