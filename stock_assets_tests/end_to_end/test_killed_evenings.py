"""kill -9 of the daemon, the web server, the code server and runs at random moments, and what is left to be believed.

Three tickers, of which DOWN can't be fetched, and as many sessions as the processes get round to while they are killed
and started again. Then two looks: once all is quiet, and once DOWN is mended and some that were cut short were made
again.
"""

import contextlib
import datetime as dt
import http.client
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import pytest

from stock_assets.core import sessions
from stock_assets.monitoring import tables
from stock_assets_tests.defs.graph import ALL
from stock_assets_tests.end_to_end import evening_world
from stock_assets_tests.end_to_end.evening_world import FRIDAY, World
from stock_assets_tests.end_to_end.services import CODE, DAEMON, WEB
from stock_assets_tests.end_to_end.ui_server import RefusedError
from stock_assets_tests.monitoring import servers
from stock_assets_tests.yahoo_server import Fault

RUN, EVERYTHING = "a run", "everything at once"
KILLS = {DAEMON: 7, WEB: 5, CODE: 6, RUN: 10, EVERYTHING: 2}
LONGEST_PAUSE = 3.0
TICKERS = ("GOOD", "FINE", "DOWN")
UNREACHABLE = (RefusedError, URLError, ConnectionError, TimeoutError, http.client.HTTPException)
UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
BACKLOG = 4
# The newest session is there for all, so that nothing is late.
EVENING = dt.datetime(2024, 3, 8, 22, 5, tzinfo=dt.UTC)
# A run whose code server was killed too is noticed by nothing but its limit of time: here half a minute, not an hour.
QUICK = {
    "poll_interval_seconds": 2,
    "start_timeout_seconds": 60,
    "max_runtime_seconds": 30,
    "free_slots_after_run_end_seconds": 2,
}
UNHURRIED = {"dagster/max_runtime": "600"}
STATUSES = """
    query ($assets: [AssetKeyInput!]) {
      assetNodes(assetKeys: $assets) {
        assetKey { path }
        assetPartitionStatuses { ... on MultiPartitionStatuses { ranges {
          primaryDimStartKey primaryDimEndKey
          secondaryDim { ... on DefaultPartitionStatuses {
            materializedPartitions failedPartitions materializingPartitions unmaterializedPartitions
          } }
        } } }
      }
    }"""

Partition = tuple[str, dt.date]


def partitions() -> Iterator[Partition]:
    """In the order in which they are asked for: sessions from November on, DOWN every fourth only."""
    for n in range(60):
        session = sessions.previous_session(FRIDAY, 70 - n)
        for ticker in TICKERS:
            if ticker != "DOWN" or n % 4 == 0:
                yield ticker, session


@dataclass(frozen=True)
class Look:
    """What Dagster, the store, the database and the receiver say at a quiet moment."""

    last_run: dict[Partition, str]
    """Partition -> status of the run that was asked for last."""
    coloured: dict[str, dict[Partition, str]]
    """Asset -> partition -> its colour in the UI: `materialized`, `failed` ..."""
    whole: dict[Partition, set[str]]
    """Partition -> its assets that are there and whole."""
    runs: dict[str, str]
    known: dict[str, str]
    """Run -> status, of Dagster and of the database."""
    conditions: list[dict[str, Any]]
    """With `events`: event -> id of the message that told it."""
    messages: list[str]
    """Ids, in the order in which they are to be told."""
    taken: list[str]
    """Ids, as they came to the receiver, repetitions included."""


class Evening:
    """What is asked for and killed; the moments are drawn from `seed`."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.services = world, world.services
        self.asked: list[Partition] = []
        self.kills: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._due = list(partitions())

    def disturb(self) -> None:
        """Ask for partitions, and kill all of `KILLS`, each a random moment after it is there."""
        # However slow the machine is, one run has gone well: without the limit of time of the others.
        self.world.launch(*self._due[0], UNHURRIED)
        self.asked.append(self._due.pop(0))
        self.services.until(lambda: self.world.runs("SUCCESS"), "a run went well")
        victims = self._random.sample([*KILLS], counts=[*KILLS.values()], k=sum(KILLS.values()))
        for victim in victims:
            self.services.until(lambda victim=victim: self._is_there(victim), f"{victim} is there")
            moment = time.monotonic() + self._random.uniform(0.0, LONGEST_PAUSE)
            self.services.until(lambda moment=moment: time.monotonic() > moment, "the moment has come")
            if victim == RUN:
                # Those that were there may have ended.
                self.services.until(self._kill_a_run, "a run is killed")
            else:
                self._kill(victim)
            self.kills[victim] += 1
            print(f"{dt.datetime.now(dt.UTC):%H:%M:%S} killed {victim}")  # noqa: T201 (shown when a test fails)

    def _is_there(self, victim: str) -> bool:
        self._ask_for_more()
        return victim in (RUN, EVERYTHING) or self.services.is_ready(victim)

    def _ask_for_more(self) -> None:
        """As much as keeps two runs going; what nobody could be asked for is asked for again later."""
        with contextlib.suppress(*UNREACHABLE):
            while len(self.world.runs(*UNFINISHED)) < BACKLOG:
                self.world.launch(*self._due[0])
                self.asked.append(self._due.pop(0))

    def _kill(self, victim: str) -> None:
        """Kill it and start it again at once: a daemon or a web server once there is a code server for it."""
        if victim == EVERYTHING:
            self.services.kill_everything()
            self.services.start(CODE)
        else:
            self.services.kill(victim)
        if victim != CODE:
            self.services.wait_for(CODE)
        for name in (WEB, DAEMON) if victim == EVERYTHING else (victim,):
            self.services.start(name)

    def _kill_a_run(self) -> bool:
        self._ask_for_more()
        with contextlib.suppress(*UNREACHABLE):
            running = [run["id"] for run in self.world.runs("STARTING", "STARTED")]
            return bool(running) and self.services.kill_run(self._random.choice(running))
        return False

    def settle(self) -> Look:
        """Wait until no run goes on and everything is told, and look."""
        for name in (CODE, WEB, DAEMON):
            self.services.wait_for(name)
        self.services.until(lambda: not self.world.runs(*UNFINISHED), "no run goes on")
        self.world.everything_is_told()
        return self._look()

    def ask_again(self, look: Look) -> list[Partition]:
        """For the first and the last of each ticker's sessions that failed, as the schedules' later ticks do."""
        asked = []
        for ticker in TICKERS:
            failed = sorted(one for one, status in look.last_run.items() if one[0] == ticker and status != "SUCCESS")
            asked += dict.fromkeys([*failed[:1], *failed[-1:]])
        for partition in asked:
            self.world.launch(*partition, UNHURRIED)
        return asked

    def _look(self) -> Look:
        runs = [run for run in self.world.runs() if "dagster/partition/ticker" in run["tags"]]
        last_run: dict[Partition, str] = {}
        for run in runs:
            last_run.setdefault(partition_of(run["tags"]["dagster/partition"]), run["status"])
        told: dict[int, dict[str, str]] = {}
        for condition, event, message in self.world.rows(
            tables.message_conditions, "condition_id", "event", "message_id"
        ):
            told.setdefault(condition, {})[event] = message
        names = ("id", "ticker", "session", "last_session", "recovered")
        found = [dict(zip(names, row, strict=True)) for row in self.world.rows(tables.conditions, *names)]
        return Look(
            last_run=last_run,
            coloured=self._coloured(),
            whole={
                (ticker, session): {asset for asset in ALL if self.world.store.is_whole(asset, ticker, session)}
                for ticker, session in last_run
            },
            runs={run["id"]: run["status"].lower() for run in runs},
            known=dict(self.world.rows(tables.runs, "run_id", "status")),
            conditions=[condition | {"told": told.get(condition["id"], {})} for condition in found],
            messages=[message for (message,) in self.world.rows(tables.messages, "id", by="number")],
            taken=list(self.world.hook.ids),
        )

    def _coloured(self) -> dict[str, dict[Partition, str]]:
        found: dict[str, dict[Partition, str]] = {}
        for node in self.services.server.ask(STATUSES, assets=[{"path": [asset]} for asset in ALL])["assetNodes"]:
            mine = found.setdefault(node["assetKey"]["path"][-1], {})
            for part in node["assetPartitionStatuses"]["ranges"]:
                first, last = map(dt.date.fromisoformat, (part["primaryDimStartKey"], part["primaryDimEndKey"]))
                for session in sessions.sessions_between(first, last):
                    for status, tickers in part["secondaryDim"].items():
                        mine |= {(ticker, session.date()): status.removesuffix("Partitions") for ticker in tickers}
        return found


def partition_of(key: str) -> Partition:
    session, _, ticker = key.partition("|")
    return ticker, dt.date.fromisoformat(session)


@dataclass(frozen=True)
class Looks:
    evening: Evening
    quiet: Look
    again: list[Partition]
    """What was asked for once more after that."""
    mended: Look


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looks]:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when a test fails)
    with evening_world.of(tmp_path_factory.mktemp("killed"), TICKERS, EVENING, QUICK) as world:
        evening_world.pretend(world.store, TICKERS, FRIDAY)
        world.yahoo.faults["DOWN"] = Fault(status=503, body=b"upstream connect error", history_only=True)
        evening = Evening(world, seed)
        with servers.webhook(world.hook), world.services.running():
            evening.disturb()
            quiet = evening.settle()
            world.yahoo.faults.clear()
            again = evening.ask_again(quiet)
            yield Looks(evening, quiet, again, evening.settle())


def test_everything_was_killed_and_much_was_asked_for(looks: Looks) -> None:
    evening = looks.evening
    print(Counter(looks.quiet.last_run.values()))  # noqa: T201 (shown when a test fails)
    assert dict(evening.kills) == KILLS
    assert sum(KILLS.values()) == 30
    assert set(evening.asked) <= set(looks.quiet.last_run)
    assert "SUCCESS" in looks.quiet.last_run.values()


def test_the_database_knows_every_run_and_how_it_ended(looks: Looks) -> None:
    for look in (looks.quiet, looks.mended):
        assert {run: look.known.get(run) for run in look.runs} == look.runs


def test_what_is_not_whole_was_told(looks: Looks) -> None:
    """Once for as many sessions as it lasted: each lies in what was wrong, and that it was has reached the receiver."""
    look = looks.quiet
    for (ticker, session), status in look.last_run.items():
        if status == "SUCCESS":
            assert look.whole[ticker, session] == set(ALL)
            continue
        about_it = [
            condition
            for condition in look.conditions
            if condition["ticker"] == ticker and condition["session"] <= session <= condition["last_session"]
        ]
        assert about_it, f"{ticker} {session}: {status}, and nothing was wrong"
        assert any(condition["told"].get("opened") in look.taken for condition in about_it)


def test_nothing_is_told_twice_but_for_who_was_killed_before_he_noted_it(looks: Looks) -> None:
    """An alert that comes again has the same id, and comes before any other. Sensors work in the code server."""
    look, evening = looks.mended, looks.evening
    once = list(dict.fromkeys(look.taken))
    assert once == look.messages
    again = [n for n, message in enumerate(look.taken) if message in look.taken[:n]]
    assert all(look.taken[n] == look.taken[n - 1] for n in again)
    assert len(again) <= evening.kills[CODE] + evening.kills[EVERYTHING]
    told = [message for condition in look.conditions for message in condition["told"].values()]
    assert set(told) == set(look.messages)


def test_no_partition_is_falsely_green_or_red(looks: Looks) -> None:
    for look in (looks.quiet, looks.mended):
        for asset, partitions in look.coloured.items():
            for partition, status in partitions.items():
                if partition not in look.last_run:
                    assert status == "unmaterialized"
                    continue
                assert status in ("materialized", "failed", "unmaterialized"), f"{asset} {partition} goes on for ever"
                if status == "materialized":
                    assert asset in look.whole[partition]
                else:
                    assert look.last_run[partition] != "SUCCESS"


def test_what_is_asked_for_again_is_whole_and_each_end_is_told(looks: Looks) -> None:
    """The last session of a ticker that passes is the end of all that was wrong with it."""
    look = looks.mended
    assert {ticker for ticker, _ in looks.again} >= {"DOWN"}
    for partition in looks.again:
        assert (look.last_run[partition], look.whole[partition]) == ("SUCCESS", set(ALL))
    for condition in look.conditions:
        assert condition["recovered"] is not None
        assert look.taken.index(condition["told"]["opened"]) < look.taken.index(condition["told"]["recovered"])
