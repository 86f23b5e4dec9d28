"""Many questions at once: what a row of a batch costs, and whether memory grows with the rows.

    python -m benchmarks.batch_forecasts [--repeats N] [--rows N ...] [--quick]

Two tickers are made by `stock-assets run` on simulated prices. Then new processes answer tables of so many rows, as
POST /predict/batch and `predict --input` do, and count what comes out. Kinds of tables:

- repeated: the two tickers in turn, without and with a session, as for a portfolio of many positions;
- a note in every row: the same, with a column beside it that is ignored and never the same;
- quoted: every cell in quotes, CR LF, a byte order mark;
- half bad: every second line is no question, each in another way.

Each process first answers a thousand rows, so that reading the forecasts and their models is not counted; nor is
making the questions. The peak of memory is begun anew at that moment, which needs Linux: imports and models have a
higher one of their own. Times are the processor's: there is one thread, which waits for nothing. Targets: less than 8
microseconds a row for tickers that are repeated, and a peak that is not more than 8 MB higher with the larger table
than with the smaller one.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring

if TYPE_CHECKING:
    from stock_assets.serving.config import Config
    from stock_assets.serving.forecasts import Forecasts

MOST_MICROSECONDS = 8.0
MOST_GROWTH = 8e6
TICKERS = ("TSLA", "STX")
_WARM_UP = 1000

_QUESTIONS = ("TSLA,", "STX,{session}", "STX,", "TSLA,{session}")
_BAD = ("=1+1,", "TSLA", '"TSLA,', "NONE,", "TSLA,2024-03-09", "", "\0,", "x" * 100 + ",")
KINDS = ("repeated", "a note in every row", "quoted", "half bad")


def main() -> None:
    if len(sys.argv) == 6 and sys.argv[1] == "--answer":
        _answer(Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
        return
    parser = measuring.options("Batches of forecasts.", repeats=5, quick_repeats=1)
    parser.add_argument("--rows", type=int, nargs="+", help="default 100000 1000000; 2000 20000 if quick")
    arguments = parser.parse_args()
    sizes = arguments.rows or ([2000, 20_000] if arguments.quick else [100_000, 1_000_000])
    repeats = measuring.repeats(arguments)
    kinds = (KINDS[0], KINDS[-1]) if arguments.quick else KINDS
    session = measuring.QUICK_SESSION if arguments.quick else measuring.SESSION
    measuring.print_header(
        "Batches of forecasts: the cost of a row",
        f"tables    {', '.join(f'{n:,}' for n in sizes)} rows about {', '.join(TICKERS)}; {repeats} repeats, in turn",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = measuring.Workload(TICKERS, session, None)
        environment = work.environment(folder)
        measuring.run(work.run_command(), environment)
        found: dict[tuple[str, int], list[dict[str, float]]] = {}
        for _ in range(repeats):
            for kind in kinds:
                for n in sizes:
                    command = measuring.python("-m", "benchmarks.batch_forecasts", "--answer")
                    command += [str(folder / "data"), str(session), kind, str(n)]
                    found.setdefault((kind, n), []).append(json.loads(measuring.run(command, environment).output))
    _tell(found, kinds, sizes)


def _tell(found: dict[tuple[str, int], list[dict[str, float]]], kinds: Sequence[str], sizes: list[int]) -> None:
    def of(kind: str, n: int, what: str) -> list[float]:
        return [one[what] for one in found[kind, n]]

    measuring.print_table(
        ("rows", "unit", *measuring.SPREAD),
        [(f"{kind}, {n:,}", "us/row", *measuring.spread(of(kind, n, "us"))) for kind in kinds for n in sizes],
    )
    measuring.print_table(
        ("rows", "rows/s", "answer, MB", "before, MB", "peak, MB"),
        [
            (
                f"{kind}, {n:,}",
                f"{1e6 / statistics.median(of(kind, n, 'us')):,.0f}",
                measuring.megabytes(statistics.median(of(kind, n, "bytes"))),
                measuring.megabytes(statistics.median(of(kind, n, "before"))),
                measuring.megabytes(statistics.median(of(kind, n, "peak"))),
            )
            for kind in kinds
            for n in sizes
        ],
    )
    quick_enough = max(statistics.median(of("repeated", n, "us")) for n in sizes) < MOST_MICROSECONDS
    grown = max(
        statistics.median(of(kind, max(sizes), "peak")) - statistics.median(of(kind, min(sizes), "peak"))
        for kind in kinds
    )
    print(f"target    less than {MOST_MICROSECONDS:g} us a row, repeated: {measuring.verdict(quick_enough)}")
    print(
        f"target    a peak at most {measuring.megabytes(MOST_GROWTH)} MB higher for {max(sizes):,} rows than for "
        f"{min(sizes):,}: {measuring.verdict(grown <= MOST_GROWTH)} ({measuring.megabytes(grown)} MB)"
    )


class _Rows:
    """A table as a stream that makes its rows when they are read."""

    def __init__(self, kind: str, session: str, n: int) -> None:
        self._lines = _lines(kind, [question.format(session=session) for question in _QUESTIONS], n)

    def read(self, size: int, /) -> bytes:
        found, length = [], 0
        for line in self._lines:
            found.append(line)
            length += len(line)
            if length + len(line) > size:
                break
        return b"".join(found)


def _lines(kind: str, questions: list[str], n: int) -> Iterator[bytes]:
    if kind == "quoted":
        yield b'\xef\xbb\xbf"ticker","as_of"\r\n'
        quoted = [",".join(f'"{cell}"' for cell in question.split(",")).encode() + b"\r\n" for question in questions]
        for row in range(n):
            yield quoted[row % len(quoted)]
    elif kind == "a note in every row":
        yield b"ticker,as_of,note\n"
        for row in range(n):
            yield f"{questions[row % len(questions)]},position {row}\n".encode()
    else:
        yield b"ticker,as_of\n"
        good = [f"{question}\n".encode() for question in questions]
        bad = [f"{line}\n".encode() for line in _BAD] if kind == "half bad" else good
        for row in range(n):
            yield (bad if row % 2 else good)[row // 2 % len(bad if row % 2 else good)]


def _answer(data: Path, session: str, kind: str, n: int) -> None:
    """In a new process: answer a table of `n` rows, and print what that took."""
    from stock_assets.serving.forecasts import Forecasts
    from stock_assets.storage.artefacts import ArtefactStore

    config, forecasts = _config(data, session), Forecasts(ArtefactStore(data))
    _exhaust(_Rows(kind, session, _WARM_UP), forecasts, config)
    before = _begin_peak()
    start = time.process_time()
    size = _exhaust(_Rows(kind, session, n), forecasts, config)
    seconds = time.process_time() - start
    peak = _peak()
    # What it takes to make the questions is not the answer's cost.
    start = time.process_time()
    rows = _Rows(kind, session, n)
    while rows.read(64 * 1024):
        pass
    seconds -= time.process_time() - start
    print(json.dumps({"us": 1e6 * seconds / n, "bytes": size, "before": before, "peak": peak}))


def _config(data: Path, session: str) -> "Config":
    from datetime import date, timedelta

    from stock_assets.core import sessions
    from stock_assets.serving.config import Config

    # An hour after the session: its forecast is there, and no later one has to be.
    now = sessions.available_from(date.fromisoformat(session)) + timedelta(hours=1)
    return Config(
        data_dir=str(data),
        source="simulated",
        watchlist=data,
        log_dir=data,
        database_url=None,
        deadline=timedelta(hours=4),
        clock=lambda: now,
    )


def _exhaust(rows: _Rows, forecasts: "Forecasts", config: "Config") -> int:
    from stock_assets.serving import batch

    answer = batch.answer(rows, forecasts, config)
    size = sum(map(len, answer))
    if answer.given != answer.rows or not answer.predicted:
        measuring.fail(f"{answer.given:,} of {answer.rows:,} rows were answered, {answer.predicted:,} by a forecast")
    answer.close()
    return size


def _begin_peak() -> int:
    """Forget the process's peak of memory up to now; returns what it has at this moment, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return 1024 * int(kilobytes)


if __name__ == "__main__":
    main()
