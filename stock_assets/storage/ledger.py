"""The ledger of trials: every configuration that was ever tried on a ticker, kept beside the artefacts.

    <data>/trials/<TICKER>/<SESSION>.json     configurations first tried on that session, each with its Sharpe ratio

Whoever tries a hundred configurations and shows the best one shows luck. So `evaluation` and `tuning` write down here
what they tried, and the deflated Sharpe ratio is told of all of it. Materialising a partition again with another
configuration replaces its evaluation; the ledger only grows: what was tried stays tried.

- A configuration is known by its fingerprint and counts once, however often it is tried.
- **Point in time**: as of a session, what was tried on that session or an earlier one counts, nothing else.
- **Idempotent**: trying the same again writes nothing. Of a configuration tried on several sessions (in a backfill that
  went backwards), the latest one as of the session asked for holds.

Processes that write at once wait for each other. Object stores have no locks: there each reads back whether its trials
are in, and writes again if not; two that evaluate one partition in the same fraction of a second may still lose one.

What a Sharpe ratio is corrected by does not live here (see core.inference).
"""

import contextlib
import errno
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stock_assets.core.errors import ArtefactError, DamagedArtefactError
from stock_assets.storage import atomic, formats
from stock_assets.storage.artefacts import ArtefactStore

if TYPE_CHECKING:
    from stock_assets.core import trading

ASSET = "trials"

_SUFFIX = ".json"
_ATTEMPTS = 5


@dataclass(frozen=True)
class Entry:
    """One configuration that was tried.

    `sharpe`: annualised, as trials of different horizons stand side by side; None where it is not defined. `asset`: at
    whose making it was tried.
    `overrides`: what it is, as differences from the defaults (see core.configuration).
    """

    fingerprint: str
    sharpe: float | None
    asset: str
    overrides: dict[str, Any]


def tried(store: ArtefactStore, ticker: str, session: date) -> list[Entry]:
    """All configurations tried on `ticker` up to `session`, ordered by fingerprint.

    Raises `DamagedArtefactError` when a page of the ledger is not what was written.
    """
    found: dict[str, Entry] = {}
    for page in store.sessions(ASSET, ticker):
        if page <= session:
            found |= {entry.fingerprint: entry for entry in _page(store, ticker, page)}
    return [found[fingerprint] for fingerprint in sorted(found)]


def as_trials(entries: Sequence[Entry], *, horizon: int) -> "list[trading.Trial]":
    """The entries as an evaluation of that horizon counts them: with Sharpe ratios per period of `horizon` sessions."""
    from stock_assets.core import metrics, trading

    per_year = metrics.SESSIONS_PER_YEAR / horizon
    return [
        trading.Trial(entry.fingerprint, None if entry.sharpe is None else entry.sharpe / math.sqrt(per_year))
        for entry in entries
    ]


def record(store: ArtefactStore, ticker: str, session: date, entries: Sequence[Entry]) -> None:
    """Write down what was tried on `ticker` with the prices of `session`, unless it has been tried by then already.

    Raises `ArtefactError` when it can't be written, `DamagedArtefactError` as for `tried`.
    """
    with _alone(store, ticker, session):
        for _ in range(_ATTEMPTS):
            known = {entry.fingerprint for entry in tried(store, ticker, session)}
            new = {entry.fingerprint: entry for entry in entries if entry.fingerprint not in known}
            if not new:
                return
            page = {entry.fingerprint: entry for entry in _page(store, ticker, session)} | new
            document = {
                "ticker": ticker,
                "as_of": session,
                "trials": [vars(page[fingerprint]) for fingerprint in sorted(page)],
            }
            store.write(ASSET, ticker, session, {_SUFFIX: formats.encode_json(document)})
    raise ArtefactError(f"{ticker} {session}: {ASSET} could not be written: others kept replacing it; try again")


def _page(store: ArtefactStore, ticker: str, session: date) -> list[Entry]:
    if not store.has(ASSET, ticker, session):
        return []
    try:
        data = store.read(ASSET, ticker, session)[_SUFFIX]
        document = formats.decode_json(data, asset=ASSET, ticker=ticker, as_of=session)
    except DamagedArtefactError as error:
        path = store.path(ASSET, ticker, session, _SUFFIX)
        raise DamagedArtefactError(
            f"{ticker} {session}: the ledger of trials {path} is not what was written; put it back from a backup, or "
            f"delete it and its seal: what was first tried on {session} then no longer counts"
        ) from error
    return [Entry(**entry) for entry in document["trials"]]


@contextlib.contextmanager
def _alone(store: ArtefactStore, ticker: str, session: date) -> Iterator[None]:
    """One writer at a time for a ticker, where the store is a folder."""
    folder = store.path(ASSET, ticker, session, _SUFFIX).parent
    if not isinstance(folder, Path):
        yield
        return
    # The store's own lock is taken by each of its writes, for the write alone; here reading belongs to it as well.
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(atomic.alone(folder / ".ledger.lock"))
        except OSError as error:
            reason = os.strerror(error.errno or errno.EIO)
            raise ArtefactError(f"{ticker} {session}: {ASSET} can't be written to {folder}: {reason}") from error
        yield
