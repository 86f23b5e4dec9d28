"""`summary`: the PDF for stakeholders, from a report that is there and a narrative in a file."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from stock_assets.commands import reports, run
from stock_assets.core import sessions
from stock_assets.core.errors import SettingsError
from stock_assets.reporting import summary_pdf
from stock_assets.settings import Settings
from stock_assets.storage.snapshots import Snapshot


@dataclass(frozen=True)
class Wanted:
    """What a person typed."""

    ticker: str
    as_of: str | None
    source: str | None
    narrative: Path
    title: str
    author: str


@dataclass(frozen=True)
class Outcome:
    """The summary that is stored."""

    session: date
    source: str
    pages: int
    path: str


def find(settings: Settings, wanted: Wanted, now: datetime) -> tuple[Settings, Snapshot]:
    """The report that the summary is made from: of the session asked for, or the newest; and where it lies.

    Raises `MissingArtefactError` when there is none, `SettingsError` when its session is not in the grid.
    """
    session = None if wanted.as_of is None else sessions.to_session(wanted.as_of)
    place, snapshot = reports.find(settings, wanted.ticker, session, wanted.source)
    run.session_asked_for(place, snapshot.session.isoformat(), now)
    return place, snapshot


def summarise(place: Settings, snapshot: Snapshot, wanted: Wanted, progress: run.Progress) -> Outcome:
    """Materialise the summary from the report in `snapshot`.

    Raises `SettingsError` when the file can't be read or is blank; otherwise as `run.Runner.materialise`.
    """
    ticker, session = snapshot.ticker, snapshot.session
    given = {"narrative": _read(wanted.narrative), "title": wanted.title, "author": wanted.author}
    if not given["narrative"].strip():
        raise SettingsError(f"{ticker} {session}: {wanted.narrative} is blank; expected a narrative in Markdown")
    runner = run.Runner(place)
    try:
        runner.materialise("summary_job", ticker, session, progress=progress, configs={"summary": given})
    finally:
        runner.close()
    made = snapshot.store.read("summary", ticker, session, suffixes=[".pdf"])[".pdf"]
    return Outcome(
        session=session,
        source=snapshot.document("price_metrics")["source"],
        pages=summary_pdf.n_pages(made),
        path=str(snapshot.store.path("summary", ticker, session, ".pdf")),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}; expected a narrative in Markdown") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: {error.reason} at byte {error.start}; expected Markdown") from error
