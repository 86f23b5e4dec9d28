"""`predict`: the stored forecasts without a server, one by one or for a file of questions, by the code of serving."""

import contextlib
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stock_assets.core import sessions
from stock_assets.core.errors import ArtefactError, MissingArtefactError, QuestionsError, SettingsError
from stock_assets.serving import answers, batch, histories
from stock_assets.serving.config import Config
from stock_assets.serving.forecasts import Forecast, Forecasts
from stock_assets.settings import Settings
from stock_assets.storage import atomic
from stock_assets.storage.artefacts import ArtefactStore

# A file on this machine's own disk can't be too long for it: the server's limit protects others.
_MAX_ROWS = 10**12


@dataclass(frozen=True)
class Told:
    """A forecast, and whether it may still be relied on."""

    forecast: Forecast
    standing: answers.Standing

    @property
    def is_simulated(self) -> bool:
        return self.forecast.is_simulated

    @property
    def as_json(self) -> str:
        """The document that GET /predict answers with, in one line that ends."""
        return answers.json_text(self.forecast, self.standing).decode()

    @property
    def lines(self) -> list[str]:
        """For people."""
        row = self.forecast.row
        return [
            f"{row['ticker']}  after the close of {row['as_of']}, source {row['source']}",
            f"  forecast  {row['target_session']}: close {row['predicted_close']:,.2f} "
            f"({row['interval_level']:.0%} interval {row['interval_low']:,.2f} to {row['interval_high']:,.2f}), "
            f"chance of a rise {row['probability_up']:.0%}; naive: {row['naive_close']:,.2f}",
            f"  verdict   {self.forecast.verdict}",
            f"  model     of {row['model_as_of']}",
            *(f"  warning   {warning}" for warning in self.standing.warnings),
        ]


@dataclass(frozen=True)
class Outcome:
    """What became of a file of questions: rows with a forecast and with an error, and whether prices were simulated."""

    predicted: int
    failed: int
    is_simulated: bool


def session_asked_for(as_of: str) -> datetime.date:
    """The session that a person typed. Raises `NotASessionError`."""
    return sessions.to_session(as_of)


class Teller:
    """Tells stored forecasts, all of them from one data folder and as of one moment, `now`."""

    def __init__(
        self, settings: Settings, source: str | None, tickers: Sequence[str] = (), *, now: datetime.datetime
    ) -> None:
        """The data folder of `source`. Without one, that which STOCK_ASSETS_SOURCE or STOCK_ASSETS_DATA_DIR names, or
        else that of yahoo, csv or simulated, whichever has the newest forecast of one of `tickers`; of any ticker,
        where there are none."""
        place = _place(settings.places(source), tickers)
        self._forecasts = Forecasts(ArtefactStore(place.data_dir))
        self._config = replace(Config.from_settings(place), clock=lambda: now, max_rows=_MAX_ROWS)
        self._source = source

    def tell(self, ticker: str, as_of: datetime.date | None = None, *, allow_stale: bool = False) -> Told:
        """The newest forecast of `ticker`, or that of the session `as_of`.

        Raises `QuestionsError` for a newest one that may not be relied on any more, unless `allow_stale`;
        `MissingArtefactError` for one from another source than was asked for; otherwise as `Forecasts`.
        """
        forecast = self._forecasts.newest(ticker) if as_of is None else self._forecasts.of(ticker, as_of)
        self._require_source(forecast)
        standing = answers.standing(forecast, self._config.clock(), self._config.deadline)
        refused = None if as_of is not None or allow_stale else answers.refusal(standing)
        if refused:
            raise QuestionsError(
                f"{ticker}: {refused}; see it all the same with --allow-stale, or --as-of {forecast.as_of}"
            )
        return Told(forecast, standing)

    def answer(
        self,
        questions: Path,
        output: Path,
        ticker: str | None,
        *,
        allow_stale: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> Outcome:
        """Write the answer to the table in the file `questions` (see `serving.batch`) to the file `output`.

        `output` is replaced when the answer is complete: until then, and after an interruption, it is what it was.
        `progress` is called with the rows answered so far and all rows.

        Raises `SettingsError` for files that can't be what they are to be, `ArtefactError` when `output` can't be
        written; otherwise as `batch.answer`.
        """
        _require_file(questions, output)
        simulated = False

        def served(forecast: Forecast, _: int) -> None:
            nonlocal simulated
            self._require_source(forecast)
            simulated = simulated or forecast.is_simulated

        try:
            with questions.open("rb") as stream:
                answer = batch.answer(
                    stream, self._forecasts, self._config, ticker=ticker, allow_stale=allow_stale, served=served
                )
        except OSError as error:
            raise SettingsError(f"{questions} can't be read: {error.strerror}; expected a CSV file") from error
        with contextlib.closing(answer):
            try:
                with atomic.replacement(output) as file:
                    for part in answer:
                        file.write(part)
                        if progress is not None:
                            progress(answer.given, answer.rows)
            except OSError as error:
                raise ArtefactError(f"{output} can't be written: {error.strerror}; it is what it was before") from error
        return Outcome(answer.predicted, answer.failed, simulated)

    def _require_source(self, forecast: Forecast) -> None:
        if self._source not in (None, forecast.source) and forecast.source != histories.SOURCE:
            raise MissingArtefactError(
                f"{forecast.ticker} {forecast.as_of}: {self._config.data_dir} holds forecasts from {forecast.source}; "
                f"expected {self._source}"
            )


def _place(places: Sequence[Settings], tickers: Sequence[str]) -> Settings:
    if len(places) == 1:
        return places[0]

    def newest(place: Settings) -> datetime.date:
        found = Forecasts(ArtefactStore(place.data_dir)).newest_sessions()
        return max((found[one] for one in tickers or found if one in found), default=datetime.date.min)

    return max(places, key=newest)  # the first of equal ones


def _require_file(questions: Path, output: Path) -> None:
    """A device or a pipe can't be replaced by a file; the questions would be lost if the answers took their place."""
    if output.exists():
        if not output.is_file():
            raise SettingsError(f"{output} is no plain file; expected one to be written, or replaced")
        if questions.exists() and questions.samefile(output):
            raise SettingsError(f"{output} holds the questions; expected another file for the answers")
