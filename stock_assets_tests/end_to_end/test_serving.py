"""The real server on loopback: killed, raced by new snapshots, stalled, attacked, stopped. What it tells stays true."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_assets.serving import processes, slow_clients
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.end_to_end import forecast_server
from stock_assets_tests.end_to_end.forecast_server import Answer, ForecastServer, Load, wait_until
from stock_assets_tests.place import PATIENCE, Place
from stock_assets_tests.serving import stores

ANYWAY = "allow_stale=true"
TSLA = f"/predict?ticker=TSLA&{ANYWAY}"
STX = f"/predict?ticker=STX&{ANYWAY}"
KILLS = 50
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """TSLA and STX on three sessions up to Friday 2024-03-08, with models of the first."""
    folder = tmp_path_factory.mktemp("made") / "data"
    stores.small_store(folder, sessions=[stores.later(n) for n in (-2, -1, 0)])
    return folder


@pytest.fixture
def place(made, tmp_path) -> Place:
    mine = Place(tmp_path / "place")
    shutil.copytree(made, mine.data)
    return mine


@pytest.fixture(scope="module")
def guarded(made, tmp_path_factory) -> Iterator[ForecastServer]:
    """A server that asks for a token, shared by tests that leave it as it is."""
    mine = Place(tmp_path_factory.mktemp("guarded") / "place")
    shutil.copytree(made, mine.data)
    with ForecastServer(mine, STOCK_ASSETS_SERVE_TOKEN=TOKEN) as server:
        yield server


def facts(store: ArtefactStore, ticker: str, session) -> tuple:
    """What tells one snapshot's forecast from all others'."""
    [row] = stores.table(store, "predictions", ticker, session).to_dict("records")
    return (
        session.isoformat(),
        store.checksum("predictions", ticker, session),
        store.checksum("clean_prices", ticker, session),
        store.checksum("model", ticker, row["model_as_of"].date()),
        row["predicted_close"],
        row["interval_high"],
    )


def forecasts_in(answers: list[Answer]) -> Counter:
    """(Checksum, route) -> how often answers of /predict told it."""
    return Counter((answer.body["forecast_checksum"], "predict") for answer in answers if told_one(answer))


def told_one(answer: Answer) -> bool:
    return answer.status == 200 and "forecast_checksum" in (answer.body or ())


def told(body: dict) -> tuple:
    """The same of an answer."""
    names = ("as_of", "forecast_checksum", "data_checksum", "model_checksum", "predicted_close", "interval_high")
    return tuple(body[name] for name in names)


def test_workers_killed_under_load(place, record_testsuite_property):
    """Every tenth time all of them at once: then nothing but the kernel's queue of connections is left."""
    store = ArtefactStore(place.data)
    right = {ticker: facts(store, ticker, stores.SESSION) for ticker in ("TSLA", "STX")}
    lost_ports: set[int] = set()
    back: list[float] = []
    with ForecastServer(place) as server:
        with Load(server, [TSLA, STX]).running() as load:
            for kill in range(KILLS):
                victims = server.pids()[: None if kill % 10 == 9 else 1]
                assert victims
                for pid in victims:
                    # Stopped, it accepts nothing between our look at its connections and its end.
                    os.kill(pid, signal.SIGSTOP)
                for pid in victims:
                    lost_ports |= forecast_server.ports_of_clients(pid, server.port)
                    os.kill(pid, signal.SIGKILL)
                heard, before = len(load.answers), set(victims)
                back.append(wait_until(lambda: server.get(TSLA).status == 200, "no answer after a kill"))
                wait_until(lambda: len(set(server.pids()) - before) == 2, "the worker was not started again")  # noqa: B023
                # However slow the machine is, each kill falls among requests.
                wait_until(lambda: len(load.answers) >= heard + 5, "the clients get no answers")  # noqa: B023
        assert server.stop() == 0
        served = server.served()
    record_testsuite_property("longest_seconds_to_an_answer_after_a_kill", round(max(back), 3))
    assert {answer.status for answer in load.answers} == {200}
    assert {answer.body["ticker"]: told(answer.body) for answer in load.answers} == right
    assert {told(answer.body) for answer in load.answers} == set(right.values())
    # Nothing failed but what a killed worker had accepted, and each client lost one request at most to each kill.
    assert {failed.port for failed in load.failures} <= lost_ports, load.failures
    # What was recorded and never seen was on its way when its worker was killed.
    beyond = Counter(served)
    beyond.subtract(forecasts_in([*load.answers, *server.answers]))
    assert min(beyond.values()) >= 0
    assert beyond.total() <= len(load.failures)


def test_snapshots_are_replaced_and_sessions_land_under_load(place):
    """Each answer is one of those that were whole at some time; each is recorded, once."""
    store = ArtefactStore(place.data)
    whole = {facts(store, "TSLA", stores.SESSION)}
    sessions = [stores.later(n) for n in (1, 2, 3)]
    prepared = [
        stores.snapshot("TSLA", session, version=version)
        for session, version in [(stores.SESSION, 1), (stores.SESSION, 2), *((session, 2) for session in sessions)]
    ]
    with ForecastServer(place) as server:
        with Load(server, [TSLA]).running() as load:
            for session, snapshot in zip([stores.SESSION, stores.SESSION, *sessions], prepared, strict=True):
                stores.write(store, "TSLA", session, snapshot)
                whole.add(facts(store, "TSLA", session))
                newest = facts(store, "TSLA", session)
                wait_until(lambda: told(server.get(TSLA).body) == newest, f"{session} is not told")  # noqa: B023
        assert server.stop() == 0
        served = server.served()
    assert {answer.status for answer in load.answers} == {200}
    assert not load.failures
    seen = {told(answer.body) for answer in load.answers}
    assert seen <= whole
    assert len(seen) >= 3
    assert served == forecasts_in([*load.answers, *server.answers])


def test_everything_that_was_answered_is_recorded_exactly_as_often(place):
    questions = "ticker,as_of\n" + f"TSLA,\nSTX,{stores.SESSION}\nnobody,\n" * 500
    with ForecastServer(place) as server:
        with Load(server, [TSLA, STX]).running() as load:
            wait_until(lambda: len(load.answers) > 300, "too few answers")
            batches = [
                server.ask("POST", f"/predict/batch?{ANYWAY}", questions.encode(), {"Content-Type": "text/csv"})
                for _ in range(4)
            ]
        assert server.ask("HEAD", TSLA).status == 200  # tells nobody the forecast
        assert server.get("/predict?ticker=TSLA").status == 409  # nor does this
        assert server.stop() == 0
        served = server.served()
    assert {batch.status for batch in batches} == {200}
    store = ArtefactStore(place.data)
    checksums = {ticker: store.checksum("predictions", ticker, stores.SESSION) for ticker in ("TSLA", "STX")}
    answered = Counter(answer.body["ticker"] for answer in load.answers)
    assert served == {
        (checksums["TSLA"], "predict"): answered["TSLA"],
        (checksums["STX"], "predict"): answered["STX"],
        (checksums["TSLA"], "batch"): 2000,
        (checksums["STX"], "batch"): 2000,
    }
    assert not load.failures


def connected(server: ForecastServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


GUARDED = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
LARGE = slow_clients.SMALL_BODY_BYTES + 1
BEGINNINGS = {
    "nothing": "",
    "half a line": "GET /predict?tick",
    "half a head": f"GET /health HTTP/1.1\r\n{GUARDED}",
    "half a small body": f"POST /predict HTTP/1.1\r\n{GUARDED}Content-Type: application/json\r\n"
    'Content-Length: 30\r\n\r\n{"ticker"',
    "half a large body": f"POST /predict/batch HTTP/1.1\r\n{GUARDED}Content-Type: text/csv\r\n"
    f"Content-Length: {LARGE}\r\n\r\nticker\n",
    "half a chunk": f"POST /predict/batch HTTP/1.1\r\n{GUARDED}Content-Type: text/csv\r\n"
    "Transfer-Encoding: chunked\r\n\r\n7\r\nticker\n\r\nff\r\nTS",
}
# More than there are threads; of bodies that threads read, about as many as may be read at once.
AT_ONCE = dict.fromkeys(BEGINNINGS, 60) | dict.fromkeys(
    ("half a large body", "half a chunk"), processes.THREADS // 2 + 3
)


def posted(table: bytes) -> bytes:
    head = f"POST /predict/batch HTTP/1.1\r\n{GUARDED}Content-Type: text/csv\r\nContent-Length: {len(table)}\r\n\r\n"
    return head.encode() + table


def test_slow_clients_are_cut_off_while_others_are_served(guarded, record_testsuite_property):
    """Hundreds, each of which goes on sending a byte a second, and some that read nothing of their answer."""
    # The answer has several megabytes: more than the kernel takes off the server's hands.
    table = b"ticker\n" + b"somebody whom nobody knows\n" * 60_000
    beside_all = beside_some = 0
    longest, start = 0.0, time.monotonic()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            deaf = stack.enter_context(connected(guarded))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(posted(table))
        slow = {kind: [stack.enter_context(connected(guarded)) for _ in range(n)] for kind, n in AT_ONCE.items()}
        for kind, connections in slow.items():
            for connection in connections:
                connection.sendall(BEGINNINGS[kind].encode())
        open_ = {(kind, n): one for kind, those in slow.items() for n, one in enumerate(those)}
        everybody, dripped = len(open_), time.monotonic()
        while open_:
            asked = time.monotonic()
            assert asked - start < PATIENCE, sorted({kind for kind, _ in open_})
            assert guarded.get(TSLA, Authorization=f"Bearer {TOKEN}").status == 200
            longest = max(longest, time.monotonic() - asked)
            left = {which: connection for which, connection in open_.items() if not _is_closed(connection)}
            # Nobody had to be cut off for this answer.
            if len(left) == len(open_):
                beside_all += len(left) == everybody
                beside_some += len(left) < everybody
            open_ = left
            time.sleep(0.1)
            if time.monotonic() - dripped >= 1:
                dripped = time.monotonic()
                for (kind, _), connection in open_.items():
                    if kind != "nothing":
                        with contextlib.suppress(OSError):
                            connection.sendall(b"1")
        wait_until(lambda: guarded.log().count("too slow in reading") == 3, "those who read nothing are not cut off")
    record_testsuite_property("longest_seconds_to_an_answer_beside_slow_clients", round(longest, 3))
    assert beside_all > 0
    assert beside_some > 0
    slow_bodies = AT_ONCE["half a large body"] + AT_ONCE["half a chunk"]
    wait_until(lambda: guarded.log().count("too slow in sending") == slow_bodies, "no lines about slow bodies")
    wait_until(lambda: guarded.log().count(" 408 ") >= 3 * AT_ONCE["half a head"], "no lines about slow heads")


def _is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed it; an answer that comes before is thrown away."""
    connection.settimeout(0)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def exchange(server: ForecastServer, request: bytes) -> bytes:
    """What the server answers to these bytes, up to its closing the connection."""
    with connected(server) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    return answer


CLOSE = "Connection: close\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "logged"),
    [
        (f"GET /{'a' * 5000} HTTP/1.1\r\nHost: x\r\n\r\n", 414, " 414 "),
        (f"GET /health HTTP/1.1\r\nHost: x\r\nX-Much: {'a' * 9000}\r\n\r\n", 431, " 431 "),
        ("GET /health HTTP/1.1\r\n" + "X-Many: a\r\n" * 100 + "\r\n", 431, " 431 "),
        ("GET /health HTTP/1.1\r\n" + f"X-More: {'a' * 8000}\r\n" * 5, 431, " 431 "),
        ("GET /health HTTP/1.1\nHost: x\n\n", 400, " 400 "),
        ("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, " 400 "),
        ("POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400, " 400 "),
        ("nonsense\r\n\r\n", 400, " 400 "),
        (f"GET {TSLA} HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\n", 401, " GET /predict 401 "),
        (f"GET {TSLA} HTTP/1.1\r\nHost: x\r\n{CLOSE}Authorization: Bearer wrong\r\n\r\n", 401, " GET /predict 401 "),
        (f"GET /report/../../monitoring.db HTTP/1.1\r\n{GUARDED}{CLOSE}\r\n", 404, " /report/../../monitoring.db 404 "),
        (f"GET /report/%2e%2e%2fetc%2fpasswd HTTP/1.1\r\n{GUARDED}{CLOSE}\r\n", 404, " /report/../etc/passwd 404 "),
        (f"GET /predict?ticker=../../x HTTP/1.1\r\n{GUARDED}{CLOSE}\r\n", 400, " GET /predict 400 "),
        (
            f"GET /a%0d%0a2024-01-01T00:00:00 HTTP/1.1\r\n{GUARDED}{CLOSE}\r\n",
            404,
            r" /a\x0d\x0a2024-01-01T00:00:00 404 ",
        ),
        (
            f"POST /predict/batch HTTP/1.1\r\n{GUARDED}{CLOSE}Content-Type: text/csv\r\n"
            f"Content-Length: {2**40}\r\n\r\nticker\n",
            413,
            " POST /predict/batch 413 ",
        ),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, str) else None,
)
def test_what_can_not_be_answered_is_refused_and_logged(guarded, request_, status, logged):
    before = len(guarded.log())
    answer = exchange(guarded, request_.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert b"application/problem+json" in head
    assert b"Traceback" not in body
    wait_until(lambda: logged in guarded.log()[before:], "no line in the log")
    assert TOKEN not in guarded.log()
    assert guarded.get("/health").status == 200


def test_a_client_that_sends_on_after_a_refusal_reads_it(guarded):
    """A body of a hundred megabytes that is refused by its length alone: the answer is not lost in a reset."""
    with connected(guarded) as connection:
        head = (
            f"POST /predict/batch HTTP/1.1\r\n{GUARDED}Content-Type: text/csv\r\nContent-Length: {100 * 2**20}\r\n\r\n"
        )
        connection.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                connection.sendall(b"TSLA\n" * 2000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_in_the_middle_of_a_batch_it_finishes_it(place, signal_):
    rows = 60_000
    table = b"ticker,as_of\n" + f"TSLA,{stores.SESSION}\n".encode() * rows
    with ForecastServer(place) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.request("POST", "/predict/batch", table, {"Content-Type": "text/csv"})
        answer = connection.getresponse()
        begun = bytearray(answer.read(100_000))
        server.process.send_signal(signal_)

        def no_more_are_taken() -> bool:
            # Whoever reads nothing for long is cut off.
            begun.extend(answer.read(4096))
            return not _accepts(server.port)

        wait_until(no_more_are_taken, "new connections are still taken")
        assert server.process.poll() is None
        rest = answer.read()
        connection.close()
        assert server.process.wait(PATIENCE) == 0
        served = server.served()
    assert (begun + rest).count(b"\n") == rows + 1
    assert (begun + rest).endswith(b"\n")
    assert sum(served.values()) == rows
    assert server.pids() == []


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_port_that_is_taken_is_told_in_one_line(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = place.run("serve", "--port", str(port), STOCK_ASSETS_SOURCE="csv")
    assert done.code == 1
    assert done.errors == [
        f"error: forecasts can't be served on 127.0.0.1, port {port}: Address already in use; choose others with "
        "--host, --port"
    ]
    assert done.out == ""


def test_others_than_this_machine_without_a_token_are_warned_of(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place.folder / "out.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(forecast_server.PROGRAM), "serve", "--host", "0.0.0.0", "--port", str(port), "--workers", "1"],
            env=place.environment(STOCK_ASSETS_SOURCE="csv"),
            stdout=out,
            stderr=out,
        )
        try:
            wait_until(lambda: "Forecasts of" in log.read_text(), "it did not start")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
    assert "ANYBODY WHO REACHES 0.0.0.0 IS SERVED: SET STOCK_ASSETS_SERVE_TOKEN" in log.read_text()
