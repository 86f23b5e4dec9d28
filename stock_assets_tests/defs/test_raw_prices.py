"""Fetching: which sessions are let in, and which faults are worth another try."""

import datetime as dt

import dagster as dg
import pytest

from stock_assets.core.errors import (
    BadPricesError,
    InsufficientHistoryError,
    MalformedPricesError,
    NoPricesError,
    SourceUnavailableError,
)
from stock_assets_tests.defs.graph import SESSION, CannedSource, StandingClock, attempts, failures, materialised


def unavailable() -> SourceUnavailableError:
    return SourceUnavailableError(f"TSLA {SESSION}: Yahoo answered 429 Too Many Requests; expected prices")


def test_a_session_that_is_not_closed(make_graph):
    graph = make_graph(clock=StandingClock(dt.date(2024, 3, 7)))
    result = graph.run(["raw_prices", "clean_prices"])
    assert not result.success
    assert "2024-03-08" in failures(result)["raw_prices"]
    assert "22:00" in failures(result)["raw_prices"]
    assert attempts(result, "raw_prices") == 1
    assert graph.source.fetches == []
    assert graph.checksums() == {}


@pytest.mark.parametrize(
    ("session", "why"),
    [
        (dt.date(2024, 3, 9), "a Saturday"),
        (dt.date(2024, 3, 29), "Good Friday"),
        (dt.date(2019, 12, 31), "before the grid begins"),
    ],
)
def test_a_partition_outside_of_the_grid(make_graph, session, why):
    with pytest.raises(dg.DagsterUnknownPartitionError, match=str(session)):
        make_graph().run("whole_graph_job", session=session)


def test_a_ticker_that_is_not_on_the_watchlist(make_graph):
    with pytest.raises(dg.DagsterUnknownPartitionError, match="AAPL"):
        make_graph().run("whole_graph_job", ticker="AAPL")


def test_a_source_that_fails_twice_and_then_answers(make_graph):
    graph = make_graph(prices=CannedSource(faults=[unavailable(), unavailable()]))
    result = graph.run(["raw_prices", "clean_prices"])
    assert result.success
    assert graph.source.fetches == [("TSLA", SESSION)] * 3
    log = graph.log("raw_prices")
    assert [line.split(" ", 4)[4] for line in log if "started" in line] == [
        f"started, run {result.run_id}",
        f"started, run {result.run_id}, retry 1",
        f"started, run {result.run_id}, retry 2",
    ]
    assert sum("WARNING" in line and "429 Too Many Requests" in line for line in log) == 2


def test_a_source_that_always_fails(make_graph):
    graph = make_graph(prices=CannedSource(faults=[unavailable() for _ in range(9)]))
    result = graph.run("whole_graph_job")
    assert not result.success
    assert len(graph.source.fetches) == 4
    assert failures(result).keys() == {"raw_prices"}
    assert f"TSLA {SESSION}: Yahoo answered 429 Too Many Requests" in failures(result)["raw_prices"]
    assert materialised(result) == set()
    assert graph.checksums() == {}


def test_waits_grow(make_graph):
    graph = make_graph(prices=CannedSource(faults=[unavailable() for _ in range(3)]), retry_delay=0.02)
    result = graph.run(["raw_prices"])
    pauses = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    waits = [event.step_retry_data.seconds_to_wait for event in pauses]
    assert len(waits) == 3
    for wait, middle in zip(waits, (0.02, 0.04, 0.08), strict=True):
        assert middle * 0.75 <= wait <= middle * 1.25


@pytest.mark.parametrize("kind", [NoPricesError, MalformedPricesError])
def test_an_answer_that_another_try_would_not_change(make_graph, kind):
    graph = make_graph(prices=CannedSource(faults=[kind(f"TSLA {SESSION}: no such ticker")]))
    result = graph.run(["raw_prices", "clean_prices"])
    assert not result.success
    assert len(graph.source.fetches) == 1
    assert f"TSLA {SESSION}: no such ticker" in failures(result)["raw_prices"]
    assert graph.checksums() == {}


def test_another_ticker_is_not_held_up(make_graph):
    graph = make_graph(prices=CannedSource(faults=[NoPricesError("TSLA: no such ticker")]))
    assert not graph.run(["raw_prices"]).success
    assert graph.run(["raw_prices"], ticker="STX").success
    assert graph.checksums(ticker="STX").keys() == {"raw_prices"}


def test_bars_of_a_form_that_a_source_should_not_give(make_graph):
    graph = make_graph(prices=CannedSource(change=lambda bars, ticker, session: bars.drop(columns="volume")))
    result = graph.run(["raw_prices"])
    assert "volume" in failures(result)["raw_prices"]
    assert attempts(result, "raw_prices") == 1
    assert graph.checksums() == {}


def test_a_data_error_is_not_tried_again(make_graph, monkeypatch):
    graph = make_graph(prices=CannedSource(change=lambda bars, ticker, session: bars.tail(100)))
    result = graph.run(["raw_prices", "clean_prices", "features"])
    assert attempts(result, "features") == 1  # although it has a retry for other faults
    assert InsufficientHistoryError.__name__ in failures(result)["features"]
    assert f"TSLA {SESSION}" in failures(result)["features"]


@pytest.mark.parametrize(("asset", "starts"), [("price_metrics", 2), ("clean_prices", 1)])
def test_a_programming_error(make_graph, monkeypatch, asset, starts):
    def broken(*args, **kwargs):
        raise TypeError("unsupported operand")

    modules = {"price_metrics": "metrics", "clean_prices": "cleaning"}
    monkeypatch.setattr(f"stock_assets.core.{modules[asset]}.{asset}", broken)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    graph = make_graph()
    result = graph.run(["raw_prices", "clean_prices", "price_metrics"])
    assert attempts(result, asset) == starts
    assert "unsupported operand" in failures(result)[asset]
    log = graph.log(asset)
    assert sum("ERROR TSLA 2024-03-08 unexpected error" in line for line in log) == starts
    assert log.count("TypeError: unsupported operand") == starts


def test_prices_that_can_not_be_repaired(make_graph):
    def impossible(bars, ticker, session):
        bars.loc["2023-05-01", "close"] = bars.loc["2023-05-01", "high"] * 1.5
        return bars

    graph = make_graph(prices=CannedSource(change=impossible))
    result = graph.run(["raw_prices", "clean_prices", "features"])
    assert attempts(result, "clean_prices") == 1
    message = failures(result)["clean_prices"]
    assert BadPricesError.__name__ in message
    assert f"TSLA {SESSION}" in message
    assert "2023-05-01" in message
    assert materialised(result) == {"raw_prices"}
