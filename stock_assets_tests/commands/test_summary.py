"""`summary`, apart from the command line: which report is meant, and what is wrong with the file."""

import datetime as dt
from pathlib import Path

import pytest

from stock_assets.commands import summary
from stock_assets.core.errors import MissingArtefactError, NotASessionError, SettingsError
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.commands.test_run import Told

THURSDAY, FRIDAY = dt.date(2024, 3, 7), dt.date(2024, 3, 8)
NOW = dt.datetime(2024, 3, 11, 12, tzinfo=dt.UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder that holds STX's reports of two sessions, with nothing in them."""
    for session in (THURSDAY, FRIDAY):
        ArtefactStore(str(tmp_path / "data")).write("report", "STX", session, {"/report.html": b"page"})
    return Settings.from_environment(
        {
            "STOCK_ASSETS_SOURCE": "csv",
            "STOCK_ASSETS_DATA_DIR": str(tmp_path / "data"),
            "STOCK_ASSETS_LOG_DIR": str(tmp_path / "logs"),
            "DAGSTER_HOME": str(tmp_path / "home"),
        }
    )


def wanted(ticker: str = "STX", as_of: str | None = None, narrative: Path = Path("note.md")) -> summary.Wanted:
    return summary.Wanted(ticker, as_of, None, narrative, "", "")


@pytest.mark.parametrize(("as_of", "session"), [(None, FRIDAY), ("2024-03-07", THURSDAY)])
def test_it_is_the_newest_report_or_that_of_a_session(settings: Settings, as_of: str | None, session: dt.date) -> None:
    place, snapshot = summary.find(settings, wanted(as_of=as_of), NOW)
    assert (snapshot.ticker, snapshot.session) == ("STX", session)
    assert place.data_dir == settings.data_dir


def test_without_a_report_there_is_none(settings: Settings) -> None:
    with pytest.raises(MissingArtefactError, match=r"TSLA: no report in .*; make one with: stock-assets run TSLA"):
        summary.find(settings, wanted("TSLA"), NOW)
    with pytest.raises(MissingArtefactError, match=r"STX 2024-03-06: no report in .* --as-of 2024-03-06"):
        summary.find(settings, wanted(as_of="2024-03-06"), NOW)
    with pytest.raises(NotASessionError, match="2024-03-09, a Saturday"):
        summary.find(settings, wanted(as_of="2024-03-09"), NOW)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b" \n\t\n", r"STX 2024-03-08: .*note\.md is blank; expected a narrative in Markdown"),
        (b"\xef\xbb\xbf\n", "is blank"),  # nothing but what Windows puts in front
        (b"ok \xff", r"note\.md is not UTF-8: invalid start byte at byte 3"),
        (None, r"note\.md can't be read: No such file or directory"),
    ],
)
def test_a_narrative_that_is_none(settings: Settings, tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "note.md"
    if content is not None:
        path.write_bytes(content)
    asked = wanted(narrative=path)
    with pytest.raises(SettingsError, match=problem):
        summary.summarise(*summary.find(settings, asked, NOW), asked, Told())
    assert not (tmp_path / "home").exists()  # Dagster was not bothered
