"""What a run for many sessions saves: `backfill_job` beside a run, and so a process, for each session.

    python -m benchmarks.backfill_speed [--repeats N] [--quick] [--tickers TICKER] [--session DATE] [--prices DIR]

Three kinds of sessions of one ticker: before there is any model, as in a past that was never made; with a model of the
last ten sessions, without and with the report; with `--quick` the first kind only. Of each kind some sessions are made
in a run each by `dagster asset materialize`, and many in one by `dagster job execute`. Both must store the same bytes.

A process each costs the same for every session, so N of them are N times one; one process is its start, and then so
much for each session: told from a run for one session beside a run for many. Target: 250 sessions without a model at
least ten times as fast.
"""

import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring
from stock_assets.commands import home
from stock_assets.core import sessions
from stock_assets.defs import jobs
from stock_assets.defs.jobs import DAILY_ASSETS

WANTED_SESSIONS = 250
LOWEST_RATIO = 10.0
_WITHOUT_A_MODEL = tuple(asset for asset in DAILY_ASSETS if asset not in ("predictions", "report"))
_WITHOUT_A_REPORT = tuple(asset for asset in DAILY_ASSETS if asset != "report")


@dataclass(frozen=True)
class Kind:
    """Some sessions, and what is made of each. A model, where there is one, is of the session before them."""

    name: str
    assets: tuple[str, ...]
    with_a_model: bool
    n_sessions: int

    @property
    def config(self) -> dict[str, object]:
        return {"reports": "report" in self.assets}


def main() -> None:
    parser = measuring.options("What a run for many sessions saves.", repeats=3, quick_repeats=1)
    measuring.add_workload_options(parser, "TSLA")
    arguments = parser.parse_args()
    work, repeats = measuring.workload(arguments), measuring.repeats(arguments)
    if len(work.tickers) != 1:
        parser.error(f"one ticker at a time, not {len(work.tickers)}")
    # A model serves the session it is of, and nine more.
    kinds = [
        Kind("without a model", _WITHOUT_A_MODEL, with_a_model=False, n_sessions=3 if arguments.quick else 50),
        Kind("with a model", _WITHOUT_A_REPORT, with_a_model=True, n_sessions=9),
        Kind("with a model and reports", DAILY_ASSETS, with_a_model=True, n_sessions=9),
    ]
    measuring.print_header(
        "Backfill: a run for each session beside one run for all of them",
        f"work      {work.tickers[0]}, sessions after {work.session}, source {work.source}; new processes",
        f"repeats   {repeats} runs of one session; one run of many",
    )
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds[:1] if arguments.quick else kinds):
            _show(kind, *_measure(work, kind, repeats, Path(folder) / str(number)))


def _measure(
    work: measuring.Workload, kind: Kind, repeats: int, folder: Path
) -> tuple[list[measuring.Cost], measuring.Cost, measuring.Cost]:
    """What runs of a session each cost, a backfill of one session, and one of many; with equal bytes."""
    ticker = work.tickers[0]
    separate, one, many = (_place(work, kind, folder / name) for name in ("separate", "one", "many"))
    asked = [sessions.next_session(work.session, n) for n in range(1, kind.n_sessions + 1)]
    costs = [_one_by_one(work, kind.assets, session, separate) for session in asked[:repeats]]
    of_one = _backfill(work, kind, asked[0], asked[0], one)
    of_many = _backfill(work, kind, asked[0], asked[-1], many)
    done = tuple(str(session) for session in (work.session, *asked[:repeats]))
    theirs, ours = (
        {name: data for name, data in measuring.artefacts(place / "data", ticker).items() if _session(name) in done}
        for place in (separate, many)
    )
    measuring.require_equal_bytes(ours, theirs, "the backfill", "runs of a session each")
    return costs, of_one, of_many


def _session(name: str) -> str:
    """That of a file such as `raw_prices/TSLA/2024-03-08.parquet`."""
    return name.split("/")[2][: len("2024-03-08")]


def _place(work: measuring.Workload, kind: Kind, folder: Path) -> Path:
    """A folder of its own, with a model of the session before where one is needed."""
    folder.mkdir(parents=True)
    home.prepare(folder / "dagster")
    if kind.with_a_model:
        _one_by_one(work, (*DAILY_ASSETS, *jobs.TRAINING_ASSETS), work.session, folder)
    return folder


def _environment(work: measuring.Workload, folder: Path) -> dict[str, str]:
    return work.environment(folder) | {"STOCK_ASSETS_SOURCE": work.source}


def _one_by_one(work: measuring.Workload, assets: tuple[str, ...], session: object, folder: Path) -> measuring.Cost:
    wanted = ("--select", ",".join(assets), "--partition", f"{session}|{work.tickers[0]}")
    return measuring.run(_dagster("asset", "materialize", *wanted), _environment(work, folder))


def _backfill(work: measuring.Workload, kind: Kind, first: object, last: object, folder: Path) -> measuring.Cost:
    asked = {"ticker": work.tickers[0], "first": str(first), "last": str(last), **kind.config}
    config = folder / "backfill.yaml"  # JSON is YAML too
    config.write_text(json.dumps({"ops": {"backfill": {"config": asked}}}))
    command = _dagster("job", "execute", "--job", "backfill_job", "--config", str(config))
    return measuring.run(command, _environment(work, folder))


def _dagster(*arguments: str) -> list[str]:
    command = Path(sys.executable).with_name("dagster")
    return [str(command), *arguments, "--module-name", "stock_assets.definitions"]


def _show(kind: Kind, separate: list[measuring.Cost], one: measuring.Cost, many: measuring.Cost) -> None:
    rows, ratios = [], {}
    for name, of in (("wall clock", _seconds), ("processor", _processor_seconds)):
        each = statistics.median(of(cost) for cost in separate)
        further = (of(many) - of(one)) / (kind.n_sessions - 1)
        whole = of(one) + (WANTED_SESSIONS - 1) * further
        ratios[name] = WANTED_SESSIONS * each / whole
        cells = (each, of(one), further, WANTED_SESSIONS * each, whole)
        rows.append((name, *(f"{cell:,.2f}" for cell in cells), f"{ratios[name]:.1f}"))
    print(f"{kind.name}: {', '.join(kind.assets)}")
    print(f"measured  {len(separate)} runs of one session, a backfill of one and one of {kind.n_sessions}; same bytes")
    measuring.print_table(
        ("seconds", "a run each", "backfill of 1", "each further", f"{WANTED_SESSIONS} runs", "backfill", "ratio"), rows
    )
    if not kind.with_a_model:
        kept = measuring.verdict(ratios["processor"] >= LOWEST_RATIO)
        print(f"target    at least {LOWEST_RATIO:g} times as fast, by processor time: {kept}\n", flush=True)


def _seconds(cost: measuring.Cost) -> float:
    return cost.seconds


def _processor_seconds(cost: measuring.Cost) -> float:
    return cost.processor_seconds


if __name__ == "__main__":
    main()
