"""All that an evening needs on this machine: Dagster's processes, a Yahoo with faults, and somebody to be told. No test
lives here.

    with evening_world.of(folder, ("TSLA",), start) as world:     # nothing runs yet
        with world.services.running(), servers.webhook(world.hook):
            run_id = world.launch("TSLA", session)
            world.everything_is_told()
            assert world.titles == []
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from stock_assets.core import evenings, sessions
from stock_assets.monitoring import tables
from stock_assets.monitoring.database import Database, open_database
from stock_assets.settings import Settings
from stock_assets.sources.simulated import SimulatedSource
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.defs.graph import SMALL_MODEL
from stock_assets_tests.end_to_end.services import Services
from stock_assets_tests.monitoring import servers
from stock_assets_tests.place import Place
from stock_assets_tests.yahoo_server import YahooServer

FRIDAY = dt.date(2024, 3, 8)
"""The last session that Yahoo has bars of."""
# As few as the small model can be judged on, so that a run is quick.
_FIRST_BAR = "2021-07-01"

_FINISHED = ["SUCCESS", "FAILURE", "CANCELED"]
_RUNS = """
    query ($filter: RunsFilter) {
      runsOrError(filter: $filter) { ... on Runs { results { id status jobName tags { key value } } } }
    }"""


class World:
    """`hook` takes alerts while a `servers.webhook` of it runs, and is down otherwise."""

    def __init__(self, services: Services, yahoo: YahooServer, hook: servers.Hook) -> None:
        self.services, self.yahoo, self.hook = services, yahoo, hook
        self.store = ArtefactStore(services.place.data)

    @property
    def titles(self) -> list[str]:
        """Of the alerts, as they came."""
        return [text.partition("\n")[0] for text in self.hook.texts]

    @cached_property
    def database(self) -> Database:
        """The monitoring database."""
        return open_database(Settings.from_environment(self.services.place.variables).database_url)

    def rows(self, table: sa.Table, *columns: str, by: str | None = None) -> list[tuple]:
        query = sa.select(*(table.c[name] for name in columns)).order_by(*([table.c[by]] if by else []))
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def launch(self, ticker: str, session: dt.date, tags: Mapping[str, str] | None = None) -> str:
        """Start everything for a partition, training included; the run's id."""
        return self.services.server.launch("whole_graph_job", ticker, session, tags)

    def runs(self, *statuses: str, tags: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Of Dagster, the newest first: all, or those with a status and tags. `tags` of each as a dictionary."""
        wanted: dict[str, Any] = {"statuses": list(statuses)} if statuses else {}
        if tags:
            wanted["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        found = self.services.server.ask(_RUNS, filter=wanted)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def hurry(self) -> None:
        """Put the clock forward to the next moment that something waits for: others like it, or another attempt."""
        now = self.services.clock.now
        told, sent = tables.message_conditions.c, tables.deliveries.c
        waiting = (
            sa.select(sa.func.min(told.due)).where(told.message_id.is_(None), told.due > now),
            sa.select(sa.func.min(sent.next_attempt)).where(sent.delivered.is_(None), sent.next_attempt > now),
        )
        with self.database.reading() as connection:
            moments = [moment for query in waiting if (moment := connection.execute(query).scalar()) is not None]
        if moments:
            self.services.clock.set(min(moments))

    def every_end_is_known(self) -> bool:
        """Whether every finished run is in the database."""
        known = {run_id for (run_id,) in self.rows(tables.runs, "run_id")}
        return all(run["id"] in known for run in self.runs(*_FINISHED))

    def everything_is_told(self) -> None:
        """Wait until every finished run is in the database, and nothing waits to be told or sent."""

        def done() -> bool:
            if not self.every_end_is_known():
                return False
            waits = [message for (message,) in self.rows(tables.message_conditions, "message_id") if message is None]
            unsent = [taken for (taken,) in self.rows(tables.deliveries, "delivered") if taken is None]
            self.hurry()
            return not waits and not unsent

        self.services.until(done, "everything is told")


@contextmanager
def of(
    folder: Path, tickers: Sequence[str], start: dt.datetime, monitoring: Mapping[str, int] | None = None
) -> Iterator[World]:
    """A world of these tickers, in which nothing runs yet but Yahoo. `monitoring`: see `Services`."""
    (folder / "watchlist.yaml").write_text(f"model: {SMALL_MODEL}\ntickers: [{', '.join(tickers)}]\n")
    with servers.webhook() as hook:
        pass  # so that it has an address
    histories = {ticker: SimulatedSource().fetch(ticker, FRIDAY).bars.loc[_FIRST_BAR:] for ticker in tickers}
    with YahooServer(histories) as yahoo:
        settings = {
            "STOCK_ASSETS_SOURCE": "yahoo",
            "STOCK_ASSETS_YAHOO_URL": yahoo.url,
            "STOCK_ASSETS_ALERT_WEBHOOK": hook.url,
            "STOCK_ASSETS_FIRST_SESSION": "2023-01-03",
        }
        world = World(Services(Place(folder, settings), start, monitoring), yahoo, hook)
        try:
            yield world
        finally:
            if "database" in vars(world):
                world.database.close()


def pretend(store: ArtefactStore, tickers: Sequence[str], up_to: dt.date) -> None:
    """Reports of the six sessions up to that one, and a model of the last week's end among them; without content."""
    made = [sessions.previous_session(up_to, n) for n in range(6)]
    trained = next(session for session in made if evenings.ends_a_week(session))
    for ticker in tickers:
        for asset, session in (("model", trained), ("evaluation", trained), *(("report", one) for one in made)):
            store.write(asset, ticker, session, {".json": b"{}"})
