"""Forecasts joined with what followed, their scores by hand, and what too few of them can't tell."""

import datetime as dt
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core import features, schemas, sessions, track_record
from stock_assets.core.errors import SchemaError

FIRST = dt.date(2024, 1, 2)
SCORED = ("accuracy", "accuracy_naive", "brier", "brier_naive", "coverage", "close_error", "interval_level")


def index(n: int) -> pd.DatetimeIndex:
    return sessions.sessions_between(FIRST, sessions.next_session(FIRST, n - 1))


def clean(closes: list[float], *, dividends: dict[int, float] | None = None, splits: dict[int, float] | None = None):
    """What `join` reads of clean prices: closes in the shares of the last row."""
    close = np.array(closes, dtype="float64")
    dividend = np.array([(dividends or {}).get(row, 0.0) for row in range(len(close))])
    frame = pd.DataFrame(
        {
            "close": close,
            "split_ratio": [(splits or {}).get(row, 1.0) for row in range(len(close))],
            "total_return": np.append(np.nan, (close + dividend)[1:] / close[:-1] - 1),
        },
        index=index(len(close)),
    )
    frame.attrs["source"] = "yahoo"
    return frame


def forecast(row: int, *, close: float = 100.0, up: float = 0.6, ahead: int = 1, **changes) -> dict:
    """A forecast made on the `row`-th session, in the shares of that evening."""
    said_on = sessions.next_session(FIRST, row)
    return {
        "ticker": "TSLA",
        "as_of": pd.Timestamp(said_on),
        "target_session": pd.Timestamp(sessions.next_session(said_on, ahead)),
        "probability_up": up,
        "expected_return": 0.01,
        "predicted_close": close * 1.01,
        "interval_low": close * 0.95,
        "interval_high": close * 1.05,
        "interval_level": 0.9,
        "naive_close": close,
        "model_as_of": pd.Timestamp(FIRST),
        "beats_naive": False,
        "source": "yahoo",
        "checksum": f"{row:064}",
    } | changes


def table(*rows: dict) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(forecast(0)))
    dates = dict.fromkeys(("as_of", "target_session", "model_as_of"), "datetime64[ns]")
    numbers = {name: "float64" for name, value in forecast(0).items() if isinstance(value, float)}
    return frame.astype(dates | numbers | {"beats_naive": "bool"})


def join(made: pd.DataFrame, prices: pd.DataFrame, *, ticker: str = "TSLA", as_of: dt.date | None = None):
    return track_record.join(made, prices, ticker=ticker, as_of=as_of or prices.index[-1].date())


def few_features(n: int = 100) -> pd.DataFrame:
    drawn = np.random.default_rng(1).normal(size=(n, len(features.feature_columns())))
    return pd.DataFrame(drawn, columns=features.feature_columns())


def summarise(forecasts: pd.DataFrame, *, as_of: dt.date, **more) -> dict:
    given = {"table": few_features(), "backtest": "no earlier snapshot"} | more
    return track_record.summarise(forecasts, ticker="TSLA", as_of=as_of, **given)


class TestJoin:
    def test_return_and_close_of_the_target(self):
        joined = join(table(forecast(1, close=102.0)), clean([100, 102, 105.06]))
        assert joined["realised_return"].tolist() == pytest.approx([0.03])
        assert joined["realised_close"].tolist() == pytest.approx([105.06])
        assert joined.index.tolist() == [pd.Timestamp("2024-01-03")]

    def test_a_dividend_is_earned(self):
        joined = join(table(forecast(0)), clean([100, 99], dividends={1: 2.0}))
        assert joined["realised_return"].tolist() == pytest.approx([0.01])
        assert joined["realised_close"].tolist() == pytest.approx([99.0])

    def test_a_split_between_forecast_and_now_is_taken_out(self):
        """On the evening of row 0 the close was 300; 3:1 on row 2 makes that 100 in today's shares."""
        prices = clean([100, 101, 102], splits={2: 3.0})
        joined = join(table(forecast(0, close=300.0), forecast(1, close=303.0)), prices)
        assert joined["split_factor"].tolist() == [3.0, 3.0]
        assert joined["realised_close"].tolist() == pytest.approx([303.0, 306.0])
        assert joined["realised_return"].tolist() == pytest.approx([0.01, 102 / 101 - 1])

    def test_a_split_on_the_session_itself_was_in_its_shares_already(self):
        joined = join(table(forecast(1, close=101.0)), clean([100, 101, 102], splits={1: 3.0}))
        assert joined["split_factor"].tolist() == [1.0]

    def test_a_target_that_is_ahead_is_missing(self):
        joined = join(table(forecast(0, ahead=2), forecast(1, ahead=2)), clean([100, 110, 121]))
        assert joined["realised_return"].tolist() == pytest.approx([0.21, math.nan], nan_ok=True)
        assert joined["realised_close"].tolist() == pytest.approx([121.0, math.nan], nan_ok=True)

    def test_a_bar_that_never_came_leaves_the_outcome_unknown(self):
        prices = clean([100, 101, 102, 103]).drop(pd.Timestamp("2024-01-04"))
        joined = join(table(forecast(1), forecast(2)), prices)
        assert joined["realised_return"].isna().all()
        assert joined["realised_close"].tolist() == pytest.approx([math.nan, 103.0], nan_ok=True)

    def test_the_naive_probability_is_the_share_of_rises_by_then(self):
        # Returns: +, -, -, 0 (which is no rise), +.
        prices = clean([100, 101, 100, 99, 99, 100])
        joined = join(table(*(forecast(row) for row in range(5))), prices)
        assert joined["naive_probability_up"].tolist() == pytest.approx([math.nan, 1, 1 / 2, 1 / 3, 1 / 4], nan_ok=True)

    def test_the_naive_probability_is_about_as_many_sessions_as_the_forecast(self):
        # Over two sessions: 100 to 99, 102 to 103, 99 to 101: two rises of three by row 4.
        joined = join(table(forecast(4, ahead=2)), clean([100, 102, 99, 103, 101]).pipe(extended))
        assert joined["naive_probability_up"].tolist() == pytest.approx([2 / 3])

    def test_forecasts_about_other_prices_are_left_out(self):
        joined = join(table(forecast(0, source="simulated"), forecast(1)), clean([100, 101, 102]))
        assert joined.index.tolist() == [pd.Timestamp("2024-01-03")]

    def test_of_no_forecasts(self):
        joined = join(table(), clean([100, 101]))
        assert len(joined) == 0
        schemas.validate(joined, schemas.TRACK_RECORD, ticker="TSLA", as_of="2024-01-03")

    def test_the_form_is_that_of_the_schema(self):
        joined = join(table(forecast(1), forecast(0)), clean([100, 101, 102]))
        schemas.validate(joined, schemas.TRACK_RECORD, ticker="TSLA", as_of="2024-01-04")
        assert joined.attrs["source"] == "yahoo"

    @pytest.mark.parametrize(
        ("made", "told"),
        [
            (table(forecast(0, ticker="STX")), "a forecast is of STX; expected TSLA"),
            (table(forecast(2)), "was made on 2024-01-04; expected one made before 2024-01-04"),
            (table(forecast(0), forecast(0)), "comes twice, made on 2024-01-02; expected one a session"),
            (
                table(forecast(1, target_session=pd.Timestamp("2024-01-03"))),
                "is about no later session, made on 2024-01-03; expected a target that lay ahead",
            ),
        ],
    )
    def test_what_can_not_be_a_record(self, made, told):
        with pytest.raises(SchemaError, match=f"TSLA 2024-01-04: .*{told}"):
            join(made, clean([100, 101, 102]))

    def test_prices_of_another_session(self):
        with pytest.raises(SchemaError, match="the clean prices end on 2024-01-03; expected their last row to be"):
            join(table(), clean([100, 101]), as_of=dt.date(2024, 1, 4))

    @given(st.lists(st.floats(50, 200), min_size=3, max_size=12), st.integers(0, 8), st.sampled_from([2.0, 3.0, 0.5]))
    def test_a_later_split_changes_nothing_but_the_factor(self, closes, said_on, ratio):
        """Today's shares are others; what was forecast, and what came of it, are not."""
        said_on = min(said_on, len(closes) - 3)
        before = clean(closes)
        after = clean([close / ratio for close in closes[:-1]] + [closes[-1]], splits={len(closes) - 1: ratio})
        after["total_return"] = before["total_return"]
        made = table(forecast(said_on, close=closes[said_on]))
        one, other = join(made, before), join(made, after)
        assert other["split_factor"].tolist() == [ratio]
        np.testing.assert_allclose(other["realised_close"], one["realised_close"], rtol=1e-12)
        assert other["realised_return"].equals(one["realised_return"])

    @given(st.lists(st.floats(50, 200), min_size=4, max_size=12), st.data())
    def test_what_is_known_does_not_change_with_later_sessions(self, closes, data):
        now = data.draw(st.integers(2, len(closes) - 1))
        made = table(*(forecast(row, close=closes[row]) for row in range(1, now)))
        one, other = join(made, clean(closes[: now + 1])), join(made, clean(closes))
        known = one["realised_return"].notna()
        pd.testing.assert_frame_equal(one[known], other[known])


def extended(prices: pd.DataFrame) -> pd.DataFrame:
    """One more session, without a move, so that a forecast of the last row is an earlier one."""
    return clean([*prices["close"].tolist(), float(prices["close"].iloc[-1])])


def known_outcomes(n: int, *, right: int, ahead: int = 1) -> tuple[pd.DataFrame, dt.date]:
    """`n` forecasts of a rise with probability 0.6: after the first `right` it rose by 2 %, after the others it fell.

    They follow one fall and one rise, so that the first naive probability is one half.
    """
    steps = [0.98, 1.02, *[1.02] * right, *[0.98] * (n - right), *[1.0] * (ahead - 1)]
    closes = [100.0, *(100.0 * np.cumprod(steps)).tolist()]
    made = table(*(forecast(row, close=closes[row], ahead=ahead) for row in range(2, 2 + n)))
    prices = clean(closes)
    return join(made, prices), prices.index[-1].date()


class TestScores:
    def test_by_hand(self):
        joined, as_of = known_outcomes(20, right=12)
        found = summarise(joined, as_of=as_of)["scores"]["all"]
        assert (found["n"], found["right"], found["inside"]) == (20, 12, 20)
        assert found["accuracy"] == pytest.approx(0.6)
        assert found["brier"] == pytest.approx(0.6 * 0.4**2 + 0.4 * 0.6**2)
        assert found["log_loss"] == pytest.approx(-0.6 * math.log(0.6) - 0.4 * math.log(0.4))
        assert found["close_error"] == pytest.approx(0.6 * 0.01 + 0.4 * 0.03)
        assert found["close_error_naive"] == pytest.approx(0.02)
        assert found["coverage"] == 1.0
        assert found["interval_level"] == pytest.approx(0.9)

    def test_naive_knows_no_more_than_was_known(self):
        joined, as_of = known_outcomes(20, right=12)
        # Rises known: 1 of 2, then 2 of 3 ...: the more frequent direction is up from the second forecast on.
        rises, n = 1, 2
        losses, wrong = [], []
        for place in range(20):
            up = place < 12
            share = rises / n
            losses.append((share - up) ** 2)
            wrong.append((share > 0.5) != up)
            rises, n = rises + up, n + 1
        found = summarise(joined, as_of=as_of)["scores"]["all"]
        assert found["brier_naive"] == pytest.approx(sum(losses) / 20)
        assert found["accuracy_naive"] == pytest.approx(1 - sum(wrong) / 20)

    def test_the_interval_of_the_accuracy_is_wilsons(self):
        joined, as_of = known_outcomes(20, right=12)
        # Wilson (1927) for 12 of 20: 38.7 % to 78.1 %.
        assert summarise(joined, as_of=as_of)["scores"]["all"]["accuracy_ci95"] == pytest.approx(
            [0.3866, 0.7812], abs=1e-4
        )

    def test_outcomes_that_overlap_are_worth_less(self):
        single, as_of = known_outcomes(60, right=36)
        double, later = known_outcomes(60, right=36, ahead=2)
        widths = []
        for joined, session in ((single, as_of), (double, later)):
            low, high = summarise(joined, as_of=session)["scores"]["all"]["coverage_ci95"]
            widths.append(high - low)
        assert widths[1] > 1.5 * widths[0]

    def test_the_latest_21_and_63(self):
        joined, as_of = known_outcomes(70, right=49)
        found = summarise(joined, as_of=as_of)["scores"]
        assert [(found[name]["n"], found[name]["right"]) for name in ("21", "63", "all")] == [
            (21, 0),
            (63, 42),
            (70, 49),
        ]
        assert found["21"]["first_forecast"] == f"{joined.index[-21]:%Y-%m-%d}"

    def test_a_close_on_the_edge_of_the_interval_is_inside(self):
        joined, as_of = known_outcomes(10, right=10)
        joined["interval_high"] = joined["realised_close"]
        assert summarise(joined, as_of=as_of)["scores"]["all"]["inside"] == 10

    @pytest.mark.parametrize(
        ("n", "has_scores", "has_intervals"), [(9, False, False), (10, True, False), (20, True, True)]
    )
    def test_too_few_to_tell_is_null_with_a_reason(self, n, has_scores, has_intervals):
        joined, as_of = known_outcomes(n, right=n // 2)
        summary = summarise(joined, as_of=as_of)
        found = summary["scores"]["all"]
        assert all((found[name] is not None) == has_scores for name in SCORED)
        intervals = [name for name in found if name.endswith("_ci95")]
        assert len(intervals) == 5
        assert all((found[name] is not None) == has_intervals for name in intervals)
        assert found["right"] == n // 2
        if n == 9:
            reason = "the outcome of 9 forecast(s) is known; expected at least 10"
            assert summary["reasons"]["scores.all.accuracy"] == reason

    def test_forecasts_with_another_horizon_are_not_mixed_in(self):
        joined, as_of = known_outcomes(12, right=12)
        joined.iloc[0, joined.columns.get_loc("target_session")] = joined["target_session"].iloc[1]
        summary = summarise(joined, as_of=as_of)
        assert (summary["n_known"], summary["n_other"], summary["scores"]["all"]["n"]) == (12, 1, 11)


class TestSummary:
    def test_what_is_pending_and_what_is_lost(self):
        prices = clean([100, 101, 102, 103, 104]).drop(pd.Timestamp("2024-01-04"))
        joined = join(table(forecast(1), forecast(3), forecast(0), forecast(2, ahead=4)), prices)
        summary = summarise(joined, as_of=dt.date(2024, 1, 8))
        assert [summary[name] for name in ("n_forecasts", "n_known", "n_pending", "n_lost")] == [4, 1, 1, 2]

    def test_of_nothing_yet(self):
        joined = join(table(), clean([100, 101]))
        summary = summarise(joined, as_of=dt.date(2024, 1, 3))
        assert summary["n_forecasts"] == 0
        assert summary["reasons"]["first_forecast"] == "no forecast was made yet"
        assert summary["drift"]["probability"] is None

    @pytest.mark.parametrize("n", [0, 1, 9, 10, 19, 20, 70])
    def test_every_null_has_a_reason_and_every_reason_a_null(self, n):
        joined, as_of = known_outcomes(n, right=n)
        summary = summarise(joined, as_of=as_of)
        nulls = set(paths_of_null({name: value for name, value in summary.items() if name != "reasons"}))
        assert nulls == summary["reasons"].keys()

    def test_json_can_hold_it(self):
        joined, as_of = known_outcomes(70, right=40)
        backtest = pd.DataFrame({"probability_up": np.linspace(0.4, 0.6, 500)}, index=index(500))
        summary = summarise(joined, as_of=as_of, table=few_features(63 * 17), backtest=backtest)
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary

    def test_the_same_again(self):
        joined, as_of = known_outcomes(70, right=40)
        assert summarise(joined, as_of=as_of) == summarise(joined.copy(), as_of=as_of)


def paths_of_null(section: dict, path: str = ""):
    for name, value in section.items():
        here = f"{path}.{name}".removeprefix(".")
        if isinstance(value, dict):
            yield from paths_of_null(value, here)
        elif value is None:
            yield here


class TestDrift:
    def drift(self, values: pd.DataFrame, window: int | None = None) -> dict:
        return track_record.drift(values, window, {})

    def test_the_same_market_all_along(self):
        found = self.drift(few_features(63 * 30))
        assert found["n_shifted"] == sum(one["shifted"] for one in found["features"].values())
        assert found["n_shifted"] <= 5
        assert (found["n_recent"], found["n_training"]) == (63, 63 * 29)

    def test_one_feature_in_another_unit(self):
        values = few_features(63 * 30)
        usual = self.drift(values)["features"]
        values.iloc[-63:, 0] *= 100
        name = features.feature_columns()[0]
        found = self.drift(values)["features"]
        assert found[name]["shifted"]
        assert found[name]["psi"] > 1
        assert {other: found[other] for other in found if other != name} == {
            other: usual[other] for other in usual if other != name
        }

    def test_the_training_rows_are_those_a_fit_sees(self):
        values = few_features(63 * 30)
        assert self.drift(values, window=500)["n_training"] == 500
        long_ago = values.copy()
        long_ago.iloc[:63, 0] += 100
        name = features.feature_columns()[0]
        # What no fit sees any more is no training, but it was a quarter.
        assert (
            self.drift(long_ago, window=500)["features"][name]["psi"]
            == self.drift(values, 500)["features"][name]["psi"]
        )
        assert self.drift(long_ago, window=500)["features"][name]["highest_before"] > 1

    def test_too_short_to_say_what_is_usual(self):
        reasons = {}
        found = track_record.drift(few_features(63 * 17 - 1), None, reasons)
        assert (found["n_shifted"], found["features"]) == (None, None)
        assert reasons["drift.n_shifted"].startswith("1007 rows before the last 63 are too few")

    def test_forecasts_beside_those_of_the_backtest(self):
        joined, as_of = known_outcomes(63, right=30)
        same = pd.DataFrame({"probability_up": np.full(300, 0.6)}, index=index(300))
        other = pd.DataFrame({"probability_up": np.linspace(0.5, 0.59, 300)}, index=index(300))
        assert summarise(joined, as_of=as_of, backtest=same)["drift"]["probability"]["psi"] == 0.0
        assert summarise(joined, as_of=as_of, backtest=other)["drift"]["probability"]["psi"] > 1

    def test_too_few_forecasts_to_compare(self):
        joined, as_of = known_outcomes(62, right=30)
        reasons = summarise(joined, as_of=as_of)["reasons"]
        assert reasons["drift.probability"] == "62 forecast(s) were made so far; expected at least 63"

    def test_the_largest_come_first(self):
        features_of = {
            "a": {"psi": 0.5, "highest_before": 0.3, "shifted": True},
            "b": {"psi": 0.9, "highest_before": 1.3, "shifted": False},
            "c": {"psi": 0.7, "highest_before": 0.4, "shifted": True},
        }
        found = track_record.shifted_features({"drift": {"features": features_of}})
        assert list(found) == [("c", 0.7, 0.4), ("a", 0.5, 0.3)]
