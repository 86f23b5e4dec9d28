"""What the server and the batch are told: where the forecasts lie, and the limits. No environment is read here."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from stock_assets.settings import Settings

MAX_BODY_BYTES = 64 * 1024**2
MAX_ROWS = 1_000_000


def utc_now() -> datetime.datetime:
    """This moment, aware."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Config:
    """Everything that serving depends on but the stored forecasts themselves.

    `deadline`: after 22:00 UTC of a session its forecast has to be there within that time. `token`: what clients have
    to bring, None when they need none. `local_names_only`: a Host other than localhost or a loopback one is refused,
    for a server that this machine alone may reach: a page in its browser can't get at it under a name of its own (DNS
    rebinding). `refresh_seconds`: how long a forecast is served before the store is looked at
    again. `clock` gives the moment, aware.
    """

    data_dir: str
    source: str
    watchlist: Path
    log_dir: Path
    database_url: str | None = field(repr=False)
    deadline: datetime.timedelta
    token: str | None = field(default=None, repr=False)
    local_names_only: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    max_rows: int = MAX_ROWS
    refresh_seconds: float = 1.0
    clock: Callable[[], datetime.datetime] = utc_now

    @classmethod
    def from_settings(cls, settings: Settings, *, token: str | None = None) -> Self:
        """The config of a server or a batch with these settings; `token` takes the place of theirs."""
        return cls(
            data_dir=settings.data_dir,
            source=settings.source,
            watchlist=settings.watchlist,
            log_dir=settings.log_dir,
            database_url=settings.database_url,
            deadline=datetime.timedelta(hours=settings.deadline_hours),
            token=settings.serve_token if token is None else token,
        )
