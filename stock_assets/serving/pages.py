"""The routes for people: the page at `/`, and the stored reports."""

import datetime

import flask

from stock_assets.core.errors import ArtefactError, MissingArtefactError
from stock_assets.serving import around, page, problems, questions
from stock_assets.serving.serving import Serving, not_whole
from stock_assets.storage.snapshots import Snapshot

HTML = "text/html; charset=utf-8"

# What a report consists of: its own styles, and pictures within it. `sandbox`: as if it came from another server.
REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)


def add(app: flask.Flask, serving: Serving, version: str) -> None:
    """Add the routes; `version` is that of the package."""
    config = serving.config

    @app.get("/")
    def page_() -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        listing = serving.listings.now()
        if "store" in listing.troubles:
            raise problems.Problem(problems.NOT_WHOLE, "the forecasts can't be listed at this moment")
        made = page.render(
            page.rows(listing, serving.forecasts, now=config.clock(), deadline=config.deadline),
            url=flask.request.host_url.rstrip("/"),
            version=version,
            source=config.source,
            with_token=config.token is not None,
        )
        return _html(made.html, made.policy)

    @app.get("/report/<ticker>")
    def report(ticker: str) -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        ticker = questions.ticker(ticker)
        flask.request.environ[around.TICKER] = ticker
        try:
            newest = serving.store.latest("report", ticker, not_after=datetime.date.max)
            if newest is None:
                raise problems.Problem(problems.NO_REPORT, f"no report of {ticker} is stored")
            return _html(Snapshot(serving.store, ticker, newest).report_file("report.html"), REPORT_POLICY)
        except MissingArtefactError as error:
            raise problems.Problem(problems.NO_REPORT, f"the report of {ticker} was deleted just now") from error
        except ArtefactError as error:
            raise not_whole(ticker) from error


def _html(content: bytes, policy: str) -> flask.Response:
    response = flask.Response(content, content_type=HTML)
    response.headers["Content-Security-Policy"] = policy
    return response
