"""How many answers a second `/predict` gives, beside a bare Flask route with a constant of the same size.

Both on the same gunicorn, with the same workers, threads and log; asked in turn (A B A B ...) by the same client, which
keeps `--clients` connections busy from a process of its own: raw sockets and no parsing but for the status and the
length, so that it is not what is measured. Client and server share the machine's processors.

Then the same forecasts by `/predict/batch`: what a row costs beside a single request, and whether memory grows with the
rows.
"""

import contextlib
import http.client
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks import bare_route, measuring

TARGET = 0.5
BATCH_TARGET = 100
_BATCHES = (100_000, 1_000_000)
_QUICK_BATCHES = (1_000, 10_000)
_MEGABYTE = 1024
_WARM_UP_SECONDS = 1.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Round:
    """Seconds that each answer took, and of the whole round."""

    latencies: Sequence[float]
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return 1e3 * sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


class Asker:
    """A connection that asks for one thing again and again."""

    def __init__(self, host: str, port: int, target: str) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._answer = b""
        self._missing = 0
        self._asked = 0.0

    def ask(self) -> None:
        self._answer, self._missing = b"", -1
        self._asked = time.perf_counter()
        self.socket.sendall(self._request)

    def read(self) -> float | None:
        """Seconds that the answer took; None while some of it is missing."""
        part = self.socket.recv(65536)
        if not part:
            measuring.fail("the server closed a connection")
        self._answer += part
        if self._missing < 0:
            end = self._answer.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(self._answer, 0, end + 2)
            if length is None or not self._answer.startswith(b"HTTP/1.1 200 "):
                measuring.fail(f"came {self._answer[:200]!r}; expected an answer 200 with its length")
            self._missing = end + 4 + int(length[1])
        return None if len(self._answer) < self._missing else time.perf_counter() - self._asked


def measure(url: str, clients: int, seconds: float) -> Round:
    """Ask from `clients` connections at once for `seconds`."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    askers = [Asker(parts.hostname or "", parts.port or 0, target) for _ in range(clients)]
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        for asker in askers:
            selector.register(asker.socket, selectors.EVENT_READ, asker)
            asker.ask()
        start = time.perf_counter()
        # On a busy machine the first answer may take longer than a short round.
        while (now := time.perf_counter()) < start + seconds or not latencies:
            for key, _ in selector.select(1.0):
                took = key.data.read()
                if took is not None:
                    latencies.append(took)
                    key.data.ask()
    for asker in askers:
        asker.socket.close()
    return Round(latencies, now - start)


@dataclass(frozen=True)
class Batch:
    """Seconds from the first byte sent to the last one read, and the largest worker's peak of memory so far, in KiB."""

    rows: int
    seconds: float
    peak: int

    @property
    def microseconds(self) -> float:
        """Of a row."""
        return 1e6 * self.seconds / self.rows


def ask_for_many(url: str, tickers: Sequence[str], rows: int, server: int) -> Batch:
    """Ask for forecasts of `tickers` in turn, in one CSV, of the server with that process id."""
    parts = urlsplit(url)
    asked = "ticker\n" + "".join(f"{tickers[n % len(tickers)]}\n" for n in range(rows))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    start = time.perf_counter()
    connection.request("POST", "/predict/batch?allow_stale=true", asked, {"Content-Type": "text/csv"})
    answer = connection.getresponse()
    lines = 0
    while part := answer.read(1 << 20):
        lines += part.count(b"\n")
    seconds = time.perf_counter() - start
    connection.close()
    if (answer.status, lines) != (200, rows + 1):
        measuring.fail(f"a batch of {rows:,} rows: came status {answer.status} and {lines:,} lines")
    return Batch(rows, seconds, peak_of_children(server))


def peak_of_children(pid: int) -> int:
    """The largest peak of memory among the children of a process, in KiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
    return max(int(found[1]) for status in statuses if (found := re.search(r"VmHWM:\s+(\d+) kB", status)))


@contextlib.contextmanager
def running(command: Sequence[str], environment: dict[str, str], errors: Path) -> Iterator[tuple[str, int]]:
    """The URL that the server says it listens on, and its process id."""
    with errors.open("wb") as told:
        server = subprocess.Popen(
            command, cwd=measuring.ROOT, env=environment, stdout=subprocess.PIPE, stderr=told, text=True
        )
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if found := re.search(r"on (http://127\.0\.0\.1:\d+)[;,]", line):
                    break
            else:
                measuring.fail(f"{' '.join(command)} did not start:\n{errors.read_text()}")
            yield found[1], server.pid
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()  # type: ignore[union-attr]


def main() -> None:
    """Measure and tell."""
    parser = measuring.options(__doc__.splitlines()[0], repeats=10, quick_repeats=1)
    measuring.add_workload_options(parser, "TSLA")
    parser.add_argument("--clients", type=int, default=16, metavar="N", help="connections at once; default 16")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each round; default 5; 0.5 if quick")
    arguments = parser.parse_args()
    work, seconds = measuring.workload(arguments), arguments.seconds or (0.5 if arguments.quick else 5.0)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        environment = work.environment(folder) | {"STOCK_ASSETS_SOURCE": work.source}
        measuring.run(work.run_command(), environment)
        program = str(Path(sys.executable).with_name("stock-assets"))
        ours = [program, "serve", "--port", "0", "--workers", str(bare_route.WORKERS)]
        with running(ours, environment, folder / "ours.txt") as (url, server):
            predict = f"{url}/predict?ticker={work.tickers[0]}&allow_stale=true"
            with urlopen(predict) as answer:
                text = answer.read()
            size = len(text)
            json.loads(text)
            bare = measuring.python("-m", "benchmarks.bare_route", str(folder / "bare"), str(size))
            with running(bare, dict(os.environ), folder / "bare.txt") as (bare_url, _):
                constant = f"{bare_url}/predict"
                for one in (predict, constant):
                    measure(one, arguments.clients, _WARM_UP_SECONDS)
                pairs = [
                    (measure(predict, arguments.clients, seconds), measure(constant, arguments.clients, seconds))
                    for _ in range(measuring.repeats(arguments))
                ]
            alone = measure(predict, 1, seconds)
            sizes = _QUICK_BATCHES if arguments.quick else _BATCHES
            batches = [ask_for_many(url, work.tickers, rows, server) for rows in sizes]
    tell(pairs, size, arguments.clients)
    ours = [one for one, _ in pairs]
    together = Round([took for each in ours for took in each.latencies], sum(each.seconds for each in ours))
    tell_batches(batches, alone, together)


def tell(pairs: Sequence[tuple[Round, Round]], size: int, clients: int) -> None:
    """Print the tables."""
    measuring.print_header(
        "Forecasts over HTTP",
        f"server    gunicorn with {bare_route.WORKERS} workers, answers of {size:,} bytes",
        f"client    this script, {clients} connections kept alive, on the same machine; {len(pairs)} rounds in turn",
    )
    rows = []
    for name, rounds in zip(("/predict", "bare route"), zip(*pairs, strict=True), strict=True):
        every = Round([one for each in rounds for one in each.latencies], sum(each.seconds for each in rounds))
        percentiles = [f"{every.percentile(share):.2f}" for share in (0.5, 0.95, 0.99)]
        rows.append((name, f"{every.per_second:,.0f}", *percentiles, f"{len(every.latencies):,}"))
    measuring.print_table(("", "a second", "p50 ms", "p95 ms", "p99 ms", "answers"), rows)
    ratios = [ours.per_second / bare.per_second for ours, bare in pairs]
    print(f"ratio, pair by pair: {', '.join(measuring.spread(ratios))} (min, median, max)")
    kept = measuring.verdict(statistics.median(ratios) >= TARGET)
    print(f"target: at least {TARGET} times as many: {kept}")


def tell_batches(batches: Sequence[Batch], alone: Round, together: Round) -> None:
    """Print what a row costs beside a request: of one client that waits for each answer, and of many at once."""
    one, many = 1e6 / alone.per_second, 1e6 / together.per_second
    print(f"\na single request: {one:,.0f} microseconds from one client, one every {many:,.0f} from many at once")
    rows = [
        (
            f"{batch.rows:,}",
            f"{batch.seconds:.2f}",
            f"{batch.microseconds:.2f}",
            f"{one / batch.microseconds:,.0f}",
            f"{many / batch.microseconds:,.0f}",
            f"{batch.peak / _MEGABYTE:,.0f}",
        )
        for batch in batches
    ]
    columns = ("rows of a batch", "s", "microseconds a row", "x one client", "x many", "peak MB")
    measuring.print_table(columns, rows)
    kept = measuring.verdict(one / batches[0].microseconds >= BATCH_TARGET)
    print(f"target: a row at least {BATCH_TARGET} times as fast as a request from one client: {kept}")


if __name__ == "__main__":
    main()
