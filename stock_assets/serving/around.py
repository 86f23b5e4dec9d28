"""What surrounds every request: it is timed and counted, and its answer carries the security headers.

Around the application and not within it, so that this costs next to nothing, and no answer goes without, however it
came about. What the request is about, the application writes into its environment: `ROUTE` and `TICKER`.
"""

import time
from typing import TYPE_CHECKING

from stock_assets.serving.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE = "stock_assets.route"
TICKER = "stock_assets.ticker"
NO_ROUTE = "none"

# Answers are data for programs: a browser that shows one is to run, embed and remember nothing of it.
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
)
_WITH_POLICY = (*HEADERS, POLICY)


class Around:
    """The application with `HEADERS` on every answer, and `POLICY` on those that bring no policy of their own."""

    def __init__(self, application: "WSGIApplication", metrics: Metrics) -> None:
        self._application, self._metrics = application, metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        began = time.perf_counter()
        # Werkzeug would redirect to "/", at the address that the client claims to have asked.
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"

        def start(status, headers, exc_info=None):
            route = environ.get(ROUTE, NO_ROUTE)
            self._metrics.answered(route, environ["REQUEST_METHOD"], int(status[:3]), time.perf_counter() - began)
            has_policy = any(name == POLICY[0] for name, _ in headers)
            headers = [*headers, *(HEADERS if has_policy else _WITH_POLICY)]
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        return self._application(environ, start)
