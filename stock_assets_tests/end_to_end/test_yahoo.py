"""The real yfinance against a server on this machine, from `stock-assets run` to the report, good days and bad ones."""

import dagster as dg
import pandas as pd
import pytest

from stock_assets.defs import assets
from stock_assets_tests.end_to_end.conftest import EARLY_SESSION, SESSION, Run
from stock_assets_tests.place import Place

ASSETS = [name for asset in assets.ALL if (name := asset.key.to_user_string()) not in assets.BY_HAND]
TABLES = ["raw_prices", "clean_prices", "features", "backtest"]


def test_auto_takes_yahoo_when_it_answers(runs: dict[str, Run]) -> None:
    run = runs["yahoo"]
    assert (run.done.code, run.done.err) == (0, "")
    assert run.done.out.splitlines()[0] == f"Session {SESSION}, source yahoo, TSLA"
    assert "SIMULATED" not in run.done.out
    assert run.histories_requested["TSLA"] == 1
    page = (run.place.data / "report" / "TSLA" / SESSION / "report.html").read_text()
    assert "TSLA" in page
    assert "SIMULATED PRICES" not in page


@pytest.mark.parametrize("asset", TABLES)
def test_yahoo_and_files_with_the_same_bars_give_the_same_tables(
    runs: dict[str, Run], csv_run: Run, asset: str
) -> None:
    from_yahoo = runs["yahoo"].place.snapshot("TSLA", SESSION).table(asset)
    from_files = csv_run.place.snapshot("TSLA", SESSION).table(asset)
    assert from_yahoo.attrs["source"] == "yahoo"
    assert from_files.attrs["source"] == "csv"
    from_yahoo.attrs = from_files.attrs = {}
    pd.testing.assert_frame_equal(from_yahoo, from_files, rtol=1e-9, atol=1e-9)


def test_yahoo_and_files_give_the_same_forecast_but_for_the_sources_name(runs: dict[str, Run], csv_run: Run) -> None:
    from_yahoo = runs["yahoo"].place.snapshot("TSLA", SESSION).table("predictions")
    from_files = csv_run.place.snapshot("TSLA", SESSION).table("predictions")
    assert list(from_yahoo["source"]) == ["yahoo"]
    pd.testing.assert_frame_equal(from_yahoo.drop(columns="source"), from_files.drop(columns="source"), rtol=1e-9)


def test_a_fault_that_passes_is_waited_out_and_logged(runs: dict[str, Run]) -> None:
    run = runs["troubled"]
    assert run.histories_requested["STX"] == 5
    assert run.done.err.count("STX: raw_prices met a passing fault, trying again") == 2
    assert "STX  done in" in run.done.out
    log = run.place.log("raw_prices")
    assert log.count(f"WARNING STX {SESSION} STX {SESSION}: Yahoo answered HTTP 429") == 2
    assert "retry 2" in log


def test_a_fault_that_stays_fails_after_four_attempts(runs: dict[str, Run]) -> None:
    run = runs["troubled"]
    assert run.place.log("raw_prices").count(f"INFO TSLA {SESSION} started") == 4
    assert run.histories_requested["TSLA"] == 8  # yfinance asks twice a fetch
    [error] = [line for line in run.done.errors if "TSLA" in line]
    assert error.startswith(
        f"error: TSLA {SESSION}: Yahoo answered HTTP 503, 22 characters: 'upstream connect error'; expected HTTP 200"
    )
    assert not list(run.place.data.glob("*/TSLA/*"))


def test_an_unknown_symbol_fails_at_once(runs: dict[str, Run]) -> None:
    run = runs["troubled"]
    [error] = [line for line in run.done.errors if "ZZZZ" in line]
    assert error == f"error: ZZZZ {SESSION}: Yahoo has no prices: No data found, symbol may be delisted"
    assert "ZZZZ: raw_prices met a passing fault" not in run.done.err
    assert run.place.log("raw_prices").count(f"INFO ZZZZ {SESSION} started") == 1
    assert not list(run.place.data.glob("*/ZZZZ/*"))


def test_one_tickers_failure_does_not_hold_up_another(runs: dict[str, Run]) -> None:
    run = runs["troubled"]
    assert run.done.code == 1
    # TSLA and ZZZZ come first on that watchlist.
    assert (run.place.data / "report" / "STX" / SESSION / "report.html").is_file()
    assert run.done.err.splitlines()[-1] == f"2 of 3 failed: TSLA, ZZZZ; details in {run.place.folder / 'logs'}"
    assert "Traceback" not in run.done.err


def test_auto_falls_back_loudly_when_nobody_answers(runs: dict[str, Run]) -> None:
    run = runs["fallback"]
    assert (run.done.code, run.done.err) == (0, "")
    lines = run.done.out.splitlines()
    assert lines[0] == f"Session {EARLY_SESSION}, source simulated, STX"
    # Before the work and after it, where it is read.
    assert [n for n, line in enumerate(lines) if line.strip().startswith("SIMULATED PRICES, NOT REAL ONES")] == [
        1,
        len(lines) - 1,
    ]


def test_what_is_made_from_simulated_prices_says_so(runs: dict[str, Run]) -> None:
    place = runs["fallback"].place
    snapshot = place.snapshot("STX", EARLY_SESSION)
    page = snapshot.report_file("report.html").decode()
    assert "SIMULATED PRICES" in page
    assert list(snapshot.table("predictions")["source"]) == ["simulated"]
    assert snapshot.document("evaluation")["source"] == "simulated"
    metadata = materialised(place, "raw_prices", "STX", EARLY_SESSION)
    assert metadata["source"].value == "SIMULATED PRICES, NOT REAL"


def materialised(place: Place, asset: str, ticker: str, session: str) -> dict[str, dg.MetadataValue]:
    """The metadata that Dagster's UI shows for the partition."""
    with dg.DagsterInstance.from_config(str(place.folder / "home")) as instance:
        event = instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key=f"{session}|{ticker}")
        assert event is not None
        assert event.asset_materialization is not None
        return dict(event.asset_materialization.metadata)


def test_every_asset_is_in_dagsters_books_too(csv_run: Run) -> None:
    for asset in ASSETS:
        assert materialised(csv_run.place, asset, "STX", SESSION)["checksum"].value
