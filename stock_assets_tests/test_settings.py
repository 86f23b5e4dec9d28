"""Settings: defaults, the environment, and what is wrong with it."""

import re
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


SECRETS = {
    "STOCK_ASSETS_DATABASE_URL": "postgresql+psycopg://me:hush@db.example.com/stocks",
    "STOCK_ASSETS_ALERT_WEBHOOK": "https://hooks.slack.com/services/T00/hush",
    "STOCK_ASSETS_SMTP_URL": "smtp://me:hush@mail.example.com:587",
    "STOCK_ASSETS_ALERT_EMAIL_TO": "you@example.com, her@example.com",
    "STOCK_ASSETS_YAHOO_URL": "http://me:hush@proxy:8080/x",
    "STOCK_ASSETS_SERVE_TOKEN": "hush-hush-hush",
}


def test_secrets_are_shown_nowhere_and_reach_other_processes_all_the_same():
    settings = Settings.from_environment(SECRETS)
    shown = {variable: value for variable, value, _, _ in settings.table()}
    assert shown["STOCK_ASSETS_DATABASE_URL"] == "postgresql+psycopg://me:***@db.example.com/stocks"
    assert shown["STOCK_ASSETS_ALERT_WEBHOOK"] == "https://hooks.slack.com/***"
    assert shown["STOCK_ASSETS_SMTP_URL"] == "smtp://me:***@mail.example.com:587"
    assert shown["STOCK_ASSETS_YAHOO_URL"] == "http://me:***@proxy:8080/x"
    assert shown["STOCK_ASSETS_SERVE_TOKEN"] == "***"
    assert "hush" not in repr(shown)
    assert {variable: settings.as_environment()[variable] for variable in SECRETS} == SECRETS
    assert "hush" not in repr(Settings.from_environment(SECRETS | {"STOCK_ASSETS_YAHOO_URL": ""}))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"STOCK_ASSETS_ALERT_WEBHOOK": "hooks.slack.com/hush"}, "STOCK_ASSETS_ALERT_WEBHOOK is no URL; expected"),
        ({"STOCK_ASSETS_SMTP_URL": "mail:hush"}, "STOCK_ASSETS_SMTP_URL is no URL of an SMTP server; expected"),
        ({"STOCK_ASSETS_SMTP_URL": "smtp://me:hush@host"}, "STOCK_ASSETS_SMTP_URL is set alone; expected both"),
        ({"STOCK_ASSETS_ALERT_EMAIL_TO": "a@b.de"}, "STOCK_ASSETS_ALERT_EMAIL_TO is set alone; expected both"),
        ({"STOCK_ASSETS_ALERT_EMAIL_TO": "nobody"}, "STOCK_ASSETS_ALERT_EMAIL_TO has 'nobody'; expected addresses"),
        ({"STOCK_ASSETS_ALERT_EMAIL_FROM": "a@b.de,c@d.ef"}, "STOCK_ASSETS_ALERT_EMAIL_FROM has 2 addresses; expected"),
        ({"STOCK_ASSETS_UI_URL": "localhost:3000"}, "STOCK_ASSETS_UI_URL is 'localhost:3000'; expected a URL"),
    ],
)
def test_where_alerts_go_is_checked_at_once(given, told):
    with pytest.raises(SettingsError, match=re.escape(told)) as caught:
        Settings.from_environment(given)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("token", ["hush-me", "hush hush hush", "hush\nhush-hush", "hüsh-hush-hush", "hush" * 200])
def test_a_token_that_no_header_could_carry_or_anybody_could_guess(token):
    with pytest.raises(
        SettingsError, match=r"STOCK_ASSETS_SERVE_TOKEN, of \d+ characters, can't be .*; expected 8 to"
    ) as caught:
        Settings.from_environment({"STOCK_ASSETS_SERVE_TOKEN": token})
    assert "hush" not in str(caught.value)


def test_nothing_but_settings_reads_the_environment():
    package = Path(project_root(), "stock_assets")
    readers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    # The UI's process inherits the environment it is started in.
    assert readers == {"settings.py", "commands/ui.py"}
