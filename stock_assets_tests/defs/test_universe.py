"""Tickers that come and go: what is stored of one that is followed no longer is there again once it is back."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.commands import home
from stock_assets.core import evenings, sessions
from stock_assets.defs import on_hand, partitions
from stock_assets_tests.defs import events, graph
from stock_assets_tests.defs.graph import Graph
from stock_assets_tests.place import files


def keys(*tickers: str) -> set[str]:
    return {str(partitions.key(ticker, graph.SESSION)) for ticker in tickers}


@pytest.fixture
def instance(tmp_path: Path):
    with home.instance(tmp_path / "home") as instance:
        yield instance


def test_a_ticker_that_comes_back_has_its_history(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    both = Graph(tmp_path, instance, tickers="[TSLA, STX]")
    for ticker in ("TSLA", "STX"):
        both.run(["raw_prices", "clean_prices"], ticker=ticker)
    stored, told, checked = files(tmp_path / "data"), events.materialisations(both), events.checks(both)
    assert events.grid(both, "raw_prices")[0] == keys("TSLA", "STX")

    # Followed no longer: no partition of the grid, though nothing of it is deleted.
    fewer = Graph(tmp_path, instance, tickers="[TSLA]")
    assert events.grid(fewer, "raw_prices")[0] == keys("TSLA")
    fewer.run(["raw_prices"], ticker="TSLA", session=graph.later(1))
    assert stored.items() <= files(tmp_path / "data").items()

    # In another place of the list, beside one that is new.
    again = Graph(tmp_path, instance, tickers="[NVDA, STX, TSLA]")
    green, red = events.grid(again, "raw_prices")
    assert (green, red) == (keys("TSLA", "STX") | {str(partitions.key("TSLA", graph.later(1)))}, set())
    assert told.items() <= events.materialisations(again).items()
    assert checked.items() <= events.checks(again).items()
    assert stored.items() <= files(tmp_path / "data").items()


def test_what_it_is_owed_once_it_is_back(make_graph) -> None:
    """The last five sessions, not those it was away; and a model, as its own has expired."""
    made = make_graph(tickers="[STX]")
    for asset in ("report", "model", "evaluation"):
        made.store.write(asset, "STX", dt.date(2024, 3, 8), {".json": b"{}"})
    found = evenings.due(
        dt.datetime(2024, 6, 13, 22, 10, tzinfo=dt.UTC),
        ["STX"],
        made=lambda ticker: on_hand.reports(made.store, ticker),
        last_model=lambda ticker, session: on_hand.last_model(made.store, ticker, session),
    )
    newest = dt.date(2024, 6, 13)
    assert [one.session for one in found] == [sessions.previous_session(newest, n) for n in reversed(range(5))]
    assert found[0].training
