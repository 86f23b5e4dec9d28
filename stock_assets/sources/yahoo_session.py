"""The HTTP session that yfinance uses for us.

Apart from `yahoo` because a subclass needs curl_cffi when it is defined, and nothing else should load that.
"""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from curl_cffi import CurlOpt, requests

from stock_assets.sources import throttle, yahoo_answers

CHART_PATH = "/v8/finance/chart/"
HOST_HEADER = "X-Yahoo-Host"
_DOMAIN = "yahoo.com"

_MAX_BYTES = 32 * 2**20
"""Where an answer is cut off: the longest genuine one, daily bars since 1962, has 2 MB."""

_MAX_REDIRECTS = 10
"""Yahoo's way through its consent pages takes four."""


class YahooSession(requests.Session):
    """A session that can send Yahoo's requests elsewhere, never waits longer than told, and keeps the last chart.

    `base_url`, when given, takes the place of scheme and host of every Yahoo address; an address of anybody else is
    refused. `tokens`: where each request takes a token before it goes out; waiting for it is not part of `timeout`.

    `last_chart` is the answer to the last request for a chart, None while there was none. `retry_after` is the longest
    time, in seconds, for which any answer since `start` asked to be left alone, or until a token is free; `waited` the
    seconds spent waiting for tokens since then.
    """

    def __init__(self, base_url: str | None, timeout: float, tokens: throttle.Throttle | None = None) -> None:
        # Proxies from the environment are for the way to the internet, not for the way to base_url.
        super().__init__(
            impersonate="chrome",
            timeout=timeout,
            trust_env=base_url is None,
            max_redirects=_MAX_REDIRECTS,
            curl_options={CurlOpt.MAXFILESIZE_LARGE: _MAX_BYTES},
        )
        self._elsewhere = urlsplit(base_url) if base_url is not None else None
        self._longest = timeout
        self._tokens = tokens
        self.start()

    def start(self) -> None:
        """Forget what earlier requests brought."""
        self.last_chart: requests.Response | None = None
        self.retry_after: float | None = None
        self.waited = 0.0

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> requests.Response:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As the parent's, redirected, throttled and bounded. Raises `throttle.NoTokenError` too."""
        address = urlsplit(url)
        is_chart = address.path.startswith(CHART_PATH)
        if is_chart:
            self.last_chart = None
        if self._elsewhere is not None:
            host = address.hostname or ""
            if host != _DOMAIN and not host.endswith(f".{_DOMAIN}"):
                raise requests.exceptions.InvalidURL(f"{url} is not an address of Yahoo; only those go to base_url")
            options["headers"] = {**(options.get("headers") or {}), HOST_HEADER: host}
            path = self._elsewhere.path.rstrip("/") + (address.path or "/")
            url = urlunsplit((self._elsewhere.scheme, self._elsewhere.netloc, path, address.query, ""))
        # yfinance asks for cookie and crumb with a time-out of its own: 30 seconds each.
        asked = options.get("timeout")
        options["timeout"] = min(asked, self._longest) if isinstance(asked, int | float) else self._longest
        if self._tokens is not None:
            try:
                self.waited += self._tokens.take()
            except throttle.NoTokenError as error:
                self._note(error.wait)
                raise
        response = super().request(method, url, *args, **options)
        if response.status_code in {429, 503}:
            seconds = yahoo_answers.retry_after(response.headers.get("Retry-After"), dt.datetime.now(dt.UTC))
            if seconds is not None:
                self._note(seconds)
        if is_chart:
            self.last_chart = response
        return response

    def _note(self, seconds: float) -> None:
        self.retry_after = max(seconds, self.retry_after or 0.0)
