"""Errors as they are told to clients: RFC 9457 problem documents, and nothing of the inside of this program.

A `Problem` is raised wherever a request can't be answered. `KINDS` is the whole list: the page `/` explains each under
the anchor that `type` refers to, and the OpenAPI document names them.

Which of our own errors becomes which problem stands in `translated`. What Flask raises itself (no such path, method
not allowed) is turned into one by `of_http`.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from urllib.parse import quote

import flask
from werkzeug.exceptions import HTTPException

CONTENT_TYPE = "application/problem+json"
LONGEST_DETAIL = 600
LONGEST_INSTANCE = 300
RETRY_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of problem: `name` is the anchor it is explained under, `meaning` what to do about it."""

    name: str
    status: int
    title: str
    meaning: str


MALFORMED = Kind(
    "malformed-request",
    400,
    "The request can't be understood",
    "A parameter is missing, unknown, repeated or not of its form, or the body is not what its type says. The detail "
    "says which, and what was expected.",
)
NO_TOKEN = Kind(
    "token-required",
    401,
    "A valid token is required",
    "Send the header Authorization: Bearer followed by the token that the server was started with.",
)
NO_PATH = Kind("no-such-path", 404, "There is nothing at this address", "The paths are listed in /openapi.json.")
NO_TICKER = Kind(
    "unknown-ticker",
    404,
    "There is no forecast of this ticker",
    "No forecast of this ticker has ever been stored here. GET /tickers lists those that have one.",
)
NO_SESSION = Kind(
    "unknown-session",
    404,
    "There is no forecast of this session",
    "The exchange does not open on that date, or no forecast of that session is stored.",
)
NO_REPORT = Kind("no-report", 404, "There is no report of this ticker", "No report of this ticker is stored here.")
WRONG_METHOD = Kind(
    "wrong-method", 405, "This address has no such method", "The header Allow lists the methods it has."
)
STALE = Kind(
    "stale-forecast",
    409,
    "The newest forecast is too old to be relied on",
    "A later session should be there by now, or the model has expired. The detail says which. Add allow_stale=true to "
    "have it all the same, or name the session with as_of.",
)
TOO_LARGE = Kind(
    "too-large", 413, "The body is too large", "Send it in parts; the detail says how much is taken at once."
)
WRONG_TYPE = Kind(
    "wrong-content-type",
    415,
    "The body is of a type that is not taken here",
    "POST /predict takes application/json, POST /predict/batch text/csv, in UTF-8, neither compressed.",
)
UNUSABLE_TABLE = Kind(
    "unusable-table",
    422,
    "The table can't be answered",
    "It is neither a list with a column ticker nor a price history with Date and Close, or none of its bars can be "
    "used. The detail says why.",
)
INTERNAL = Kind(
    "internal-error",
    500,
    "The server failed",
    "A fault of this program, not of the request. Its log says more.",
)
NOT_WHOLE = Kind(
    "not-whole",
    503,
    "There is no whole snapshot to serve at this moment",
    "Files are being replaced, or one is damaged. GET /health says which; ask again later.",
)
NOTHING = Kind("nothing-to-serve", 503, "There is no forecast to serve", "No forecast has been stored yet.")

KINDS = (
    *(MALFORMED, NO_TOKEN, NO_PATH, NO_TICKER, NO_SESSION, NO_REPORT, WRONG_METHOD, STALE, TOO_LARGE, WRONG_TYPE),
    *(UNUSABLE_TABLE, INTERNAL, NOT_WHOLE, NOTHING),
)
# What Flask and Werkzeug raise by themselves; any other status is told without a kind of its own.
_BY_STATUS = {kind.status: kind for kind in (MALFORMED, NO_PATH, WRONG_METHOD, TOO_LARGE, WRONG_TYPE, INTERNAL)}


class Problem(HTTPException):
    """A request that can't be answered. `detail` is for the client: it names no path or secret of this machine."""

    def __init__(self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description=detail)
        self.code = kind.status
        self.kind = kind
        self.more_headers = dict(headers or {})
        if kind.status == 503:
            self.more_headers.setdefault("Retry-After", str(RETRY_SECONDS))


def document(status: int, kind: Kind | None, detail: str, instance: str, title: str = "") -> dict[str, object]:
    """The members of the problem document; without a `kind` the type is `about:blank` and `title` the status's name."""
    return {
        "type": f"/#{kind.name}" if kind else "about:blank",
        "title": kind.title if kind else title,
        "status": status,
        "detail": detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]} ...",
        # What is cut off in the middle of %C3 is no URI.
        "instance": re.sub("%.?$", "", quote(instance, safe="/")[:LONGEST_INSTANCE]),
    }


def of_http(error: HTTPException) -> flask.Response:
    """Any HTTP error as the response that tells it."""
    status = error.code or 500
    kind = error.kind if isinstance(error, Problem) else _BY_STATUS.get(status)
    told = error.description or error.name
    # An unforeseen exception's own words are for the log; Werkzeug's words for a wrong path or method are only vague.
    if not isinstance(error, Problem):
        told = _told(status, kind, told)
    content = document(status, kind, told, flask.request.path, error.name)
    response = flask.Response(json.dumps(content) + "\n", status, content_type=CONTENT_TYPE)
    if isinstance(error, Problem):
        response.headers.update(error.more_headers)
    elif status == 405:
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return response


def _told(status: int, kind: Kind | None, told: str) -> str:
    if status == 404:
        return f"there is nothing at {flask.request.path!r:.200}; the paths are listed in /openapi.json"
    if status == 405:
        return f"{flask.request.method!r:.40} is no method of {flask.request.path!r:.200}; the header Allow lists them"
    return kind.meaning if kind and status in (413, 500) else told
