"""A ticker whose prices turn bad stops alone: a backfill in the real web server and daemon, asked of GraphQL.

Prices are invented and read from CSV files: those of STX are whole, those of TSLA have a negative close on FRIDAY.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest

from stock_assets.sources.simulated import SimulatedSource
from stock_assets.storage import quarantine
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.defs.graph import ALL
from stock_assets_tests.end_to_end.ui_server import Server, serving, until
from stock_assets_tests.place import files, write_csv

THURSDAY, FRIDAY = date(2024, 3, 7), date(2024, 3, 8)
# As few bars as the default model can be judged on, so that a run is quick.
FIRST_BAR = "2019-11-01"

BACKFILL = """
    mutation ($params: LaunchBackfillParams!) {
      launchPartitionBackfill(backfillParams: $params) {
        __typename ... on LaunchBackfillSuccess { backfillId } ... on Error { message }
      }
    }"""
RUNS = """
    query ($filter: RunsFilter) {
      runsOrError(filter: $filter) { ... on Runs { results { id status tags { key value } } } }
    }"""
CHECK = """
    query ($asset: AssetKeyInput!, $check: String!, $partition: String!) {
      assetCheckExecutions(assetKey: $asset, checkName: $check, partition: $partition, limit: 1) {
        status evaluation { success }
      }
    }"""
FAILED_STEPS = """
    query ($id: ID!) {
      runOrError(runId: $id) { ... on Run { stepStats { stepKey status } } }
    }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("blocked")
    for ticker in ("TSLA", "STX"):
        bars = SimulatedSource().fetch(ticker, FRIDAY).bars.loc[FIRST_BAR : str(FRIDAY)].copy()
        if ticker == "TSLA":
            bars.iloc[-1, bars.columns.get_loc("close")] *= -1
        write_csv(bars, folder / "prices" / f"{ticker}.csv")
    with serving(folder, ("TSLA", "STX")) as server:
        yield server


@dataclass(frozen=True)
class Evening:
    """A backfill of FRIDAY for both tickers, after TSLA was well on THURSDAY: its runs, and the files before."""

    runs: dict[str, str]
    before: dict[str, bytes]


@pytest.fixture(scope="module")
def evening(server: Server) -> Evening:
    assert server.outcome(server.launch("whole_graph_job", "TSLA", THURSDAY)) == "SUCCESS"
    # Not the monitoring database, which takes the runs as they end.
    before = {name: content for name, content in files(server.data).items() if "TSLA" in name}
    params = {
        "assetSelection": [{"path": [asset]} for asset in ALL],
        "partitionNames": [f"{FRIDAY}|TSLA", f"{FRIDAY}|STX"],
    }
    launched = server.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def started() -> dict[str, str] | None:
        tags = [{"key": "dagster/backfill", "value": launched["backfillId"]}]
        found = server.ask(RUNS, filter={"tags": tags})["runsOrError"]["results"]
        runs = {
            tag["value"].split("|")[1]: run["id"]
            for run in found
            for tag in run["tags"]
            if tag["key"] == "dagster/partition"
        }
        return runs if len(runs) == 2 else None

    runs = until(started, "the backfill has started both runs")
    for run_id in runs.values():
        server.outcome(run_id)
    return Evening(runs, before)


def test_the_other_ticker_goes_on_to_its_report(server: Server, evening: Evening) -> None:
    assert server.outcome(evening.runs["STX"]) == "SUCCESS"
    assert server.materialised(evening.runs["STX"]) == set(ALL)
    store = ArtefactStore(server.data)
    assert all(store.is_whole(asset, "STX", FRIDAY) for asset in ALL)
    assert (server.data / "report" / "STX" / str(FRIDAY) / "report.html").is_file()


def test_the_bad_ticker_stops_after_its_raw_prices(server: Server, evening: Evening) -> None:
    assert server.outcome(evening.runs["TSLA"]) == "FAILURE"
    assert server.materialised(evening.runs["TSLA"]) == {"raw_prices"}
    store = ArtefactStore(server.data)
    assert {asset for asset in ALL if store.has(asset, "TSLA", FRIDAY)} == {"raw_prices"}
    steps = server.ask(FAILED_STEPS, id=evening.runs["TSLA"])["runOrError"]["stepStats"]
    assert [step["stepKey"] for step in steps if step["status"] == "FAILURE"] == ["clean_prices"]
    [execution] = server.ask(
        CHECK, asset={"path": ["raw_prices"]}, check="prices_are_positive", partition=f"{FRIDAY}|TSLA"
    )["assetCheckExecutions"]
    assert (execution["status"], execution["evaluation"]["success"]) == ("FAILED", False)


def test_its_earlier_partition_stays_valid(server: Server, evening: Evening) -> None:
    store = ArtefactStore(server.data)
    assert all(store.is_whole(asset, "TSLA", THURSDAY) for asset in ALL)
    now = files(server.data)
    assert len(evening.before) > len(ALL)
    assert {name: now.get(name) for name in evening.before} == evening.before


def test_its_bad_snapshot_is_in_quarantine(server: Server, evening: Evening) -> None:
    kept = quarantine.load(ArtefactStore(server.data), "TSLA", FRIDAY)
    assert kept is not None
    assert kept.snapshot is not None
    assert kept.snapshot.equals(server.snapshot("TSLA", FRIDAY).table("raw_prices"))
    [problem] = kept.problems
    assert (problem.asset, problem.what, problem.sessions) == ("clean_prices", "with_positive_prices", (FRIDAY,))
    assert [path.parent.name for path in server.data.glob("quarantine/*/*.json")] == ["TSLA"]
