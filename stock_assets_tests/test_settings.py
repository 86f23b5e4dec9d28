"""Settings: defaults, the environment, and what is wrong with it."""

from datetime import date
from pathlib import Path

import pytest

from stock_assets.core.errors import SettingsError
from stock_assets.settings import Settings, project_root


def test_defaults_lie_under_the_projects_root():
    settings = Settings.from_environment({})
    root = project_root()
    assert settings.source == "yahoo"
    assert settings.data_dir == str(root / "data" / "yahoo")
    assert settings.database_url == f"sqlite:///{root / 'data' / 'yahoo' / 'monitoring.db'}"
    assert settings.watchlist == root / "watchlist.yaml"
    assert settings.first_session == date(2020, 1, 2)
    assert settings.log_dir == root / "logs"
    assert settings.dagster_home == root / ".dagster"


def test_a_relative_path_is_relative_to_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"STOCK_ASSETS_PRICES_DIR": "prices", "STOCK_ASSETS_DATA_DIR": "out"})
    assert settings.prices_dir == tmp_path / "prices"
    assert settings.data_dir == str(tmp_path / "out")


def test_a_url_stays_a_url_and_no_database_is_under_it():
    settings = Settings.from_environment({"STOCK_ASSETS_DATA_DIR": "s3://bucket/prefix"})
    assert settings.data_dir == "s3://bucket/prefix"
    assert settings.database_url is None
    assert settings.with_source("csv").database_url is None


def test_default_folders_follow_the_source_and_given_ones_do_not():
    assert Settings.from_environment({}).with_source("csv").data_dir == str(project_root() / "data" / "csv")
    given = Settings.from_environment({"STOCK_ASSETS_DATA_DIR": "/somewhere", "STOCK_ASSETS_DATABASE_URL": "sqlite://"})
    assert given.with_source("csv").data_dir == "/somewhere"
    assert given.with_source("csv").database_url == "sqlite://"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STOCK_ASSETS_SOURCE", "bloomberg"),
        ("STOCK_ASSETS_FIRST_SESSION", "yesterday"),
        ("STOCK_ASSETS_RETRY_DELAY", "soon"),
        ("STOCK_ASSETS_RETRY_DELAY", "-1"),
        ("STOCK_ASSETS_RETRY_DELAY", "nan"),
        ("STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE", "many"),
        ("STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE", "0"),
        ("STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE", "nan"),
    ],
)
def test_a_bad_value_is_named_with_its_variable(variable, value):
    with pytest.raises(SettingsError, match=f"{variable} is '{value}'; expected"):
        Settings.from_environment({variable: value})


def test_another_process_gets_the_same_settings(tmp_path):
    settings = Settings.from_environment(
        {
            "STOCK_ASSETS_SOURCE": "csv",
            "STOCK_ASSETS_PRICES_DIR": str(tmp_path),
            "STOCK_ASSETS_ALERT_WEBHOOK": "http://127.0.0.1:9/hook",
            "STOCK_ASSETS_RETRY_DELAY": "0.25",
        }
    )
    again = Settings.from_environment(settings.as_environment())
    assert again.table() == settings.table()


def test_nothing_but_settings_reads_the_environment():
    package = Path(project_root(), "stock_assets")
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    # The UI's process inherits the environment it is started in.
    assert readers == {"settings.py", "commands/ui.py"}
