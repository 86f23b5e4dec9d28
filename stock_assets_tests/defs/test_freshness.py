"""What is late is told: by the sensor without a run, and by the checks to whoever asks; once, and in the same words."""

import datetime as dt
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from stock_assets.core import evenings, sessions
from stock_assets.core.freshness import DEADLINE
from stock_assets.definitions import build_defs
from stock_assets.defs import freshness, freshness_sensor, jobs, partitions
from stock_assets.monitoring import tables
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore

MODELS = ("model", "evaluation")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.moment = at("2024-03-08 12:00")

    def now(self) -> dt.datetime:
        return self.moment


class Watch:
    """The sensor of a watchlist over an empty store, with the cursor that Dagster would keep."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, tickers: str, **more: str):
        (folder / "watchlist.yaml").write_text(f"tickers: {tickers}\n")
        self.folder = folder
        self.clock = Clock()
        self.settings = Settings.from_environment(
            {
                "STOCK_ASSETS_DATA_DIR": str(folder / "data"),
                "STOCK_ASSETS_LOG_DIR": str(folder / "logs"),
                "STOCK_ASSETS_WATCHLIST": str(folder / "watchlist.yaml"),
                "DAGSTER_HOME": str(folder / "home"),
            }
            | more
        )
        self.store = ArtefactStore(self.settings.data_dir)
        self.instance = instance
        self.cursor: str | None = None
        self.restart()

    def restart(self) -> None:
        """Load the definitions anew, as a code server that was restarted does."""
        self.defs = build_defs(self.settings, clock=self.clock)

    def put(self, asset: str, ticker: str, *listed: str) -> None:
        for session in listed:
            self.store.write(asset, ticker, day(session), {".json": b"{}"})

    def lose(self, asset: str, ticker: str, session: str) -> None:
        Path(self.store.base / asset / ticker / f"{session}.sha256").unlink()

    def trained(self, *tickers: str, session: str) -> None:
        for asset in MODELS:
            for ticker in tickers:
                self.put(asset, ticker, session)

    def look(self, moment: str, *, remember: bool = True) -> str:
        """What a tick at `moment` says."""
        self.clock.moment = at(moment)
        [sensor] = [one for one in self.defs.sensors if one.name == "freshness_sensor"]
        needed = {name: self.defs.resources[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=needed) as context:
            told = sensor.evaluate_tick(context)
        assert not told.run_requests
        if remember:
            self.cursor = told.cursor
        return told.skip_message

    def check(self, asset: str, name: str) -> dict[str, bool]:
        """Partition -> whether the newest evaluation of the check has passed."""
        key = dg.AssetCheckKey(dg.AssetKey(asset), name)
        found = self.instance.event_log_storage.get_asset_check_partition_info([key])
        return {info.partition_key: info.latest_execution_status.value == "SUCCEEDED" for info in found}

    def reports(self) -> dict[str, bool]:
        return self.check("report", freshness.REPORT_CHECK)

    def n_told(self, asset: str, name: str) -> int:
        key = dg.AssetCheckKey(dg.AssetKey(asset), name)
        return len(self.instance.event_log_storage.get_asset_check_execution_history(key, limit=1000))

    def wrong(self) -> set[tuple[str, str, str]]:
        """(kind, ticker, severity) of what is open in the monitoring database."""
        engine = sa.create_engine(self.settings.database_url)
        query = sa.select(tables.conditions).where(tables.conditions.c.recovered.is_(None))
        with engine.connect() as connection:
            found = {(row.kind, row.ticker, row.severity) for row in connection.execute(query)}
        engine.dispose()
        return found


@pytest.fixture
def make_watch(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Watch]:
    def make(tickers: str = "[TSLA, STX]", **more: str) -> Watch:
        return Watch(tmp_path, instance, tickers, **more)

    return make


@pytest.fixture
def watch(make_watch: Callable[..., Watch]) -> Watch:
    """TSLA and STX have all up to Thursday, and it was told."""
    watch = make_watch()
    for ticker in ("TSLA", "STX"):
        watch.put("report", ticker, "2024-03-06", "2024-03-07")
        watch.trained(ticker, session="2024-03-01")
    watch.look("2024-03-08 12:00")
    return watch


def test_it_is_on_and_says_what_it_does(watch: Watch) -> None:
    [sensor] = [one for one in watch.defs.sensors if one.name == "freshness_sensor"]
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 300
    assert len(sensor.description or "") > 60


def test_what_is_there_is_told_once(watch: Watch) -> None:
    assert watch.reports() == {"2024-03-07|TSLA": True, "2024-03-07|STX": True}
    assert watch.look("2024-03-08 12:05") == "nothing new of 2 tickers"
    assert watch.n_told("report", freshness.REPORT_CHECK) == 2
    assert watch.n_told("model", freshness.MODEL_CHECK) == 2
    assert watch.wrong() == set()


def test_late_is_red_at_the_deadline_for_that_ticker_and_session_only_and_green_again(watch: Watch) -> None:
    watch.put("report", "STX", "2024-03-08")
    assert watch.look("2024-03-09 01:55") == "told of STX"
    assert watch.look("2024-03-09 02:00") == "told of TSLA; late: TSLA"
    assert watch.reports() == {
        "2024-03-07|TSLA": True, "2024-03-07|STX": True, "2024-03-08|STX": True, "2024-03-08|TSLA": False,
    }  # fmt: skip
    assert watch.wrong() == {("data_late", "TSLA", "error")}
    assert watch.look("2024-03-09 12:00") == "nothing new of 2 tickers"
    watch.put("report", "TSLA", "2024-03-08")
    assert watch.look("2024-03-09 12:30") == "told of TSLA"
    assert all(watch.reports().values())
    assert watch.wrong() == set()


def test_what_was_told_survives_a_restart(watch: Watch) -> None:
    watch.look("2024-03-09 02:00")
    before = watch.n_told("report", freshness.REPORT_CHECK)
    watch.restart()
    assert watch.look("2024-03-09 02:05") == "nothing new of 2 tickers"
    assert watch.n_told("report", freshness.REPORT_CHECK) == before


def test_a_tick_that_broke_off_tells_again_and_nothing_is_opened_twice(watch: Watch) -> None:
    assert watch.look("2024-03-09 02:00", remember=False) == "told of TSLA, STX; late: TSLA, STX"
    assert watch.look("2024-03-09 02:05") == "told of TSLA, STX; late: TSLA, STX"
    engine = sa.create_engine(watch.settings.database_url)
    with engine.connect() as connection:
        assert len(connection.execute(sa.select(tables.conditions)).all()) == 2
    engine.dispose()


def test_a_backfill_of_old_sessions_changes_nothing(watch: Watch) -> None:
    watch.look("2024-03-09 02:00")
    watch.put("report", "TSLA", "2023-05-05", "2023-05-08")
    watch.put("report", "STX", "2024-03-04")
    assert watch.look("2024-03-09 02:05") == "nothing new of 2 tickers"
    assert not watch.reports()["2024-03-08|TSLA"]


@pytest.mark.parametrize("moment", ["2024-05-25 12:00", "2024-05-27 22:30", "2024-05-28 02:30", "2024-05-28 21:55"])
def test_a_long_weekend_stays_green(make_watch: Callable[..., Watch], moment: str) -> None:
    """Memorial Day is a Monday: Friday's report is the newest until Tuesday evening."""
    watch = make_watch("[TSLA]")
    watch.put("report", "TSLA", "2024-05-24")
    watch.trained("TSLA", session="2024-05-24")
    watch.look("2024-05-24 22:40")
    assert watch.look(moment) == "nothing new of 1 tickers"
    assert watch.reports() == {"2024-05-24|TSLA": True}


def test_another_deadline(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch("[TSLA]", STOCK_ASSETS_DEADLINE_HOURS="1.5")
    watch.put("report", "TSLA", "2024-03-07")
    watch.trained("TSLA", session="2024-03-01")
    watch.look("2024-03-08 23:25")
    assert watch.look("2024-03-08 23:30") == "told of TSLA; late: TSLA"


def test_a_model_warns_before_it_expires_and_then_fails(watch: Watch) -> None:
    """Of 2024-03-01: seven sessions old on 03-12, ten on 03-15."""
    for n, expected in ((7, ("warn", False)), (10, ("error", False))):
        session = sessions.next_session(day("2024-03-01"), n)
        for ticker in ("TSLA", "STX"):
            watch.put("report", ticker, str(session))
        watch.look(f"{session} 22:40")
        assert watch.check("model", freshness.MODEL_CHECK)[f"{session}|TSLA"] is expected[1]
        assert watch.wrong() == {("model_expired", "TSLA", expected[0]), ("model_expired", "STX", expected[0])}
    watch.trained("TSLA", "STX", session="2024-03-15")
    watch.look("2024-03-15 23:00")
    assert watch.check("model", freshness.MODEL_CHECK)["2024-03-15|TSLA"]
    assert watch.wrong() == set()


@pytest.mark.parametrize("lacking", MODELS)
def test_a_model_without_its_evaluation_is_none(watch: Watch, lacking: str) -> None:
    for ticker in ("TSLA", "STX"):
        watch.put("report", ticker, "2024-03-08")
    watch.lose(lacking, "TSLA", "2024-03-01")
    watch.look("2024-03-08 22:40")
    assert watch.check("model", freshness.MODEL_CHECK)["2024-03-08|TSLA"] is False
    assert watch.wrong() == {("model_expired", "TSLA", "error")}


def test_a_new_ticker_has_its_chance_first(watch: Watch) -> None:
    (watch.folder / "watchlist.yaml").write_text("tickers: [TSLA, STX, NEW]\n")
    watch.restart()
    assert watch.look("2024-03-08 15:00") == "nothing new of 3 tickers"
    assert json.loads(watch.cursor or "")["NEW"] == {"since": "2024-03-08T15:00:00+00:00"}
    assert watch.look("2024-03-09 02:00") == "told of TSLA, STX, NEW; late: TSLA, STX, NEW"


def test_a_ticker_that_is_followed_no_longer_is_forgotten(watch: Watch) -> None:
    (watch.folder / "watchlist.yaml").write_text("tickers: [TSLA]\n")
    watch.restart()
    watch.look("2024-03-08 15:00")
    assert list(json.loads(watch.cursor or "")) == ["TSLA"]


def test_many_are_told_in_several_ticks(make_watch: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness_sensor, "MOST_TICKERS", 2)
    watch = make_watch("[A, B, C]")
    for ticker in "ABC":
        watch.put("report", ticker, "2024-03-07")
        watch.trained(ticker, session="2024-03-01")
    assert watch.look("2024-03-08 12:00") == "told of A, B"
    assert watch.look("2024-03-08 12:05") == "told of C"
    assert watch.look("2024-03-08 12:10") == "nothing new of 3 tickers"


def ask(watch: Watch, asset: str, name: str, session: str, moment: str) -> dg.AssetCheckEvaluation:
    """What a person learns who executes one check of TSLA."""
    watch.clock.moment = at(moment)
    job = watch.defs.resolve_implicit_global_asset_job_def()
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    result = job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(
        tags={"dagster/partition": str(partitions.key("TSLA", day(session)))},
        instance=watch.instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


@pytest.mark.parametrize(
    ("session", "moment", "passed", "severity", "told"),
    [
        ("2024-03-07", "2024-03-08 12:00", True, "ERROR", "the report of 2024-03-07 is there"),
        ("2024-03-08", "2024-03-09 01:59", True, "ERROR",
         "the report of 2024-03-08 is not there yet; it is expected by 2024-03-09 02:00 UTC"),
        ("2024-03-08", "2024-03-09 02:00", False, "ERROR",
         "the report of 2024-03-08 is late: expected by 2024-03-09 02:00 UTC, and the newest is 2024-03-07"),
        ("2024-03-08", "2024-03-11 22:30", False, "ERROR",  # Monday's has time yet
         "the report of 2024-03-08 is late: expected by 2024-03-09 02:00 UTC, and the newest is 2024-03-07"),
        ("2023-05-05", "2024-03-09 12:00", False, "WARN",
         "there is no report of 2023-05-05: never made, or deleted since; the newest is 2024-03-07"),
        ("2024-03-06", "2024-03-09 12:00", True, "WARN", "the report of 2024-03-06 is there"),
    ],
)  # fmt: skip
def test_the_report_check_by_hand(
    watch: Watch, session: str, moment: str, passed: bool, severity: str, told: str
) -> None:
    found = ask(watch, "report", freshness.REPORT_CHECK, session, moment)
    assert (found.passed, found.severity.name, found.description) == (passed, severity, told)
    assert found.partition == f"{session}|TSLA"


@pytest.mark.parametrize(
    ("session", "passed", "severity", "told"),
    [
        ("2024-03-08", True, "ERROR", "the newest model is that of 2024-03-01: 5 sessions old, and valid for 10"),
        ("2024-03-12", False, "WARN", "the newest model is that of 2024-03-01: 7 sessions old, and expires after 10"),
        ("2024-03-15", False, "ERROR",
         "no forecast can be made: the newest model is that of 2024-03-01, and one is valid for 10 sessions"),
        ("2024-02-29", False, "ERROR",
         "no forecast can be made: there is no model, and one is valid for 10 sessions"),
    ],
)  # fmt: skip
def test_the_model_check_by_hand(watch: Watch, session: str, passed: bool, severity: str, told: str) -> None:
    found = ask(watch, "model", freshness.MODEL_CHECK, session, "2024-06-03 12:00")
    assert (found.passed, found.severity.name, found.description) == (passed, severity, told)


def test_badges_by_cadence(watch: Watch) -> None:
    """What is made by hand is never stale."""
    hours = {}
    for spec in watch.defs.resolve_all_asset_specs():
        policy = spec.freshness_policy
        name = spec.key.to_user_string()
        hours[name] = policy.fail_window.to_timedelta() / dt.timedelta(hours=1) if policy else None
    assert {hours[name] for name in jobs.DAILY_ASSETS} == {120}
    assert {hours[name] for name in jobs.TRAINING_ASSETS} == {360}
    assert hours["tuning"] is hours["summary"] is None


def test_badges_are_green_over_every_long_weekend() -> None:
    """From an evening to the next one's deadline, and from a week's training to the next."""
    listed = [one.date() for one in sessions.sessions_between(dt.date(2020, 1, 1), dt.date(2040, 12, 31))]
    ends = [one for one in listed if evenings.ends_a_week(one)]
    for cadence, made, days in (("every-session", listed, 4), ("training", ends, 8)):
        longest = max(after - before for before, after in itertools.pairwise(made))
        assert longest == dt.timedelta(days=days)
        assert longest + DEADLINE <= freshness.POLICIES[cadence].fail_window.to_timedelta()
