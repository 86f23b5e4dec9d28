"""The whole graph on real prices, in new processes: what is stored, to the byte, and what can't influence it."""

import csv
import dataclasses
import datetime as dt
import io
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import adjusting
from stock_assets.sources import csv_files
from stock_assets_tests.end_to_end.conftest import SESSION, Here, Run
from stock_assets_tests.place import Done, Place, at_once

LAST = "2024-03-08"
TICKERS = ("TSLA", "STX")
EXTENSIONS = {
    "raw_prices": [".parquet"],
    "clean_prices": [".parquet"],
    "price_metrics": [".json"],
    "features": [".parquet"],
    "model": [".json", ".skops"],
    "backtest": [".parquet"],
    "evaluation": [".json"],
    "predictions": [".parquet"],
}
EVALUATION = {
    "": "ticker as_of source horizon_sessions n_forecasts first_forecast last_forecast classification regression "
    "backtest verdict",
    "classification": "accuracy accuracy_ci95 balanced_accuracy roc_auc brier majority_accuracy p_value "
    "confusion_matrix",
    "regression": "rmse mae mape rmse_naive mape_naive r2_oos dm_statistic dm_p_value",
    "backtest": "annual_return annual_volatility sharpe deflated_sharpe max_drawdown turnover cost_bps buy_and_hold",
    "verdict": "beats_naive text",
}
PREDICTIONS = [
    "ticker",
    "as_of",
    "target_session",
    "probability_up",
    "expected_return",
    "predicted_close",
    "interval_low",
    "interval_high",
    "interval_level",
    "naive_close",
    "model_as_of",
    "beats_naive",
    "source",
]


@dataclasses.dataclass(frozen=True)
class Twice:
    """The same command, as different as two processes on one machine can be."""

    first: Place
    second: Place
    done: list[Done]


@pytest.fixture(scope="module")
def twice(real_prices_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Twice:
    settings = {"STOCK_ASSETS_PRICES_DIR": str(real_prices_dir / f"as_of_{LAST}")}
    folder = tmp_path_factory.mktemp("twice")
    first, second = Place(folder / "first", settings), Place(folder / "second", settings)
    words = ("run", *TICKERS, "--source", "csv", "--as-of", LAST)
    done = at_once(
        lambda: first.run(*words, PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C"),
        lambda: second.run(*words, PYTHONHASHSEED="2", TZ="America/Los_Angeles", LC_ALL="C.UTF-8"),
    )
    return Twice(first, second, done)


def test_it_works(twice: Twice) -> None:
    for done in twice.done:
        assert (done.code, done.err) == (0, "")
        for ticker in TICKERS:
            assert f"{ticker}  done in" in done.out
            assert f"report/{ticker}/{LAST}/report.html" in done.out


@pytest.mark.parametrize("ticker", TICKERS)
def test_nine_assets_lie_where_the_contract_says(twice: Twice, ticker: str) -> None:
    stored = set(twice.first.files())
    for asset, extensions in EXTENSIONS.items():
        # Of a table in parts its folder.
        found = {name.partition(f"{LAST}.parquet/")[0] for name in stored if name.startswith(f"{asset}/{ticker}/")}
        found = {name if LAST in name else f"{name}{LAST}.parquet" for name in found}
        assert found == {f"{asset}/{ticker}/{LAST}{suffix}" for suffix in [*extensions, ".sha256"]}
    for asset in ("raw_prices", "clean_prices", "features"):
        assert f"{asset}/{ticker}/{LAST}.parquet/2024-01-02.parquet" in stored, "the first session of the year"
    assert f"report/{ticker}/{LAST}/report.html" in stored
    assert f"report/{ticker}/{LAST}/figures/price.png" in stored
    assert f"report/{ticker}/{LAST}.sha256" in stored


@pytest.mark.parametrize("ticker", TICKERS)
def test_the_evaluation_has_every_number_of_the_contract(twice: Twice, ticker: str) -> None:
    evaluation = json.loads((twice.first.data / "evaluation" / ticker / f"{LAST}.json").read_text())
    for part, keys in EVALUATION.items():
        assert set(keys.split()) <= set(evaluation[part] if part else evaluation)
    assert set(evaluation["backtest"]["buy_and_hold"]) >= set(EVALUATION["backtest"].split()) - {"buy_and_hold"}
    assert (evaluation["ticker"], evaluation["as_of"], evaluation["source"]) == (ticker, LAST, "csv")
    # Ten years of forecasts, the last one made the evening before: its outcome is the last close.
    assert evaluation["n_forecasts"] > 2400
    assert evaluation["last_forecast"] == "2024-03-07"
    assert np.sum(evaluation["classification"]["confusion_matrix"]) == evaluation["n_forecasts"]
    # Above this it would be a leak until proven otherwise.
    assert evaluation["classification"]["accuracy"] < 0.56
    assert evaluation["regression"]["r2_oos"] < 0.01


@pytest.mark.parametrize(("ticker", "close"), [("TSLA", 175.34), ("STX", 92.69)])
def test_the_forecast_is_for_the_next_session(twice: Twice, ticker: str, close: float) -> None:
    table = pd.read_parquet(twice.first.data / "predictions" / ticker / f"{LAST}.parquet")
    assert list(table.columns) == PREDICTIONS
    [row] = table.to_dict("records")
    # A Friday, and the Monday after it.
    assert (row["ticker"], row["as_of"], row["target_session"]) == (
        ticker,
        pd.Timestamp("2024-03-08"),
        pd.Timestamp("2024-03-11"),
    )
    assert row["naive_close"] == pytest.approx(close, abs=0.005)  # as in the newspaper
    assert row["interval_low"] < row["predicted_close"] < row["interval_high"]
    assert row["model_as_of"] == pd.Timestamp(LAST)


def test_another_process_stores_the_same_bytes(twice: Twice) -> None:
    first, second = twice.first.files(), twice.second.files()
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_a_second_run_reuses_what_is_there_and_says_so(twice: Twice) -> None:
    before = twice.first.files()
    times = {path: path.stat().st_mtime_ns for path in twice.first.data.rglob("*.sha256")}
    done = twice.first.run("run", *TICKERS, "--source", "csv", "--as-of", LAST)
    assert (done.code, done.err) == (0, "")
    for ticker in TICKERS:
        assert f"{ticker}  re-used: complete and whole already (--force computes again)" in done.out
    assert twice.first.files() == before
    assert {path: path.stat().st_mtime_ns for path in twice.first.data.rglob("*.sha256")} == times


def test_force_computes_again_and_comes_to_the_same_bytes(here: Here, csv_run: Run) -> None:
    started = csv_run.place.log("backtest").count("started")
    done = here("run", "STX", "--source", "csv", "--as-of", SESSION, "--force")
    assert (done.code, done.err) == (0, "")
    assert "STX  done in" in done.out
    assert csv_run.place.log("backtest").count("started") == started + 1
    assert here.nothing_was_touched()


CUT = "2020-12-11"


def scrambled(text: str) -> str:
    """A CSV file with everything after the cut made nonsense; the splits stay, as they decide what prices mean."""
    chance = random.Random(20201211)
    header, *rows = list(csv.reader(io.StringIO(text)))
    splits = header.index("Stock Splits")
    known = [row for row in rows if row[0] <= CUT]
    nonsense = ["", "nan", "-1", "0", "1e30", "garbage", "12,34"]
    # Bars on a Saturday, and twice.
    later = [["2020-12-12", *(str(chance.random()) for _ in header[2:]), "0"]] * 2
    for row in rows[len(known) :]:
        if float(row[splits]) == 0 and chance.random() < 0.2:
            continue
        cells = [chance.choice([*nonsense, str(chance.random() * 1000)]) for _ in row]
        cells[0], cells[splits] = row[0], row[splits]
        later.append(cells)
    chance.shuffle(later)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *known, *later])
    return stream.getvalue()


@pytest.fixture(scope="module")
def original_and_scrambled(real_prices_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Place]:
    folder = tmp_path_factory.mktemp("scrambled")
    header, *rows = (real_prices_dir / f"as_of_{LAST}" / "TSLA.csv").read_text().splitlines(keepends=True)
    # Four years of training are enough for what is to be seen here.
    text = header + "".join(row for row in rows if row >= "2016")
    places = []
    for name, content in (("original", text), ("scrambled", scrambled(text))):
        prices = folder / f"{name} prices"
        prices.mkdir()
        (prices / "TSLA.csv").write_text(content)
        places.append(Place(folder / name, {"STOCK_ASSETS_PRICES_DIR": str(prices)}))
    words = ("run", "TSLA", "--source", "csv", "--as-of", CUT)
    for done in at_once(*(lambda place=place: place.run(*words) for place in places)):
        assert (done.code, done.err) == (0, "")
    return places


def test_nothing_after_the_session_changes_a_byte(original_and_scrambled: list[Place]) -> None:
    untouched, changed = (place.files() for place in original_and_scrambled)
    assert len(untouched) == 39 + 6  # three tables are in three parts
    assert sorted(untouched) == sorted(changed)
    assert [name for name in untouched if untouched[name] != changed[name]] == []


def test_the_snapshot_of_2020_is_the_same_from_prices_of_2020_and_of_2024(
    original_and_scrambled: list[Place], real_prices_dir: Path
) -> None:
    """Between the two lies the 3:1 split of 2022, which Yahoo took out of all earlier prices."""
    session = dt.date.fromisoformat(CUT)
    history = csv_files.CsvSource(real_prices_dir / f"as_of_{CUT}").fetch("TSLA", session)
    of_2020 = adjusting.as_served_on(history.bars, session).loc["2016":]
    of_2024 = original_and_scrambled[0].snapshot("TSLA", CUT).table("raw_prices")
    prices = ["open", "high", "low", "close"]
    assert of_2020["close"].iloc[-1] == pytest.approx(609.99, abs=0.005)  # as in the newspaper
    pd.testing.assert_frame_equal(of_2024[prices], of_2020[prices], rtol=1e-6)
    pd.testing.assert_series_equal(of_2024["stock_splits"], of_2020["stock_splits"])
