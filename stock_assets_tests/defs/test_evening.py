"""Many tickers in one run: each as by a run of its own, whatever becomes of the others."""

import datetime as dt
import logging
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import pandas as pd
import pytest

from stock_assets.commands import home
from stock_assets.core.errors import ArtefactError, SourceUnavailableError
from stock_assets.defs import evening, jobs, partitions, resources, run_intake, run_records, standings
from stock_assets.monitoring import alert_texts, condition_store, observations, queries
from stock_assets.monitoring.conditions import Event
from stock_assets.monitoring.records import RunRecord
from stock_assets.sources.base import PriceHistory
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.defs import events, graph
from stock_assets_tests.defs.graph import CannedSource, Graph
from stock_assets_tests.place import files

FRIDAY, MONDAY = graph.SESSION, graph.later(1)
GOOD, HOLE, DOWN, SLOW = TICKERS = ("GOOD", "HOLE", "DOWN", "SLOW")
LISTED = f"[{', '.join(TICKERS)}]"


class Troubled(CannedSource):
    """On MONDAY there is a hole in HOLE where the session's bar was, no answer for DOWN, and a late one for SLOW."""

    def __init__(self) -> None:
        super().__init__(change=self._hole)
        self.asked: list[str] = []

    @staticmethod
    def _hole(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
        if (ticker, session) == (HOLE, MONDAY):
            return bars.rename(index={pd.Timestamp(MONDAY): pd.Timestamp(graph.later(2))})
        return bars

    def fetch(self, ticker: str, session: dt.date) -> PriceHistory:
        if session == MONDAY:
            self.asked.append(ticker)
            if ticker == DOWN or (ticker == SLOW and self.asked.count(SLOW) == 1):
                raise SourceUnavailableError(f"{ticker} {session}: HTTP 503")
        return super().fetch(ticker, session)


def start(made: Graph, *keys: str, training: Collection[str] = ()) -> dg.ExecuteInProcessResult:
    return made.defs.resolve_job_def(evening.JOB).execute_in_process(
        instance=made.instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, **evening.config_of(keys, training)},
        tags={partitions.SESSION_TAG: str(MONDAY)},
        raise_on_error=False,
    )


def key(ticker: str, session: dt.date = MONDAY) -> str:
    return str(partitions.key(ticker, session))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Graph, Graph, dg.ExecuteInProcessResult]]:
    """A Monday by a run of each ticker, and by one for all, after a Friday with training; and that run."""
    folders = [tmp_path_factory.mktemp(name) for name in ("separate", "together")]
    with home.instance(folders[0] / "home") as instance:
        made = Graph(folders[0], instance, tickers=LISTED)
        for ticker in (GOOD, SLOW):  # the others get no further than their prices
            made.run("whole_graph_job", ticker=ticker)
    shutil.copytree(folders[0], folders[1], dirs_exist_ok=True)
    with home.instance(folders[0] / "home") as one, home.instance(folders[1] / "home") as other:
        separate, together = (
            Graph(folder, instance, prices=Troubled(), tickers=LISTED)
            for folder, instance in zip(folders, (one, other), strict=True)
        )
        for ticker in TICKERS:
            separate.run("daily_job", ticker=ticker, session=MONDAY)
        with pytest.MonkeyPatch.context() as patch:
            # Fetches are tried again without a wait here, and put off all the same.
            patch.setattr(evening, "_PATIENCE", -1.0)
            result = start(together, *map(key, TICKERS))
        yield separate, together, result


def test_files_events_checks_and_grid_are_those_of_separate_runs(both) -> None:
    separate, together, _ = both
    theirs, ours = (files(Path(made.settings.data_dir)) for made in (separate, together))
    assert f"report/{GOOD}/{MONDAY}/report.html" in ours
    assert f"report/{SLOW}/{MONDAY}/report.html" in ours
    assert ours == theirs
    assert events.materialisations(together) == events.materialisations(separate)
    assert events.checks(together) == events.checks(separate)
    for asset in graph.ALL:
        assert events.grid(together, asset) == events.grid(separate, asset)
    green, red = events.grid(together, "report")
    assert (green & set(map(key, TICKERS)), red) == ({key(GOOD), key(SLOW)}, {key(HOLE), key(DOWN)})


def test_who_is_asked_again_later_holds_up_nobody(both) -> None:
    _, together, _ = both
    # DOWN once and three times more, SLOW once more: the first of these after all the others.
    assert together.source.asked[:4] == [GOOD, HOLE, DOWN, SLOW]
    assert sorted(together.source.asked[4:]) == [DOWN, DOWN, DOWN, SLOW]


def test_the_run_fails_and_names_who_failed(both) -> None:
    _, _, result = both
    told = graph.failures(result)[partitions.EVENING]
    assert "2 of 4 partitions failed: " in told
    assert f"HOLE {MONDAY} (check last_session_is_present on raw_prices failed: " in told
    assert f"DOWN {MONDAY} (DOWN {MONDAY}: HTTP 503)" in told


def runs_of(made: Graph, run_id: str) -> list[RunRecord]:
    record = made.instance.get_run_record_by_id(run_id)
    assert record is not None
    return run_intake._read(made.instance, record, dg.get_dagster_logger())


def told(run: RunRecord) -> dict[tuple, str | None]:
    """What is wrong: subject -> words."""
    return {one.subject: one.told for one in observations.of_run(run) if not one.passed}


def test_monitoring_reads_of_each_partition_what_a_run_of_its_own_tells(both) -> None:
    separate, together, result = both
    whole, *parts = runs_of(together, result.run_id)
    assert (whole.run_id, whole.job, whole.status, whole.ticker) == (result.run_id, evening.JOB, "failure", None)
    assert (whole.checks, whole.materialisations) == ((), ())
    assert [part.run_id for part in parts] == [f"{result.run_id}/{key(ticker)}" for ticker in TICKERS]
    [*alone] = [
        runs_of(separate, run.run_id)[0]
        for ticker in TICKERS
        for run in separate.instance.get_runs(dg.RunsFilter(tags={partitions.TAG: key(ticker)}))
    ]
    for part, own in zip(parts, alone, strict=True):
        assert (part.job, part.status, part.ticker, part.session) == (own.job, own.status, own.ticker, own.session)
        assert told(part) == told(own)
        assert part.error == own.error
        assert {(one.asset, one.checksum) for one in part.materialisations} == {
            (one.asset, one.checksum) for one in own.materialisations
        }
        assert _checks_of(part) == _checks_of(own)
        assert [(one.attempt, one.succeeded, one.error) for one in part.fetches] == [
            (one.attempt, one.succeeded, one.error) for one in own.fetches
        ]
        mine = {one.step: (one.status, one.attempts, one.error) for one in part.steps}
        assert mine.items() <= {one.step: (one.status, one.attempts, one.error) for one in own.steps}.items()
    assert [part.status for part in parts] == ["success", "failure", "failure", "success"]
    assert [len(part.fetches) for part in parts] == [1, 1, 4, 2]


def _checks_of(run: RunRecord) -> set[tuple[Any, ...]]:
    return {(one.asset, one.check, one.passed, one.severity, one.blocking, one.told) for one in run.checks}


def test_alerts_name_ticker_session_and_check_and_the_run_that_dagster_knows(both, tmp_path) -> None:
    _, together, result = both
    database = resources.LazyDatabase(mock.Mock(database_url=f"sqlite:///{tmp_path / 'monitoring.db'}"))
    now, log = dt.datetime.now(dt.UTC), logging.getLogger("stock_assets.test")
    for _ in range(2):
        run_intake.take_finished(together.instance, database, together.store, now, log)
    with database.reading() as connection:
        wrong = condition_store.open_conditions(connection)
        last = queries.last_runs(connection)
    database.opened.close()
    assert {one.subject[1:] for one in wrong} == {
        (HOLE, "raw_prices", "last_session_is_present"),
        (DOWN, "raw_prices", ""),
    }
    assert {one.session for one in wrong} == {MONDAY}
    for one in wrong:
        words = alert_texts.words([one], Event.OPENED, ui_url="http://127.0.0.1:3000")
        assert words.title.startswith(f"{one.subject.ticker}: ")
        assert words.details["conditions"][0]["run_id"] == result.run_id
        assert words.text.endswith(f"/runs/{result.run_id}") is (one.subject.ticker == DOWN)
    assert {ticker: (run.status, run.session) for ticker, run in last.items()} == {
        ticker: ("failure" if ticker in (HOLE, DOWN) else "success", MONDAY) for ticker in TICKERS
    }


def test_the_watchlists_page_knows_each(both) -> None:
    separate, together, _ = both
    theirs, ours = (standings.of_session(made.instance, TICKERS, MONDAY) for made in (separate, together))
    assert ours == theirs
    assert [ours[ticker].run for ticker in TICKERS] == ["done", "failed", "failed", "done"]


def test_a_run_that_ended_early_tells_it_of_each_that_it_had_not_made(make_graph) -> None:
    made = make_graph(tickers=LISTED)
    with made.instance as instance:
        made.run("whole_graph_job", ticker=GOOD)
        job = made.defs.resolve_job_def(evening.JOB)
        asked = [key(GOOD), key(SLOW)]
        run = instance.create_run_for_job(job, run_config=evening.config_of(asked))
        instance.report_run_failed(run, "the process is gone")
        [whole, *parts] = runs_of(made, run.run_id)
    assert whole.status == "failure"
    assert [told(part) for part in parts] == [
        {("run_failed", ticker, "", "daily_job"): f"{ticker} {MONDAY}: the process is gone"} for ticker in (GOOD, SLOW)
    ]


def test_a_run_whose_log_can_not_be_read_is_told_until_another_went_well(make_graph, tmp_path, monkeypatch) -> None:
    made = make_graph(tickers=LISTED)
    database = resources.LazyDatabase(mock.Mock(database_url=f"sqlite:///{tmp_path / 'monitoring.db'}"))
    job = made.defs.resolve_job_def(evening.JOB)

    def wrong_after(ended: dg.DagsterEventType) -> list[tuple]:
        run = made.instance.create_run_for_job(job, run_config=evening.config_of([key(GOOD)]))
        made.instance.report_dagster_event(dg.DagsterEvent(ended.value, evening.JOB, message="ended"), run.run_id)
        now, log = dt.datetime.now(dt.UTC), logging.getLogger("stock_assets.test")
        run_intake.take_finished(made.instance, database, made.store, now, log)
        with database.reading() as connection:
            return [one.subject for one in condition_store.open_conditions(connection)]

    with monkeypatch.context() as patch:
        patch.setattr(run_records, "read", mock.Mock(side_effect=LookupError("an event of another version")))
        assert wrong_after(dg.DagsterEventType.RUN_FAILURE) == [("run_failed", "", "", evening.JOB)]
    assert wrong_after(dg.DagsterEventType.RUN_SUCCESS) == []
    database.opened.close()


def test_several_sessions_of_a_ticker_are_made_in_order(make_graph) -> None:
    made = make_graph(tickers=LISTED)
    for ticker in (GOOD, SLOW):
        made.run("whole_graph_job", ticker=ticker)
    later = graph.later(2)
    result = start(made, key(GOOD), key(SLOW), key(GOOD, later), key(SLOW, later))
    assert result.success
    fetched = [one for one in made.source.fetches if one[1] != FRIDAY]
    assert fetched == [(GOOD, MONDAY), (GOOD, later), (SLOW, MONDAY), (SLOW, later)]
    assert set(made.checksums(later, SLOW)) == set(jobs.DAILY_ASSETS)


def test_a_ticker_whose_turn_it_is_is_trained_as_by_a_run_of_its_own(tmp_path) -> None:
    """And in a first evening, where there is no model yet; one without is told, and holds up nobody."""
    found = []
    for name in ("alone", "together"):
        (tmp_path / name).mkdir()
        with home.instance(tmp_path / name / "home") as instance:
            made = Graph(tmp_path / name, instance, tickers=LISTED)
            if name == "alone":
                made.run("whole_graph_job", ticker=GOOD, session=MONDAY)
                told = {}
            else:
                result = start(made, key(SLOW), key(GOOD), training=[key(GOOD)])
                told = failures_of(made, result.run_id)
                tried = {step.step: step.attempts for step in runs_of(made, result.run_id)[1].steps}
            mine = {file: data for file, data in files(Path(made.settings.data_dir)).items() if f"/{GOOD}/" in file}
            of_good = {one: event for one, event in events.materialisations(made).items() if one[1] == key(GOOD)}
            checked = {one: event for one, event in events.checks(made).items() if one[1] == key(GOOD)}
            found.append((mine, of_good, checked))
    assert found[0] == found[1]
    assert {asset for asset, _ in found[1][1]} == {*jobs.DAILY_ASSETS, *jobs.TRAINING_ASSETS}
    assert told[GOOD] is None
    assert "the model has expired" in (told[SLOW] or "")
    # Once, as by a run of its own: a model does not come by itself.
    assert tried["predictions"] == 1


def test_what_fails_behind_the_prices_is_tried_again_on_the_spot(make_graph, monkeypatch) -> None:
    """Nothing that is made would be made again: only the fetch makes room for others."""
    made, failed = make_graph(tickers=LISTED), []
    write = ArtefactStore.write

    def with_a_bad_moment(store: ArtefactStore, asset: str, *args: Any) -> object:
        if asset == "features" and not failed:
            failed.append(asset)
            raise ArtefactError("the disk is full")
        return write(store, asset, *args)

    monkeypatch.setattr(ArtefactStore, "write", with_a_bad_moment)
    monkeypatch.setattr(evening, "_PATIENCE", -1.0)
    assert start(made, key(GOOD), key(SLOW), training=[key(GOOD), key(SLOW)]).success
    assert failed == ["features"]
    assert made.source.fetches == [(GOOD, MONDAY), (SLOW, MONDAY)]


def test_who_is_not_followed_is_refused(make_graph) -> None:
    made = make_graph(tickers=LISTED)
    told = graph.failures(start(made, key(GOOD), key("NVDA")))[partitions.EVENING]
    assert "NVDA: not on the watchlist; expected of GOOD, HOLE, DOWN, SLOW" in told
    assert made.source.fetches == []


@pytest.mark.parametrize(("tickers", "sizes"), [(1, [1]), (2, [1, 1]), (21, [11, 10]), (51, [17, 17, 17])])
def test_groups_are_few_and_equal(tickers: int, sizes: list[int]) -> None:
    keys = [key(f"T{n}", session) for session in (FRIDAY, MONDAY) for n in range(tickers)]
    found = evening.groups(keys)
    assert [len(group) / 2 for group in found] == sizes
    assert sorted(key for group in found for key in group) == sorted(keys)
    for group in found:
        mine = [partitions.split(key) for key in group]
        assert all(mine.index((ticker, FRIDAY)) < mine.index((ticker, MONDAY)) for ticker, _ in mine)


def test_partitions_of_runs(both) -> None:
    separate, together, result = both
    assert partitions.of_run(together.instance.get_run_by_id(result.run_id)) == list(map(key, TICKERS))
    [own] = separate.instance.get_runs(dg.RunsFilter(tags={partitions.TAG: key(GOOD)}))
    assert partitions.of_run(own) == [key(GOOD)]
    record = together.instance.get_run_record_by_id(result.run_id)
    assert run_records.of_partitions(separate.instance, _record(separate, own), runs_of(separate, own.run_id)[0]) == []
    assert record is not None


def _record(made: Graph, run: dg.DagsterRun) -> dg.RunRecord:
    record = made.instance.get_run_record_by_id(run.run_id)
    assert record is not None
    return record


class Hanging(CannedSource):
    """Lets those in `hangs` wait on MONDAY until they time out; told of each fetch, `watch` looks around."""

    def __init__(self, *hangs: str, watch: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.hangs, self.watch = set(hangs), watch
        self.asked: list[str] = []

    def fetch(self, ticker: str, session: dt.date) -> PriceHistory:
        if session == MONDAY:
            self.asked.append(ticker)
            self.watch()
            if ticker in self.hangs:
                raise SourceUnavailableError(f"{ticker} {session}: timed out", timed_out=True)
        return super().fetch(ticker, session)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance as a user has it, with the pools of dagster.yaml."""
    with home.instance(tmp_path / "home") as instance:
        yield instance


def failures_of(made: Graph, run_id: str) -> dict[str | None, str | None]:
    return {part.ticker: part.error for part in runs_of(made, run_id)[1:]}


def test_a_source_that_hangs_is_asked_for_three_tickers_only(tmp_path, local, monkeypatch) -> None:
    monkeypatch.setattr(evening, "_PATIENCE", -1.0)
    tickers = [f"T{n}" for n in range(6)]
    made = Graph(tmp_path, local, prices=Hanging(*tickers), tickers=f"[{', '.join(tickers)}]")
    result = start(made, *map(key, tickers))
    assert made.source.asked == ["T0", "T1", "T2"]
    why = "not tried: the price source let T0, T1, T2 wait in vain one after the other; the next tick asks again"
    assert failures_of(made, result.run_id) == {ticker: f"{ticker} {MONDAY}: {why}" for ticker in tickers}
    assert events.grid(made, "raw_prices") == (set(), set(map(key, tickers)))
    # What was not tried is no fetch that failed.
    tried = {part.ticker: [fetch.error for fetch in part.fetches] for part in runs_of(made, result.run_id)[1:]}
    assert tried == {
        ticker: [f"{ticker} {MONDAY}: timed out"] if ticker in ("T0", "T1", "T2") else [] for ticker in tickers
    }
    assert "6 of 6 partitions failed: " in graph.failures(result)[partitions.EVENING]

    # At the next tick it answers again.
    again = Graph(tmp_path, local, tickers=f"[{', '.join(tickers)}]")
    start(again, *map(key, tickers[:2]))
    assert events.grid(again, "raw_prices")[0] == set(map(key, tickers[:2]))


def test_tickers_that_time_out_among_others_are_only_their_own_trouble(tmp_path, local, monkeypatch) -> None:
    monkeypatch.setattr(evening, "_PATIENCE", -1.0)
    tickers = [f"T{n}" for n in range(6)]
    # Two in a row and one more, with answers in between; three in a row only once no others are left.
    made = Graph(tmp_path, local, prices=Hanging("T0", "T1", "T4"), tickers=f"[{', '.join(tickers)}]")
    start(made, *map(key, tickers))
    assert events.grid(made, "raw_prices")[0] == set(map(key, ("T2", "T3", "T5")))
    assert made.source.asked == [*tickers, "T0", "T1", "T4"]


def test_each_fetch_takes_a_place_of_the_pool_and_gives_it_back(tmp_path, local) -> None:
    pool = local.event_log_storage
    seen: list[int] = []
    source = Hanging(watch=lambda: seen.append(pool.get_concurrency_info("price_source").active_slot_count))
    made = Graph(tmp_path, local, prices=source, tickers=LISTED)
    start(made, key(GOOD), key(SLOW))
    assert seen == [1, 1]
    assert pool.get_concurrency_info("price_source").slot_count == 2
    assert pool.get_concurrency_info("price_source").active_slot_count == 0


def test_with_all_places_taken_it_waits_for_one(tmp_path, local) -> None:
    pool = local.event_log_storage
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as other:
        pool.initialize_concurrency_limit_to_default("price_source")
        for run in ("by hand", "another"):
            assert pool.claim_concurrency_slot("price_source", run, "raw_prices").is_claimed
        waited: list[list[str]] = []

        def give_back() -> None:
            while not (pending := other.event_log_storage.get_concurrency_info("price_source").pending_step_count):
                stopped.wait(0.05)
                if stopped.is_set():
                    return
            waited.append([*source.asked, f"{pending} waits"])
            other.event_log_storage.free_concurrency_slots_for_run("by hand")

        stopped = threading.Event()
        source = Hanging()
        made = Graph(tmp_path, local, prices=source, tickers=LISTED)
        watching = threading.Thread(target=give_back)
        watching.start()
        try:
            start(made, key(GOOD))
        finally:
            stopped.set()
            watching.join()
    assert waited == [["1 waits"]]
    assert source.asked == [GOOD]
    assert pool.get_concurrency_info("price_source").active_run_ids == {"another"}
