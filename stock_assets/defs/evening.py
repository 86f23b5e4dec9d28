"""`evening_job`: the daily path of many tickers in one run, for watchlists that are long.

A run for each ticker starts a process, imports libraries and has Dagster write 220 events, which together is most of
what it costs. Here partitions are made one after another (see partition_maker), each standing for itself: one that
fails, or that a check stops, is told by its own events and holds up no other, and one whose source wants to be asked
again later makes room for the others meanwhile. A source that hangs would cost its time-outs for each: once it has let
several tickers wait in a row, the others are not tried, and the next tick asks for them. Which partitions, schedules
says; what monitoring reads of them is in run_records.
"""

import gc
import heapq
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from pydantic import Field

from stock_assets.core.errors import UnknownTickerError
from stock_assets.defs import jobs, open_storage, partition_maker, partitions

JOB = "evening_job"
MOST_TICKERS = 25
"""Of one run: what it starts with is then less than a tenth of its cost. A kill undoes the work on one ticker."""

MOST_TRAININGS = 5
"""Of one run with training, which takes a ticker seven times as long: so the two that go at once end together."""

MOST_SILENT = 3
"""Tickers in a row that may wait for the source until they time out; then the run's others are not tried."""

_PATIENCE = 1.0
"""Seconds that all wait for one; a fetch that is tried again waits longer."""
_TOLD_FAILURES = 5
_LONGEST_SECONDS = 6 * 60 * 60


class Evening(dg.Config):
    """What to make."""

    partitions: list[str] = Field(
        description="Such as `2026-11-20|TSLA`; of several sessions of a ticker, the oldest first"
    )
    training: list[str] = Field(
        default=[],
        description="Those of them in which model, backtest and evaluation are made anew, before the forecast",
    )


def config_of(keys: Sequence[str], training: Collection[str] = ()) -> dict[str, object]:
    """The run config that asks for these partitions, those of `training` with a new model."""
    asked: dict[str, object] = {"partitions": list(keys)}
    if trained := [key for key in keys if key in training]:
        asked["training"] = trained
    return {"ops": {partitions.EVENING: {"config": asked}}}


def groups(keys: Sequence[str], most: int = MOST_TICKERS) -> list[list[str]]:
    """Partitions in as few runs as `most` tickers each allow, but two where there are two, and as equal as can be.

    All that is asked of a ticker is in one run, in the order given.
    """
    of_ticker: dict[str, list[str]] = {}
    for key in keys:
        of_ticker.setdefault(partitions.split(key)[0], []).append(key)
    listed = list(of_ticker.values())
    number = min(len(listed), max(2, -(-len(listed) // most)))
    return [[key for mine in listed[n::number] for key in mine] for n in range(number)]


def job(steps: partition_maker.Steps) -> dg.JobDefinition:
    """The job."""

    @dg.op(name=partitions.EVENING, required_resource_keys=steps.resources | {"watchlist"})
    def evening(context: dg.OpExecutionContext, config: Evening) -> None:
        """Makes each partition as a run of its own would: artefacts, checks, and what Dagster is told of them."""
        asked = [partitions.split(key) for key in config.partitions]
        followed = context.resources.watchlist.tickers
        if strangers := {ticker for ticker, _ in asked} - set(followed):
            error = UnknownTickerError(
                f"{', '.join(sorted(strangers))}: not on the watchlist; expected of {', '.join(followed)}"
            )
            raise dg.Failure(str(error), allow_retries=False) from error
        with open_storage.held_open(context.instance):
            try:
                failed = _make(context, steps, asked, set(map(partitions.split, config.training)))
            finally:
                gc.unfreeze()
        if failed:
            told = "; ".join(failed[:_TOLD_FAILURES])
            more = f" and {len(failed) - _TOLD_FAILURES} more" if len(failed) > _TOLD_FAILURES else ""
            raise dg.Failure(f"{len(failed)} of {len(asked)} partitions failed: {told}{more}", allow_retries=False)

    @dg.job(
        name=JOB,
        executor_def=dg.in_process_executor,
        # Longer than dagster.yaml allows other runs: the first evening of new tickers trains all of them.
        tags={MAX_RUNTIME_SECONDS_TAG: str(_LONGEST_SECONDS)},
        description=_DESCRIPTION,
    )
    def evening_job():
        evening()

    return evening_job


@dataclass(order=True)
class _Ticker:
    """What is left to be made of a ticker. Ordered by when, and then as they were asked for."""

    at: float
    """By the clock of `time.monotonic`."""
    place: int
    name: str = field(compare=False)
    maker: partition_maker.PartitionMaker = field(compare=False)
    sessions: deque[date] = field(compare=False, default_factory=deque)
    retries: int = field(compare=False, default=0)


def _make(
    context: dg.OpExecutionContext,
    steps: partition_maker.Steps,
    asked: Sequence[tuple[str, date]],
    training: Collection[tuple[str, date]],
) -> list[str]:
    """Make them all; a line for each that failed."""
    of_name: dict[str, _Ticker] = {}
    for name, session in asked:
        if name not in of_name:
            maker = partition_maker.PartitionMaker(context, steps, name, _PATIENCE)
            of_name[name] = _Ticker(0.0, len(of_name), name, maker)
        of_name[name].sessions.append(session)
    waiting, failed = list(of_name.values()), []
    silent_for: set[str] = set()
    while waiting:
        if len(silent_for) >= MOST_SILENT:
            return failed + _give_up(context, sorted(waiting), training, silent_for)
        ticker = heapq.heappop(waiting)
        time.sleep(max(0.0, ticker.at - time.monotonic()))
        session = ticker.sessions[0]
        try:
            wanted = _wanted(ticker.name, session, training)
            why = ticker.maker.make(session, wanted, ticker.retries).why
            silent_for.clear()
        except partition_maker.PutOffError as later:
            context.log.warning(f"{ticker.name} {session}: {later}, the others meanwhile")
            _note(silent_for, ticker.name, later)
            ticker.at, ticker.retries = time.monotonic() + later.seconds, later.retries
            heapq.heappush(waiting, ticker)
            continue
        except partition_maker.SourceSilentError as silent:
            # Of this ticker: that others get no answer either, they find out, and the waits are shared.
            why = str(silent)
            _note(silent_for, ticker.name, silent)
        if why is None:
            context.log.info(f"{ticker.name} {session}: made")
        else:
            context.log.error(f"{ticker.name} {session}: failed: {why}")
            failed.append(f"{ticker.name} {session} ({why})")
        if not gc.get_freeze_count():
            # What is loaded by now stays: among it, a tenth of the time would go into looking for garbage.
            gc.collect()
            gc.freeze()
        ticker.sessions.popleft()
        ticker.retries = 0
        if ticker.sessions:
            heapq.heappush(waiting, ticker)
    return failed


def _wanted(ticker: str, session: date, training: Collection[tuple[str, date]]) -> tuple[str, ...]:
    return (*jobs.DAILY_ASSETS, *(jobs.TRAINING_ASSETS if (ticker, session) in training else ()))


def _note(silent_for: set[str], ticker: str, error: Exception) -> None:
    """Remember of which tickers in a row the source said nothing at all; an error that it tells is an answer."""
    if partition_maker.timed_out(error):
        silent_for.add(ticker)
    else:
        silent_for.clear()


def _give_up(
    context: dg.OpExecutionContext,
    waiting: Sequence[_Ticker],
    training: Collection[tuple[str, date]],
    silent_for: Collection[str],
) -> list[str]:
    """Tell of all that is left that it is not tried; a line for each."""
    names = ", ".join(sorted(silent_for))
    why = f"the price source let {names} wait in vain one after the other; the next tick asks again"
    context.log.error(f"{len(waiting)} tickers are not tried any more: {why}")
    return [
        f"{ticker.name} {session} ({ticker.maker.not_tried(session, _wanted(ticker.name, session, training), why)})"
        for ticker in waiting
        for session in ticker.sessions
    ]


_DESCRIPTION = """The daily path of many tickers in one run: prices, metrics, features, forecast and report of each.

Started by `daily_schedule` when the watchlist is long; tickers whose turn it is are trained as well. Each partition is
checked and stored as by a run of `daily_job`, or of `whole_graph_job`; one that fails stops no other."""
