"""Every setting, typed, with its default and meaning. The only reader of the environment.

The watchlist's content is not here (see watchlist); neither are the model's parameters (see core.modelling).
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from stock_assets.core.errors import SettingsError
from stock_assets.monitoring import mail, receivers

SOURCES = ("yahoo", "csv", "simulated")


def project_root() -> Path:
    """The checkout this package runs from, or the current folder when it is installed elsewhere."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "workspace.yaml").is_file() else Path.cwd()


def _setting(variable: str, meaning: str, shown_default: str) -> dict[str, str]:
    return {"variable": variable, "meaning": meaning, "shown_default": shown_default}


@dataclass(frozen=True)
class Settings:
    """All settings of one process. Paths are absolute; `None` means not set."""

    source: str = field(
        metadata=_setting("STOCK_ASSETS_SOURCE", "Where prices come from: yahoo, csv or simulated", "yahoo")
    )
    prices_dir: Path | None = field(
        metadata=_setting("STOCK_ASSETS_PRICES_DIR", "Folder of <TICKER>.csv files for the source csv", "-")
    )
    data_dir: str = field(
        metadata=_setting(
            "STOCK_ASSETS_DATA_DIR", "Where artefacts go: a folder or a URL such as s3://bucket/prefix", "data/<source>"
        )
    )
    watchlist: Path = field(
        metadata=_setting("STOCK_ASSETS_WATCHLIST", "File with the tickers to follow", "watchlist.yaml")
    )
    first_session: date = field(
        metadata=_setting("STOCK_ASSETS_FIRST_SESSION", "First session that can be materialised", "2020-01-02")
    )
    database_url: str | None = field(
        repr=False,
        metadata=_setting(
            "STOCK_ASSETS_DATABASE_URL",
            "Monitoring database: sqlite:////folder/file.db or postgresql://user:password@host/database; has to be set "
            "when the data folder is a URL",
            "SQLite under the data folder",
        ),
    )
    alert_webhook: str | None = field(
        repr=False,
        metadata=_setting(
            "STOCK_ASSETS_ALERT_WEBHOOK", "URL that alerts are POSTed to, as Slack takes them; a secret", "-"
        ),
    )
    alert_email_to: tuple[str, ...] = field(
        metadata=_setting(
            "STOCK_ASSETS_ALERT_EMAIL_TO", "Addresses that alerts are mailed to, by commas; needs the server below", "-"
        )
    )
    alert_email_from: str | None = field(
        metadata=_setting(
            "STOCK_ASSETS_ALERT_EMAIL_FROM", "Sender of these e-mails", "the server's user, or the first of them"
        )
    )
    smtp_url: str | None = field(
        repr=False,
        metadata=_setting(
            "STOCK_ASSETS_SMTP_URL",
            "Server for e-mail: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465; a secret",
            "-",
        ),
    )
    ui_url: str = field(
        metadata=_setting(
            "STOCK_ASSETS_UI_URL", "Where people reach the Dagster UI: what alerts link to", "http://127.0.0.1:3000"
        )
    )
    serve_token: str | None = field(
        repr=False,
        metadata=_setting(
            "STOCK_ASSETS_SERVE_TOKEN", "What clients of 'serve' have to show, as a bearer token; a secret", "-"
        ),
    )
    yahoo_url: str | None = field(
        metadata=_setting("STOCK_ASSETS_YAHOO_URL", "Send Yahoo's requests to this base URL instead", "-")
    )
    log_dir: Path = field(metadata=_setting("STOCK_ASSETS_LOG_DIR", "One log file an asset", "logs"))
    retry_delay: float = field(
        metadata=_setting(
            "STOCK_ASSETS_RETRY_DELAY", "Seconds before the first retry of a price fetch; doubles each time", "5"
        )
    )
    yahoo_requests_per_minute: float = field(
        metadata=_setting(
            "STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE",
            "Most requests a minute to Yahoo, of all processes here together",
            "120",
        )
    )
    deadline_hours: float = field(
        metadata=_setting(
            "STOCK_ASSETS_DEADLINE_HOURS", "Hours after 22:00 UTC of a session by which its report has to be there", "4"
        )
    )
    dagster_home: Path = field(metadata=_setting("DAGSTER_HOME", "Dagster's own storage", ".dagster"))
    data_dir_is_default: bool = True
    source_is_default: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Settings from `environment` (default: the process's). Relative paths in it are relative to the current
        folder, as in a shell; default paths are under the project's root.

        Raises `SettingsError` naming the variable, what came and what was expected.
        """
        env = os.environ if environment is None else environment
        root = project_root()

        def text(variable: str) -> str | None:
            return env.get(variable, "").strip() or None

        def number(variable: str, default: str, of: str, least: float, most: float) -> float:
            return _number(variable, text(variable) or default, of, default, least, most)

        def path(variable: str, default: Path) -> Path:
            given = text(variable)
            return Path(given).expanduser().absolute() if given else default

        source = text("STOCK_ASSETS_SOURCE") or "yahoo"
        data_dir = text("STOCK_ASSETS_DATA_DIR")
        prices_dir = text("STOCK_ASSETS_PRICES_DIR")
        smtp_url = _checked(mail.parse_server, text("STOCK_ASSETS_SMTP_URL"))
        to = mail.parse_addresses("STOCK_ASSETS_ALERT_EMAIL_TO", text("STOCK_ASSETS_ALERT_EMAIL_TO") or "")
        sender = mail.parse_addresses("STOCK_ASSETS_ALERT_EMAIL_FROM", text("STOCK_ASSETS_ALERT_EMAIL_FROM") or "")
        if len(sender) > 1:
            raise SettingsError(f"STOCK_ASSETS_ALERT_EMAIL_FROM has {len(sender)} addresses; expected one")
        if (smtp_url is None) != (not to):
            raise SettingsError(
                f"{'STOCK_ASSETS_ALERT_EMAIL_TO' if to else 'STOCK_ASSETS_SMTP_URL'} is set alone; expected both of "
                "STOCK_ASSETS_ALERT_EMAIL_TO and STOCK_ASSETS_SMTP_URL, or neither"
            )
        settings = cls(
            source=source,
            prices_dir=Path(prices_dir).expanduser().absolute() if prices_dir else None,
            data_dir=_absolute(data_dir) if data_dir else "",
            watchlist=path("STOCK_ASSETS_WATCHLIST", root / "watchlist.yaml"),
            first_session=_date("STOCK_ASSETS_FIRST_SESSION", text("STOCK_ASSETS_FIRST_SESSION") or "2020-01-02"),
            database_url=text("STOCK_ASSETS_DATABASE_URL"),
            alert_webhook=_checked(receivers.checked_webhook, text("STOCK_ASSETS_ALERT_WEBHOOK")),
            alert_email_to=to,
            alert_email_from=sender[0] if sender else None,
            smtp_url=smtp_url,
            ui_url=_web(text("STOCK_ASSETS_UI_URL") or "http://127.0.0.1:3000"),
            serve_token=_checked(_token, text("STOCK_ASSETS_SERVE_TOKEN")),
            yahoo_url=text("STOCK_ASSETS_YAHOO_URL"),
            log_dir=path("STOCK_ASSETS_LOG_DIR", root / "logs"),
            retry_delay=number("STOCK_ASSETS_RETRY_DELAY", "5", "seconds", 0, 3600),
            yahoo_requests_per_minute=number(
                "STOCK_ASSETS_YAHOO_REQUESTS_PER_MINUTE", "120", "requests a minute", 1, 6000
            ),
            deadline_hours=number("STOCK_ASSETS_DEADLINE_HOURS", "4", "hours", 0.5, 20),
            dagster_home=path("DAGSTER_HOME", root / ".dagster"),
            data_dir_is_default=data_dir is None,
            source_is_default=text("STOCK_ASSETS_SOURCE") is None,
        )
        return settings.with_source(source)

    def with_source(self, source: str) -> "Settings":
        """The same settings for another price source; a default data folder follows the source."""
        if source not in SOURCES:
            raise SettingsError(f"STOCK_ASSETS_SOURCE is {source!r}; expected one of {', '.join(SOURCES)}")
        data_dir = str(project_root() / "data" / source) if self.data_dir_is_default else self.data_dir
        default_database = not self.database_url or self.database_url == _database_under(self.data_dir)
        return replace(
            self,
            source=source,
            data_dir=data_dir,
            database_url=_database_under(data_dir) if default_database else self.database_url,
        )

    def places(self, source: str | None) -> list["Settings"]:
        """Whose data folders may hold what is looked for: that of `source`; without one, the folder that
        STOCK_ASSETS_SOURCE or STOCK_ASSETS_DATA_DIR names, or else those of all sources."""
        if source is not None:
            return [self.with_source(source)]
        decided = not self.source_is_default or not self.data_dir_is_default
        return [self] if decided else [self.with_source(name) for name in SOURCES]

    def as_environment(self) -> dict[str, str]:
        """The variables that give another process the same settings, whatever its current folder."""
        values = ((setting.metadata["variable"], _text(getattr(self, setting.name))) for setting in self._settings())
        return {name: value for name, value in values if value is not None}

    def table(self) -> list[tuple[str, str | None, str, str]]:
        """(variable, value in force, default, meaning) of each setting, for people: without secrets."""
        return [
            (
                setting.metadata["variable"],
                without_secrets(setting.metadata["variable"], _text(getattr(self, setting.name))),
                setting.metadata["shown_default"],
                setting.metadata["meaning"],
            )
            for setting in self._settings()
        ]

    @classmethod
    def _settings(cls) -> "list[Field]":
        return [setting for setting in fields(cls) if setting.metadata]


def without_secrets(variable: str, value: str | None) -> str | None:
    """A setting's value as it may be shown: passwords and tokens as ***, and of a webhook only whose it is."""
    if value is None:
        return None
    if variable == "STOCK_ASSETS_SERVE_TOKEN":
        return "***"
    if variable == "STOCK_ASSETS_ALERT_WEBHOOK":
        host = urlsplit(value).netloc.rpartition("@")[2]
        return f"{value.partition('://')[0]}://{host}/***"
    value = re.sub(r"(://[^/?#@:]*):.*@", r"\1:***@", value)
    return re.sub(r"([?&](?:password|sslpassword)=)[^&]*", r"\1***", value)


def _text(value: object) -> str | None:
    if isinstance(value, tuple):
        return ", ".join(value) or None
    return f"{value:g}" if isinstance(value, float) else None if value is None else str(value)


def _checked(check: Callable[[str], object], value: str | None) -> str | None:
    """`value` as it is, when `check` raises nothing."""
    if value is not None:
        check(value)
    return value


def _token(token: str) -> None:
    # What a header can carry (RFC 6750), and nobody guesses in an afternoon.
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{8,500}", token):
        raise SettingsError(
            f"STOCK_ASSETS_SERVE_TOKEN, of {len(token)} characters, can't be a token; expected 8 to 500 letters, "
            "digits and any of ._~+/=-"
        )


def _web(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise SettingsError(f"STOCK_ASSETS_UI_URL is {url!r}; expected a URL such as http://127.0.0.1:3000")
    return url


def _absolute(location: str) -> str:
    return location if "://" in location else str(Path(location).expanduser().absolute())


def _database_under(data_dir: str) -> str | None:
    # A bucket can't hold a SQLite file, and a local one would be another for each machine that shares the bucket.
    return None if "://" in data_dir else f"sqlite:///{Path(data_dir) / 'monitoring.db'}"


def _date(variable: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{variable} is {text!r}; expected a date such as 2020-01-02") from error


def _number(variable: str, text: str, of: str, example: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise SettingsError(f"{variable} is {text!r}; expected a number of {of} such as {example}") from error
    if not least <= number <= most:
        raise SettingsError(f"{variable} is {text!r}; expected between {least} and {most} {of}")
    return number
