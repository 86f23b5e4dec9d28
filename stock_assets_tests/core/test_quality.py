"""Facts about the quality of a snapshot: what is counted, what is listed, and what is told of revisions."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import quality, sessions
from stock_assets_tests.core import price_frames
from stock_assets_tests.core.price_frames import AS_OF, NAN, quiet_week, with_row

NONE_BEFORE = "no earlier snapshot"


def described(raw: pd.DataFrame, earlier: pd.DataFrame | str = NONE_BEFORE) -> dict[str, Any]:
    clean = price_frames.clean(raw, AS_OF)
    found = quality.describe(raw, clean, earlier, ticker="TSLA", as_of=AS_OF, source="csv", checksum="ab" * 32)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def swinging(n: int) -> pd.DataFrame:
    """`n` raw bars up to AS_OF without fault."""
    return price_frames.swinging(n, first=sessions.previous_session(AS_OF, n - 1))


def test_a_week_without_fault() -> None:
    assert described(quiet_week()) == {
        "ticker": "TSLA",
        "as_of": "2024-03-08",
        "source": "csv",
        "checksum": "ab" * 32,
        "n_bars": 5,
        "n_sessions": 5,
        "first_session": "2024-03-04",
        "last_session": "2024-03-08",
        "missing": {"n": 0, "sessions": []},
        "left_out": {"n": 0, "sessions": []},
        "repairs": [],
        "revisions": {"compared_with": None, "n": None, "why": NONE_BEFORE, "explanation": None, "rows": []},
    }


def test_a_session_that_was_not_served_is_missing() -> None:
    found = described(quiet_week().drop(pd.Timestamp("2024-03-06")))
    assert (found["n_bars"], found["n_sessions"]) == (4, 4)
    assert found["missing"] == {"n": 1, "sessions": ["2024-03-06"]}
    assert found["left_out"] == {"n": 0, "sessions": []}


def test_a_bar_without_prices_is_left_out_its_session_missing_and_its_heir_repaired() -> None:
    raw = quiet_week()
    raw.loc["2024-03-05", ["open", "high", "low", "close"]] = NAN
    found = described(raw)
    assert (found["n_bars"], found["n_sessions"]) == (5, 4)
    assert found["missing"] == found["left_out"] == {"n": 1, "sessions": ["2024-03-05"]}
    assert found["repairs"] == [{"repair": "incomplete_bar_dropped_before", "sessions": 1, "latest": "2024-03-06"}]


def test_a_bar_on_a_saturday_is_left_out_and_not_missing() -> None:
    raw = with_row(quiet_week(), "2024-03-02", [9.5, 9.5, 9.5, 9.5, 8.55, 0.0, 0.0, 0.0])
    raw = with_row(raw, "2024-03-01", [9.5, 9.5, 9.5, 9.5, 8.55, 100.0, 0.0, 0.0])
    found = described(raw)
    assert (found["n_bars"], found["n_sessions"]) == (7, 6)
    assert found["left_out"] == {"n": 1, "sessions": ["2024-03-02"]}
    assert found["missing"] == {"n": 0, "sessions": []}


def test_a_bar_that_came_twice_is_no_session_left_out() -> None:
    raw = quiet_week()
    found = described(pd.concat([raw, raw.loc[["2024-03-07"]]]).sort_index(kind="stable"))
    assert (found["n_bars"], found["n_sessions"]) == (6, 5)
    assert found["left_out"]["n"] == 0
    assert found["repairs"] == [{"repair": "repeated_bar_dropped", "sessions": 1, "latest": "2024-03-07"}]


def test_each_kind_of_repair_is_counted_with_its_latest_session() -> None:
    raw = quiet_week()
    raw.loc[["2024-03-04", "2024-03-06"], "volume"] += 0.4
    raw.loc["2024-03-06", "high"] = 8.999
    assert described(raw)["repairs"] == [
        {"repair": "high_low_widened", "sessions": 1, "latest": "2024-03-06"},
        {"repair": "volume_rounded", "sessions": 2, "latest": "2024-03-06"},
    ]


def test_of_many_missing_sessions_the_latest_twenty_are_listed() -> None:
    raw = swinging(100)
    found = described(raw.drop(raw.index[10:40]))
    assert found["missing"]["n"] == 30
    assert found["missing"]["sessions"] == [f"{session:%Y-%m-%d}" for session in raw.index[20:40]]


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 38)))
def test_rows_and_missing_sessions_make_up_the_calendar(absent: set[int]) -> None:
    raw = swinging(40)
    kept = raw.drop(raw.index[sorted(absent)])
    found = described(kept)
    assert found["n_sessions"] + found["missing"]["n"] == 40
    assert found["missing"]["n"] == len(absent)
    assert len(found["missing"]["sessions"]) == min(len(absent), quality.MAX_LISTED)


# --- Revisions ---


def test_what_the_source_says_differently_of_the_past() -> None:
    raw = quiet_week()
    earlier = raw.iloc[:-1].copy()
    earlier.loc["2024-03-05", "high"] = 12.0
    told = described(raw, earlier)["revisions"]
    assert told == {
        "compared_with": "2024-03-07",
        "n": 1,
        "why": None,
        "explanation": None,
        "rows": [
            {
                "session": "2024-03-05",
                "column": "high",
                "before": 12.0,
                "now": 11.0,
                "until": "2024-03-05",
                "values": 1,
            }
        ],
    }


def test_the_same_history_says_so() -> None:
    raw = quiet_week()
    told = described(raw, raw.iloc[:-1])["revisions"]
    assert told == {"compared_with": "2024-03-07", "n": 0, "why": None, "explanation": None, "rows": []}


def test_a_bar_that_was_not_there_before_is_null() -> None:
    raw = quiet_week()
    told = described(raw, raw.iloc[:-1].drop(pd.Timestamp("2024-03-05")))["revisions"]
    assert told["n"] == 1
    [row] = told["rows"]
    assert (row["session"], row["column"], row["before"], row["now"]) == ("2024-03-05", "bar", None, 10.0)


def test_of_many_revisions_twenty_are_listed_and_all_are_counted() -> None:
    raw = swinging(101)
    earlier = raw.iloc[:-1].copy()
    earlier.loc[earlier.index[::2], "high"] = 13.0
    told = described(raw, earlier)["revisions"]
    assert told["n"] == 50
    assert len(told["rows"]) == quality.MAX_LISTED
    assert told["rows"][0]["session"] == f"{raw.index[0]:%Y-%m-%d}"


def test_a_changed_basis_is_one_row_with_its_cause() -> None:
    raw = swinging(101)
    earlier = raw.iloc[:-1].copy()
    earlier[["open", "high", "low", "close", "adj_close"]] *= 5
    told = described(raw, earlier)["revisions"]
    assert told["n"] == 4 * 100
    assert [row["column"] for row in told["rows"]] == ["open", "high", "low", "close"]
    assert {row["values"] for row in told["rows"]} == {100}
    assert {row["until"] for row in told["rows"]} == {"2024-03-07"}
    assert told["explanation"].startswith("all 100 closes up to 2024-03-07 are 0.2 times what they were")


def test_another_source_is_not_compared() -> None:
    raw = quiet_week()
    earlier = raw.iloc[:-1] * 2
    raw.attrs["source"], earlier.attrs["source"] = "yahoo", "csv"
    told = described(raw, earlier)["revisions"]
    assert told["n"] is None
    assert told["compared_with"] is None
    assert told["why"] == "the earlier snapshot is from csv, this one from yahoo"


@pytest.mark.parametrize("change", ["raw", "clean", "earlier"])
def test_nothing_given_is_changed(change: str) -> None:
    raw = quiet_week()
    tables = {"raw": raw, "clean": price_frames.clean(raw), "earlier": raw.iloc[:-1].copy()}
    before = {name: table.copy() for name, table in tables.items()}
    quality.describe(**tables, ticker="TSLA", as_of=AS_OF, source="csv", checksum="")
    pd.testing.assert_frame_equal(tables[change], before[change])
