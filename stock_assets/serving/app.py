"""The Flask application: `create_app`. What it is made of stands in the modules beside it.

    routes, pages   what is answered
    questions       what is asked, read strictly
    uploads         bodies of requests, never longer or shorter than they may be
    limits          who is let in
    around          counting, and headers that every answer carries
    problems        every error, as RFC 9457 has it
    openapi         all of it, described

How it is served by several processes is in processes.
"""

import importlib.metadata
import json

import flask
from werkzeug.exceptions import HTTPException

from stock_assets import settings
from stock_assets.serving import around, limits, openapi, pages, problems, routes
from stock_assets.serving.config import Config
from stock_assets.serving.forecasts import Forecasts
from stock_assets.serving.listing import Listings
from stock_assets.serving.metrics import Metrics
from stock_assets.serving.recorder import Recorder
from stock_assets.serving.serving import Serving
from stock_assets.storage.artefacts import ArtefactStore

EXTENSION = "stock_assets"


def create_app(config: Config | None = None) -> flask.Flask:
    """The application; without a `config`, with the settings of the environment.

    Its parts are in `app.extensions["stock_assets"]`, a `Serving`. Raises `SettingsError` for a setting that is wrong.
    """
    config = config or Config.from_settings(settings.Settings.from_environment())
    store, metrics = ArtefactStore(config.data_dir), Metrics()
    forecasts = Forecasts(store, refresh_seconds=config.refresh_seconds)
    recorder = Recorder(config.log_dir / "served", config.database_url, dropped=metrics.dropped)
    listings = Listings(store, forecasts, config.watchlist)
    serving = Serving(config, store, forecasts, listings, recorder, metrics)

    app = flask.Flask(__name__, static_folder=None, template_folder=None)
    # Only the methods that a route names: OPTIONS would be answered with what is in `Allow` anyhow.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # A redirect would be made from what the client sent as its Host.
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = serving

    token = limits.Token(config.token) if config.token is not None else None

    @app.before_request
    def let_in() -> None:
        request = flask.request
        if request.url_rule is not None:
            request.environ[around.ROUTE] = request.url_rule.rule
        limits.require_host(local_only=config.local_names_only)
        if token is not None:
            token.require()

    app.register_error_handler(HTTPException, problems.of_http)
    version = importlib.metadata.version("stock-assets")
    described = openapi.document(
        version, token=token is not None, source=config.source, largest_body=config.max_body_bytes
    )
    routes.add(app, serving, json.dumps(described, ensure_ascii=False).encode(), version)
    pages.add(app, serving, version)
    app.wsgi_app = around.Around(app.wsgi_app, metrics)  # type: ignore[method-assign]
    return app
