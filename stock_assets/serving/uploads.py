"""The body of a request as a file that can be trusted: no longer than allowed, and not shorter than it was said to be.

Nothing is read before it is asked for. What is in the body is not this module's question.
"""

import io
import re
from typing import TYPE_CHECKING

import flask
from gunicorn.http import errors as gunicorn_errors

from stock_assets.serving import problems, questions

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIEnvironment

BLOCK = 64 * 1024


def opened(request: flask.Request, *, most: int, types: dict[str, frozenset[str]]) -> io.BufferedReader:
    """The body of `request`, to be read once, from front to back.

    Args:
        request: Its headers are looked at here; the bytes are counted while they are read.
        most: Bytes that are taken.
        types: Media type -> charsets it may name.

    Raises:
        Problem: 415 for another type, charset or a compressed body; 413 for a larger one, at once where its length is
            told, else from a read; 400 for a length that is none, and from a read when the body breaks off.
    """
    _require_type(request, types)
    return io.BufferedReader(_Body(request.environ, most), BLOCK)


def whole(request: flask.Request, *, most: int, types: dict[str, frozenset[str]]) -> bytes:
    """All bytes of the body. Errors as `opened`."""
    with opened(request, most=most, types=types) as body:
        return body.read()


def _require_type(request: flask.Request, types: dict[str, frozenset[str]]) -> None:
    expected = " or ".join(types)
    if request.mimetype not in types:
        came = f"{request.mimetype!r:.80}" if request.mimetype else "none"
        raise problems.Problem(problems.WRONG_TYPE, f"the Content-Type is {came}; expected {expected}")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in types[request.mimetype]:
        raise problems.Problem(
            problems.WRONG_TYPE,
            f"the charset is {charset!r:.40}; expected {' or '.join(sorted(types[request.mimetype]))}",
        )
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise problems.Problem(
            problems.WRONG_TYPE, f"the Content-Encoding is {encoding!r:.40}; expected a body that is not compressed"
        )


class _Body(io.RawIOBase):
    """`wsgi.input` with its ends known: the length told, or for chunks where the server says the last one was."""

    def __init__(self, environ: "WSGIEnvironment", most: int) -> None:
        self._input, self._most = environ["wsgi.input"], most
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        self._length = None if chunked else _length(environ.get("CONTENT_LENGTH", ""))
        # Without a length, reading from a server that does not end the stream by itself would never end.
        if self._length is None and not environ.get("wsgi.input_terminated"):
            self._length = 0
        if self._length is not None and self._length > most:
            raise self._too_large()
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = len(view) if self._length is None else min(len(view), self._length - self._read)
        data = self._next(wanted) if wanted else b""
        self._read += len(data)
        if self._read > self._most:
            raise self._too_large()
        if not data and self._length is not None and self._read < self._length:
            raise questions.malformed(f"the body broke off after {self._read:,} of {self._length:,} bytes")
        view[: len(data)] = data
        return len(data)

    def _next(self, n: int) -> bytes:
        try:
            return self._input.read(n)
        except (OSError, gunicorn_errors.ParseException) as error:
            # The client went away, was too slow, or its chunks are none.
            raise questions.malformed(f"the body broke off or is no HTTP, after {self._read:,} bytes") from error

    def _too_large(self) -> problems.Problem:
        return problems.Problem(problems.TOO_LARGE, f"the body is larger than the {self._most:,} bytes that are taken")


def _length(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise questions.malformed(f"the Content-Length is {text!r:.40}; expected a whole number")
    return int(text)
