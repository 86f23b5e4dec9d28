"""The page is made when the last ticker of the newest session is done, and once."""

import dagster as dg
import pytest

from stock_assets import definitions
from stock_assets.defs import partitions, watchlist_sensor
from stock_assets_tests.defs import graph as graphs

Status = dg.DagsterRunStatus


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run_of(instance: dg.DagsterInstance, ticker: str, status: Status, *, n: int = 0) -> dg.DagsterRun:
    """A run of a ticker and the n-th session after SESSION, as Dagster tags it."""
    key = partitions.key(ticker, graphs.later(n))
    tags = {"dagster/partition": str(key), "dagster/partition/date": graphs.later(n).isoformat()}
    run = dg.DagsterRun(job_name="daily_job", status=status, tags=tags | {"dagster/partition/ticker": ticker})
    return instance.add_run(run)


def tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str | None]:
    """What the sensor asks for after the close of SESSION, or why nothing."""
    context = dg.build_sensor_context(
        instance,
        resources={"clock": graphs.StandingClock(graphs.SESSION)},
        repository_def=definitions.defs.get_repository_def(),
    )
    found = watchlist_sensor.build().evaluate_tick(context)
    return list(found.run_requests), found.skip_message


def asked(instance: dg.DagsterInstance) -> dg.RunRequest:
    [request], _ = tick(instance)
    return request


def test_nothing_before_a_ticker_has_been_run(instance):
    run_of(instance, "TSLA", Status.SUCCESS, n=-1)
    assert tick(instance) == ([], "no ticker of 2024-03-08 has been run")


@pytest.mark.parametrize("status", [Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING])
def test_the_page_waits_for_the_last_ticker(instance, status):
    run_of(instance, "TSLA", Status.SUCCESS)
    run_of(instance, "STX", status)
    assert tick(instance) == ([], "1 runs of 2024-03-08 wait or go on")


def test_a_failed_ticker_holds_it_up_in_no_way(instance):
    run_of(instance, "TSLA", Status.SUCCESS)
    last = run_of(instance, "STX", Status.FAILURE)
    request = asked(instance)
    assert (request.partition_key, request.run_key) == ("2024-03-08", f"2024-03-08 after {last.run_id}")


def test_an_older_session_that_is_caught_up_holds_nothing_up(instance):
    run_of(instance, "TSLA", Status.SUCCESS)
    run_of(instance, "TSLA", Status.STARTED, n=-1)
    assert asked(instance).partition_key == "2024-03-08"


def test_it_is_named_by_the_last_run_so_that_nothing_new_makes_nothing_anew(instance):
    run_of(instance, "TSLA", Status.SUCCESS)
    first = asked(instance)
    # The page's own run has no ticker.
    instance.add_run(
        dg.DagsterRun(job_name="watchlist_job", status=Status.SUCCESS, tags={"dagster/partition": "2024-03-08"})
    )
    assert asked(instance).run_key == first.run_key
    run_of(instance, "TSLA", Status.SUCCESS)
    assert asked(instance).run_key != first.run_key


def test_it_is_in_the_graph_and_on(make_graph):
    graph = make_graph()
    sensor = graph.defs.resolve_sensor_def("watchlist_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.job_name == "watchlist_job"
