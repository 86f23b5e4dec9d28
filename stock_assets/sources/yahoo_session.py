"""The HTTP session that yfinance uses for us.

Apart from `yahoo` because a subclass needs curl_cffi when it is defined, and nothing else should load that.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from curl_cffi import requests

CHART_PATH = "/v8/finance/chart/"
HOST_HEADER = "X-Yahoo-Host"
_DOMAIN = "yahoo.com"


class YahooSession(requests.Session):
    """A session that can send Yahoo's requests elsewhere, never waits longer than told, and keeps the last chart.

    `base_url`, when given, takes the place of scheme and host of every Yahoo address; an address of anybody else is
    refused. `last_chart` is the answer to the last request for a chart, None while there was none.
    """

    def __init__(self, base_url: str | None, timeout: float) -> None:
        # Proxies from the environment are for the way to the internet, not for the way to base_url.
        super().__init__(impersonate="chrome", timeout=timeout, trust_env=base_url is None)
        self._elsewhere = urlsplit(base_url) if base_url is not None else None
        self._longest = timeout
        self.last_chart: requests.Response | None = None

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> requests.Response:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As the parent's, redirected and bounded."""
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
        response = super().request(method, url, *args, **options)
        if is_chart:
            self.last_chart = response
        return response
