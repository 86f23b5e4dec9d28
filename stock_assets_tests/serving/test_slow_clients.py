"""Who waits for a client: how much of a request is there, and when patience ends. The worker itself: end_to_end."""

import socket
import threading
import types
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.serving import slow_clients
from stock_assets.serving.slow_clients import ClientSocket, Stage, TooSlowError, stage
from stock_assets_tests.place import PATIENCE

SMALL, MOST = slow_clients.SMALL_BODY_BYTES, slow_clients.MAX_HEAD_BYTES
GET = b"GET /predict?ticker=TSLA HTTP/1.1\r\nHost: x\r\n\r\n"


def post(headers: str, body: bytes = b"") -> bytes:
    return f"POST /predict HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Stage.PART),
        (GET[:-1], Stage.PART),
        (GET, Stage.WHOLE),
        (GET + b"GET /hea", Stage.WHOLE),
        (post("Content-Length: 3", b"ab"), Stage.PART),
        (post("Content-Length: 3", b"abc"), Stage.WHOLE),
        (post("CONTENT-LENGTH:3", b"ab"), Stage.PART),
        (post(f"Content-Length: {SMALL}", b"a" * (SMALL - 1)), Stage.PART),
        (post(f"Content-Length: {SMALL}", b"a" * SMALL), Stage.WHOLE),
        (post(f"Content-Length: {SMALL + 1}"), Stage.LARGE),
        (post(f"Content-Length: {'9' * 5000}"), Stage.LARGE),
        (post("Transfer-Encoding: chunked"), Stage.LARGE),
        (post("Expect: 100-continue\r\nContent-Length: 3"), Stage.LARGE),
        (post("Content-Length: 1\r\nContent-Length: 2"), Stage.LARGE),
        # gunicorn refuses these at once, and need not wait for a body.
        (post("Content-Length: -3"), Stage.WHOLE),
        (post("Content-Length: many"), Stage.WHOLE),
        (b"GET / HTTP/1.1\nHost: x\n\n", Stage.WHOLE),
        # A header's name in a value, or in the body, is none.
        (post("X: content-length: 9"), Stage.WHOLE),
        (GET + b"\r\nContent-Length: 9\r\n\r\n", Stage.WHOLE),
        (b"a" * MOST, Stage.PART),
        (b"a" * (MOST + 1), Stage.TOO_LARGE),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MOST + b"\r\n\r\n", Stage.TOO_LARGE),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
def test_how_much_of_a_request_is_there(data, expected):
    assert stage(data) is expected


HEADERS = st.lists(
    st.tuples(st.sampled_from(["Host", "X-One", "Accept", "Content-Type"]), st.text("abc:; =/\t", max_size=20)),
    max_size=5,
    unique_by=lambda header: header[0],
)


@given(HEADERS, st.integers(0, 400), st.integers(0, 400))
def test_what_is_taken_for_whole_gunicorn_need_not_wait_for(headers, length, missing):
    """The request, cut off somewhere: whole if and only if gunicorn reads head and body without asking for more."""
    lines = [f"{name}: {value.strip()}" for name, value in headers]
    request = post("\r\n".join([*lines, f"Content-Length: {length}"]), b"b" * length)
    data = request[: len(request) - missing]

    def parts() -> Iterator[bytes]:
        if data:
            yield data
        raise AssertionError("gunicorn would wait for the client")

    def is_read() -> bool:
        try:
            read = next(RequestParser(Config(), parts(), ("127.0.0.1", 1)))
            return len(read.body.read()) == length
        except AssertionError:
            return False

    assert (stage(data) is Stage.WHOLE) == is_read()


@pytest.fixture
def pair() -> Iterator[tuple[ClientSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    mine = ClientSocket(fileno=ours.detach())
    mine.setblocking(True)
    yield mine, theirs
    mine.close()
    theirs.close()


@pytest.fixture
def hasty(monkeypatch) -> None:
    monkeypatch.setattr(slow_clients, "PATIENCE_SECONDS", 0.2)


def test_whoever_sends_nothing_is_cut_off(hasty, pair):
    mine, _ = pair
    mine.begin_request()
    with pytest.raises(TooSlowError, match="too slow in sending, 0 bytes"):
        mine.recv(10)
    with pytest.raises(TooSlowError):
        mine.sendall(b"an answer")  # nor is anything sent
    assert mine.cut_off == "too slow in sending, 0 bytes so far"


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time by which patience is used up: the client moves it, and the machine's own is no part of it."""
    now = [0.0]
    monkeypatch.setattr(slow_clients, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(slow_clients, "PATIENCE_SECONDS", float(PATIENCE))
    return now


def test_whoever_drips_is_cut_off(clock, pair):
    """A byte now and then wins nothing back."""
    mine, theirs = pair
    mine.begin_request()
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.001):
            clock[0] += PATIENCE / 100
            theirs.send(b"a")

    dripping = threading.Thread(target=drip)
    dripping.start()
    came: list[bytes] = []
    with pytest.raises(TooSlowError, match="too slow in sending"):
        came.extend(iter(lambda: mine.recv(10), b""))
    ended.set()
    dripping.join()
    assert b"".join(came).startswith(b"aa")


def test_whoever_does_not_read_is_cut_off(hasty, pair):
    mine, _ = pair
    mine.begin_request()
    with pytest.raises(TooSlowError, match="too slow in reading"):
        mine.sendall(b"a" * 50_000_000)


def test_whoever_reads_steadily_gets_everything(clock, pair, monkeypatch):
    """Twice as fast as he must, slower than patience as a whole, and never stalling for it."""
    data = bytes(range(256)) * 8000
    monkeypatch.setattr(slow_clients, "BYTES_PER_SECOND", len(data) // (4 * PATIENCE))
    mine, theirs = pair
    mine.begin_request()
    read = bytearray()
    pauses = threading.Event()

    def take() -> None:
        while len(read) < len(data):
            part = theirs.recv(20_000)
            clock[0] += len(part) / (2 * slow_clients.BYTES_PER_SECOND)
            read.extend(part)
            # Somebody who waits is told of what is read.
            pauses.wait(0.001)

    reading = threading.Thread(target=take)
    reading.start()
    mine.sendall(data)
    reading.join()
    assert read == data
    assert clock[0] > 1.9 * PATIENCE


def test_what_was_read_ahead_comes_first(pair):
    mine, theirs = pair
    theirs.sendall(b"abcdef")
    mine.setblocking(False)
    assert mine.read_ahead()
    assert mine.read_ahead()  # nothing more is there now
    mine.setblocking(True)
    assert mine.recv(4) == b"abcd"
    theirs.sendall(b"gh")
    assert mine.recv(4) == b"ef"
    assert mine.recv(4) == b"gh"
    theirs.close()
    mine.setblocking(False)
    assert not mine.read_ahead()
