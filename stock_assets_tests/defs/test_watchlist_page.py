"""The watchlist page in the graph: made of what is there, whatever failed; and what Dagster's event log tells it."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from stock_assets import watchlist
from stock_assets.core import checks
from stock_assets.core.errors import InvalidTickerError, NoPricesError
from stock_assets.core.tickers import check_ticker
from stock_assets.defs import assets, followed, partitions, standings
from stock_assets.defs.assets.reporting import watchlist_page
from stock_assets.reporting.watchlist_page import Standing
from stock_assets_tests import stored as stored_files
from stock_assets_tests.defs import graph as graphs
from stock_assets_tests.reporting.page import Page

SESSION = graphs.SESSION
N_CHECKS = sum(map(len, checks.ASKED.values()))


def make_page(graph: graphs.Graph, session: dt.date = SESSION) -> dg.ExecuteInProcessResult:
    return graph.defs.resolve_job_def("watchlist_job").execute_in_process(
        partition_key=session.isoformat(), instance=graph.instance, raise_on_error=False
    )


def stored(graph: graphs.Graph, session: dt.date = SESSION) -> Page:
    files = graph.store.read(watchlist_page.NAME, partitions.ALL_TICKERS, session)
    return Page(files[watchlist_page.SUFFIX])


def standing(graph: graphs.Graph, ticker: str = "TSLA", session: dt.date = SESSION) -> Standing:
    return standings.of_session(graph.instance, [ticker, "STX"], session)[ticker]


def bad_prices(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
    """STX has a negative close on the last session; TSLA is well."""
    if ticker == "STX":
        bars.iloc[-1, bars.columns.get_loc("close")] *= -1
    return bars


def hair_below(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
    """One high is a hair below the other prices of its bar, which cleaning repairs."""
    bars.loc["2023-05-01", "high"] = bars.loc["2023-05-01", ["open", "close"]].max() * (1 - 1e-6)
    return bars


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[graphs.Graph, dg.ExecuteInProcessResult]]:
    """TSLA and STX after SESSION, whose prices of STX are bad; and the run that made the page. To be looked at only."""
    folder = tmp_path_factory.mktemp("evening")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        graph = graphs.Graph(folder, instance, prices=graphs.CannedSource(change=bad_prices))
        assert graph.run("whole_graph_job").success
        assert not graph.run("whole_graph_job", ticker="STX").success
        yield graph, make_page(graph)


def test_what_stands_in_the_place_of_a_ticker_can_be_none() -> None:
    with pytest.raises(InvalidTickerError):
        check_ticker(partitions.ALL_TICKERS)
    assert partitions.split("2024-03-08") == (partitions.ALL_TICKERS, SESSION)
    assert partitions.split("2024-03-08|BRK-B") == ("BRK-B", SESSION)


def test_a_failed_ticker_is_a_row_that_says_so(evening) -> None:
    graph, result = evening
    assert result.success
    page = stored(graph)
    bodies = {body.attributes["data-ticker"]: " ".join(body.text.split()) for body in page.all("tbody")}
    assert list(bodies) == ["STX", "TSLA"]
    assert "○ No report yet ✕ Halted at clean_prices" in bodies["STX"]
    assert "2024-03-08" in bodies["STX"]
    assert f"✓ {N_CHECKS} checks passed" in bodies["TSLA"]


def test_numbers_are_those_that_are_stored(evening) -> None:
    graph, _ = evening
    row = graph.snapshot().table("predictions").iloc[0]
    metrics = graph.snapshot().document("price_metrics")
    numbers = stored(graph).numbers()
    assert len(numbers) == 8
    for element in numbers:
        ticker, document, name = element.attributes["data-key"].split(".")
        assert ticker == "TSLA"
        assert json.loads(element.attributes["data-value"]) == {"prediction": row, "metrics": metrics}[document][name]


def test_dagster_is_told_of_the_page(evening) -> None:
    graph, result = evening
    [event] = result.get_asset_materialization_events()
    made = event.step_materialization_data.materialization
    assert made.asset_key == dg.AssetKey("watchlist_page")
    assert made.partition == "2024-03-08"
    told = {name: value.value for name, value in made.metadata.items()}
    assert told["summary"] == "2 tickers, 1 needs attention"
    assert Path(told["path"]).read_bytes() == graph.store.read("watchlist_page", "ALL_TICKERS", SESSION)[".html"]
    assert told["checksum"] == graph.store.checksum("watchlist_page", "ALL_TICKERS", SESSION)
    assert any("2 tickers, 1 needs attention" in line for line in graph.log("watchlist_page"))


def test_made_again_it_is_the_same_bytes(evening) -> None:
    graph, _ = evening
    path = graph.store.path("watchlist_page", "ALL_TICKERS", SESSION, ".html")
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert make_page(graph).success
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_the_next_session_shows_what_is_known_of_the_one_before(evening) -> None:
    graph, _ = evening
    monday = graphs.later(1)
    found = followed.read(graph.store, graph.instance, watchlist.read(graph.settings.watchlist), monday)
    assert [(one.ticker, one.reported, one.standing) for one in found] == [
        ("TSLA", SESSION, Standing()),
        ("STX", None, Standing()),
    ]
    assert found[0].results is not None
    assert found[0].results.prediction["target_session"] == "2024-03-11"


def test_a_page_knows_nothing_of_later_sessions(evening) -> None:
    graph, _ = evening
    found = followed.read(graph.store, graph.instance, watchlist.read(graph.settings.watchlist), graphs.later(-1))
    assert [(one.reported, one.standing) for one in found] == [(None, Standing()), (None, Standing())]


def test_a_run_that_halted_tells_where_and_why(evening) -> None:
    graph, _ = evening
    found = standing(graph, "STX")
    assert (found.run, found.halted_at) == ("failed", "clean_prices")
    assert found.why
    assert not found.why.startswith("STX")
    assert 0 < found.n_passed < N_CHECKS
    assert standing(graph) == Standing(run="done", n_passed=N_CHECKS)


def test_a_blocking_check_that_failed_is_where_the_run_halted(make_graph: Callable[..., graphs.Graph]) -> None:
    def without_the_last(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
        later = bars.index[-1] + pd.offsets.BDay(1)
        return bars.rename(index={bars.index[-1]: later})

    graph = make_graph(prices=graphs.CannedSource(change=without_the_last))
    assert not graph.run(["raw_prices", "clean_prices"]).success
    found = standing(graph)
    assert (found.run, found.halted_at) == ("failed", "raw_prices")
    assert found.why.startswith("check last_session_is_present on raw_prices failed: ")
    assert [complaint.check for complaint in found.failed] == ["last_session_is_present"]


def test_warnings_are_told_with_what_they_saw(make_graph: Callable[..., graphs.Graph]) -> None:
    graph = make_graph(prices=graphs.CannedSource(change=hair_below))
    assert graph.run(["raw_prices", "clean_prices"]).success
    found = standing(graph)
    assert (found.run, found.failed) == ("done", ())
    warned = {complaint.check: complaint.told for complaint in found.warned}
    assert "no_bar_is_repaired" in warned
    assert warned["no_bar_is_repaired"].startswith("came 1; expected 0")
    assert found.n_passed == len(checks.ASKED["raw_prices"]) + len(checks.ASKED["clean_prices"]) - len(warned)


def test_the_newest_run_counts_and_what_is_made_by_hand_does_not(make_graph: Callable[..., graphs.Graph]) -> None:
    graph = make_graph()
    assert not graph.run(["features"]).success  # there are no prices
    assert standing(graph).run == "failed"
    assert graph.run(["raw_prices"]).success
    assert standing(graph).run == "done"
    for asset in assets.BY_HAND:
        run = graph.instance.create_run_for_job(
            graph.defs.resolve_job_def(f"{asset}_job"),
            tags={"dagster/partition/date": "2024-03-08", "dagster/partition/ticker": "TSLA"},
        )
        assert run.status is dg.DagsterRunStatus.NOT_STARTED
    assert standing(graph).run == "done"


def test_what_a_backfill_makes_after_a_run_that_failed_is_done(make_graph: Callable[..., graphs.Graph]) -> None:
    graph = make_graph(prices=graphs.CannedSource(faults=[NoPricesError(f"TSLA {SESSION}: no such ticker")]))
    assert not graph.run("whole_graph_job").success
    assert standing(graph).run == "failed"
    assert graph.backfill(SESSION, SESSION, training="every").success
    assert standing(graph) == Standing(run="done", n_passed=N_CHECKS)
    assert make_page(graph).success
    [body] = [body for body in stored(graph).all("tbody") if body.attributes["data-ticker"] == "TSLA"]
    assert f"● This session ✓ {N_CHECKS} checks passed" in " ".join(body.text.split())
    # And a run that fails after that has the last word.
    stored_files.file_of(graph.store.path("clean_prices", "TSLA", SESSION, ".parquet")).write_bytes(b"nothing")
    assert not graph.run(["features"]).success
    assert standing(graph).run == "failed"


def test_a_damaged_artefact_is_told_in_its_row(make_graph: Callable[..., graphs.Graph]) -> None:
    graph = make_graph()
    assert graph.run("whole_graph_job").success
    graph.store.path("predictions", "TSLA", SESSION, ".parquet").write_bytes(b"nothing")
    assert make_page(graph).success
    [body] = [body for body in stored(graph).all("tbody") if body.attributes["data-ticker"] == "TSLA"]
    assert "✕ Can't be read" in body.text
    assert "predictions" in body.text
    assert stored(graph).numbers() == []
