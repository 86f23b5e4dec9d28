"""Which snapshots are compared, and what is told. What counts as a revision is tested in core/test_revisions."""

from datetime import date

import pandas as pd
import pytest

from stock_assets.core import validation
from stock_assets_tests.core.price_frames import quiet_week


@pytest.fixture
def raw() -> pd.DataFrame:
    return quiet_week()


def asked(raw: pd.DataFrame, earlier: pd.DataFrame | str) -> validation.Finding:
    return validation.history_is_unrevised(raw, earlier, ticker="TSLA", as_of=date(2024, 3, 8))


def test_the_same(raw):
    finding = asked(raw, raw.iloc[:-1])
    assert (finding.passed, finding.observed, finding.threshold, finding.note) == (True, 0, 0, "")
    assert finding.expected == "0 values changed since the snapshot that ended on 2024-03-07"


def test_revised(raw):
    earlier = raw.iloc[:-1].copy()
    earlier.loc["2024-03-05", ["open", "low"]] = 9.0
    finding = asked(raw, earlier)
    assert (finding.passed, finding.observed) == (False, 2)
    assert finding.offending.index.strftime("%m-%d").tolist() == ["03-05", "03-05"]
    assert finding.offending["column"].tolist() == ["open", "low"]
    assert finding.offending["before"].tolist() == [9.0, 9.0]
    assert finding.offending["after"].tolist() == [10.0, 9.5]


def test_nothing_to_compare_with_passes_and_says_why(raw):
    finding = asked(raw, "no earlier snapshot")
    assert (finding.passed, finding.observed) == (True, "no earlier snapshot")
    assert finding.note == "not compared: no earlier snapshot"


def test_another_source(raw):
    earlier = raw * 2
    raw.attrs["source"], earlier.attrs["source"] = "yahoo", "csv"
    finding = asked(raw, earlier)
    assert (finding.passed, finding.observed) == (True, "the earlier snapshot is from csv, this one from yahoo")


def test_an_earlier_one_without_bars(raw):
    assert asked(raw, raw.iloc[:0]).observed == "the earlier snapshot has no bars"


def test_an_unreadable_one(raw):
    assert asked(raw.drop(columns="close"), raw).observed == "no column close"
