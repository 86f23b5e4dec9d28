"""`monitor`: the page from a database and a data folder, where it is written, and what it says when it can't be."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from stock_assets.commands import monitor
from stock_assets.core.errors import MonitoringError, SettingsError
from stock_assets.monitoring import condition_store, forecasts, intake
from stock_assets.monitoring.database import open_database
from stock_assets.monitoring.records import CheckRecord
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.monitoring import examples
from stock_assets_tests.monitoring.examples import FRIDAY, MONDAY, minutes

NOW = dt.datetime(2024, 3, 9, 12, tzinfo=dt.UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two tickers on the watchlist; one of them has a report of Friday."""
    (tmp_path / "watchlist.yaml").write_text("tickers: [TSLA, STX]\n")
    made = Settings.from_environment(
        {
            "STOCK_ASSETS_DATA_DIR": str(tmp_path / "data"),
            "STOCK_ASSETS_WATCHLIST": str(tmp_path / "watchlist.yaml"),
            "DAGSTER_HOME": str(tmp_path / "home"),
        }
    )
    ArtefactStore(made.data_dir).write("report", "TSLA", FRIDAY, {"/report.html": b"page"})
    return made


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A run with a check that failed, and a dozen forecasts of which ten came true by now."""
    check = CheckRecord(
        "raw_prices",
        "prices_are_positive",
        "TSLA",
        FRIDAY,
        False,
        "error",
        False,
        minutes(1),
        "3",
        "0 rows",
        "0",
        "three",
    )
    run = examples.run("a", checks=(check,))
    database = open_database(settings.database_url)
    with database.begin() as connection:
        intake.take(connection, run)
        condition_store.take_run(connection, run, NOW)
        for n, session in enumerate(SESSIONS[:-1]):
            span = {"session": session, "target_session": SESSIONS[n + 1]}
            forecasts.store(connection, examples.forecast(str(n), **span))
            if n < 10:
                known = {"realised_return": 0.01 if n < 6 else -0.01, "realised_close": 200.0 if n == 0 else 100.0}
                forecasts.settle(connection, examples.outcome(**span, **known))
    database.close()
    return settings


SESSIONS = [dt.date(2024, 2, day) for day in (15, 16, 20, 21, 22, 23, 26, 27, 28, 29)] + [
    dt.date(2024, 3, day) for day in (1, 4, 5)
]


def values(page: Path) -> dict[str, object]:
    found = re.findall(r'data-key="([^"]+)" data-value="([^"]+)"', page.read_text(encoding="utf-8"))
    return {key: json.loads(value.replace("&#34;", '"')) for key, value in found}


def test_everything_that_is_known_is_on_the_page(filled: Settings) -> None:
    page = monitor.write(filled, None, NOW)
    assert page.path == Path(filled.data_dir) / "monitor.html"
    assert page.summary == "1 error; 1 of 2 tickers up to date"
    text = page.path.read_text(encoding="utf-8")
    for told in ("prices_are_positive of raw_prices fails", "three", "2024-03-08 was due 2024-03-09 02:00 UTC"):
        assert told in text
    found = values(page.path)
    assert [found[f"TSLA.record.{name}"] for name in ("n", "right", "inside")] == [10, 6, 9]
    assert found["TSLA.record.brier"] == pytest.approx(0.6 * 0.45**2 + 0.4 * 0.55**2)
    assert found["TSLA.record.brier_naive"] == pytest.approx(0.6 * 0.47**2 + 0.4 * 0.53**2)
    assert found["TSLA.forecast.predicted_close"] == 101.0
    assert found["durations.raw_prices.last"] == 1.5
    assert found["facts.Runs on record"] == 1
    assert found["facts.Forecasts"] == 12
    assert not [key for key in found if key.startswith("STX.")]


def test_a_deadline_that_has_not_passed(settings: Settings) -> None:
    at_once = dt.datetime(2024, 3, 8, 22, 30, tzinfo=dt.UTC)
    ArtefactStore(settings.data_dir).write("report", "STX", dt.date(2024, 3, 7), {"/report.html": b"page"})
    assert monitor.write(settings, None, at_once).summary == "Nothing is wrong; 2 of 2 tickers up to date"


def test_a_file_of_ones_own(settings: Settings, tmp_path: Path) -> None:
    page = monitor.write(settings, tmp_path / "new" / "page.html", NOW)
    assert page.path.is_file()
    assert not (Path(settings.data_dir) / "monitor.html").exists()


def test_a_data_folder_that_is_a_bucket(settings: Settings, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    remote = {"STOCK_ASSETS_DATA_DIR": "memory://bucket", "STOCK_ASSETS_WATCHLIST": str(settings.watchlist)}
    remote |= {"STOCK_ASSETS_DATABASE_URL": str(settings.database_url), "DAGSTER_HOME": str(settings.dagster_home)}
    page = monitor.write(Settings.from_environment(remote), None, NOW)
    assert page.path == tmp_path / "monitor.html"
    assert "memory://bucket" in page.path.read_text(encoding="utf-8")


def test_a_file_that_can_not_be_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SettingsError, match=r"page\.html can't be written"):
        monitor.write(settings, tmp_path / "file" / "page.html", NOW)


def test_a_database_that_is_none(settings: Settings) -> None:
    file = Path(settings.data_dir) / "monitoring.db"
    file.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with pytest.raises(MonitoringError, match="monitoring database"):
        monitor.write(settings, None, NOW)


def test_forecasts_for_another_span_are_not_mixed_in(filled: Settings) -> None:
    database = open_database(filled.database_url)
    with database.begin() as connection:
        span = {"session": MONDAY, "target_session": dt.date(2024, 3, 18)}
        forecasts.store(connection, examples.forecast("week", **span))
    database.close()
    text = monitor.write(filled, None, NOW).path.read_text(encoding="utf-8")
    assert "no forecast is old enough yet" in text
    assert "for 2024-03-18" in text
