"""Bad raw prices kept for a person to look at, beside the reasons: the artefact `quarantine` of a ticker and session.

    <data>/quarantine/<TICKER>/<SESSION>.json       why: the problems, in the order in which they were found
    <data>/quarantine/<TICKER>/<SESSION>.parquet    the table that raw_prices held, in one file, when there is one
    <data>/quarantine/<TICKER>/<SESSION>.payload    the answer as it came, when it could not be read as prices

It holds the last bad answer for the partition: problems of the same answer are added to each other, another bad answer
takes the place of the one before. A later good answer leaves it alone, since what was wrong may still have to be
reported to the source, or explained: it is removed by a person, by deleting the files. No asset ever reads it.

Which prices are bad does not live here (see core.cleaning, core.validation); showing them to a person is
commands.inspect.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from stock_assets.core.errors import (
    ArtefactError,
    BadPricesError,
    DamagedArtefactError,
    DataError,
    MalformedPricesError,
    MissingArtefactError,
    SchemaError,
)
from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.core.checks import Check
    from stock_assets.core.validation import Finding

ASSET = "quarantine"

_WHY, _SNAPSHOT, _PAYLOAD = ".json", ".parquet", ".payload"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a snapshot.

    `asset`: at whose making it was found; `what`: the check, or the rule of cleaning, or else the kind of error;
    `observed` and `expected`: those of a check; `sessions`: the ones it is about, of a check the first 20.
    """

    asset: str
    what: str
    message: str
    observed: int | float | str | None = None
    expected: str | None = None
    sessions: tuple[date, ...] = ()


@dataclass(frozen=True)
class Quarantined:
    """What is kept of a bad answer. `snapshot` is None when the answer could not be read as prices."""

    ticker: str
    session: date
    source: str
    problems: tuple[Problem, ...]
    snapshot: "pd.DataFrame | None"
    payload: bytes | None


def keep(
    store: ArtefactStore,
    *,
    ticker: str,
    session: date,
    source: str,
    problems: Sequence[Problem],
    snapshot: "pd.DataFrame | None" = None,
    payload: bytes | None = None,
) -> None:
    """Put a bad answer of `source` into quarantine: the table it gave, or its bytes where they are no table.

    A table with types or an index that raw prices can't have is kept as CSV, under `.payload`.

    Problems of the same answer that are there already stay; one of the same asset and name is replaced. The same answer
    and problems give the same bytes, whenever they are kept. Raises `ArtefactError` when nothing can be written.
    """
    if not problems:
        raise ValueError(f"{ticker} {session}: no problem to keep; expected at least one")
    answer: dict[str, bytes] = {}
    if snapshot is not None:
        try:
            answer[_SNAPSHOT] = formats.encode_table(
                snapshot, asset="raw_prices", ticker=ticker, as_of=session, source=source
            )
        except SchemaError:
            answer[_PAYLOAD] = snapshot.to_csv().encode()
    if payload is not None:
        answer[_PAYLOAD] = payload
    all_problems = {(problem.asset, problem.what): problem for problem in problems}
    earlier = _files(store, ticker, session)
    if earlier is not None:
        why = formats.decode_json(earlier.pop(_WHY), asset=ASSET, ticker=ticker, as_of=session)
        if (why["source"], earlier) == (source, answer):
            known = {(problem.asset, problem.what): problem for problem in map(_problem, why["problems"])}
            all_problems = known | all_problems
    document = {
        "ticker": ticker,
        "as_of": session,
        "source": source,
        "problems": [vars(problem) for problem in all_problems.values()],
    }
    store.write(ASSET, ticker, session, {_WHY: formats.encode_json(document)} | answer)


@contextlib.contextmanager
def keeping(
    store: ArtefactStore,
    asset: str,
    *,
    ticker: str,
    session: date,
    source: str,
    snapshot: "pd.DataFrame | None" = None,
) -> Iterator[None]:
    """Work at `asset` that may find the source's answer bad: then it is kept, and the error goes on its way.

    Bad are a `MalformedPricesError`, whose payload is kept, and a `DataError`, with the snapshot that was worked on.
    When the quarantine can't be written, the error says so in a note: what stops the work is still the bad answer.
    """
    try:
        yield
    except (MalformedPricesError, DataError) as error:
        payload = error.payload if isinstance(error, MalformedPricesError) else None
        problem = of_error(asset, error)
        try:
            keep(
                store,
                ticker=ticker,
                session=session,
                source=source,
                problems=[problem],
                snapshot=snapshot,
                payload=payload,
            )
        except ArtefactError as unkept:
            error.add_note(f"It could not be put into quarantine either: {unkept}")
        raise


def keep_blocked(
    store: ArtefactStore,
    asset: str,
    asked: "Iterable[tuple[Check, Finding]]",
    *,
    ticker: str,
    session: date,
    snapshot: "pd.DataFrame",
) -> None:
    """Keep the raw `snapshot` when a blocking check of `asset` failed; otherwise nothing is done.

    `asked`: each check with what it found. `snapshot.attrs["source"]` says where its prices came from.
    """
    problems = [of_finding(asset, check, finding) for check, finding in asked if check.blocking and not finding.passed]
    if problems:
        source = snapshot.attrs["source"]
        keep(store, ticker=ticker, session=session, source=source, problems=problems, snapshot=snapshot)


def of_error(asset: str, error: MalformedPricesError | DataError) -> Problem:
    """What an error tells about an answer."""
    rule, sessions = (error.rule, error.sessions) if isinstance(error, BadPricesError) else (None, ())
    return Problem(asset, rule or type(error).__name__, str(error), sessions=sessions)


def of_finding(asset: str, check: "Check", finding: "Finding") -> Problem:
    """What a failed check found."""
    observed = finding.observed
    if isinstance(observed, float) and not math.isfinite(observed):
        observed = str(observed)  # JSON knows no NaN
    return Problem(asset, check.name, check.description, observed, finding.expected, sessions_of(finding.offending))


def sessions_of(offending: "pd.DataFrame") -> tuple[date, ...]:
    """The sessions of a finding's rows; none when it is about something else than sessions."""
    import pandas as pd

    return tuple(row.date() for row in offending.index) if isinstance(offending.index, pd.DatetimeIndex) else ()


def load(store: ArtefactStore, ticker: str, session: date) -> Quarantined | None:
    """What is in quarantine for a ticker and session, None when nothing is.

    Raises `DamagedArtefactError` when it is not what was written.
    """
    try:
        files = store.read(ASSET, ticker, session)
    except MissingArtefactError:
        return None
    why = formats.decode_json(files[_WHY], asset=ASSET, ticker=ticker, as_of=session)
    table = files.get(_SNAPSHOT)
    return Quarantined(
        ticker=ticker,
        session=session,
        source=why["source"],
        problems=tuple(map(_problem, why["problems"])),
        snapshot=None
        if table is None
        else formats.decode_table(table, asset="raw_prices", ticker=ticker, as_of=session),
        payload=files.get(_PAYLOAD),
    )


def _files(store: ArtefactStore, ticker: str, session: date) -> dict[str, bytes] | None:
    """What is there already; what is damaged there will be replaced."""
    try:
        return store.read(ASSET, ticker, session)
    except (MissingArtefactError, DamagedArtefactError):
        return None


def _problem(document: dict[str, Any]) -> Problem:
    sessions = tuple(date.fromisoformat(text) for text in document["sessions"])
    return Problem(**{**document, "sessions": sessions})
