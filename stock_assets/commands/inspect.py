"""`inspect`: a stored raw snapshot, asked afresh what is wrong with it. Reads only; how it is told is in inspection.

The questions are those of the graph itself: the checks on raw prices, cleaning, the checks on what cleaning made.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stock_assets.core import checks, sessions
from stock_assets.core.errors import DataError, MissingArtefactError
from stock_assets.settings import Settings
from stock_assets.storage import quarantine, snapshots
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.core.validation import Finding

Failed = tuple[checks.Check, "Finding"]


@dataclass(frozen=True)
class Answers:
    """What is wrong with one raw snapshot. `clean` is None when cleaning halted, and `halted` says why."""

    raw: "pd.DataFrame"
    failed_raw: list[Failed]
    halted: DataError | None
    clean: "pd.DataFrame | None"
    failed_clean: list[Failed]


@dataclass(frozen=True)
class Inspected:
    """One answer of a source that is stored, and what is wrong with it.

    `paths`: its files by the artefact they belong to (`raw_prices`, `quarantine`, or both when they hold the same);
    `kept_for`: what it was put into quarantine for; `answers`: None for a payload, which can't be asked anything.
    """

    ticker: str
    session: datetime.date
    source: str
    paths: dict[str, str]
    kept_for: tuple[quarantine.Problem, ...]
    payload: bytes | None
    answers: Answers | None


def inspect(settings: Settings, ticker: str, as_of: str | None, source: str | None) -> list[Inspected]:
    """What is stored of `ticker` and one session: the snapshot in raw_prices, and what is in quarantine where that is
    not the same.

    Without `as_of`, the newest session that has one of them; `source` as for export. Raises `MissingArtefactError` when
    there is neither, `DamagedArtefactError` when one is not what was written.
    """
    wanted = None if as_of is None else sessions.to_session(as_of)
    places = settings.places(source)
    found: list[tuple[datetime.date, ArtefactStore]] = []
    for place in places:
        store = ArtefactStore(place.data_dir)
        newest = wanted or max(
            (
                session
                for asset in ("raw_prices", quarantine.ASSET)
                if (session := store.latest(asset, ticker, not_after=sessions.LAST_SESSION))
            ),
            default=None,
        )
        if newest and any(store.has(asset, ticker, newest) for asset in ("raw_prices", quarantine.ASSET)):
            found.append((newest, store))
    if not found:
        who, option = (f"{ticker} {wanted}", f" --as-of {wanted}") if wanted else (ticker, "")
        raise MissingArtefactError(
            f"{who}: neither raw prices nor a quarantine in {', '.join(place.data_dir for place in places)}; "
            f"fetch them with: stock-assets run {ticker}{option}"
        )
    session, store = max(found, key=lambda item: item[0])  # the first of equal ones
    stored = _stored(store, ticker, session)
    of_source = [item for item in stored if source in (None, item.source)]
    if not of_source:
        raise MissingArtefactError(
            f"{ticker} {session}: {store.base} holds prices from {stored[0].source}; expected {source}"
        )
    return of_source


def ask(raw: "pd.DataFrame", earlier: "pd.DataFrame | str", ticker: str, session: datetime.date) -> Answers:
    """Every question that the graph asks of a raw snapshot on its way to clean prices, and those of clean prices.

    `earlier`: the ticker's snapshot before this one, or why there is none (see Snapshot.earlier_table).
    """
    from stock_assets.core import cleaning

    failed_raw = _failed(checks.RAW, ticker, session, raw)
    failed_raw += _failed(checks.RAW_BESIDE_EARLIER, ticker, session, raw, earlier)
    try:
        clean = cleaning.clean_prices(raw, ticker=ticker, as_of=session)
    except DataError as error:
        return Answers(raw, failed_raw, error, None, [])
    failed_clean = _failed(checks.CLEAN, ticker, session, clean)
    failed_clean += _failed(checks.CLEAN_BESIDE_RAW, ticker, session, clean, raw)
    return Answers(raw, failed_raw, None, clean, failed_clean)


def _failed(
    asked: Iterable[checks.Check], ticker: str, session: datetime.date, *frames: "pd.DataFrame | str"
) -> list[Failed]:
    from stock_assets.core import validation

    found = validation.ask(asked, *frames, ticker=ticker, as_of=session)
    return [(check, finding) for check, finding in found if not finding.passed]


def _stored(store: ArtefactStore, ticker: str, session: datetime.date) -> list[Inspected]:
    """What is in raw_prices first, then what is in quarantine; one and the same answer once."""
    snapshot = snapshots.Snapshot(store, ticker, session)
    earlier = snapshot.earlier_table("raw_prices")
    table = snapshot.table("raw_prices") if store.has("raw_prices", ticker, session) else None
    kept = quarantine.load(store, ticker, session)
    kept_suffix, kept_here = ".json", False
    if kept is not None and kept.snapshot is not None:
        kept_suffix, kept_here = ".parquet", table is not None and table.equals(kept.snapshot)
    elif kept is not None and kept.payload is not None:
        kept_suffix = ".payload"
    kept_at = {quarantine.ASSET: str(store.path(quarantine.ASSET, ticker, session, kept_suffix))}
    found = []
    if table is not None:
        paths = {"raw_prices": str(store.path("raw_prices", ticker, session, ".parquet"))}
        if kept_here:
            paths |= kept_at
        kept_for = kept.problems if kept is not None and kept_here else ()
        answers = ask(table, earlier, ticker, session)
        found.append(Inspected(ticker, session, table.attrs["source"], paths, kept_for, None, answers))
    if kept is not None and not kept_here:
        answers = None if kept.snapshot is None else ask(kept.snapshot, earlier, ticker, session)
        found.append(Inspected(ticker, session, kept.source, kept_at, kept.problems, kept.payload, answers))
    return found
