"""Housekeeping deletes what it said it would, and nothing unless it is told to."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pydantic
import pytest

from stock_assets.core import retention, sessions
from stock_assets.core.errors import ArtefactError
from stock_assets.defs import housekeeping, partitions
from stock_assets.storage import inventory
from stock_assets_tests.defs.graph import SESSION, Graph, later
from stock_assets_tests.place import files

N_SESSIONS = 50
LISTED = [later(-n) for n in range(N_SESSIONS)]
WHOLE = ("raw_prices", "clean_prices", "predictions", "track_record", "report")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage on the disk, as what is left there is asked."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home"), {"telemetry": {"enabled": False}}) as local:
        yield local


@pytest.fixture
def graph(make_graph: Callable[..., Graph]) -> Graph:
    """TSLA, and OLD that is followed no longer, made on the fifty sessions up to SESSION and trained weekly."""
    graph = make_graph()
    for ticker in ("TSLA", "OLD"):
        for n, session in enumerate(LISTED):
            for asset in (*WHOLE, *(("model", "backtest", "evaluation") if n % 5 == 0 else ())):
                put(graph, asset, ticker, session)
    put(graph, "trials", "TSLA", LISTED[-1])
    put(graph, "watchlist_page", partitions.ALL_TICKERS, LISTED[-1], LISTED[0])
    return graph


def put(graph: Graph, asset: str, ticker: str, *listed: dt.date) -> None:
    """Small files without the care that real ones are written with."""
    for session in listed:
        folder = Path(graph.store.base / asset / ticker)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{session}.json").write_bytes(b"{}" * 10)
        (folder / f"{session}.sha256").write_bytes(b"seal")


def tidy(graph: Graph, **config: Any) -> dict[str, Any]:
    """What a run of the job told."""
    result = graph.defs.resolve_job_def("housekeeping_job").execute_in_process(
        instance=graph.instance,
        run_config={
            "ops": {"tidy_up": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    [output] = [event for event in result.all_events if event.is_successful_output]
    told = output.step_output_data.metadata
    return {name: getattr(value, "value", value) for name, value in told.items()} | {
        "by asset": [record.data for record in told["by asset"].records]
    }


def content(graph: Graph) -> dict[str, bytes]:
    return files(Path(graph.store.base))


def test_nothing_is_deleted_unless_it_is_told_to(graph: Graph) -> None:
    before = content(graph)
    told = tidy(graph, keep_sessions=10)
    assert told["deleted"] is False
    assert told["artefacts that would go"] > 100
    assert content(graph) == before


def test_what_is_promised_to_go_goes_and_its_bytes_are_right(graph: Graph) -> None:
    before = content(graph)
    promised = tidy(graph, keep_sessions=10)
    done = tidy(graph, keep_sessions=10, dry_run=False)
    after = content(graph)
    gone = {name: data for name, data in before.items() if name not in after}
    assert {name: after[name] for name in after} == {name: before[name] for name in after}
    assert done["artefacts that went"] == promised["artefacts that would go"] == len(gone) / 2
    assert done["bytes that went"] == promised["bytes that would go"] == sum(map(len, gone.values()))
    rows = {row["asset"]: row for row in done["by asset"]}
    of_reports = {name: data for name, data in before.items() if name.startswith("report/")}
    assert rows["report"]["files"] == str(len(of_reports))
    assert rows["report"]["bytes"] == f"{sum(map(len, of_reports.values())):,}"
    assert rows["report"]["files that went"] == str(sum(name.startswith("report/") for name in gone))
    assert tidy(graph, keep_sessions=10)["artefacts that would go"] == 0


def test_the_latest_sessions_month_ends_and_what_they_need_stay(graph: Graph) -> None:
    tidy(graph, keep_sessions=10, dry_run=False)
    reports = graph.store.sessions("report", "TSLA")
    month_ends = [dt.date(2023, 12, 29), dt.date(2024, 1, 31), dt.date(2024, 2, 29)]
    assert reports == sorted({*LISTED[:10], *month_ends})
    for session in reports:
        needed = [one for one in LISTED[::5] if 0 <= LISTED.index(one) - LISTED.index(session) < 10]
        assert set(needed) <= set(graph.store.sessions("model", "TSLA"))
    assert graph.store.sessions("predictions", "TSLA") == sorted(LISTED)
    assert graph.store.sessions("trials", "TSLA") == [LISTED[-1]]
    assert graph.store.sessions("watchlist_page", partitions.ALL_TICKERS) == sorted({LISTED[-1], LISTED[0]})


def test_tickers_that_are_not_on_the_watchlist_are_left_alone_unless_told(graph: Graph) -> None:
    told = tidy(graph, keep_sessions=10, dry_run=False)
    assert told["left alone"] == "OLD"
    assert len(graph.store.sessions("report", "OLD")) == N_SESSIONS
    told = tidy(graph, keep_sessions=10, dry_run=False, unfollowed=True)
    assert told["left alone"] == "none"
    assert graph.store.sessions("report", "OLD") == graph.store.sessions("report", "TSLA")


def test_a_partition_that_is_under_way_is_left_alone(graph: Graph) -> None:
    """A backfill of old sessions reads what it has just made."""
    key = partitions.key("TSLA", LISTED[40])
    run = dg.DagsterRun("whole_graph_job", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": str(key)})
    graph.instance.add_run(run)
    tidy(graph, keep_sessions=10, dry_run=False)
    assert LISTED[40] in graph.store.sessions("raw_prices", "TSLA")
    assert LISTED[39] not in graph.store.sessions("raw_prices", "TSLA")


def backfill_of(graph: Graph, first: dt.date, last: dt.date, status: dg.DagsterRunStatus) -> str:
    """A run of the job, which has no partition of its own, as Dagster keeps it."""
    asked = {"ticker": "TSLA", "first": str(first), "last": str(last)}
    run = dg.DagsterRun("backfill_job", status=status, run_config={"ops": {"backfill": {"config": asked}}})
    return graph.instance.add_run(run).run_id


def test_what_a_backfill_is_at_is_left_alone_and_the_models_it_may_need(graph: Graph) -> None:
    backfill_of(graph, LISTED[30], LISTED[27], dg.DagsterRunStatus.NOT_STARTED)
    tidy(graph, keep_sessions=10, keep_month_ends=False, dry_run=False)
    stays = set(graph.store.sessions("raw_prices", "TSLA"))
    assert stays.intersection(LISTED[15:]) == set(LISTED[27:40])
    assert set(LISTED[30:40:5]) <= set(graph.store.sessions("model", "TSLA"))


def test_the_run_of_a_backfill_stays_as_long_as_one_of_its_partitions(make_graph: Callable[..., Graph]) -> None:
    class Later:
        def now(self) -> dt.datetime:
            return dt.datetime.now(dt.UTC) + dt.timedelta(days=100)

    graph = make_graph(clock=Later())
    put(graph, "raw_prices", "TSLA", *LISTED[:40])
    gone = backfill_of(graph, LISTED[39], LISTED[30], dg.DagsterRunStatus.SUCCESS)
    kept = backfill_of(graph, LISTED[20], LISTED[9], dg.DagsterRunStatus.SUCCESS)
    odd = backfill_of(graph, dt.date(2024, 3, 9), LISTED[0], dg.DagsterRunStatus.FAILURE)  # a Saturday
    tidy(graph, keep_sessions=10, keep_month_ends=False, dry_run=False)
    assert [graph.instance.get_run_by_id(run_id) is not None for run_id in (gone, kept, odd)] == [False, True, False]


def test_what_no_seal_speaks_for_goes_with_its_session_only(graph: Graph) -> None:
    """Left by a deletion that was killed; or just being written, for the newest session."""
    coming = sessions.next_session(SESSION)
    for session in (LISTED[40], LISTED[5], coming):
        put(graph, "features", "TSLA", session)
        Path(graph.store.base / "features" / "TSLA" / f"{session}.sha256").unlink()
    tidy(graph, keep_sessions=10, dry_run=False)
    assert list(inventory.contents(graph.store, "features", "TSLA")) == [LISTED[5], coming]


def test_a_disk_that_fails_fails_the_run(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ArtefactError("report/TSLA can't be tidied: Input/output error")

    monkeypatch.setattr("stock_assets.storage.inventory.delete", fail)
    with pytest.raises(ArtefactError, match="can't be tidied"):
        tidy(graph, keep_sessions=10, dry_run=False)


@pytest.mark.parametrize("config", [{"keep_sessions": 9}, {"keep_runs_days": 6}])
def test_keeping_too_little_is_refused(graph: Graph, config: dict[str, int]) -> None:
    with pytest.raises(pydantic.ValidationError, match="greater than or equal to"):
        tidy(graph, **config)


def test_assets_made_for_each_ticker_are_all_tidied_up(graph: Graph) -> None:
    made = {spec.key.to_user_string() for spec in graph.defs.resolve_all_asset_specs()}
    assert made == {*housekeeping.ASSETS, "watchlist_page"} - {"quarantine"}
    assert set(retention.RECENT) | set(retention.EARLIER) < made
    assert made >= retention.ALWAYS - {"trials"}


def run_of(graph: Graph, ticker: str, session: dt.date) -> str:
    """A run that makes raw prices of a partition."""
    return graph.run(["raw_prices"], ticker=ticker, session=session).run_id


def materialised(graph: Graph) -> set[str]:
    return graph.instance.get_materialized_partitions(dg.AssetKey("raw_prices"))


def shown(graph: Graph) -> set[str]:
    """The same as the UI shows it, which remembers what it once saw."""
    grid = next(asset for asset in graph.defs.resolve_all_asset_specs() if asset.key == dg.AssetKey("raw_prices"))
    keys = [f"{session}|TSLA" for session in LISTED]
    statuses = graph.instance.get_status_by_partition(grid.key, keys, grid.partitions_def)
    assert statuses is not None
    return {str(key) for key, status in statuses.items() if status and status.value == "MATERIALIZED"}


def test_old_runs_go_unless_their_partition_is_kept(make_graph: Callable[..., Graph]) -> None:
    """With their events: Dagster then takes the partition for one that was never made."""

    class Later:
        def now(self) -> dt.datetime:
            return dt.datetime.now(dt.UTC) + dt.timedelta(days=30)

    graph = make_graph(clock=Later())
    for n in range(12):
        put(graph, "raw_prices", "TSLA", later(-n))
    old, kept = run_of(graph, "TSLA", later(-11)), run_of(graph, "TSLA", SESSION)
    home = Path(graph.instance.root_directory)
    assert tidy(graph, keep_sessions=10, keep_runs_days=31)["runs that would go"] == 0
    assert tidy(graph, keep_sessions=10, keep_runs_days=29)["runs that would go"] == 2  # with the first housekeeping
    assert graph.instance.get_run_by_id(old) is not None
    assert materialised(graph) == shown(graph) == {f"{later(-11)}|TSLA", f"{SESSION}|TSLA"}
    assert tidy(graph, keep_sessions=10, keep_runs_days=29, dry_run=False)["runs that went"] == 3
    assert graph.instance.get_run_by_id(old) is None
    assert graph.instance.get_run_by_id(kept) is not None
    assert materialised(graph) == shown(graph) == {f"{SESSION}|TSLA"}
    assert not [path for path in home.rglob(f"*{old}*") if path.exists()]
    assert list(home.rglob(f"*{kept}*"))
    assert graph.store.has("raw_prices", "TSLA", SESSION)
