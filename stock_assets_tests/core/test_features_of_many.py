"""Features of many tickers: each has the bits it has alone, or its own error."""

import datetime
import math
import tracemalloc
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.core import features
from stock_assets.core.errors import BadPricesError, InsufficientHistoryError, NotASessionError, StockAssetsError
from stock_assets_tests.core.clean_frames import AS_OF, random_walk

NAN = math.nan


def build_all(cleans: Mapping[str, pd.DataFrame], horizon: int = 1) -> dict[str, pd.DataFrame | StockAssetsError]:
    return dict(features.build_features_of_many(cleans, as_of=AS_OF, horizon=horizon))


def tables_of(cleans: Mapping[str, pd.DataFrame], as_of: datetime.date = AS_OF) -> dict[str, pd.DataFrame]:
    found = features.build_features_of_many(cleans, as_of=as_of)
    return {ticker: built for ticker, built in found if isinstance(built, pd.DataFrame)}


def build_alone(clean: pd.DataFrame, ticker: str, horizon: int = 1) -> pd.DataFrame | StockAssetsError:
    try:
        return features.build_features(clean, ticker=ticker, as_of=AS_OF, horizon=horizon)
    except StockAssetsError as error:
        return error


def in_bytes(built: pd.DataFrame | StockAssetsError) -> object:
    if isinstance(built, StockAssetsError):
        return type(built), str(built)
    return {"session": built.index.to_numpy().tobytes()} | {name: built[name].to_numpy().tobytes() for name in built}


def with_value(clean: pd.DataFrame, column: str, rows: slice, value: float) -> pd.DataFrame:
    changed = clean.copy()
    changed.iloc[rows, changed.columns.get_indexer([column])] = value
    return changed


def without_range(clean: pd.DataFrame) -> pd.DataFrame:
    return clean.assign(open=clean["close"], high=clean["close"], low=clean["close"])


PECULIARITIES = {
    "none": lambda clean: clean,
    "a hole": lambda clean: clean.drop(clean.index[-20:-17]),
    "a hole in the warm-up": lambda clean: clean.drop(clean.index[30]),
    "a first return that is known": lambda clean: with_value(clean, "total_return", slice(0, 1), 0.01),
    "a return missing early": lambda clean: with_value(clean, "total_return", slice(3, 4), NAN),
    "a return missing late": lambda clean: with_value(clean, "total_return", slice(-9, -8), NAN),
    "no volume": lambda clean: with_value(clean, "volume", slice(-70, None), 0),
    "no dividend": lambda clean: with_value(clean, "dividend", slice(None), 0.0),
    "bars without a range": without_range,
    "a price that stood still": lambda clean: with_value(clean, "total_return", slice(-60, -25), 0.0),
    "a price that stands still": lambda clean: with_value(clean, "total_return", slice(-25, None), 0.0),
    "the last row missing": lambda clean: clean.iloc[:-1],
}


@settings(max_examples=40, deadline=None)
@given(
    tickers=st.lists(
        st.tuples(st.sampled_from([252, 253, 300, 320]), st.sampled_from(list(PECULIARITIES)), st.integers(0, 99)),
        min_size=1,
        max_size=20,
    ),
    horizon=st.sampled_from([1, 5]),
)
def test_every_ticker_has_the_bytes_or_the_error_it_has_alone(tickers, horizon):
    cleans = {
        f"T{number}": PECULIARITIES[peculiarity](random_walk(n_rows, seed))
        for number, (n_rows, peculiarity, seed) in enumerate(tickers)
    }
    together = build_all(cleans, horizon)
    assert list(together) == list(cleans)
    for ticker, built in together.items():
        assert in_bytes(built) == in_bytes(build_alone(cleans[ticker], ticker, horizon)), ticker


@pytest.mark.parametrize("peculiarity", PECULIARITIES)
def test_a_peculiar_ticker_changes_no_bit_of_its_neighbours(peculiarity):
    left, right = random_walk(320, 1), random_walk(320, 2)
    peculiar = PECULIARITIES[peculiarity](random_walk(320, 3))
    together = build_all({"LEFT": left, "ODD": peculiar, "RIGHT": right})
    assert in_bytes(together["LEFT"]) == in_bytes(build_alone(left, "LEFT"))
    assert in_bytes(together["RIGHT"]) == in_bytes(build_alone(right, "RIGHT"))


def test_each_ticker_gets_its_own_error():
    walk = random_walk(300)
    found = build_all(
        {
            "GOOD": walk,
            "STILL": PECULIARITIES["a price that stands still"](walk),
            "SHORT": walk.iloc[-252:],
            "LATE": walk.iloc[:-1],
            "AGAIN": walk.iloc[:-1],
        }
    )
    assert isinstance(found["GOOD"], pd.DataFrame)
    errors = {ticker: (type(error), str(error)) for ticker, error in found.items() if ticker != "GOOD"}
    ends = "2024-03-08: the clean prices end on 2024-03-07; expected their last row to be 2024-03-08"
    assert errors == {
        "STILL": (BadPricesError, "STILL 2024-03-08: the last 21 returns are all 0; expected a price that moves"),
        "SHORT": (
            InsufficientHistoryError,
            "SHORT 2024-03-08: 252 bars are too few for features; expected at least 253",
        ),
        "LATE": (BadPricesError, f"LATE {ends}"),
        "AGAIN": (BadPricesError, f"AGAIN {ends}"),
    }


def test_a_row_on_a_holiday_is_an_error_of_its_tickers_only():
    walk = random_walk(300)
    christmas = walk.set_axis(walk.index.where(walk.index != "2023-12-26", pd.Timestamp("2023-12-25")))
    found = build_all({"ONE": christmas, "TWO": christmas, "GOOD": walk})
    assert isinstance(found["GOOD"], pd.DataFrame)
    for ticker in ("ONE", "TWO"):
        assert isinstance(found[ticker], NotASessionError)
        assert "2023-12-25, a Monday, is not a session" in str(found[ticker])


def test_a_horizon_that_does_not_lie_ahead_is_refused_before_anything_is_asked_for():
    with pytest.raises(ValueError, match="0 came; expected at least 1 session"):
        features.build_features_of_many({}, as_of=AS_OF, horizon=0)


def test_no_tickers_give_nothing():
    assert build_all({}) == {}


def test_who_keeps_a_table_does_not_keep_its_neighbours():
    tables = tables_of({"ONE": random_walk(300, 1), "TWO": random_walk(300, 2)})
    assert list(tables) == ["ONE", "TWO"]
    for table in tables.values():
        n_numbers = table.select_dtypes("float64").size
        assert owner_of(table["return_1"].to_numpy()).size == n_numbers


def test_memory_does_not_grow_with_the_number_of_tickers():
    walk = random_walk(600)
    peaks = []
    for number in (8, 8, 80):  # the first time something may be loaded and kept
        cleans = {f"T{n}": walk for n in range(number)}
        tracemalloc.start()
        try:
            for _ticker, _built in features.build_features_of_many(cleans, as_of=AS_OF):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    _, of_eight, of_eighty = peaks
    assert of_eighty < 1.25 * of_eight


def owner_of(values: np.ndarray) -> np.ndarray:
    """The array that owns the memory behind `values`."""
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values


def test_later_rows_change_no_bit_of_earlier_ones_among_many():
    walks = {f"T{seed}": random_walk(400, seed) for seed in range(3)}
    cut = datetime.date(2023, 10, 16)
    heads = {ticker: clean.loc[: pd.Timestamp(cut)] for ticker, clean in walks.items()}
    carried = [*features.feature_columns(), "close", "volatility", "target_session"]
    earlier, later = tables_of(heads, cut), tables_of(walks)
    assert list(earlier) == list(later) == list(walks)
    for ticker, head in earlier.items():
        assert in_bytes(head[carried]) == in_bytes(later[ticker].loc[: pd.Timestamp(cut), carried])
