"""The OpenAPI 3.1 document: every route, every status with its content, made from the forms that `questions` reads.

Schemas of what is told stand in `schemas`. A test asks the application everything the document allows, and more.
"""

from typing import Any

from stock_assets.core import tickers
from stock_assets.serving import problems, questions, schemas

EXAMPLE_LIST = "ticker,as_of\nTSLA,\nSTX,2024-03-08\n"

_DESCRIPTION = """\
Forecasts for the next session of the stocks that are followed here, with the naive forecast beside each. Most forecasts
of daily prices are no better than naive: `beats_naive` and `verdict` say how this one did out of sample.

Every error is a problem document (RFC 9457). HEAD is answered wherever GET is. A method that a path does not have is
answered with 405 and the header Allow; a parameter that is not listed, or comes twice, with 400. Numbers are those of
the stored forecast, to the last bit.
"""
_TICKER: dict[str, Any] = {
    "type": "string",
    "pattern": questions.TICKER,
    "minLength": 1,
    "maxLength": tickers.MAX_LENGTH,
}
_AS_OF: dict[str, Any] = {"type": "string", "format": "date", "pattern": questions.AS_OF}
_ALLOW_STALE = (
    "Answer with the newest forecast even when a later session should be there by now, or its model has expired."
)
_AS_OF_TOLD = "The session after whose close the forecast was made. Left out: the newest forecast."


def document(version: str, *, token: bool, source: str, largest_body: int) -> dict[str, Any]:
    """The whole document, of a server that requires a token or does not."""
    paths = {
        "/": {"get": _page()},
        "/health": {"get": _health() | {"security": []}},
        "/metrics": {"get": _metrics()},
        "/openapi.json": {"get": _openapi()},
        "/predict": {"get": _predict_get(source), "post": _predict_post(source)},
        "/predict/batch": {"post": _batch(largest_body)},
        "/report/{ticker}": {"get": _report()},
        "/tickers": {"get": _tickers()},
    }
    components: dict[str, Any] = {"schemas": schemas.ALL}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "stock_assets",
            "version": version,
            "summary": "Forecasts for the next session of a stock",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }
    if token:
        components["securitySchemes"] = {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token that the server was started with (STOCK_ASSETS_SERVE_TOKEN).",
            }
        }
        whole["security"] = [{"token": []}]
        for path, methods in paths.items():
            for operation in methods.values():
                if path != "/health":
                    operation["responses"] |= _problems(problems.NO_TOKEN)
    for methods in paths.values():
        for operation in methods.values():
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return whole


def _predict_get(source: str) -> dict[str, Any]:
    return {
        "operationId": "predict",
        "summary": "The forecast of a ticker",
        "parameters": [
            _query("ticker", _TICKER, "The stock, as Yahoo Finance spells it; either case.", "TSLA", required=True),
            _query("as_of", _AS_OF, _AS_OF_TOLD, "2024-03-08"),
            _allow_stale(),
        ],
        "responses": _predict_responses(source),
    }


def _predict_post(source: str) -> dict[str, Any]:
    return {
        "operationId": "predictByDocument",
        "summary": "The forecast of a ticker, asked for in JSON",
        "requestBody": {
            "required": True,
            "description": f"At most {questions.LARGEST_JSON:,} bytes.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["ticker"],
                        "additionalProperties": False,
                        "properties": {
                            "ticker": _TICKER,
                            "as_of": _AS_OF | {"type": ["string", "null"], "description": _AS_OF_TOLD},
                            "allow_stale": {"type": "boolean", "default": False, "description": _ALLOW_STALE},
                        },
                    },
                    "examples": {
                        "newest": {"value": {"ticker": "TSLA"}},
                        "past": {"value": {"ticker": "TSLA", "as_of": "2024-03-08", "allow_stale": False}},
                    },
                }
            },
        },
        "responses": _predict_responses(source) | _problems(problems.TOO_LARGE, problems.WRONG_TYPE),
    }


def _predict_responses(source: str) -> dict[str, Any]:
    example = schemas.EXAMPLE_FORECAST | {"source": source, "is_simulated": source == "simulated"}
    kinds = (problems.MALFORMED, problems.NO_TICKER, problems.NO_SESSION, problems.STALE)
    return {"200": _json("The stored forecast.", "Forecast", example)} | _problems(
        *kinds, problems.INTERNAL, problems.NOT_WHOLE
    )


def _batch(largest_body: int) -> dict[str, Any]:
    csv = {"schema": {"type": "string", "contentMediaType": "text/csv"}}
    return {
        "operationId": "predictBatch",
        "summary": "A CSV of questions in, the CSV of forecasts out",
        "description": (
            "Either a list: a column `ticker`, and `as_of` if wanted; every row is answered in its place, with the "
            "reason in the column `error` where it can't be. Or one ticker's price history with the columns Date, "
            "Open, High, Low, Close and Volume (also Adj Close, Dividends, Stock Splits): answered with the forecast "
            "after its last bar, and a row for each bar that could not be used."
        ),
        "parameters": [
            # Without an example: the one of the body is a list, which has tickers of its own.
            _query("ticker", _TICKER, "Whose history it is, where no column `ticker` says so. Not with a list."),
            _allow_stale(),
        ],
        "requestBody": {
            "required": True,
            "description": f"Separated by commas, semicolons or tabs; at most {largest_body:,} bytes.",
            "content": {"text/csv": csv | {"examples": {"list": {"value": EXAMPLE_LIST}}}},
        },
        "responses": {
            "200": {
                "description": "A row for every row that came, with its number, in order.",
                "headers": {"Content-Disposition": {"required": True, "schema": {"type": "string"}}},
                "content": {"text/csv": csv},
            }
        }
        | _problems(
            *(problems.MALFORMED, problems.NO_TICKER, problems.STALE, problems.TOO_LARGE, problems.WRONG_TYPE),
            *(problems.UNUSABLE_TABLE, problems.INTERNAL, problems.NOT_WHOLE),
        ),
    }


def _health() -> dict[str, Any]:
    answers = {
        "200": _json("There are forecasts to serve; `status` says whether all is well.", "Health"),
        "503": _json("There is nothing to serve.", "Health") | {"headers": _RETRY},
    }
    return _get("health", "Whether there is something to serve, and how old it is", answers)


def _tickers() -> dict[str, Any]:
    answers = {"200": _json("In alphabetical order.", "Tickers")} | _problems(problems.NOT_WHOLE)
    return _get("tickers", "Which tickers have a forecast, and of which session the newest is", answers)


def _metrics() -> dict[str, Any]:
    answer = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return _get("metrics", "Figures for monitoring", {"200": answer})


def _openapi() -> dict[str, Any]:
    answer = {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return _get("openapi", "This document", {"200": answer})


def _page() -> dict[str, Any]:
    answers = {"200": _html("All forecasts, for people.")} | _problems(problems.NOT_WHOLE)
    return _get("page", "All forecasts on a page for people", answers)


def _report() -> dict[str, Any]:
    answers = {"200": _html("The newest report, self-contained.")} | _problems(problems.NO_REPORT, problems.NOT_WHOLE)
    where = {
        "name": "ticker",
        "in": "path",
        "required": True,
        "description": "The stock; either case.",
        "schema": _TICKER,
        "example": "TSLA",
    }
    return _get("report", "The newest report of a ticker", answers) | {"parameters": [where]}


def _get(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": answers | _problems(problems.MALFORMED, problems.INTERNAL),
    }


def _query(
    name: str, schema: dict[str, Any], description: str, example: object = None, *, required: bool = False
) -> dict[str, Any]:
    where = {"name": name, "in": "query", "required": required, "description": description, "schema": schema}
    return where if example is None else where | {"example": example}


def _allow_stale() -> dict[str, Any]:
    return _query("allow_stale", {"type": "boolean", "default": False}, _ALLOW_STALE, example=True)


def _html(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


def _json(description: str, schema: str, example: object = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


_RETRY: dict[str, Any] = {
    "Retry-After": {
        "required": True,
        "description": "Seconds to wait before asking again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "pattern": "^Bearer "}}},
    503: _RETRY,
}


def _problems(*kinds: problems.Kind) -> dict[str, Any]:
    """Responses of these kinds, one for each status, with an example of each kind."""
    by_status: dict[int, list[problems.Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {str(status): _problem(status, those) for status, those in by_status.items()}


def _problem(status: int, kinds: list[problems.Kind]) -> dict[str, Any]:
    types = [f"/#{kind.name}" for kind in kinds]
    content = {
        "schema": {
            "allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"properties": {"status": {"const": status}, "type": {"enum": types}}},
            ]
        },
        "examples": {kind.name: {"value": problems.document(status, kind, kind.meaning, "/predict")} for kind in kinds},
    }
    told: dict[str, Any] = {
        "description": "; or ".join(kind.title for kind in kinds) + ".",
        "content": {problems.CONTENT_TYPE: content},
    }
    if headers := _HEADERS.get(status):
        told["headers"] = headers
    return told
