import datetime
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import adjusting, cleaning, features, schemas, sessions
from stock_assets.core.errors import BadPricesError, InsufficientHistoryError
from stock_assets.sources.csv_files import CsvSource

AS_OF = datetime.date(2024, 3, 8)
NAN = math.nan


def clean_table(
    close: Iterable[float],
    *,
    open_: Iterable[float] | None = None,
    high: Iterable[float] | None = None,
    low: Iterable[float] | None = None,
    volume: Iterable[int] | None = None,
    dividend: Iterable[float] | None = None,
    last: datetime.date = AS_OF,
) -> pd.DataFrame:
    """A clean table that ends on `last`; bars without a range, 1,000 shares and no dividend unless given."""
    closes = np.array(list(close), dtype="float64")
    n = len(closes)
    index = sessions.sessions_between(sessions.previous_session(last, n - 1), last)
    prices = pd.DataFrame(
        {
            "open": closes if open_ is None else np.array(list(open_), dtype="float64"),
            "high": closes if high is None else np.array(list(high), dtype="float64"),
            "low": closes if low is None else np.array(list(low), dtype="float64"),
            "close": closes,
            "volume": np.full(n, 1_000) if volume is None else np.array(list(volume), dtype="int64"),
            "dividend": np.zeros(n) if dividend is None else np.array(list(dividend), dtype="float64"),
            "split_ratio": 1.0,
        },
        index=index,
    )
    adjusted = adjusting.adjust(prices)
    returns = adjusting.total_returns(prices["close"], prices["dividend"])
    table = prices.join(adjusted).assign(total_return=returns, repairs="")
    return schemas.validate(table, schemas.CLEAN_PRICES, ticker="TEST", as_of=last)


def random_walk(n: int, seed: int = 1, last: datetime.date = AS_OF) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(random.normal(0.0003, 0.02, n)))
    open_ = close * np.exp(random.normal(0, 0.008, n))
    return clean_table(
        close,
        open_=open_,
        high=np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.005, n))),
        low=np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.005, n))),
        volume=random.integers(100_000, 5_000_000, n),
        dividend=np.where(np.arange(n) % 63 == 40, 0.3, 0.0),
        last=last,
    )


def build(clean: pd.DataFrame, horizon: int = 1) -> pd.DataFrame:
    return features.build_features(clean, ticker="TEST", as_of=clean.index[-1].date(), horizon=horizon)


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype="float64")


def assert_same_bits(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_freq=False)


class TestWindows:
    def test_mean_waits_for_a_full_window(self):
        np.testing.assert_array_equal(features.rolling_mean(values(1, 2, 6, 4), 3), [NAN, NAN, 3, 4])

    def test_mean_is_missing_while_a_missing_value_is_in_the_window(self):
        np.testing.assert_array_equal(features.rolling_mean(values(NAN, 2, 6, 4), 2), [NAN, NAN, 4, 5])

    def test_window_longer_than_the_series_gives_nothing_but_missing(self):
        assert np.isnan(features.rolling_max(values(1, 2), 3)).all()
        assert np.isnan(features.central_moment(values(1, 2), 3, 2)).all()

    def test_max_forgets_what_left_the_window(self):
        np.testing.assert_array_equal(features.rolling_max(values(9, 1, 2, 1), 2), [NAN, 9, 2, 2])

    def test_deviation_divides_by_one_less(self):
        # mean 3, deviations -2, -1, 3: (4 + 1 + 9) / 2
        assert features.rolling_deviation(values(1, 2, 6), 3)[-1] == pytest.approx(math.sqrt(7))

    def test_deviation_of_equal_numbers_is_exactly_zero_though_their_mean_is_rounded(self):
        tenths = np.full(21, 0.1)
        assert features.rolling_mean(tenths, 21)[-1] != 0.1, "the trap is gone and the guard with it untested"
        assert features.rolling_deviation(tenths, 21)[-1] == 0

    def test_an_outlier_that_left_the_window_leaves_no_trace(self):
        quiet = np.random.default_rng(0).normal(0, 0.02, 100)
        shocked = np.concatenate([[1e6], quiet])
        found = features.central_moment(shocked, 21, 4)[21:]
        np.testing.assert_array_equal(found, features.central_moment(quiet, 21, 4)[20:])

    def test_exponential_mean_begins_with_the_plain_mean(self):
        # span 3, weight 1/2: mean of 1, 2, 3 is 2; (2 + 5) / 2; (3.5 + 9) / 2
        np.testing.assert_array_equal(features.exponential_mean(values(1, 2, 3, 5, 9), 3), [NAN, NAN, 2, 3.5, 6.25])

    def test_wilder_mean_weighs_one_over_window(self):
        # window 2: 1.5; (1.5 + 3) / 2; (2.25 + 4) / 2
        np.testing.assert_array_equal(features.wilder_mean(values(1, 2, 3, 4), 2), [NAN, 1.5, 2.25, 3.125])

    def test_recursive_means_start_after_leading_missing_values(self):
        np.testing.assert_array_equal(features.wilder_mean(values(NAN, 1, 2, 3), 2), [NAN, NAN, 1.5, 2.25])


class TestIndicators:
    def test_growth_starts_at_one_and_compounds(self):
        np.testing.assert_allclose(features.growth_of_one(values(NAN, 0.1, -0.5)), [1, 1.1, 0.55], rtol=1e-15)

    def test_growth_does_not_write_into_its_argument(self):
        returns = values(NAN, 0.1)
        features.growth_of_one(returns)
        np.testing.assert_array_equal(returns, [NAN, 0.1])

    def test_relative_strength_of_wilders_textbook_series(self):
        # The 16 closes of ChartSchool's worked example of Wilder's RSI, rounded to cents as printed there.
        # First 14 changes: rises 3.34, falls 1.40, so 100 * 3.34 / 4.74; then a fall of 0.28:
        # rises 3.34 / 14 * 13 / 14, falls (1.40 / 14 * 13 + 0.28) / 14.
        closes = values(
            *(44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42),
            *(45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00),
        )
        rsi = features.relative_strength(closes, 14)
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
        assert features.relative_strength(values(*closes), 2)[-1] == expected

    def test_macd_and_its_signal(self):
        # EMA2: -, 1.5, 2.5, 4 1/6; EMA3: -, -, 2, 3.5; their difference: 1/2, 2/3; its EMA2 begins with their mean.
        line, signal = features.macd(values(1, 2, 3, 5), fast=2, slow=3, signal=2)
        np.testing.assert_allclose(line, [NAN, NAN, 1 / 2, 2 / 3])
        np.testing.assert_allclose(signal, [NAN, NAN, NAN, 7 / 12])

    def test_true_range_reaches_to_the_previous_close(self):
        found = features.true_range(high=values(11, 12, 9), low=values(9, 11, 8), close=values(10, 11.5, 8.5))
        np.testing.assert_array_equal(found, [NAN, 2.0, 3.5])  # gap up: 12 - 10; gap down: 11.5 - 8

    def test_bollinger_position(self):
        # mean 3, population deviation sqrt(14 / 3): (6 - 3) / (2 * 2.1602)
        assert features.bollinger_position(values(1, 2, 6), 3)[-1] == pytest.approx(0.69437, abs=1e-5)
        assert features.bollinger_position(values(2, 2, 2), 3)[-1] == 0

    def test_parkinson_of_bars_that_double(self):
        # sqrt(ln(2)^2 / (4 ln 2)) = sqrt(ln 2) / 2
        assert features.parkinson(values(2, 4), values(1, 2), 2)[-1] == pytest.approx(0.416277, abs=1e-6)

    def test_garman_klass_of_a_bar_that_opens_at_its_low_and_closes_at_its_high(self):
        # ln 2 * sqrt(1/2 - (2 ln 2 - 1)) = 0.693147 * sqrt(0.113706)
        found = features.garman_klass(values(1), values(2), values(1), values(2), 1)
        assert found[0] == pytest.approx(0.233731, abs=1e-6)

    def test_skewness_and_kurtosis(self):
        # 0, 0, 3: second moment 2, third 2; 0, 0, 0, 4: second 3, fourth 21
        assert features.skewness(values(0, 0, 3), 3)[-1] == pytest.approx(1 / math.sqrt(2))
        assert features.excess_kurtosis(values(0, 0, 0, 4), 4)[-1] == pytest.approx(21 / 9 - 3)

    def test_equal_returns_have_neither_skewness_nor_tails(self):
        assert features.skewness(np.full(5, 0.1), 5)[-1] == 0
        assert features.excess_kurtosis(np.full(5, 0.1), 5)[-1] == 0

    def test_close_position_is_the_middle_of_a_bar_without_a_range(self):
        found = features.close_position(values(4, 4, 4, 3), values(2, 2, 2, 3), values(2, 4, 3.5, 3))
        np.testing.assert_array_equal(found, [0, 1, 0.75, 0.5])

    def test_money_flow_weighs_by_volume(self):
        # (3 * 1 + 1 * -1 + 6 * 0) / 10
        assert features.money_flow(values(1, 0, 0.5), values(3, 1, 6), 3)[-1] == pytest.approx(0.2)
        assert features.money_flow(values(1, 0, 0.5), values(0, 0, 0), 3)[-1] == 0

    def test_sessions_since_counts_up_to_its_cap_which_also_means_never(self):
        flags = np.array([False, True, False, False, False, True])
        np.testing.assert_array_equal(features.sessions_since(flags, 2), [2, 0, 1, 2, 2, 0])

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
        assert features.turn_of_month(pd.DatetimeIndex([session])).tolist() == [expected]


class TestColumns:
    def test_every_column_is_documented_and_grouped_once(self):
        grouped = [name for columns in features.COLUMN_GROUPS.values() for name in columns]
        assert grouped == features.feature_columns() == list(features.FEATURES)
        assert len(set(grouped)) == len(grouped) >= 40
        for name, doc in features.FEATURES.items():
            assert all((doc.formula, doc.unit, doc.reference)), name
            assert 0 <= doc.window <= features.WARM_UP + 1, name

    def test_table_has_the_documented_columns_in_order(self):
        table = build(random_walk(260))
        assert list(table)[: len(features.FEATURES)] == features.feature_columns()
        assert list(table)[len(features.FEATURES) :] == ["close", "volatility", "target_session", *features.TARGETS]

    def test_documented_window_is_the_number_of_rows_a_column_takes(self):
        table = features.compute_features(random_walk(260))
        rows_missing = table.isna().sum()
        for name, doc in features.FEATURES.items():
            if name != "sessions_since_dividend":  # a count that is capped, and so right, only after its window
                assert rows_missing[name] == max(doc.window, 1) - 1, name

    def test_every_column_equals_its_formula_written_with_pandas(self):
        clean = random_walk(400)
        found = features.compute_features(clean).iloc[features.WARM_UP :]
        expected = in_pandas(clean)
        assert list(expected) == features.feature_columns()
        pd.testing.assert_frame_equal(found, expected.iloc[features.WARM_UP :], rtol=1e-8, atol=1e-9, check_freq=False)

    def test_steady_growth_by_hand(self):
        row = features.compute_features(clean_table(1.01 ** np.arange(300))).iloc[-1]
        assert row["return_1"] == pytest.approx(0.01)
        assert row["mean_return_10"] == pytest.approx(0.01)
        assert row["momentum_6"] == pytest.approx(1.01**126 - 1)
        assert row["momentum_12_1"] == pytest.approx(1.01**231 - 1)
        assert row["sma_distance_10"] == pytest.approx(1.01**9 * 10 * 0.01 / (1.01**10 - 1) - 1)
        assert row["drawdown_252"] == 0
        assert row["rsi_14"] == pytest.approx(100)
        # Ranges shrink by 1.01 a session back in time: (1/14) / (1 - (13/14) / 1.01) * 0.01 / 1.01
        assert row["atr_14"] == pytest.approx(0.01 / 1.14)

    def test_gap_and_return_on_an_ex_dividend_session(self):
        clean = clean_table([100, 99], open_=[100, 98], high=[100, 100], low=[100, 98], dividend=[0, 2])
        row = features.compute_features(clean).iloc[-1]
        assert row["return_1"] == pytest.approx(0.01)  # (99 + 2) / 100 - 1
        assert row["gap"] == pytest.approx(98 / 99 * 1.01 - 1)  # the open as it would stand without the dividend
        assert row["intraday_range"] == pytest.approx(2 / 99)
        assert row["close_position"] == pytest.approx(0.5)
        assert row["sessions_since_dividend"] == 0

    def test_drawdown_forgets_a_peak_of_more_than_252_sessions_ago(self):
        drawdown = features.compute_features(clean_table([2.0] + [1.0] * 252))["drawdown_252"]
        assert drawdown.iloc[-2:].tolist() == [-0.5, 0]

    def test_dividend_yield_covers_252_sessions(self):
        clean = clean_table(np.full(253, 50.0), dividend=[0] + [2] + [0] * 250 + [0.5])
        yields = features.compute_features(clean)["dividend_yield_252"]
        assert yields.iloc[-1] == pytest.approx(0.05)
        assert yields.iloc[-2] == pytest.approx(0.04)

    @pytest.mark.parametrize(
        ("session", "weekday", "nights"),
        [
            ("2023-11-22", 2, 2),  # before Thanksgiving
            ("2024-03-07", 3, 1),
            ("2024-03-08", 4, 3),  # a Friday
            ("2024-03-28", 3, 4),  # before Good Friday
        ],
    )
    def test_calendar_columns(self, session, weekday, nights):
        row = features.compute_features(clean_table([1.0], last=datetime.date.fromisoformat(session))).iloc[0]
        assert (row["weekday"], row["nights_to_next_session"]) == (weekday, nights)

    def test_month_goes_round(self):
        april = features.compute_features(clean_table([1.0], last=datetime.date(2024, 4, 1))).iloc[0]
        assert (april["month_sin"], april["month_cos"]) == (1.0, pytest.approx(0, abs=1e-15))


def in_pandas(clean: pd.DataFrame) -> pd.DataFrame:
    """All feature columns once more, slowly and with other tools: adjusted closes chained from returns, and rolling."""
    r = clean["total_return"]
    g = (1 + r.fillna(0)).cumprod()
    o, h, low = (clean[name] / clean["close"] * g for name in ("open", "high", "low"))
    v = clean["volume"].astype("float64")
    index = pd.DatetimeIndex(clean.index)
    out: dict[str, object] = {"return_1": r}
    out |= {f"return_1_lag_{n}": r.shift(n) for n in (1, 2, 3, 4)}
    out |= {f"mean_return_{n}": r.rolling(n).mean() for n in (5, 10, 21, 63)}
    out |= {"momentum_6": g.pct_change(126), "momentum_12_1": g.shift(21) / g.shift(252) - 1}
    change = g.diff()
    gain = seeded(change.clip(lower=0), 14, 1 / 14)
    loss = seeded((-change).clip(lower=0), 14, 1 / 14)
    out["rsi_14"] = 100 - 100 / (1 + gain / loss)
    line = seeded(g, 12, 2 / 13) - seeded(g, 26, 2 / 27)
    signal = seeded(line, 9, 2 / 10)
    out |= {"macd": line / g, "macd_signal": signal / g, "macd_histogram": line / g - signal / g}
    out |= {f"sma_distance_{n}": g / g.rolling(n).mean() - 1 for n in (10, 20, 50, 200)}
    out |= {f"ema_distance_{n}": g / seeded(g, n, 2 / (n + 1)) - 1 for n in (12, 26)}
    out["bollinger_20"] = (g - g.rolling(20).mean()) / (2 * g.rolling(20).std(ddof=0))
    out["drawdown_252"] = g / g.rolling(252).max() - 1
    out |= {f"volatility_{n}": r.rolling(n).std() for n in (5, 21, 63)}
    out["volatility_ratio_5_63"] = r.rolling(5).std() / r.rolling(63).std()
    range_ = np.log(h) - np.log(low)
    body = np.log(g) - np.log(o)
    out["parkinson_21"] = ((range_**2).rolling(21).mean() / math.log(16)) ** 0.5
    out["garman_klass_21"] = (0.5 * range_**2 - (math.log(4) - 1) * body**2).rolling(21).mean() ** 0.5
    ranges = np.maximum(h - low, np.maximum((h - g.shift()).abs(), (low - g.shift()).abs()))
    out["atr_14"] = seeded(ranges, 14, 1 / 14) / g
    centred = [r.rolling(63).apply(lambda x, k=k: ((x - x.mean()) ** k).mean(), raw=True) for k in (2, 3, 4)]
    out["skew_63"] = centred[1] / centred[0] ** 1.5
    out["kurtosis_63"] = centred[2] / centred[0] ** 2 - 3
    out["gap"] = o / g.shift() - 1
    out["intraday_range"] = (clean["high"] - clean["low"]) / clean["close"]
    out["close_position"] = (clean["close"] - clean["low"]) / (clean["high"] - clean["low"])
    out["volume_change"] = v.diff() / (v + v.shift())
    out["volume_z_21"] = (v - v.rolling(21).mean()) / v.rolling(21).std()
    out["volume_ratio_5_63"] = v.rolling(5).mean() / v.rolling(63).mean()
    multiplier = (2 * clean["close"] - clean["low"] - clean["high"]) / (clean["high"] - clean["low"])
    out["money_flow_21"] = (multiplier * v).rolling(21).sum() / v.rolling(21).sum()
    ex = clean["dividend"] > 0
    out["sessions_since_dividend"] = ex.groupby(ex.cumsum()).cumcount().astype("float64")
    out["dividend_yield_252"] = clean["dividend"].rolling(252).sum() / clean["close"]
    out["weekday"] = index.strftime("%w").astype("float64") - 1
    angle = (index.month - 1) * math.pi / 6
    out |= {"month_sin": [math.sin(a) for a in angle], "month_cos": [math.cos(a) for a in angle]}
    following = [sessions.next_session(session.date()) for session in index]
    third_before = [sessions.previous_session(session.date(), 3) for session in index]
    out["turn_of_month"] = [
        float(after.month != session.month or before.month != session.month)
        for session, after, before in zip(index, following, third_before, strict=True)
    ]
    out["nights_to_next_session"] = [
        float((after - session.date()).days) for session, after in zip(index, following, strict=True)
    ]
    return pd.DataFrame(out, index=clean.index)


def seeded(series: pd.Series, window: int, weight: float) -> pd.Series:
    begun = series.where(series.notna().cumsum() > window)
    seed = series.notna().cumsum().eq(window).idxmax()
    begun[seed] = series.loc[:seed].mean()
    return begun.ewm(alpha=weight, adjust=False).mean()


class TestScale:
    @settings(max_examples=15, deadline=None)
    @given(price=st.floats(1e-3, 1e3), volume=st.integers(1, 50), seed=st.integers(0, 1_000))
    def test_constant_factors_on_prices_and_on_volumes_change_nothing(self, price, volume, seed):
        clean = random_walk(280, seed)
        pd.testing.assert_frame_equal(
            features.compute_features(rescaled(clean, price, volume)),
            features.compute_features(clean),
            rtol=1e-8,
            atol=1e-9,
        )

    def test_a_split_of_two_for_one_changes_no_bit(self):
        clean = random_walk(280)
        assert_same_bits(features.compute_features(rescaled(clean, 0.5, 2)), features.compute_features(clean))

    def test_the_close_and_its_target_do_scale(self):
        clean = random_walk(280)
        halved, whole = build(rescaled(clean, 0.5, 2)), build(clean)
        pd.testing.assert_series_equal(halved["close"] * 2, whole["close"])
        pd.testing.assert_series_equal(halved["target_close"] * 2, whole["target_close"])


def rescaled(clean: pd.DataFrame, price: float, volume: int) -> pd.DataFrame:
    return clean_table(
        clean["close"] * price,
        open_=clean["open"] * price,
        high=clean["high"] * price,
        low=clean["low"] * price,
        volume=clean["volume"] * volume,
        dividend=clean["dividend"] * price,
    )


def scrambled_after(clean: pd.DataFrame, row: int) -> pd.DataFrame:
    """`clean` with wholly different bars and dividends after position `row`, adjusted anew.

    The later dividends change the earlier adjusted prices, as they do in any later snapshot.
    """
    other = random_walk(len(clean), seed=7)
    prices = ["open", "high", "low", "close", "dividend"]
    other[prices] *= 17.3
    other.loc[other.index[-1], "dividend"] = 5.0
    bars = pd.concat([clean.iloc[: row + 1], other.iloc[row + 1 :]])
    return clean_table(
        bars["close"],
        open_=bars["open"],
        high=bars["high"],
        low=bars["low"],
        volume=bars["volume"],
        dividend=bars["dividend"],
    )


class TestPointInTime:
    @pytest.mark.parametrize("rows", [253, 254, 255, 256, 260, 279, 311, 499])
    def test_a_table_cut_short_has_the_same_bits(self, rows):
        clean = random_walk(500)
        whole = features.compute_features(clean)
        assert_same_bits(features.compute_features(clean.iloc[:rows]), whole.iloc[:rows])

    @pytest.mark.parametrize("row", [0, 100, 252, 300, 498])
    def test_scrambling_later_rows_changes_no_bit(self, row):
        clean = random_walk(500)
        scrambled = scrambled_after(clean, row)
        assert (scrambled["adjusted_close"] != clean["adjusted_close"]).all()
        assert_same_bits(
            features.compute_features(scrambled).iloc[: row + 1], features.compute_features(clean).iloc[: row + 1]
        )

    def test_a_snapshot_is_the_head_of_a_later_one(self):
        clean = random_walk(400)
        earlier, later = build(clean.iloc[:300]), build(clean)
        carried = [*features.feature_columns(), "close", "volatility", "target_session"]
        assert_same_bits(earlier[carried], later.iloc[: len(earlier)][carried])
        assert_same_bits(earlier.iloc[:-1], later.iloc[: len(earlier) - 1])

    @pytest.mark.parametrize(
        ("ticker", "session", "tolerance"),
        [
            ("KO", "2012-06-29", 0),  # a 2:1 split and 46 dividends later
            ("JPM", "2019-12-31", 0),
            ("TSLA", "2020-06-30", 1e-11),  # 5:1 and 3:1 later: prices times 15 are rounded
        ],
    )
    def test_a_snapshot_of_real_prices_is_the_head_of_a_later_one(self, real_prices_dir, ticker, session, tolerance):
        def snapshot(as_of: datetime.date) -> pd.DataFrame:
            clean = cleaning.clean_prices(adjusting.as_served_on(bars, as_of), ticker=ticker, as_of=as_of)
            return features.build_features(clean, ticker=ticker, as_of=as_of)[features.feature_columns()]

        bars = CsvSource(real_prices_dir / f"as_of_{AS_OF}").fetch(ticker, AS_OF).bars
        earlier, later = snapshot(datetime.date.fromisoformat(session)), snapshot(AS_OF)
        head = later.iloc[: len(earlier)]
        assert head.index.equals(earlier.index)
        np.testing.assert_allclose(earlier, head, rtol=0, atol=tolerance)

    def test_a_planted_future_return_would_be_noticed(self, monkeypatch):
        def clairvoyant(bars):
            return {"return_1": np.append(bars.returns[1:], 0.0)}

        monkeypatch.setattr(features, "_FAMILIES", (*features._FAMILIES, clairvoyant))
        with pytest.raises(AssertionError, match="return_1"):
            self.test_a_table_cut_short_has_the_same_bits(300)
        with pytest.raises(AssertionError, match="return_1"):
            self.test_scrambling_later_rows_changes_no_bit(300)
        assert correlation_with_target(build(random_walk(1_500)))["return_1"] > 0.99

    def test_no_column_knows_the_next_return_of_a_random_walk(self):
        table = build(random_walk(2_500))
        limit = 4 / math.sqrt(len(table))
        assert correlation_with_target(table).abs().max() < limit

    def test_where_the_history_begins_is_forgotten(self):
        clean = random_walk(900)
        long, short = build(clean), build(clean.iloc[300:])
        pd.testing.assert_frame_equal(short, long.loc[short.index], rtol=1e-6, atol=1e-7)


def correlation_with_target(table: pd.DataFrame) -> pd.Series:
    return table[features.feature_columns()].corrwith(table["target_return"])


class TestTargets:
    CLEAN = clean_table([100, 110, 99, 99, 108.9], dividend=[0, 0, 0, 1.98, 0], last=datetime.date(2024, 4, 2))

    def test_target_is_the_next_session_of_the_exchange(self):
        targets = features.compute_targets(self.CLEAN, horizon=1)
        assert targets["target_session"].tolist() == [
            pd.Timestamp(text)
            for text in (
                "2024-03-27",
                "2024-03-28",
                "2024-04-01",  # over Good Friday
                "2024-04-02",
                "2024-04-03",  # not in the table
            )
        ]
        np.testing.assert_allclose(targets["target_return"], [0.1, -0.1, 0.02, 0.1, NAN])
        np.testing.assert_array_equal(targets["target_up"], [1, 0, 1, 1, NAN])
        np.testing.assert_array_equal(targets["target_close"], [110, 99, 99, 108.9, NAN])

    def test_target_two_sessions_ahead_compounds_with_dividends(self):
        targets = features.compute_targets(self.CLEAN, horizon=2)
        np.testing.assert_allclose(targets["target_return"], [1.1 * 0.9 - 1, 0.9 * 1.02 - 1, 1.02 * 1.1 - 1, NAN, NAN])
        np.testing.assert_array_equal(targets["target_close"], [99, 99, 108.9, NAN, NAN])
        assert targets["target_session"].iloc[-1] == pd.Timestamp("2024-04-04")

    def test_an_unchanged_price_is_not_a_rise(self):
        targets = features.compute_targets(clean_table([3.3, 3.3, 3.3]), horizon=1)
        np.testing.assert_array_equal(targets["target_return"], [0, 0, NAN])
        np.testing.assert_array_equal(targets["target_up"], [0, 0, NAN])

    def test_target_is_missing_before_a_hole_and_not_taken_from_behind_it(self):
        holed = self.CLEAN.drop(pd.Timestamp("2024-03-28"))
        targets = features.compute_targets(holed, horizon=1)
        assert targets.loc["2024-03-27", "target_session"] == pd.Timestamp("2024-03-28")
        assert np.isnan(targets.loc["2024-03-27", ["target_return", "target_up", "target_close"]].astype(float)).all()
        assert targets.loc["2024-04-01", "target_return"] == pytest.approx(0.1)

    @pytest.mark.parametrize("horizon", [1, 2, 5])
    def test_only_the_last_rows_of_a_whole_table_have_no_target(self, horizon):
        table = build(random_walk(300), horizon)
        for column in features.TARGETS:
            assert table[column].isna().to_numpy().nonzero()[0].tolist() == list(range(48 - horizon, 48))

    @pytest.mark.parametrize("horizon", [0, -1])
    def test_a_target_that_does_not_lie_ahead_is_refused(self, horizon):
        with pytest.raises(ValueError, match=f"{horizon} came; expected at least 1 session"):
            build(random_walk(260), horizon)


class TestHistory:
    def test_one_row_more_than_the_warm_up_gives_one_row(self):
        table = build(random_walk(features.WARM_UP + 1))
        assert table.index.tolist() == [pd.Timestamp(AS_OF)]

    @pytest.mark.parametrize("rows", [1, 252])
    def test_too_short_a_history_names_both_numbers(self, rows):
        with pytest.raises(
            InsufficientHistoryError, match=rf"TEST 2024-03-08: {rows} bars are too few .* at least 253"
        ):
            build(random_walk(rows))

    def test_no_rows_at_all(self):
        empty = random_walk(1).iloc[:0]
        with pytest.raises(InsufficientHistoryError, match=r"TEST 2024-03-08: 0 bars .* at least 253"):
            features.build_features(empty, ticker="TEST", as_of=AS_OF)

    def test_a_return_missing_in_the_middle_is_not_papered_over(self):
        clean = random_walk(300)
        clean.iloc[200, clean.columns.get_indexer(["total_return"])] = NAN
        with pytest.raises(InsufficientHistoryError, match=r"300 bars leave .*momentum_6"):
            build(clean)

    def test_a_table_that_ends_on_another_session_is_refused(self):
        with pytest.raises(BadPricesError, match=r"TEST 2024-03-11: the clean prices end on 2024-03-08"):
            features.build_features(random_walk(260), ticker="TEST", as_of=datetime.date(2024, 3, 11))

    def test_volatility_is_carried_along_as_deviation_of_21_returns(self):
        clean = random_walk(300)
        table = build(clean)
        expected = clean["total_return"].rolling(21).std().loc[table.index]
        np.testing.assert_allclose(table["volatility"], expected, rtol=1e-9)


class TestQuietMarkets:
    def test_every_column_of_a_price_that_never_moves_and_never_trades_is_a_number(self):
        still = clean_table(np.full(300, 10.0), volume=np.zeros(300))
        table = features.compute_features(still).iloc[features.WARM_UP :]
        assert np.isfinite(table.to_numpy()).all()
        last = table.iloc[-1]
        neutral = {"rsi_14": 50, "close_position": 0.5, "volatility_ratio_5_63": 1, "volume_ratio_5_63": 1}
        assert {name: last[name] for name in neutral} == neutral
        assert last["sessions_since_dividend"] == 252

    def test_sessions_without_trades_are_numbers(self):
        clean = random_walk(300)
        clean.loc[clean.index[-30:], "volume"] = 0
        table = build(clean)
        assert table["volume_z_21"].iloc[-1] == 0
        assert table["volume_change"].iloc[-30] == -1
        assert table["money_flow_21"].iloc[-1] == 0

    def test_a_price_that_stood_still_for_21_returns_gets_no_forecast(self):
        with pytest.raises(
            BadPricesError, match="TEST 2024-03-08: the last 21 returns are all 0; expected a price that"
        ):
            build(clean_table([*random_walk(300)["close"], *[10.0] * 22]))

    def test_rows_without_volatility_are_dropped(self):
        walk = random_walk(300)["close"].to_numpy()
        held = clean_table([*walk, *[walk[-1]] * 25, *walk])
        table = build(held)
        dropped = held.index[features.WARM_UP :].difference(table.index)
        assert dropped.tolist() == held.index[320:325].tolist()
