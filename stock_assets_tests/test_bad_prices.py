"""The benchmark of known bad prices: its verdicts, on files made here."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import bad_prices
from stock_assets.sources import base
from stock_assets_tests.core.event_frames import PRICES, amounts, history, in_old_shares, with_adj_close_of

RIGHT = history(dividends={30: 1.0, 93: 1.0, 156: 1.0, 219: 1.0}, splits={200: 4.0})


def write(folder: Path, name: str, bars: pd.DataFrame) -> None:
    headings = {column: heading for heading, column in base.YAHOO_HEADINGS.items()}
    bars.rename(columns=headings).rename_axis("Date").iloc[::-1].to_csv(folder / f"{name}.csv")


def verdict(folder: Path, bad: pd.DataFrame, fixed: pd.DataFrame = RIGHT) -> str:
    write(folder, "X-1d-bad", bad)
    write(folder, "X-1d-bad-fixed", fixed)
    (outcome,) = bad_prices.outcomes_of(folder)
    return outcome.verdict


def test_repaired(tmp_path):
    assert verdict(tmp_path, in_old_shares(RIGHT, slice(150, 200), 4.0)) == "repaired"


def test_repaired_by_our_own_adjustment(tmp_path):
    assert verdict(tmp_path, RIGHT.assign(adj_close=RIGHT["close"])) == "repaired"


def test_repaired_though_the_fixed_file_contradicts_itself(tmp_path):
    fixed = RIGHT.assign(adj_close=RIGHT["close"])
    assert verdict(tmp_path, in_old_shares(RIGHT, slice(150, 200), 4.0), fixed) == "repaired*"


def test_halted(tmp_path):
    assert verdict(tmp_path, amounts(RIGHT, {60: -1.0})) == "halted"


def test_warned(tmp_path):
    assert verdict(tmp_path, with_adj_close_of(amounts(RIGHT, {94: 1.1}))) == "warned"


def test_differs(tmp_path):
    twice = with_adj_close_of(amounts(RIGHT, {94: 1.0}))
    fixed = with_adj_close_of(amounts(RIGHT, {93: 0.0, 94: 1.0}))
    assert verdict(tmp_path, twice, fixed) == "differs"


def test_missed(tmp_path):
    other = RIGHT.copy()
    other.iloc[50, other.columns.get_indexer(PRICES)] *= 1.001
    assert verdict(tmp_path, with_adj_close_of(other)) == "missed"


def test_other_faults_of_the_fixed_file_do_not_count_but_are_told(tmp_path):
    narrow = RIGHT.copy()
    narrow.iloc[50, narrow.columns.get_loc("high")] = 0.95 * narrow["low"].iloc[50]
    assert verdict(tmp_path, in_old_shares(narrow, slice(150, 200), 4.0), narrow) == "repaired"
    assert bad_prices.outcomes_of(tmp_path)[0].halts_as_it_stands


def test_right_files(tmp_path):
    write(tmp_path, "X-1d-no-bad-divs", RIGHT)
    write(tmp_path, "Y-1d-no-bad-divs", with_adj_close_of(amounts(RIGHT, {94: 1.0})))
    write(tmp_path, "Z-1h-bad", RIGHT)
    outcomes = [(outcome.case[0], outcome.verdict) for outcome in bad_prices.outcomes_of(tmp_path)]
    assert outcomes == [("X", "untouched"), ("Y", "touched")]


def test_the_printed_table(tmp_path, monkeypatch, capsys):
    write(tmp_path, "X-1d-bad", in_old_shares(RIGHT, slice(150, 200), 4.0))
    write(tmp_path, "X-1d-bad-fixed", RIGHT)
    monkeypatch.setattr(sys, "argv", ["bad_prices", str(tmp_path)])
    bad_prices.main()
    printed = capsys.readouterr().out
    assert "split_applied 50" in printed
    assert printed.splitlines()[-1] == "1 files: 1 repaired"


def test_a_folder_without_prices(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bad_prices", str(tmp_path)])
    with pytest.raises(SystemExit, match="no daily price files"):
        bad_prices.main()
