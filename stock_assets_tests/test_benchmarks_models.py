"""The benchmarks of the default model: the plain loop it is compared with, and the table of real tickers."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import real_tickers, simulated_markets, walk_forward_speed
from stock_assets.core import cleaning, errors, features
from stock_assets.core.modelling import ModelSettings
from stock_assets.sources import base

CASE = simulated_markets.Case("noise", "garch", 0)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    about = {"ticker": CASE.ticker, "as_of": simulated_markets.LAST_SESSION}
    clean = cleaning.clean_prices(simulated_markets.simulate(CASE, 1_120).raw, **about)
    return features.build_features(clean, **about)


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    monkeypatch.setattr(walk_forward_speed, "_TREES", 3)


def test_both_walks_forecast_the_same_sessions(table):
    pair = walk_forward_speed.measure(CASE.ticker, table, refits=2)
    assert pair.refits == 2
    assert pair.rows == len(table)
    assert list(pair.log_loss) == ["ours", "raw", "plain", "naive"]
    # 868 rows, the first forecast after 752; the last outcome is not known.
    assert len(pair.log_loss) == 868 - 751 - 1
    assert min(pair.seconds + pair.processor_seconds) > 0


def test_the_plain_walk_knows_nothing_of_later_sessions(table):
    settings = ModelSettings(refit_every=58)
    later = table.copy()
    later.loc[later.index[-40:], "target_return"] *= -1
    whole, changed = (walk_forward_speed.plain_walk_forward(rows, settings) for rows in (table, later))
    pd.testing.assert_series_equal(whole["probability_up"], changed["probability_up"])


def test_the_interval_is_paired_and_over_sessions():
    losses = pd.DataFrame({"ours": np.arange(100.0), "plain": np.arange(100.0) + 0.5})
    pair = walk_forward_speed.Pair("A", 100, 1, (1.0, 1.0), (1.0, 1.0), losses)
    assert walk_forward_speed.paired_interval([pair, pair]) == pytest.approx((-0.5, -0.5))


def test_speed_is_told_by_ticker_and_in_all(capsys):
    losses = pd.DataFrame(
        {"ours": [0.69, 0.70] * 50, "raw": [0.69] * 100, "plain": [0.72, 0.71] * 50, "naive": [0.69] * 100}
    )
    pairs = [
        walk_forward_speed.Pair("A", 2_500, 20, (2.0, 12.0), (4.0, 20.0), losses),
        walk_forward_speed.Pair("B", 2_500, 20, (2.0, 16.0), (4.0, 24.0), losses),
    ]
    walk_forward_speed.show(pairs)
    said = capsys.readouterr().out
    assert "ours - plain: -0.02000" in said
    assert [line.split()[-3:] for line in said.splitlines() if line.startswith("wall")] == [["6.0", "7.0", "8.0"]]
    assert said.count("kept") == 2


def csv_file(folder: Path, ticker: str) -> None:
    headings = {column: heading for heading, column in base.YAHOO_HEADINGS.items()}
    bars = simulated_markets.simulate(simulated_markets.Case("noise", "student_t", 1), 1_120).raw
    bars.rename(columns=headings).rename_axis("Date").to_csv(folder / f"{ticker}.csv")


def test_real_tickers_stand_beside_their_baselines(tmp_path, monkeypatch, capsys):
    for ticker in ("BBB", "AAA"):
        csv_file(tmp_path, ticker)
    monkeypatch.setattr(sys, "argv", ["real_tickers", "--prices", str(tmp_path), "--markdown", "--quick"])
    real_tickers.main()
    heading, rule, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()
    ]
    assert tuple(heading) == real_tickers.HEADING
    assert rule[:2] == ["---", "---:"]
    assert [row[0] for row in rows] == ["AAA", "BBB"]
    assert rows[0][1:] == rows[1][1:]
    # The first 1,100 of its bars.
    assert rows[0][2] == str(1_100 - 252 - 751 - 1)


def test_a_session_asked_for_is_the_last_one(tmp_path):
    csv_file(tmp_path, "AAA")
    session = pd.Timestamp("2024-03-01").date()
    clean = real_tickers.clean_prices(tmp_path, "AAA", session)
    assert clean.index[-1].date() == session


def test_a_folder_without_files_and_a_ticker_without_one_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["real_tickers", "--prices", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"holds no \.csv file"):
        real_tickers.main()
    with pytest.raises(errors.NoPricesError, match="no file"):
        real_tickers.clean_prices(tmp_path, "AAA")
