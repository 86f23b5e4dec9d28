"""JSON Schemas of what is answered: a forecast, health, tickers, a problem. For the OpenAPI document, and for tests.

What is asked for is in openapi, from the forms that questions reads.
"""

from typing import Any

_TICKER: dict[str, Any] = {"type": "string", "pattern": r"^\^?[A-Z0-9]+([.=\-][A-Z0-9]+)*$", "maxLength": 15}
_DATE: dict[str, Any] = {"type": "string", "format": "date"}
_MAYBE_DATE: dict[str, Any] = {"type": ["string", "null"], "format": "date"}
_SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_PRICE: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
_TRUTH: dict[str, Any] = {"type": "boolean"}
_CHECKSUM: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"type": [schema["type"], "null"]}


def _told(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return schema | {"description": description}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has exactly these members."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


FORECAST = _object(
    {
        "ticker": _TICKER,
        "as_of": _told(_DATE, "The session after whose close the forecast was made, knowing nothing later."),
        "target_session": _told(_DATE, "The session that the forecast is about."),
        "probability_up": _told(_SHARE, "Chance of a rise, calibrated."),
        "expected_return": {"type": "number"},
        "predicted_close": _PRICE,
        "interval_low": _PRICE,
        "interval_high": _PRICE,
        "interval_level": _told(_SHARE, "How often such an interval is to hold the close."),
        "naive_close": _told(_PRICE, "The last close: the forecast to beat."),
        "model_as_of": _DATE,
        "beats_naive": _told(_TRUTH, "Whether the model's out-of-sample forecasts were better than naive ones."),
        "source": _told({"type": "string"}, "Where the prices came from."),
        "horizon_sessions": {"type": "integer", "minimum": 1},
        "verdict": _told({"type": "string"}, "How the model did out of sample, in words."),
        "model_checksum": _told(_maybe(_CHECKSUM), "Which model; null when it is no longer stored."),
        "data_checksum": _told(_maybe(_CHECKSUM), "Which prices; null when they are no longer stored."),
        "forecast_checksum": _told(_CHECKSUM, "Which forecast: of its artefact."),
        "is_simulated": _told(_TRUTH, "Whether prices are invented."),
        "is_stale": _told(_TRUTH, "Whether a later session should be there by now."),
        "model_expired": _TRUTH,
        "warnings": _told(_TEXTS, "What to know before relying on it."),
    }
)
HEALTH = _object(
    {
        "status": {"enum": ["ok", "degraded", "nothing to serve"]},
        "version": {"type": "string"},
        "source": {"type": "string"},
        "now": {"type": "string", "format": "date-time"},
        "newest_session": _told(_MAYBE_DATE, "The newest session that a forecast is of."),
        "expected_session": _told(_DATE, "The session that has to be there by now."),
        "tickers": {
            "type": "object",
            "propertyNames": _TICKER,
            "additionalProperties": _object(
                {
                    "as_of": _told(_MAYBE_DATE, "Of the newest forecast; null when there is none."),
                    "is_stale": _TRUTH,
                    "is_followed": _told(_TRUTH, "Whether it is on the watchlist; of others nothing new is expected."),
                    "model_as_of": _told(_MAYBE_DATE, "Of the newest model; null when there is none."),
                    "model_age_sessions": _told(
                        {"type": ["integer", "null"], "minimum": 0},
                        "Sessions since then at the newest closed one; null when the model has expired.",
                    ),
                }
            ),
        },
        "troubles": _told(
            {"type": "object", "additionalProperties": {"type": "string"}}, "What is wrong, by ticker or part."
        ),
    }
)
TICKERS = _object(
    {
        "tickers": {
            "type": "array",
            "items": _object(
                {
                    "ticker": _TICKER,
                    "name": _told({"type": "string"}, "As the watchlist has it; may be empty."),
                    "as_of": _DATE,
                    "is_followed": _TRUTH,
                }
            ),
        }
    }
)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "additionalProperties": False,
    "properties": {
        "type": _told({"type": "string", "format": "uri-reference"}, "The kind of problem: where it is explained."),
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _told({"type": "string"}, "What came and what was expected."),
        "instance": _told({"type": "string", "format": "uri-reference"}, "The path that was asked for."),
    },
}

ALL = {"Forecast": FORECAST, "Health": HEALTH, "Problem": PROBLEM, "Tickers": TICKERS}

EXAMPLE_FORECAST: dict[str, Any] = {
    "ticker": "TSLA",
    "as_of": "2024-03-08",
    "target_session": "2024-03-11",
    "probability_up": 0.5178571,
    "expected_return": 0.0015614,
    "predicted_close": 175.61377,
    "interval_low": 166.52142,
    "interval_high": 184.70612,
    "interval_level": 0.9,
    "naive_close": 175.34,
    "model_as_of": "2024-03-08",
    "beats_naive": False,
    "source": "yahoo",
    "horizon_sessions": 1,
    "verdict": "Over 3,244 sessions the model called the direction right 50.1% of the time (always saying the more "
    "frequent direction: 49.9%); that is no better than naive.",
    "model_checksum": "5b0c" * 16,
    "data_checksum": "91ad" * 16,
    "forecast_checksum": "e3f7" * 16,
    "is_simulated": False,
    "is_stale": False,
    "model_expired": False,
    "warnings": [],
}
