"""The routes for programs: what is asked is read by questions, answered by forecasts and batch, told by answers.

The pages for people are in pages. Each view here is the few lines that tie those together.
"""

import functools
import json

import flask

from stock_assets.core.errors import StockAssetsError
from stock_assets.serving import answers, around, batch, health, metrics, problems, questions, uploads
from stock_assets.serving.questions import Question
from stock_assets.serving.serving import Serving, unusable

JSON = "application/json"
CSV = "text/csv; charset=utf-8"

_JSON_TYPES = {JSON: frozenset({"utf-8", "us-ascii"})}
_CSV_TYPES = {"text/csv": frozenset({"utf-8", "us-ascii", "utf-16"})}


def add(app: flask.Flask, serving: Serving, document: bytes, version: str) -> None:
    """Add the routes; `document` is the OpenAPI document, `version` that of the package."""
    config = serving.config

    def answered(question: Question, route: str) -> flask.Response:
        environ = flask.request.environ
        environ[around.TICKER] = question.ticker
        forecast = serving.forecast(question.ticker, question.as_of)
        # What is due changes at whole seconds, and many ask within one.
        standing = _standing(forecast, config.clock().replace(microsecond=0), config.deadline)
        if question.as_of is None and not question.allow_stale and (refused := answers.refusal(standing)):
            raise problems.Problem(problems.STALE, f"{refused}; {_anyway(question, forecast.as_of.isoformat())}")
        # HEAD tells nobody the forecast.
        if environ["REQUEST_METHOD"] != "HEAD":
            serving.tell(forecast, route)
        return flask.Response(answers.json_text(forecast, standing), content_type=JSON)

    @app.get("/predict")
    def predict() -> flask.Response:
        return answered(questions.of_address(flask.request.query_string), "predict")

    @app.post("/predict")
    def predict_by_document() -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        body = uploads.whole(flask.request, most=questions.LARGEST_JSON, types=_JSON_TYPES)
        return answered(questions.of_json(body), "predict")

    @app.post("/predict/batch")
    def predict_batch() -> flask.Response:
        given = questions.parameters(flask.request.query_string, ("ticker", "allow_stale"))
        ticker = questions.ticker(given["ticker"]) if "ticker" in given else None
        allow_stale = questions.truth("allow_stale", given.get("allow_stale", "false"))
        body = uploads.opened(flask.request, most=config.max_body_bytes, types=_CSV_TYPES)
        try:
            answer = batch.answer(
                body,
                serving.forecasts,
                config,
                ticker=ticker,
                allow_stale=allow_stale,
                served=lambda forecast, times: serving.tell(forecast, "batch", times),
            )
        except StockAssetsError as error:
            raise unusable(error, ticker) from error
        response = flask.Response(answer, content_type=CSV)
        response.headers["Content-Disposition"] = 'attachment; filename="predictions.csv"'
        return response

    @app.get("/health")
    def health_() -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        content = health.document(
            serving.listings.now(),
            serving.forecasts.troubles(),
            now=config.clock(),
            deadline=config.deadline,
            version=version,
            source=config.source,
        )
        status = 200 if content["newest_session"] else 503
        response = flask.Response(_json(content), status, content_type=JSON)
        if status == 503:
            response.headers["Retry-After"] = str(problems.RETRY_SECONDS)
        return response

    @app.get("/tickers")
    def tickers() -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        listing = serving.listings.now()
        if "store" in listing.troubles:
            raise problems.Problem(problems.NOT_WHOLE, "the forecasts can't be listed at this moment")
        found = [
            {
                "ticker": ticker,
                "name": listing.followed.get(ticker, ""),
                "as_of": as_of.isoformat(),
                "is_followed": ticker in listing.followed,
            }
            for ticker, as_of in sorted(listing.newest.items())
        ]
        return flask.Response(_json({"tickers": found}), content_type=JSON)

    @app.get("/metrics")
    def metrics_() -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        text = serving.metrics.exposition(
            backlog=serving.recorder.backlog(),
            newest=serving.listings.now().newest,
            troubles=len(serving.forecasts.troubles()),
            now=config.clock(),
        )
        return flask.Response(text, content_type=metrics.CONTENT_TYPE)

    @app.get("/openapi.json")
    def openapi() -> flask.Response:
        questions.parameters(flask.request.query_string, ())
        return flask.Response(document, content_type=JSON)


_standing = functools.lru_cache(maxsize=1024)(answers.standing)


def _anyway(question: Question, as_of: str) -> str:
    return (
        f"to have it all the same, add allow_stale=true, or as_of={as_of} for the forecast of {question.ticker} as it "
        "was made then"
    )


def _json(content: dict) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
