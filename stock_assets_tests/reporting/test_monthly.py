"""Returns by month and year."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.reporting import monthly


def clean(returns: dict[str, float | None]) -> pd.DataFrame:
    index = pd.DatetimeIndex(list(returns), name="session").as_unit("ns")
    return pd.DataFrame({"total_return": [np.nan if r is None else r for r in returns.values()]}, index=index)


def test_months_and_years_are_compounded_by_hand() -> None:
    """December 2022 starts the history; January 1.1 * 1.1, March 0.5; the year 1.21 * 0.5."""
    years = monthly.by_year(
        clean({"2022-12-30": None, "2023-01-03": 0.1, "2023-01-04": 0.1, "2023-03-01": -0.5, "2024-01-02": 0.02})
    )
    assert [year["year"] for year in years] == [2024, 2023, 2022]
    assert years[1]["months"][0] == pytest.approx(0.21)
    assert years[1]["months"][1] is None
    assert years[1]["months"][2] == pytest.approx(-0.5)
    assert years[1]["total"] == pytest.approx(-0.395)
    assert years[0]["total"] == years[0]["months"][0] == pytest.approx(0.02)
    assert years[2] == {"year": 2022, "months": [None] * 12, "total": None}


def test_one_session_has_no_return() -> None:
    assert monthly.by_year(clean({"2024-03-08": None})) == [{"year": 2024, "months": [None] * 12, "total": None}]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=800))
def test_months_make_up_their_year_and_years_the_whole(returns: list[float]) -> None:
    index = pd.bdate_range("2021-11-29", periods=len(returns), name="session").as_unit("ns")
    frame = pd.DataFrame({"total_return": [np.nan, *returns[1:]]}, index=index)
    years = monthly.by_year(frame)
    for year in years:
        months = [1 + value for value in year["months"] if value is not None]
        assert np.prod(months) - 1 == pytest.approx(year["total"] or 0.0, abs=1e-9)
    whole = np.prod([1 + (year["total"] or 0.0) for year in years])
    assert whole == pytest.approx(float(np.prod(1 + np.array(returns[1:]))))
