"""Applications for tests over a small store, at a moment of their own. No test lives here."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import flask
from werkzeug.test import TestResponse

from stock_assets.serving import app as application
from stock_assets.serving import config as configs
from stock_assets.serving import problems
from stock_assets.serving.serving import Serving
from stock_assets.storage.artefacts import ArtefactStore

SATURDAY = dt.datetime(2024, 3, 9, 12, tzinfo=dt.UTC)
"""After the close of stores.SESSION, a Friday, and before any other."""

WATCHLIST = "tickers:\n  - ticker: TSLA\n    name: Tesla\n  - ticker: STX\n    name: Seagate Technology\n"


def config(store: ArtefactStore, folder: Path, **changes: Any) -> configs.Config:
    """A config over `store`, with its watchlist and logs in `folder`: on SATURDAY, without a token and a database."""
    watchlist = folder / "watchlist.yaml"
    if not watchlist.exists():
        watchlist.parent.mkdir(parents=True, exist_ok=True)
        watchlist.write_text(WATCHLIST)
    usual: dict[str, Any] = {
        "data_dir": str(store.base),
        "source": "csv",
        "watchlist": watchlist,
        "log_dir": folder / "logs",
        "database_url": None,
        "deadline": dt.timedelta(hours=4),
        "refresh_seconds": 0.0,
        "clock": lambda: SATURDAY,
    }
    return configs.Config(**usual | changes)


def make(store: ArtefactStore, folder: Path, **changes: Any) -> flask.Flask:
    """An application with that config."""
    return application.create_app(config(store, folder, **changes))


def parts(app: flask.Flask) -> Serving:
    """What the application is made of."""
    return app.extensions["stock_assets"]


def problem(response: TestResponse, kind: problems.Kind) -> str:
    """The detail of a response that has to be a problem of that kind, whole and in form."""
    assert response.status_code == kind.status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    told = json.loads(response.text)
    assert set(told) == {"type", "title", "status", "detail", "instance"}
    assert told["type"] == f"/#{kind.name}"
    assert told["title"] == kind.title
    assert told["status"] == kind.status
    assert told["instance"].startswith("/")
    assert told["detail"]
    return told["detail"]
