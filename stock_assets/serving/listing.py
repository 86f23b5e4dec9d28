"""What there is, from names alone: tickers, their newest sessions and models, and the watchlist. Kept for some seconds.

Nothing is decoded or verified here, so that hundreds of tickers cost no more than listing their folders.
"""

import datetime
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stock_assets import watchlist
from stock_assets.core.errors import ArtefactError, SettingsError
from stock_assets.serving.forecasts import Forecasts
from stock_assets.storage.artefacts import ArtefactStore

KEPT_SECONDS = 3.0


@dataclass(frozen=True)
class Listing:
    """What was found: `newest` and `models` by ticker, of those that have one; `followed`: ticker -> name on the
    watchlist, in its order; `troubles`: what could not be looked at, by part."""

    newest: Mapping[str, datetime.date]
    models: Mapping[str, datetime.date]
    followed: Mapping[str, str]
    troubles: Mapping[str, str]

    @property
    def tickers(self) -> list[str]:
        """Those that are followed, in the watchlist's order, then all others that have a forecast."""
        return [*self.followed, *sorted(self.newest.keys() - self.followed.keys())]


class Listings:
    """The listing of a store and a watchlist, looked at again when it is older than KEPT_SECONDS."""

    def __init__(
        self,
        store: ArtefactStore,
        forecasts: Forecasts,
        file: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._forecasts, self._file, self._monotonic = store, forecasts, file, monotonic
        self._lock = threading.Lock()
        self._kept: Listing | None = None
        self._until = 0.0

    def now(self) -> Listing:
        """The listing. What can't be read is told in it, never raised."""
        # One thread looks; the others wait for it rather than list hundreds of folders themselves.
        with self._lock:
            if self._kept is None or self._monotonic() >= self._until:
                self._kept = self._look()
                self._until = self._monotonic() + KEPT_SECONDS
            return self._kept

    def _look(self) -> Listing:
        troubles: dict[str, str] = {}
        newest: Mapping[str, datetime.date] = {}
        models: dict[str, datetime.date] = {}
        followed: dict[str, str] = {}
        try:
            newest = self._forecasts.newest_sessions()
            for ticker in newest:
                # A model of a later session than the newest forecast counts too: it is the one to come.
                if found := self._store.latest("model", ticker, not_after=datetime.date.max):
                    models[ticker] = found
        except ArtefactError as error:
            # Who asks for /health may be anybody: where things lie is not for them.
            troubles["store"] = str(error).replace(str(self._store.base), "<data>")
        try:
            followed = {entry.ticker: entry.name for entry in watchlist.read(self._file).entries}
        except SettingsError as error:
            troubles["watchlist"] = str(error).replace(str(self._file), self._file.name)
        return Listing(newest, models, followed, troubles)
