"""Who is let in: those with the token, where there is one, whose Host header can be one.

How large a body may be stands in uploads; how long a client may take, in processes.
"""

import functools
import hashlib
import hmac
import ipaddress
import re

import flask

from stock_assets.serving import problems, questions

OPEN_TO_ALL = frozenset({"/health"})

# A host's name, an IPv4 or a bracketed IPv6 address, with or without a port.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def require_host(*, local_only: bool = False) -> None:
    """Refuses a request whose Host can't be one; with `local_only`, one that does not name this machine by loopback.

    No answer is made from it. Raises a `Problem`, 400.
    """
    host = flask.request.environ.get("HTTP_HOST")
    if host is None:
        return
    if not _is_host(host):
        raise questions.malformed(
            f"the header Host is {host!r:.80}; expected a name or an address, with or without port"
        )
    if local_only and not _is_local(host):
        raise questions.malformed(
            f"the header Host is {host!r:.80}; expected localhost or 127.0.0.1: without a token nobody else is served"
        )


@functools.lru_cache(maxsize=256)
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


@functools.lru_cache(maxsize=256)
def _is_local(host: str) -> bool:
    """Of what `_is_host` lets pass."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


class Token:
    """The one token that lets a client in, kept as a digest so that comparing takes as long for any other."""

    def __init__(self, token: str) -> None:
        self._digest = _digest(token.encode())

    def require(self) -> None:
        """Refuses a request without the token, but for `OPEN_TO_ALL`. Raises a `Problem`, 401."""
        if flask.request.path in OPEN_TO_ALL:
            return
        scheme, _, came = flask.request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        # WSGI gives the header's bytes as Latin-1.
        right = hmac.compare_digest(_digest(came.strip(" ").encode("latin-1", errors="replace")), self._digest)
        if scheme.lower() != "bearer" or not right:
            told = "the token is not the right one" if scheme else "there is no token"
            raise problems.Problem(
                problems.NO_TOKEN,
                f"{told}; expected the header Authorization: Bearer <token>",
                {"WWW-Authenticate": 'Bearer realm="stock-assets"'},
            )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
