"""Clients that make a server wait: gunicorn's threaded worker, but connections that dawdle hold no thread.

A request gets a thread once its head is there, and its body too when that is small. Larger bodies are read by threads,
but never by all of them. Whoever keeps a thread waiting for `PATIENCE_SECONDS` is cut off, while sending a body or
reading an answer; each `BYTES_PER_SECOND` that come or go win a second back.

gunicorn alone gives each connection a thread at its first byte, with no limit on how long the rest may take.
"""

import contextlib
import enum
import errno
import json
import re
import selectors
import signal
import socket
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers import gthread

from stock_assets.serving import access_log

PATIENCE_SECONDS = 10.0
BYTES_PER_SECOND = 64 * 1024
HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 32 * 1024
SMALL_BODY_BYTES = 64 * 1024
LINGER_SECONDS = 2.0

_READ_BYTES = 64 * 1024
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EPROTO)

_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_BODY = re.compile(rb"\r\n(?:content-length:[ \t]*([0-9]+)|transfer-encoding:|expect:)", re.IGNORECASE)
_DIGITS = 9


class TooSlowError(ConnectionResetError):
    """A client that let us wait for too long: as good as one that hung up, and handled like that."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ECONNRESET, reason)


class Stage(enum.Enum):
    """How much of a request is there."""

    PART = enum.auto()
    WHOLE = enum.auto()
    LARGE = enum.auto()
    """The head; the body is for a thread to read."""
    TOO_LARGE = enum.auto()


def stage(data: bytes) -> Stage:
    """What the beginning of a request amounts to. It decides only who waits for the rest: gunicorn reads it anew."""
    end = data.find(b"\r\n\r\n")
    if end > MAX_HEAD_BYTES or (end < 0 and len(data) > MAX_HEAD_BYTES):
        return Stage.TOO_LARGE
    if end < 0:
        # gunicorn refuses a bare line feed as soon as it sees one.
        return Stage.WHOLE if _BARE_LINE_FEED.search(data) else Stage.PART
    lengths = _BODY.findall(data, 0, end + 2)
    if not lengths:
        return Stage.WHOLE
    if len(lengths) > 1 or len(lengths[0]) > _DIGITS:
        # Refused, or several of these headers, of a client that waits to be told to go on for example.
        return Stage.LARGE
    size = int(lengths[0] or SMALL_BODY_BYTES + 1)
    if size > SMALL_BODY_BYTES:
        return Stage.LARGE
    return Stage.WHOLE if len(data) >= end + 4 + size else Stage.PART


class ClientSocket(socket.socket):
    """A connection with patience for its client: used up by waiting, renewed by bytes that come or go."""

    ahead = b""
    """What was received before anybody asked for it."""
    cut_off = ""
    """Why patience was exhausted; empty when it was not."""
    _patience = PATIENCE_SECONDS
    _moved = 0

    def begin_request(self) -> None:
        """All patience anew."""
        self._patience, self._moved = PATIENCE_SECONDS, 0

    def read_ahead(self) -> bool:
        """Receive what is there without waiting; False when the client has closed. Raises `OSError`."""
        try:
            data = super().recv(_READ_BYTES)
        except BlockingIOError:
            return True
        self.ahead += data
        return bool(data)

    def setblocking(self, flag: bool) -> None:
        """Blocking never means for ever."""
        self.settimeout(PATIENCE_SECONDS if flag else 0.0)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As a socket does, but raises `TooSlowError` when patience is exhausted."""
        if self.ahead:
            data, self.ahead = self.ahead[:size], self.ahead[size:]
            return data
        if self.gettimeout() == 0.0:
            return super().recv(size, flags)
        started = self._start("sending")
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            raise self._given_up("sending") from None
        self._end(started, len(data))
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As a socket does, but raises `TooSlowError` when patience is exhausted."""
        if self.gettimeout() == 0.0:
            super().sendall(data, flags)
            return
        left = memoryview(data)
        while left:
            started = self._start("reading")
            try:
                sent = super().send(left, flags)
            except TimeoutError:
                raise self._given_up("reading") from None
            self._end(started, sent)
            left = left[sent:]

    def _start(self, doing: str) -> float:
        """The moment, with what patience is left as the time limit."""
        if self._patience <= 0 or self.cut_off:
            raise self._given_up(doing)
        self.settimeout(self._patience)
        return time.monotonic()

    def _end(self, started: float, size: int) -> None:
        waited = time.monotonic() - started
        self._patience = min(PATIENCE_SECONDS, self._patience - waited + size / BYTES_PER_SECOND)
        self._moved += size

    def _given_up(self, doing: str) -> TooSlowError:
        self.cut_off = self.cut_off or f"too slow in {doing}, {self._moved:,} bytes so far"
        return TooSlowError(self.cut_off)


class Connection(gthread.TConn):
    """A connection as gunicorn knows it. `large`: its request occupies one of the threads for large bodies."""

    sock: ClientSocket  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, worker: "Worker", sock: ClientSocket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self.large = False
        # gunicorn would look once more whether there is something to read.
        self.data_ready = True
        self._worker = worker

    def close(self, graceful: bool = False) -> None:
        """In the loop's thread."""
        if graceful:
            self._worker.part(self.sock)
        else:
            util.close(self.sock)


class Worker(gthread.ThreadWorker):
    """gunicorn's threaded worker, with connections that wait in its loop and not in its threads."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._large = 0
        self._most_large = max(1, self.cfg.threads // 2)
        self._large_waiting: deque[Connection] = deque()
        self._parting: deque[tuple[float, ClientSocket]] = deque()
        self.log: Any  # processes.Log
        self._accepting: bool

    def init_signals(self) -> None:
        """Ctrl-C reaches every process of the terminal: the arbiter alone decides what it means."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def is_parent_alive(self) -> bool:
        """Without its arbiter, a worker ends as if it had been told to."""
        self.alive = self.alive and super().is_parent_alive()
        return self.alive

    def set_accept_enabled(self, enabled: Any) -> None:
        """When the worker ends, who is connected already is served, and nobody is kept in a queue that ends with it."""
        if not self.alive and self._accepting:
            for listener in self.sockets:
                while self._accept(listener):
                    pass
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def accept(self, listener: Any) -> None:
        """Take a connection, and whatever it has sent."""
        self._accept(listener)

    def _accept(self, listener: Any) -> bool:
        """Whether there was a connection to take."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                # Nothing was taken off the queue: without a pause the loop would ask again at once, for ever.
                self.log.error("no connection can be accepted: %s", error.strerror)
                time.sleep(0.05)
            elif error.errno not in _NO_CONNECTION:
                raise
            return False
        self.nr_conns += 1
        sock = ClientSocket(fileno=accepted.detach())
        self._gather(Connection(self, sock, address, listener.getsockname()))
        return True

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """The next request on a connection that was kept alive."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._gather(conn)

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """More of a request that is not there yet."""
        found = self._look(conn)
        if found is not Stage.PART:
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._hand_over(conn, found)

    def finish_request(self, conn: Any, fs: "Future[bool]") -> None:
        """A thread is done with a request. In the loop's thread."""
        if conn.large:
            conn.large = False
            self._large -= 1
            if self._large_waiting:
                self._hand_over(self._large_waiting.popleft(), Stage.LARGE)
        if conn.sock.cut_off:
            self.log.warning("%s cut off: %s", _address(conn.client), conn.sock.cut_off)
        if fs.cancelled() or fs.exception() is not None or not fs.result():
            self._drop(conn, graceful=not conn.sock.cut_off)
            return
        conn.sock.setblocking(False)
        # What was read beyond the request begins the next one.
        conn.sock.ahead = conn.parser.unreader.take_buffered() + conn.sock.ahead
        if conn.sock.ahead:
            self._gather(conn)
            return
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + LINGER_SECONDS)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def murder_pending(self) -> None:
        """Cut off whoever has not sent a whole request in time; while stopping, also whoever has sent nothing."""
        now = time.monotonic()
        waiting: list[Any] = list(self.pending_conns)
        for conn in waiting:
            begun = bool(conn.sock.ahead)
            if conn.timeout > now and self.alive:
                break  # those behind it began later
            if conn.timeout > now and begun:
                continue
            self.poller.unregister(conn.sock)
            self.pending_conns.remove(conn)
            if begun:
                detail = f"The request was not there after {HEAD_SECONDS:.0f} s."
                self._refuse(conn, HTTPStatus.REQUEST_TIMEOUT, detail)
            else:
                self._drop(conn)
        while self._parting and self._parting[0][0] <= now:
            self._let_go(self._parting.popleft()[1])

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what gunicorn itself refuses, or an exception that nobody caught, as the application would."""
        status = _status(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("unforeseen error while handling a request", exc_info=exc)
            detail = "A fault of this program, not of the request. Its log says more."
        else:
            detail = f"This is no request that is taken here: {access_log.shown(str(exc)) or type(exc).__name__}"
        self._answer(client, addr, status, detail, getattr(req or exc, "req", req))

    def part(self, sock: ClientSocket) -> None:
        """Close a connection so that its client can still read the answer: what it goes on sending is thrown away.

        Closed at once, the kernel would tell it of a reset, which throws away what it has not read yet.
        """
        try:
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._let_go(sock, registered=False)
            return
        self._parting.append((time.monotonic() + LINGER_SECONDS, sock))
        self.poller.register(sock, selectors.EVENT_READ, self._throw_away)
        self._throw_away(sock)

    def _throw_away(self, sock: ClientSocket) -> None:
        sock.ahead = b""
        try:
            while sock.recv(_READ_BYTES):
                pass
        except BlockingIOError:
            return
        except OSError:
            pass
        self._parting.remove(next(one for one in self._parting if one[1] is sock))
        self._let_go(sock)

    def _let_go(self, sock: ClientSocket, *, registered: bool = True) -> None:
        if registered:
            self.poller.unregister(sock)
        util.close(sock)
        self.nr_conns -= 1

    def _gather(self, conn: Connection) -> None:
        """Hand the request over when it is there, or else wait for the rest of it."""
        found = self._look(conn)
        if found is not Stage.PART:
            self._hand_over(conn, found)
            return
        conn.timeout = time.monotonic() + HEAD_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    @staticmethod
    def _look(conn: Connection) -> Stage | None:
        """How much of a request is there, with what can be received now; None when the client is gone without one."""
        sock, still_there = conn.sock, True
        if not sock.ahead or stage(sock.ahead) is Stage.PART:
            try:
                still_there = sock.read_ahead()
            except OSError:
                still_there = False
        # Empty lines before a request are to be ignored.
        sock.ahead = sock.ahead.lstrip(b"\r\n")
        found = stage(sock.ahead)
        return None if found is Stage.PART and not still_there else found

    def _hand_over(self, conn: Connection, found: Stage | None) -> None:
        if found is None:
            self._drop(conn)
        elif found is Stage.TOO_LARGE:
            detail = f"The head of the request has more than {MAX_HEAD_BYTES:,} bytes."
            self._refuse(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        elif found is Stage.LARGE and self._large >= self._most_large:
            self._large_waiting.append(conn)
        else:
            conn.large = found is Stage.LARGE
            self._large += conn.large
            conn.sock.begin_request()
            self.enqueue_req(conn)

    def _refuse(self, conn: Connection, status: HTTPStatus, detail: str) -> None:
        self._answer(conn.sock, conn.client, status, detail)
        self._drop(conn, graceful=True)

    def _drop(self, conn: Connection, *, graceful: bool = False) -> None:
        if graceful:
            conn.close(graceful=True)  # counted when it is closed in the end
        else:
            self.nr_conns -= 1
            conn.close()

    def _answer(self, sock: ClientSocket, address: Any, status: HTTPStatus, detail: str, request: Any = None) -> None:
        """A problem document, if the client takes it without delay."""
        content = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
        body = json.dumps(content).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nCache-Control: no-store\r\n"
            f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            sock.setblocking(False)
            sock.sendall(head.encode() + body)
        self.log.refused(_address(address), request, status.value, len(body), detail)


def _address(client: Any) -> str:
    return str(client[0]) if isinstance(client, tuple) and client else "-"


def _status(error: BaseException) -> HTTPStatus:
    for kinds, status in _STATUS:
        if isinstance(error, kinds):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


_OUR_FAULT = (
    errors.InvalidResponseHeader,  # pyright: ignore[reportAttributeAccessIssue] (known to gunicorn, not to its stubs)
    errors.InvalidResponseHeaderName,  # pyright: ignore[reportAttributeAccessIssue]
    errors.ConfigurationProblem,
)
_STATUS = (
    (errors.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (errors.LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (errors.ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (errors.UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED),
    # What the application may have sent wrongly, and how the server is set up, is no fault of the client.
    (_OUR_FAULT, HTTPStatus.INTERNAL_SERVER_ERROR),
    (errors.ParseException, HTTPStatus.BAD_REQUEST),
)
