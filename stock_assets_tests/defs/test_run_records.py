"""What is kept of a finished run: its steps, artefacts, checks and fetches, and why it failed."""

import datetime as dt

import dagster as dg
import pandas as pd

from stock_assets.core.errors import SourceUnavailableError
from stock_assets.defs import partitions, run_records
from stock_assets.monitoring.records import RunRecord
from stock_assets_tests.defs import graph

WHERE = f"TSLA {graph.SESSION}"


def read(made: graph.Graph, run_id: str) -> RunRecord:
    record = made.instance.get_run_record_by_id(run_id)
    assert record is not None
    return run_records.read(made.instance, record)


def test_a_run_that_went_well(finished):
    made, result = finished
    run = read(made, result.run_id)
    assert (run.job, run.status, run.ticker, run.session, run.error) == (
        "whole_graph_job",
        "success",
        "TSLA",
        graph.SESSION,
        None,
    )
    assert run.started is not None
    assert run.started < run.ended
    assert {(step.status, step.attempts, step.error) for step in run.steps} == {("success", 1, None)}
    assert {step.step for step in run.steps} >= {"raw_prices", "raw_prices_checks", "report"}
    assert 0 < sum(step.seconds for step in run.steps) <= (run.ended - run.started).total_seconds()


def test_its_artefacts(finished):
    made, result = finished
    run = read(made, result.run_id)
    found = {one.asset: one for one in run.materialisations}
    assert {asset: one.checksum for asset, one in found.items()} == {
        asset: made.store.checksum(asset, "TSLA", graph.SESSION) for asset in graph.materialised(result)
    }
    assert {(one.ticker, one.session, one.source) for one in run.materialisations} == {
        ("TSLA", graph.SESSION, "canned")
    }
    assert found["raw_prices"].rows == len(made.snapshot().table("raw_prices"))
    parts = made.store.path("raw_prices", "TSLA", graph.SESSION, ".parquet").iterdir()
    assert found["raw_prices"].bytes == sum(part.stat().st_size for part in parts)
    assert found["price_metrics"].rows is None
    assert all(run.started < one.made < run.ended for one in run.materialisations)


def test_its_checks(finished):
    made, result = finished
    run = read(made, result.run_id)
    assert len(run.checks) == len(result.get_asset_check_evaluations())
    [one] = [one for one in run.checks if one.check == "adjusted_close_agrees_with_source"]
    assert (one.asset, one.ticker, one.session, one.passed, one.severity, one.blocking) == (
        "clean_prices",
        "TSLA",
        graph.SESSION,
        True,
        "warn",
        False,
    )
    assert (one.observed, one.threshold) == ("0.0", "0.0005")
    assert one.expected == "at most 0.0005 relative difference on every row"
    assert one.told == f"as expected: {one.expected}"
    [schema] = [one for one in run.checks if one.check == "has_raw_schema"]
    assert (schema.severity, schema.blocking, schema.threshold) == ("error", True, None)


def test_its_fetch(finished):
    made, result = finished
    [fetch] = read(made, result.run_id).fetches
    assert (fetch.attempt, fetch.ticker, fetch.session, fetch.succeeded, fetch.error) == (
        1,
        "TSLA",
        graph.SESSION,
        True,
        None,
    )


class Hiccup(graph.CannedSource):
    """Fails `times` times."""

    def __init__(self, times: int):
        super().__init__()
        self.times = times

    def fetch(self, ticker, session):
        self.times -= 1
        if self.times >= 0:
            raise SourceUnavailableError(f"{ticker} {session}: busy, {self.times} left")
        return super().fetch(ticker, session)


def test_a_fetch_that_is_tried_again(make_graph):
    made = make_graph(prices=Hiccup(2))
    run = read(made, made.run(["raw_prices"]).run_id)
    assert run.status == "success"
    assert [(one.attempt, one.succeeded, one.error) for one in run.fetches] == [
        (1, False, f"{WHERE}: busy, 1 left"),
        (2, False, f"{WHERE}: busy, 0 left"),
        (3, True, None),
    ]
    assert [one.ended for one in run.fetches] == sorted(one.ended for one in run.fetches)
    [step] = [step for step in run.steps if step.step == "raw_prices"]
    assert (step.status, step.attempts, step.error) == ("success", 3, None)


def test_a_fetch_that_fails_for_good(make_graph):
    made = make_graph(prices=Hiccup(9))
    run = read(made, made.run("daily_job").run_id)
    assert (run.status, run.error) == ("failure", f"{WHERE}: busy, 5 left")
    assert [one.succeeded for one in run.fetches] == [False] * 4
    steps = {step.step: step for step in run.steps}
    assert (steps["raw_prices"].status, steps["raw_prices"].attempts) == ("failure", 4)
    assert steps["raw_prices"].error == f"{WHERE}: busy, 5 left"
    assert (steps["report"].status, steps["report"].attempts, steps["report"].seconds) == ("skipped", 0, None)
    assert run.materialisations == ()


def test_a_blocking_check(make_graph):
    def without_last_bar(bars, ticker, session):
        return bars.rename(index={pd.Timestamp(session): pd.Timestamp(graph.later(1))})

    made = make_graph(prices=graph.CannedSource(change=without_last_bar))
    run = read(made, made.run("daily_job").run_id)
    assert run.status == "failure"
    assert run.error.startswith(f"{WHERE}: check last_session_is_present on raw_prices failed: came ")
    [check] = [one for one in run.checks if not one.passed]
    assert (check.check, check.severity, check.blocking) == ("last_session_is_present", "error", True)
    assert (check.observed, check.expected) == (f"{graph.later(-1)}", f"a last bar with all prices on {graph.SESSION}")
    steps = {step.step: step.status for step in run.steps}
    assert (steps["raw_prices"], steps["raw_prices_checks"], steps["clean_prices"]) == ("success", "failure", "skipped")


def test_a_run_that_somebody_stopped(make_graph):
    class Stopped(graph.CannedSource):
        def fetch(self, ticker, session):
            raise KeyboardInterrupt

    made = make_graph(prices=Stopped())
    made.run(["raw_prices"])
    [record] = made.instance.get_run_records()
    run = run_records.read(made.instance, record)
    assert (run.status, run.error) == ("canceled", f"{WHERE}: somebody stopped the run")


def test_a_run_that_hung_failed_and_was_not_stopped_by_somebody(make_graph):
    """Dagster's daemon first says that it took too long, and then interrupts it as a person would."""

    class Hanging(graph.CannedSource):
        def fetch(self, ticker, session):
            [run] = made.instance.get_runs()
            made.instance.report_run_canceling(run, "Canceling due to exceeding maximum runtime of 3600 seconds.")
            made.instance.report_run_failed(run, "Exceeded maximum runtime of 3600 seconds.")
            raise KeyboardInterrupt

    made = make_graph(prices=Hanging())
    run = read(made, made.run(["raw_prices"]).run_id)
    assert (run.status, run.error) == ("failure", f"{WHERE}: Exceeded maximum runtime of 3600 seconds.")
    [step] = [step for step in run.steps if step.step == "raw_prices"]
    assert (step.status, step.error) == ("failure", None)


def test_a_run_whose_process_was_killed(make_graph):
    """All that is there is a run that never said how it ended, and Dagster's word that it did."""
    made = make_graph()
    job = made.defs.resolve_job_def("daily_job")
    run = made.instance.create_run_for_job(job, tags={"dagster/partition": str(partitions.key("TSLA", graph.SESSION))})
    made.instance.report_run_failed(run, "The process that ran this was killed.")
    found = read(made, run.run_id)
    assert (found.status, found.ticker, found.session, found.started) == ("failure", "TSLA", graph.SESSION, None)
    assert found.error == f"{WHERE}: The process that ran this was killed."
    assert found.fetches == ()


def test_a_run_about_no_partition(make_graph):
    @dg.op
    def tidy() -> None:
        raise SourceUnavailableError("nobody there")

    @dg.job
    def tidy_job():
        tidy()

    made = make_graph()
    result = tidy_job.execute_in_process(instance=made.instance, raise_on_error=False)
    run = read(made, result.run_id)
    assert (run.job, run.ticker, run.session, run.status) == ("tidy_job", None, None, "failure")
    assert run.error == "tidy_job: nobody there"
    [step] = run.steps
    assert (step.step, step.status, step.attempts, step.error) == ("tidy", "failure", 1, "tidy_job: nobody there")


def test_a_run_of_all_tickers_is_about_none(make_graph):
    made = make_graph()
    result = made.defs.resolve_job_def("watchlist_job").execute_in_process(
        instance=made.instance, partition_key=graph.SESSION.isoformat(), raise_on_error=False
    )
    run = read(made, result.run_id)
    assert (run.ticker, run.session) == (None, graph.SESSION)


def test_a_log_that_can_not_be_read(finished):
    made, result = finished
    record = made.instance.get_run_record_by_id(result.run_id)
    run = run_records.unreadable(record, ValueError("no\nevents"))
    assert (run.status, run.error) == ("success", f"{WHERE}: its log can't be read: no events")
    assert run.steps == ()
    assert run.ended == dt.datetime.fromtimestamp(record.end_time, dt.UTC)


def test_a_backfill_is_of_a_ticker_and_of_many_sessions(make_graph):
    """Why it failed is not one session's check: that is told by the check itself, of its own session."""

    def spoilt(bars: pd.DataFrame, ticker: str, session: dt.date) -> pd.DataFrame:
        hole = {pd.Timestamp(session): pd.Timestamp(graph.later(9))}
        return bars.rename(index=hole) if session == graph.later(1) else bars

    made = make_graph(prices=graph.CannedSource(change=spoilt))
    result = made.backfill(graph.SESSION, graph.later(2))
    run = read(made, result.run_id)
    assert (run.job, run.status, run.ticker, run.session) == ("backfill_job", "failure", "TSLA", None)
    assert run.error.startswith("TSLA: 1 of 3 sessions failed: 2024-03-11 (check last_session_is_present on raw_prices")
    [step] = run.steps
    assert (step.step, step.status, step.error) == ("backfill", "failure", run.error)
    sessions = [graph.later(n) for n in range(3)]
    assert [one.session for one in run.materialisations if one.asset == "raw_prices"] == sessions
    assert [one.session for one in run.materialisations if one.asset == "features"] == [sessions[0], sessions[2]]
    assert {one.ticker for one in (*run.materialisations, *run.checks)} == {"TSLA"}
    blocked = [(one.check, one.session) for one in run.checks if one.blocking and not one.passed]
    assert blocked == [("last_session_is_present", sessions[1])]
    assert run.fetches == ()
