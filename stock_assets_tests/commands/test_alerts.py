"""`alerts test` and `alerts list` as people meet them: words, tables, exit codes; no secrets."""

import subprocess
import sys

import pytest

from stock_assets.commands import alerts
from stock_assets.monitoring import outbox
from stock_assets.monitoring.database import open_database
from stock_assets.settings import Settings, project_root
from stock_assets_tests.monitoring import servers
from stock_assets_tests.monitoring.alerting import MONDAY, UI, Collector, after, run, take
from stock_assets_tests.monitoring.test_outbox import DOWN
from stock_assets_tests.place import PATIENCE


@pytest.fixture
def settings(tmp_path) -> dict[str, str]:
    return {
        "STOCK_ASSETS_DATA_DIR": str(tmp_path / "data"),
        "STOCK_ASSETS_LOG_DIR": str(tmp_path / "logs"),
        "STOCK_ASSETS_WATCHLIST": str(tmp_path / "watchlist.yaml"),
        "DAGSTER_HOME": str(tmp_path / "home"),
    }


def called(settings: dict[str, str], *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "stock_assets.cli", "alerts", *words],
        cwd=project_root(),
        env={"PATH": "/usr/bin"} | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_test_says_what_each_receiver_answered(settings, tmp_path):
    with servers.webhook() as hook, servers.smtp() as post:
        everywhere = settings | {
            "STOCK_ASSETS_ALERT_WEBHOOK": hook.url,
            "STOCK_ASSETS_ALERT_EMAIL_TO": "you@example.com",
            "STOCK_ASSETS_SMTP_URL": f"smtp://me%40example.com:hush@127.0.0.1:{post.port}",
        }
        done = called(everywhere, "test")
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [
            ["database", "ok"],
            ["log", "ok"],
            ["webhook", "ok"],
            ["email", "ok"],
        ]
        assert hook.texts[0].startswith("Test of the alerts of stock_assets\n")
        assert post.mails[0]["Subject"] == "Test of the alerts of stock_assets"
        assert post.mails[0]["From"] == "me@example.com"

        hook.answers.append((404, {}, b"no_team"))
        post.refuse["AUTH"] = "535 no"
        done = called(everywhere, "test")
    assert done.returncode == 1
    assert "webhook  failed  127.0.0.1 answered 404 no_team\n" in done.stdout
    assert f"email    failed  127.0.0.1:{post.port} refused user or password: 535 no\n" in done.stdout
    assert "hush" not in done.stdout + done.stderr + (tmp_path / "logs" / "alerts.log").read_text()
    assert len((tmp_path / "logs" / "alerts.log").read_text().splitlines()) == 2


def test_the_list_is_empty_at_first(settings):
    done = called(settings, "list")
    assert (done.returncode, done.stdout) == (0, "0 open, 0 not delivered\n")


def test_the_list_shows_what_is_wrong_and_what_was_not_told(settings):
    database = open_database(Settings.from_environment(settings).database_url)
    take(database, run(fails="503 from the source"))
    take(database, run("STX", check="warn"), run("STX", 1, session=MONDAY, check="warn"))
    outbox.send_due(database, [Collector(down=DOWN)], after(2), ui_url=UI)
    take(database, run("KO", 2, fails="503"))
    database.close()
    done = called(settings, "list")
    assert done.returncode == 0
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "error TSLA 2026-11-20 run failed raw_prices 2026-11-20 22:30 UTC 503 from the source" in rows
    assert "warn STX 2026-11-20 to 2026-11-23 check failed raw_prices is_right 2026-11-20 22:30 UTC warn came" in rows
    assert "3 open; 1 wait for others of their kind, 2 not delivered" in rows
    assert [row for row in rows if row.startswith("webhook TSLA: raw_prices failed, session 2026-11-20")] == [
        "webhook TSLA: raw_prices failed, session 2026-11-20 2026-11-20 22:32 UTC 1 2026-11-20 22:32 UTC gone fishing"
    ]
    listed = alerts.listing(Settings.from_environment(settings))
    assert [one.subject.ticker for one in listed.conditions] == ["TSLA", "STX", "KO"]


def test_a_setting_that_is_wrong_is_told_without_it(settings):
    wrong = {"STOCK_ASSETS_SMTP_URL": "smtp://me:hush@x:y", "STOCK_ASSETS_ALERT_EMAIL_TO": "a@b.de"}
    done = called(settings | wrong, "test")
    assert done.returncode == 2
    assert done.stderr.startswith("error: STOCK_ASSETS_SMTP_URL is no URL; expected such as smtp://")
    assert "hush" not in done.stdout + done.stderr
