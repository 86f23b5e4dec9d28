"""What the server is told comes from the settings, and secrets are not told on."""

import datetime as dt
from pathlib import Path

from stock_assets.serving.config import Config
from stock_assets.settings import Settings


def test_the_settings_are_taken_over(tmp_path: Path) -> None:
    given = {
        "STOCK_ASSETS_SOURCE": "csv",
        "STOCK_ASSETS_DATA_DIR": str(tmp_path / "data"),
        "STOCK_ASSETS_LOG_DIR": str(tmp_path / "logs"),
        "STOCK_ASSETS_WATCHLIST": str(tmp_path / "mine.yaml"),
        "STOCK_ASSETS_DEADLINE_HOURS": "2.5",
        "STOCK_ASSETS_DATABASE_URL": "postgresql+psycopg://me:hush-hush@localhost/forecasts",
        "STOCK_ASSETS_SERVE_TOKEN": "open-sesame",
    }
    config = Config.from_settings(Settings.from_environment(given))
    assert (config.source, config.data_dir) == ("csv", str(tmp_path / "data"))
    assert (config.log_dir, config.watchlist) == (tmp_path / "logs", tmp_path / "mine.yaml")
    assert config.deadline == dt.timedelta(hours=2, minutes=30)
    assert config.database_url == given["STOCK_ASSETS_DATABASE_URL"]
    assert config.token == "open-sesame"
    assert config.clock().tzinfo is dt.UTC
    assert "sesame" not in repr(config)
    assert "hush" not in repr(config)


def test_without_a_token_anybody_may_ask(tmp_path: Path) -> None:
    assert Config.from_settings(Settings.from_environment({"STOCK_ASSETS_DATA_DIR": str(tmp_path)})).token is None
