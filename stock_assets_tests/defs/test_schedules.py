"""What starts by itself: asked of the schedules as Dagster asks them, at simulated moments."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from stock_assets.core import evenings, sessions
from stock_assets.definitions import build_defs
from stock_assets.defs import jobs, partitions, schedules
from stock_assets.defs.evening import config_of as evening_config
from stock_assets.settings import Settings, project_root
from stock_assets.storage.artefacts import ArtefactStore

# Dagster's own tags of partitions with two dimensions.
pytestmark = pytest.mark.filterwarnings(r"ignore:Non-compliant tag keys like \['dagster/partition:DeprecationWarning")

FRIDAY = "2024-03-08"
TRAINING = ("model", "evaluation")


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


class Evening:
    """The schedules of a watchlist over an empty store, and what they start at a moment."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, tickers: str = "[TSLA, STX]"):
        watchlist = folder / "watchlist.yaml"
        watchlist.write_text(f"tickers: {tickers}\n")
        self.instance = instance
        self.store = ArtefactStore(folder / "data")
        self.defs = build_defs(
            Settings.from_environment(
                {
                    "STOCK_ASSETS_DATA_DIR": str(folder / "data"),
                    "STOCK_ASSETS_WATCHLIST": str(watchlist),
                    "DAGSTER_HOME": str(folder / "home"),
                }
            )
        )

    def put(self, asset: str, ticker: str, *listed: str) -> None:
        for session in listed:
            self.store.write(asset, ticker, day(session), {".json": b"{}"})

    def reports(self, up_to: str, *tickers: str, n: int = 6) -> None:
        """Reports of the `n` sessions that end with `up_to`, and a model of the last week's end among them."""
        listed = [sessions.previous_session(day(up_to), n) for n in range(n)]
        model = next(session for session in listed if evenings.ends_a_week(session))
        for ticker in tickers:
            self.put("report", ticker, *map(str, listed))
            for asset in TRAINING:
                self.put(asset, ticker, str(model))

    def tick(self, name: str, moment: str) -> list[dg.RunRequest] | str:
        """What the schedule asks for at `moment`, or why it asks for nothing."""
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC),
            resources={"store": self.store},
            repository_def=self.defs.get_repository_def(),
        ) as context:
            told = self.defs.resolve_schedule_def(name).evaluate_tick(context)
        return told.skip_message or list(told.run_requests)

    def starts(self, moment: str) -> dict[str, list[str]]:
        """Job -> partitions that a tick of both schedules starts, those without training marked in whole_graph_job."""
        started: dict[str, list[str]] = {}
        for name, job in (("daily_schedule", "daily_job"), ("training_schedule", "whole_graph_job")):
            told = self.tick(name, moment)
            for request in told if isinstance(told, list) else []:
                mark = " not trained" if request.asset_selection else ""
                started.setdefault(job, []).append(f"{request.partition_key}{mark}")
        return started


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """One on a disk, which schedules insist on; for all tests, as it takes its time."""
    with dg.DagsterInstance.local_temp(overrides={"telemetry": {"enabled": False}}) as local:
        yield local


@pytest.fixture
def make_evening(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Evening]:
    def make(tickers: str = "[TSLA, STX]") -> Evening:
        return Evening(tmp_path, instance, tickers)

    return make


@pytest.fixture
def evening(make_evening: Callable[..., Evening]) -> Evening:
    return make_evening()


def test_both_are_on_and_tick_in_utc(evening: Evening) -> None:
    for name, job in (("daily_schedule", "daily_job"), ("training_schedule", "whole_graph_job")):
        schedule = evening.defs.resolve_schedule_def(name)
        assert schedule.job_name == job
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "UTC"
        assert schedule.cron_schedule == list(schedules.TICKS)
        assert len(schedule.description) > 60


def test_the_first_tick_comes_once_prices_are_final() -> None:
    minute, hour, *rest = schedules.TICKS[0].split()
    assert rest == ["*", "*", "*"]
    first = dt.time(int(hour), int(minute), tzinfo=dt.UTC)
    assert sessions.AVAILABLE_FROM < first < dt.time(22, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("moment", "made", "expected"),
    [
        ("2024-03-07 22:10", "2024-03-06", {"daily_job": ["2024-03-07|TSLA"]}),  # Thursday
        ("2024-03-08 22:10", "2024-03-07", {"whole_graph_job": ["2024-03-08|TSLA"]}),  # Friday: training
        ("2024-03-09 01:10", "2024-03-07", {"whole_graph_job": ["2024-03-08|TSLA"]}),  # a later chance, on Saturday
        ("2024-03-09 12:10", "2024-03-08", {}),  # Saturday
        ("2024-03-10 22:10", "2024-03-08", {}),  # Sunday on which New York's clocks went forward
        ("2024-03-11 22:10", "2024-03-08", {"daily_job": ["2024-03-11|TSLA"]}),  # and the Monday after
        ("2024-11-03 22:10", "2024-11-01", {}),  # ... and back
        ("2024-11-04 22:10", "2024-11-01", {"daily_job": ["2024-11-04|TSLA"]}),
        ("2024-05-27 22:10", "2024-05-24", {}),  # Memorial Day, a Monday
        ("2024-05-28 22:10", "2024-05-24", {"daily_job": ["2024-05-28|TSLA"]}),
        ("2024-11-28 22:10", "2024-11-27", {}),  # Thanksgiving
        ("2024-11-29 22:10", "2024-11-27", {"whole_graph_job": ["2024-11-29|TSLA"]}),  # half-session, ends a week
        ("2024-03-28 22:10", "2024-03-27", {"whole_graph_job": ["2024-03-28|TSLA"]}),  # Thursday before Good Friday
        ("2024-07-03 22:10", "2024-07-02", {"daily_job": ["2024-07-03|TSLA"]}),  # half-session, the week goes on
    ],
)
def test_what_a_moment_starts(
    make_evening: Callable[..., Evening], moment: str, made: str, expected: dict[str, list[str]]
) -> None:
    evening = make_evening("[TSLA]")
    evening.reports(made, "TSLA")
    assert evening.starts(moment) == expected


def test_nothing_to_do_is_told(evening: Evening) -> None:
    evening.reports(FRIDAY, "TSLA", "STX")
    for name in ("daily_schedule", "training_schedule"):
        assert evening.tick(name, "2024-03-09 01:10") == "nothing to do: all 2 tickers are up to date"
    evening.reports("2024-03-11", "TSLA")
    assert evening.tick("training_schedule", "2024-03-11 22:10") == (
        "nothing to do: the other schedule sees to all that is due"
    )


def test_machine_off_for_three_sessions(evening: Evening) -> None:
    """Oldest first; both tickers of a session before the next session."""
    evening.reports("2024-03-04", "TSLA", "STX")
    assert evening.starts("2024-03-07 22:10") == {
        "daily_job": [
            "2024-03-05|TSLA", "2024-03-05|STX", "2024-03-06|TSLA", "2024-03-06|STX", "2024-03-07|TSLA",
            "2024-03-07|STX",
        ]
    }  # fmt: skip


def test_at_most_five_sessions_are_caught_up(make_evening: Callable[..., Evening]) -> None:
    """What needs the new model is asked for by the same schedule, after it: one queue, one order."""
    evening = make_evening("[TSLA]")
    evening.reports("2024-02-22", "TSLA")
    assert evening.starts("2024-03-06 22:10") == {
        "whole_graph_job": [
            "2024-02-29|TSLA not trained", "2024-03-01|TSLA", "2024-03-04|TSLA not trained",
            "2024-03-05|TSLA not trained", "2024-03-06|TSLA",
        ]
    }  # fmt: skip


def test_without_training_everything_else_is_made(evening: Evening) -> None:
    evening.reports("2024-03-07", "TSLA", "STX")
    told = evening.tick("training_schedule", "2024-03-11 22:10")
    assert isinstance(told, list)
    after = [request for request in told if request.partition_key == "2024-03-11|TSLA"]
    assert [{key.to_user_string() for key in request.asset_selection} for request in after] == [set(jobs.DAILY_ASSETS)]
    daily = evening.defs.resolve_job_def("daily_job").asset_layer.selected_asset_keys
    assert {key.to_user_string() for key in daily} == set(jobs.DAILY_ASSETS)


def test_a_new_ticker_gets_the_latest_session_only_and_a_model(evening: Evening) -> None:
    evening.reports("2024-03-06", "TSLA")
    assert evening.starts("2024-03-07 22:10") == {
        "daily_job": ["2024-03-07|TSLA"],
        "whole_graph_job": ["2024-03-07|STX"],
    }


def test_a_gap_is_filled(make_evening: Callable[..., Evening]) -> None:
    """Somebody ran the newest session by hand after the machine was off."""
    evening = make_evening("[TSLA]")
    evening.reports("2024-03-04", "TSLA")
    evening.put("report", "TSLA", "2024-03-06")
    assert evening.starts("2024-03-06 22:10") == {"daily_job": ["2024-03-05|TSLA"]}


@pytest.mark.parametrize("lost", TRAINING)
def test_a_model_that_has_expired_is_trained(make_evening: Callable[..., Evening], lost: str) -> None:
    """Or one whose training was cut short: a forecast needs both."""
    evening = make_evening("[TSLA]")
    evening.reports("2024-03-05", "TSLA")
    for session in evening.store.sessions(lost, "TSLA"):
        for path in (evening.store.base / lost / "TSLA").glob(f"{session}*"):
            path.unlink()
    assert evening.starts("2024-03-06 22:10") == {"whole_graph_job": ["2024-03-06|TSLA"]}


def test_an_unsealed_report_is_none(make_evening: Callable[..., Evening]) -> None:
    evening = make_evening("[TSLA]")
    evening.reports("2024-03-06", "TSLA")
    Path(evening.store.base / "report" / "TSLA" / "2024-03-06.sha256").unlink()
    assert evening.starts("2024-03-06 23:10") == {"daily_job": ["2024-03-06|TSLA"]}


def test_a_tick_twice_asks_for_the_same_runs_and_another_tick_for_others(evening: Evening) -> None:
    evening.reports("2024-03-06", "TSLA", "STX")
    first, again, later = (
        [request.run_key for request in evening.tick("daily_schedule", moment)]
        for moment in ("2024-03-07 22:10", "2024-03-07 22:10", "2024-03-07 23:10")
    )
    assert first == again == ["TSLA 2024-03-07 2024-03-07T22:10", "STX 2024-03-07 2024-03-07T22:10"]
    assert not set(first) & set(later)


@pytest.mark.parametrize(
    ("status", "job", "asked"),
    [
        (dg.DagsterRunStatus.STARTING, "daily_job", False),
        (dg.DagsterRunStatus.STARTED, "whole_graph_job", False),
        (dg.DagsterRunStatus.CANCELING, "__ASSET_JOB", False),
        (dg.DagsterRunStatus.FAILURE, "daily_job", True),
        (dg.DagsterRunStatus.SUCCESS, "daily_job", True),
        (dg.DagsterRunStatus.STARTED, "tuning_job", True),  # makes no report
    ],
)
def test_a_partition_that_is_under_way_is_left_alone(
    evening: Evening, request: pytest.FixtureRequest, status: dg.DagsterRunStatus, job: str, asked: bool
) -> None:
    evening.reports("2024-03-06", "TSLA", "STX")
    key = partitions.key("TSLA", day("2024-03-07"))
    run = dg.DagsterRun(job, status=status, tags={"dagster/partition": str(key)})
    evening.instance.add_run(run)
    request.addfinalizer(lambda: evening.instance.delete_run(run.run_id))
    expected = ["2024-03-07|TSLA"] * asked + ["2024-03-07|STX"]
    assert evening.starts("2024-03-07 22:10") == {"daily_job": expected}
    if not asked:
        evening.reports("2024-03-07", "STX")
        assert evening.tick("daily_schedule", "2024-03-07 22:10") == "all 1 that are due wait or run already"


MANY = [f"T{n:02}" for n in range(schedules.MOST_ALONE + 1)]


def asked_together(evening: Evening, moment: str) -> list[list[str]]:
    told = evening.tick("daily_schedule", moment)
    assert isinstance(told, list), told
    assert {request.tags[partitions.SESSION_TAG] for request in told} == {moment[:10]}
    return [request.run_config["ops"]["evening"]["config"]["partitions"] for request in told]


def test_many_tickers_go_by_groups(make_evening) -> None:
    assert make_evening(f"[{', '.join(MANY[:-1])}]").defs.resolve_schedule_def("daily_schedule").job_name == "daily_job"
    evening = make_evening(f"[{', '.join(MANY)}]")
    assert evening.defs.resolve_schedule_def("daily_schedule").job_name == "evening_job"
    evening.reports("2024-03-06", *MANY)
    first, second, *trained = asked_together(evening, "2024-03-07 22:10")
    assert sorted(first + second + [key for group in trained for key in group]) == [
        f"2024-03-07|{ticker}" for ticker in MANY
    ]
    turn = sum(evenings.is_its_turn(ticker, day("2024-03-07")) for ticker in MANY)
    assert 0 <= len(first) - len(second) <= 1
    assert len(first) + len(second) == len(MANY) - turn
    requests = evening.tick("daily_schedule", "2024-03-07 22:10")
    assert [request.run_key for request in requests] == [
        f"{group[0]} and {len(group) - 1} more 2024-03-07T22:10" for group in (first, second, *trained)
    ]


def test_whose_turn_it_is_goes_after_the_others_and_by_few(make_evening, monkeypatch) -> None:
    """Two of 21 tickers have been followed for a while, 19 are new."""
    evening = make_evening(f"[{', '.join(MANY)}]")
    followed = [ticker for ticker in MANY if not evenings.is_its_turn(ticker, day("2024-03-07"))][:2]
    evening.reports("2024-03-06", *followed)
    told = evening.tick("daily_schedule", "2024-03-07 22:10")
    assert isinstance(told, list)
    asked = [request.run_config["ops"]["evening"]["config"] for request in told]
    assert [len(config["partitions"]) for config in asked] == [1, 1, 5, 5, 5, 4]
    assert [config.get("training", []) for config in asked] == [[], [], *(config["partitions"] for config in asked[2:])]
    # To Dagster's queue, what has no tag is of priority 0.
    assert [request.tags.get("dagster/priority") for request in told] == [None, None, *["-1"] * 4]


def test_many_tickers_are_trained_in_turns(make_evening) -> None:
    """And those without a model at once; whatever the weekday, by the daily schedule alone."""
    evening = make_evening(f"[{', '.join(MANY)}]")
    evening.reports("2024-03-06", *MANY[1:])  # T00 is new
    trained = set()
    for session in ("2024-03-07", "2024-03-08"):
        told = evening.tick("daily_schedule", f"{session} 22:10")
        assert isinstance(told, list)
        asked = [request.run_config["ops"]["evening"]["config"] for request in told]
        assert sum(len(config["partitions"]) for config in asked) >= len(MANY)
        of_session = {key for config in asked for key in config.get("training", ()) if key.startswith(session)}
        turn = {ticker for ticker in MANY if evenings.is_its_turn(ticker, day(session))}
        assert of_session == {f"{session}|{ticker}" for ticker in turn | {"T00"}}
        assert 0 < len(turn) < len(MANY) / 2
        trained |= turn
        assert "daily_schedule sees to training too" in evening.tick("training_schedule", f"{session} 22:10")
    assert len(trained) > len(turn)


def test_after_a_kill_only_what_is_missing_is_asked_for_again(make_evening, request: pytest.FixtureRequest) -> None:
    """And nothing of a group that waits or runs."""
    evening = make_evening(f"[{', '.join(MANY)}]")
    evening.reports("2024-03-06", *MANY)
    first, second, *trained = asked_together(evening, "2024-03-07 22:10")
    for key in first[:4]:  # made before the kill
        evening.put("report", partitions.split(key)[0], "2024-03-07")
    run = dg.DagsterRun("evening_job", status=dg.DagsterRunStatus.STARTED, run_config=evening_config(second))
    evening.instance.add_run(run)
    request.addfinalizer(lambda: evening.instance.delete_run(run.run_id))
    again = asked_together(evening, "2024-03-07 23:10")
    left = [first[4:], *trained]
    assert sorted(key for group in again for key in group) == sorted(key for group in left for key in group)


def test_a_tick_asks_for_no_more_than_dagster_takes_in_its_time(make_evening, monkeypatch) -> None:
    monkeypatch.setattr(schedules, "MOST_REQUESTS", 3)
    evening = make_evening("[A, B, C, D, E]")
    asked = evening.starts("2024-03-07 22:10")["whole_graph_job"]
    assert asked == ["2024-03-07|A", "2024-03-07|B", "2024-03-07|C"]


def test_runs_carry_the_ticker_that_the_queue_looks_at(evening: Evening) -> None:
    """Under the tag that dagster.yaml limits: one run of a ticker at a time."""
    evening.reports("2024-03-06", "TSLA", "STX")
    told = evening.tick("daily_schedule", "2024-03-07 22:10")
    assert isinstance(told, list)
    configured = yaml.safe_load((project_root() / "dagster.yaml").read_text())
    [limit] = configured["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limit == {"key": "dagster/partition/ticker", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    assert [request.tags[limit["key"]] for request in told] == ["TSLA", "STX"]


def test_both_copies_of_dagsters_configuration_are_alike() -> None:
    root = project_root()
    assert (root / "dagster.yaml").read_bytes() == (root / "stock_assets" / "dagster.yaml").read_bytes()
