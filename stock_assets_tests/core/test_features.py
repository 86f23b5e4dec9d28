import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import adjusting, cleaning, features, sessions
from stock_assets.core.errors import BadPricesError, InsufficientHistoryError
from stock_assets.sources.csv_files import CsvSource
from stock_assets_tests.core.clean_frames import AS_OF, clean_table, random_walk

NAN = math.nan


def build(clean: pd.DataFrame, horizon: int = 1) -> pd.DataFrame:
    return features.build_features(clean, ticker="TEST", as_of=clean.index[-1].date(), horizon=horizon)


def assert_same_bits(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_freq=False)


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
        # The last close target is not known yet, the last two open targets are not.
        assert_same_bits(earlier.iloc[:-2], later.iloc[: len(earlier) - 2])
        assert_same_bits(earlier.iloc[:-1, :-1], later.iloc[: len(earlier) - 1, :-1])

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
        def clairvoyant(past):
            return {"return_1": np.roll(np.nan_to_num(past.returns), -1, axis=-1)}

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

    def test_rows_without_volatility_are_dropped_and_named(self):
        walk = random_walk(300)["close"].to_numpy()
        held = clean_table([*walk, *[walk[-1]] * 25, *walk])
        table = build(held)
        dropped = held.index[features.WARM_UP :].difference(table.index)
        assert dropped.tolist() == held.index[320:325].tolist()
        why = features.why_dropped(held, table)
        assert list(why) == ["warm-up", "price stood still"]
        assert why["warm-up"].equals(held.index[: features.WARM_UP])
        assert why["price stood still"].equals(dropped)

    def test_a_row_left_out_for_another_reason_is_named(self):
        clean = random_walk(300)
        table = build(clean)
        assert list(features.why_dropped(clean, table)) == ["warm-up"]
        without = table.drop(clean.index[270])
        assert features.why_dropped(clean, without)["incomplete"].tolist() == [clean.index[270]]
        assert features.dropped_in_words(clean, without) == (
            "252 warm-up (2022-12-28 to 2023-12-28), 1 incomplete (2024-01-26)"
        )
