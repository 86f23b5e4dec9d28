"""Evenings that look after themselves: a real daemon, web server and code server, a Yahoo, and somebody to be told.

One Friday evening of five tickers, whose sessions before are there already: four of them in trouble, each in its own
way, and LATE, which nobody asks for until a schedule does. The clock goes on while the test waits (see `services`).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stock_assets.monitoring import tables
from stock_assets_tests.defs.graph import ALL
from stock_assets_tests.end_to_end import evening_world
from stock_assets_tests.end_to_end.evening_world import FRIDAY, World
from stock_assets_tests.monitoring import servers
from stock_assets_tests.place import PATIENCE
from stock_assets_tests.yahoo_server import Fault

TICKERS = ("DOWN", "HOLE", "GAP", "SLOW", "LATE")
MONDAY = dt.date(2024, 3, 11)
# Of GAP: not at the end, where its report would be another one for it.
LOST_SESSION = "2023-11-24"
WITH_A_GAP = ("raw_prices", "clean_prices", "features")
EVENING = dt.datetime(2024, 3, 8, 22, 5, tzinfo=dt.UTC)
DEADLINE = dt.datetime(2024, 3, 9, 2, 0, tzinfo=dt.UTC)
# The last sessions that are there before the moments at which schedules are asked; see `test_a_schedule_...`.
UP_TO = ("2023-03-10", "2023-06-30", "2023-09-01", "2023-11-02", "2023-11-22", "2024-03-07")

CHECKS = """
    query ($asset: AssetKeyInput!) {
      assetNodes(assetKeys: [$asset]) {
        assetChecksOrError { ... on AssetChecks { checks {
          name
          partitionStatuses { ... on AssetCheckMultiPartitionStatuses { ranges {
            primaryDimStartKey primaryDimEndKey
            secondaryDim { ... on AssetCheckDefaultPartitionStatuses { succeededPartitions failedPartitions } }
          } } }
        } } }
      }
    }"""


def without_the_last(bars: pd.DataFrame) -> pd.DataFrame:
    """A hole where FRIDAY was; Yahoo goes on after it, or it would be asked to wait."""
    return bars.rename(index={pd.Timestamp(FRIDAY): pd.Timestamp(MONDAY)})


def colour(world: World, asset: str, name: str, ticker: str, session: dt.date) -> str | None:
    """Of a check's partition in the UI: `red`, `green`, or None."""
    [node] = world.services.server.ask(CHECKS, asset={"path": [asset]})["assetNodes"]
    [check] = [check for check in node["assetChecksOrError"]["checks"] if check["name"] == name]
    for found in check["partitionStatuses"]["ranges"]:
        if found["primaryDimStartKey"] <= str(session) <= found["primaryDimEndKey"]:
            statuses = found["secondaryDim"]
            if ticker in statuses["failedPartitions"]:
                return "red"
            if ticker in statuses["succeededPartitions"]:
                return "green"
    return None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("evenings")
    # Nothing here is to end because the machine is slow, but for SLOW's run.
    monitoring = {"poll_interval_seconds": 2, "start_timeout_seconds": PATIENCE}
    with evening_world.of(folder, TICKERS, EVENING, monitoring) as world:
        for session in UP_TO:
            evening_world.pretend(world.store, TICKERS, dt.date.fromisoformat(session))
        with world.services.running():
            yield world


@dataclass(frozen=True)
class BadFetch:
    """DOWN while Yahoo answers 503, tried twice, and once Yahoo is back."""

    outcomes: list[str]
    told_of_the_first: list[str]
    told: list[str]


@pytest.fixture(scope="module")
def bad_fetch(world: World) -> BadFetch:
    with servers.webhook(world.hook):
        world.yahoo.faults["DOWN"] = Fault(status=503, body=b"upstream connect error", history_only=True)
        first = world.services.server.outcome(world.launch("DOWN", FRIDAY))
        world.services.until(lambda: world.titles, "the alert has come")
        told_of_the_first = list(world.titles)
        second = world.services.server.outcome(world.launch("DOWN", FRIDAY))
        world.everything_is_told()
        del world.yahoo.faults["DOWN"]
        third = world.services.server.outcome(world.launch("DOWN", FRIDAY))
        world.everything_is_told()
    return BadFetch([first, second, third], told_of_the_first, list(world.titles))


def test_a_bad_fetch_is_told_once_and_once_more_when_it_is_over(world: World, bad_fetch: BadFetch) -> None:
    assert bad_fetch.outcomes == ["FAILURE", "FAILURE", "SUCCESS"]
    failed = f"DOWN: raw_prices failed, session {FRIDAY}"
    assert bad_fetch.told_of_the_first == [failed]
    assert bad_fetch.told == [failed, f"DOWN: raw_prices works again, session {FRIDAY}"]
    assert "Yahoo answered HTTP 503" in world.hook.texts[0]


@dataclass(frozen=True)
class Outage:
    """Three tickers go wrong while nobody takes alerts, and right again once somebody does."""

    outcomes: dict[str, list[str]]
    undelivered: int
    """Alerts that the receiver had not taken before it was back."""
    attempts: int
    """To deliver the first of them, until then."""
    told: list[str]
    """What came once it was back, before anything was mended."""
    told_after: list[str]


@pytest.fixture(scope="module")
def outage(world: World, bad_fetch: BadFetch) -> Outage:
    before = len(world.titles)
    good = {ticker: world.yahoo.histories[ticker] for ticker in ("HOLE", "GAP")}
    world.yahoo.histories["HOLE"] = without_the_last(good["HOLE"])
    world.yahoo.histories["GAP"] = good["GAP"].drop(pd.Timestamp(LOST_SESSION))
    world.yahoo.faults["SLOW"] = Fault(delay=600)
    asked = {"HOLE": world.launch("HOLE", FRIDAY), "GAP": world.launch("GAP", FRIDAY)}
    # Long enough for the run to be at its prices by then.
    asked["SLOW"] = world.launch("SLOW", FRIDAY, {"dagster/max_runtime": "30"})
    outcomes = {ticker: [world.services.server.outcome(run_id)] for ticker, run_id in asked.items()}

    def undelivered() -> list[int]:
        waiting = world.rows(tables.deliveries, "receiver", "delivered", "attempts")
        return sorted(attempts for receiver, taken, attempts in waiting if receiver == "webhook" and taken is None)

    def all_wait_and_one_was_tried_twice() -> list[int]:
        told = [message for (message,) in world.rows(tables.message_conditions, "message_id")]
        found = undelivered()
        world.hurry()
        return found if world.every_end_is_known() and None not in told and found and found[-1] >= 2 else []

    waiting = world.services.until(all_wait_and_one_was_tried_twice, "the receiver was asked twice in vain")
    with servers.webhook(world.hook):
        world.everything_is_told()
        told = world.titles[before:]
        world.yahoo.histories |= good
        del world.yahoo.faults["SLOW"]
        for ticker, run_id in [(ticker, world.launch(ticker, FRIDAY)) for ticker in asked]:
            outcomes[ticker].append(world.services.server.outcome(run_id))
        world.everything_is_told()
    return Outage(outcomes, len(waiting), waiting[-1], told, world.titles[before + len(told) :])


def test_what_arises_while_the_receiver_is_down_comes_later_whole_and_in_order(world: World, outage: Outage) -> None:
    assert outage.attempts >= 2
    assert outage.undelivered == len(outage.told)
    assert len(set(outage.told)) == len(outage.told)
    in_order = world.rows(tables.messages, "id", by="number")
    assert world.hook.ids == [message for (message,) in in_order]


def test_a_blocking_check_and_a_warning_are_told_and_their_end_too(outage: Outage) -> None:
    """The first fails its run, of the second Dagster itself tells nobody."""
    assert outage.outcomes["HOLE"] == ["FAILURE", "SUCCESS"]
    assert outage.outcomes["GAP"] == ["SUCCESS", "SUCCESS"]
    hole = ("HOLE", "check last_session_is_present on raw_prices", "failed")
    gaps = [("GAP", f"check sessions_are_complete on {asset}", "warns") for asset in WITH_A_GAP]
    for ticker, check, said in (hole, *gaps):
        assert outage.told.count(f"{ticker}: {check} {said}, session {FRIDAY}") == 1
        assert outage.told_after.count(f"{ticker}: {check} passes again, session {FRIDAY}") == 1


def test_a_run_that_hangs_is_stopped_and_told(outage: Outage) -> None:
    assert outage.outcomes["SLOW"] == ["FAILURE", "SUCCESS"]
    assert [title for title in outage.told if title.startswith("SLOW: ")] == [
        f"SLOW: raw_prices failed, session {FRIDAY}"
    ]
    assert [title for title in outage.told_after if title.startswith("SLOW: ")] == [
        f"SLOW: raw_prices works again, session {FRIDAY}"
    ]


def test_nothing_else_is_told(outage: Outage) -> None:
    for told in (outage.told, outage.told_after):
        assert sorted(title.partition(":")[0] for title in told) == ["GAP"] * len(WITH_A_GAP) + ["HOLE", "SLOW"]


@dataclass(frozen=True)
class Late:
    """LATE, which nobody asked for until its deadline had passed, and then the daemon's next tick."""

    before: str | None
    """The colour of its check; the test waits for red after the deadline, and for green after the run."""
    told: list[str]
    run: dict[str, Any]
    told_at_last: list[str]


@pytest.fixture(scope="module")
def late(world: World, outage: Outage) -> Late:
    services, before = world.services, len(world.titles)
    assert services.clock.now < DEADLINE

    def its_colour() -> str | None:
        return colour(world, "report", "latest_session_is_there", "LATE", FRIDAY)

    first = its_colour()
    with servers.webhook(world.hook):
        services.clock.set(DEADLINE)
        services.until(lambda: its_colour() == "red", "the check is red")
        world.everything_is_told()
        told = world.titles[before:]
        services.switch_schedules(on=True)
        its_runs = {"dagster/partition": f"{FRIDAY}|LATE"}
        [run] = services.until(lambda: world.runs(tags=its_runs), "the daemon has started what is due")
        services.server.outcome(run["id"])
        services.until(lambda: its_colour() == "green", "the check is green")
        services.switch_schedules(on=False)
        # The run asks the check itself, before the sensor looks.
        services.until(lambda: len(world.titles) > before + len(told), "the end is told")
        world.everything_is_told()
    return Late(first, told, run, world.titles[before + len(told) :])


def test_a_missing_report_turns_the_check_red_for_its_partition_and_is_told(world: World, late: Late) -> None:
    assert late.before != "red"
    assert late.told == [f"LATE: no report of session {FRIDAY} yet"]


def test_the_daemon_starts_what_is_due_by_itself(world: World, late: Late) -> None:
    """Of its schedules' real ticks: the last session of a week with training, and nothing of what is there already."""
    assert late.run["tags"]["dagster/schedule_name"] == "training_schedule"
    assert late.run["jobName"] == "whole_graph_job"
    assert world.services.server.outcome(late.run["id"]) == "SUCCESS"
    scheduled = [run["id"] for run in world.runs() if "dagster/schedule_name" in run["tags"]]
    assert scheduled == [late.run["id"]]


def test_once_the_report_is_there_the_check_is_green_and_the_end_is_told(late: Late) -> None:
    assert late.told_at_last == [f"LATE: up to date again with session {FRIDAY}"]


@pytest.mark.parametrize(
    ("moment", "jobs"),
    [
        ("2023-03-12 22:10", {}),  # the Sunday on which New York's clocks went forward
        ("2023-03-13 22:10", {"daily_schedule": "2023-03-13"}),  # and the Monday after it
        ("2023-07-03 22:10", {"daily_schedule": "2023-07-03"}),  # a half-session, the week goes on
        ("2023-09-04 22:10", {}),  # Labor Day, a Monday
        ("2023-11-03 22:10", {"training_schedule": "2023-11-03"}),  # a Friday
        ("2023-11-23 22:10", {}),  # Thanksgiving
        ("2023-11-24 22:10", {"training_schedule": "2023-11-24"}),  # a half-session that ends the week
    ],
)
def test_what_a_tick_of_the_schedules_would_start(world: World, moment: str, jobs: dict[str, str]) -> None:
    """Asked of the real web server, which can simulate a tick at any moment. See UP_TO for what was there by then."""
    assert world.services.initial_schedules["daily_schedule"] == "RUNNING"
    assert world.services.initial_schedules["training_schedule"] == "RUNNING"
    at = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    for schedule in ("daily_schedule", "training_schedule"):
        told = world.services.dry_run(schedule, at)
        asked = [
            tag["value"] for run in told["runRequests"] for tag in run["tags"] if tag["key"] == "dagster/partition"
        ]
        assert asked == ([f"{jobs[schedule]}|{ticker}" for ticker in TICKERS] if schedule in jobs else [])
        if schedule not in jobs:
            assert told["skipReason"].startswith("nothing to do: ")


def test_the_database_holds_what_dagster_knows(world: World, late: Late) -> None:
    known = dict(world.rows(tables.runs, "run_id", "status"))
    assert known == {run["id"]: run["status"].lower() for run in world.runs("SUCCESS", "FAILURE")}
    checks = world.rows(tables.check_results, "ticker", "asset", "check", "severity", "passed")
    assert ("HOLE", "raw_prices", "last_session_is_present", "error", False) in checks
    assert ("GAP", "clean_prices", "sessions_are_complete", "warn", False) in checks
    assert ("GAP", "clean_prices", "sessions_are_complete", "warn", True) in checks
    forecasts = world.rows(tables.forecasts, "ticker", "session", "checksum")
    newest = {(ticker, FRIDAY, world.store.checksum("predictions", ticker, FRIDAY)) for ticker in TICKERS}
    assert newest <= set(forecasts)
    assert {ticker for ticker, *_ in forecasts} == set(TICKERS)


def test_everything_is_whole_in_the_end_and_nothing_is_wrong(world: World, late: Late) -> None:
    for ticker in TICKERS:
        assert all(world.store.is_whole(asset, ticker, FRIDAY) for asset in ALL)
    assert [row for row in world.rows(tables.conditions, "recovered", "ticker", "kind") if row[0] is None] == []


def test_the_watchlist_page_is_made_by_itself(world: World, late: Late) -> None:
    """After the last ticker: it shows the report of each."""
    page = world.services.place.data / "watchlist_page" / "ALL_TICKERS" / f"{FRIDAY}.html"

    def shows_all() -> bool:
        markup = page.read_text() if page.exists() else ""
        return all(f"../../report/{ticker}/{FRIDAY}/report.html" in markup for ticker in TICKERS)

    world.services.until(shows_all, "the page of all tickers is there")


def test_the_monitor_page_is_made_from_the_database(world: World, late: Late, tmp_path: Path) -> None:
    done = world.services.run("monitor", "--to", str(tmp_path / "monitor.html"))
    assert (done.returncode, done.stderr) == (0, "")
    markup = (tmp_path / "monitor.html").read_text()
    for ticker in TICKERS:
        assert ticker in markup
    for title in world.titles:
        assert title in markup
