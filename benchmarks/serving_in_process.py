"""What answering costs, without a server: our application beside a bare Flask route, called as gunicorn would.

    python -m benchmarks.serving_in_process [--repeats N] [--requests N] [--quick]

A ticker is made by `stock-assets run` on simulated prices. Then one process calls both applications in turn, block
by block, with the same WSGI environment; both answer with the same number of bytes. The bare route does nothing but
return a constant JSON: no reading of parameters, no headers, no counting, no record of what was served. Times are the
processor's. Target: GET /predict at half of the bare route's requests a second or more.
"""

import datetime
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring

if TYPE_CHECKING:
    import flask

TICKERS = ("TSLA",)
LEAST_RATIO = 0.5
PATHS = {
    "GET /predict": ("/predict", "ticker=TSLA"),
    "GET /predict of a past session": ("/predict", "ticker=TSLA&as_of={session}"),
    "GET /tickers": ("/tickers", ""),
    "GET /health": ("/health", ""),
    "an unknown parameter (400)": ("/predict", "ticker=TSLA&colour=red"),
}


def main() -> None:
    if len(sys.argv) == 6 and sys.argv[1] == "--answer":
        _answer(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    parser = measuring.options("Answers without a server, beside a bare Flask route.", repeats=9, quick_repeats=2)
    parser.add_argument("--requests", type=int, help="of each kind in a block; default 3000, 100 if quick")
    arguments = parser.parse_args()
    n = arguments.requests or (100 if arguments.quick else 3000)
    repeats = measuring.repeats(arguments)
    session = measuring.QUICK_SESSION if arguments.quick else measuring.SESSION
    measuring.print_header("Answers in process", f"blocks    {n:,} requests of each kind in turn; {repeats} repeats")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = measuring.Workload(TICKERS, session, None)
        environment = work.environment(folder)
        measuring.run(work.run_command(), environment)
        command = measuring.python("-m", "benchmarks.serving_in_process", "--answer")
        found = json.loads(measuring.run([*command, name, str(session), str(repeats), str(n)], environment).output)
    rows, ratios = [], []
    for kind, pairs in found.items():
        ours, bare = ([pair[side] for pair in pairs] for side in (0, 1))
        rows.append((kind, *(f"{n / statistics.median(side):,.0f}" for side in (ours, bare))))
        ratios.append((kind, *measuring.spread([theirs / mine for mine, theirs in pairs])))
    measuring.print_table(("a second, one thread", "ours", "bare route"), rows)
    measuring.print_table(("ratio, pair by pair", *measuring.SPREAD), ratios)
    ratio = statistics.median(theirs / mine for mine, theirs in found["GET /predict"])
    kept = measuring.verdict(ratio >= LEAST_RATIO)
    print(f"target    GET /predict at {LEAST_RATIO:g} of the bare route or more: {kept}")


def _answer(folder: Path, session: str, repeats: int, n: int) -> None:
    """The child: seconds of the processor for each block, ours and the bare route's, by kind."""
    from stock_assets.serving import app as application
    from stock_assets.serving import config

    evening = datetime.datetime.fromisoformat(f"{session}T22:30:00+00:00")
    app = application.create_app(
        config.Config(
            data_dir=str(folder / "data"),
            source="simulated",
            watchlist=folder / "watchlist.yaml",
            log_dir=folder / "logs",
            database_url=None,
            deadline=datetime.timedelta(hours=4),
            clock=lambda: evening,
        )
    )
    found: dict[str, list[tuple[float, float]]] = {}
    for kind, (path, query) in PATHS.items():
        environ = _environ(path, query.format(session=session))
        bare = _bare(path, _call(app, environ))
        for _ in range(repeats):
            found.setdefault(kind, []).append((_seconds(app, environ, n), _seconds(bare, environ, n)))
    app.extensions["stock_assets"].recorder.close()
    print(json.dumps(found))


def _environ(path: str, query: str) -> dict[str, object]:
    from werkzeug.test import EnvironBuilder

    return dict(EnvironBuilder(path, query_string=query).get_environ())


def _bare(path: str, answer: bytes) -> "flask.Flask":
    import flask

    app = flask.Flask("bare")
    app.add_url_rule(path, "bare", lambda: flask.Response(answer, content_type="application/json"))
    return app


def _call(app: "Callable[..., object]", environ: dict[str, object]) -> bytes:
    answer = app(dict(environ), lambda *_: None)
    try:
        return b"".join(answer)  # type: ignore[arg-type]
    finally:
        answer.close()  # type: ignore[attr-defined]


def _seconds(app: "Callable[..., object]", environ: dict[str, object], n: int) -> float:
    began = time.process_time()
    for _ in range(n):
        _call(app, environ)
    return time.process_time() - began


if __name__ == "__main__":
    main()
