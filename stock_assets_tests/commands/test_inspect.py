"""`inspect`: which snapshot it looks at, what it asks, and what a person then reads."""

import datetime as dt
import re
from pathlib import Path

import pandas as pd
import pytest

from stock_assets.commands import inspect, inspection
from stock_assets.core import checks, errors, schemas
from stock_assets.settings import Settings
from stock_assets.storage import formats, quarantine
from stock_assets.storage.artefacts import ArtefactStore

THURSDAY, FRIDAY = dt.date(2024, 3, 7), dt.date(2024, 3, 8)

# TSLA, real bars: open, high, low, close, volume.
BARS = {
    "2024-02-29": (204.18, 205.28, 198.45, 201.88, 85_907_000),
    "2024-03-01": (200.52, 204.52, 198.50, 202.64, 82_099_200),
    "2024-03-04": (198.73, 199.75, 186.72, 188.14, 134_334_900),
    "2024-03-05": (183.05, 184.59, 177.57, 180.74, 119_660_800),
    "2024-03-06": (179.99, 181.58, 173.70, 176.54, 107_920_900),
    "2024-03-07": (174.35, 180.04, 173.70, 178.65, 102_129_000),
    "2024-03-08": (181.50, 182.73, 174.70, 175.34, 85_315_300),
}


def bars(last: dt.date = FRIDAY, **changes: tuple[str, float]) -> pd.DataFrame:
    """The bars up to `last`; `changes` are a column and its value on the session s<MMDD>."""
    index = pd.DatetimeIndex(list(BARS), dtype=schemas.SESSION_DTYPE, name="session")
    frame = pd.DataFrame(list(BARS.values()), index, ["open", "high", "low", "close", "volume"]).astype("float64")
    frame = frame.assign(adj_close=frame["close"], dividends=0.0, capital_gains=0.0, stock_splits=0.0)
    frame = frame[list(schemas.RAW_PRICES.columns)].loc[: str(last)]
    for session, (column, value) in changes.items():
        frame.loc[pd.Timestamp(f"2024-{session[1:3]}-{session[3:]}"), column] = value
    return frame


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"STOCK_ASSETS_DATA_DIR": str(tmp_path / "data")})


@pytest.fixture
def store(settings: Settings) -> ArtefactStore:
    return ArtefactStore(settings.data_dir)


def fetched(store: ArtefactStore, frame: pd.DataFrame, session: dt.date = FRIDAY, source: str = "csv") -> None:
    data = formats.encode_table(frame, asset="raw_prices", ticker="TSLA", as_of=session, source=source)
    store.write("raw_prices", "TSLA", session, {".parquet": data})


def kept(store: ArtefactStore, session: dt.date = FRIDAY, message: str = "Every price is above zero.", **answer):
    problem = quarantine.Problem("raw_prices", "prices_are_positive", message)
    quarantine.keep(store, ticker="TSLA", session=session, source="csv", problems=[problem], **answer)


def told(settings: Settings, *, limit: int = 5, width: int = inspection.WIDTH) -> str:
    """All that is told of TSLA on FRIDAY."""
    found = inspect.inspect(settings, "TSLA", str(FRIDAY), None)
    text = "\n".join(line.text for item in found for line in inspection.lines(item, limit=limit, width=width))
    assert max(len(line) for line in text.splitlines() if settings.data_dir not in line) <= width
    return text


# Which snapshot


def test_without_a_date_the_newest_of_raw_prices_and_quarantine(settings: Settings, store: ArtefactStore):
    fetched(store, bars(THURSDAY), THURSDAY)
    assert [item.session for item in inspect.inspect(settings, "TSLA", None, None)] == [THURSDAY]
    kept(store, payload=b"<html>")
    assert [item.session for item in inspect.inspect(settings, "TSLA", None, None)] == [FRIDAY]


def test_the_same_snapshot_in_both_places_is_told_once(settings: Settings, store: ArtefactStore):
    fetched(store, bars())
    kept(store, snapshot=bars())
    [item] = inspect.inspect(settings, "TSLA", None, None)
    assert list(item.paths) == ["raw_prices", "quarantine"]
    assert [problem.what for problem in item.kept_for] == ["prices_are_positive"]


def test_a_good_fetch_after_a_bad_one_is_told_before_it(settings: Settings, store: ArtefactStore):
    kept(store, snapshot=bars(s0304=("low", -186.72)))
    fetched(store, bars())
    assert [list(item.paths) for item in inspect.inspect(settings, "TSLA", None, None)] == [
        ["raw_prices"],
        ["quarantine"],
    ]
    good, bad = told(settings).split(f"\nTSLA {FRIDAY}, source csv: 7 bars, 2024-02-29 to 2024-03-08\n")
    assert "nothing is wrong" in good
    assert "  kept for    prices_are_positive (raw_prices)\n" in bad
    assert "raw_prices check warns: prices_are_positive" in bad


def test_what_is_not_there_tells_what_to_run(settings: Settings, store: ArtefactStore):
    with pytest.raises(errors.MissingArtefactError) as caught:
        inspect.inspect(settings, "TSLA", "2024-03-08", None)
    assert str(caught.value) == (
        f"TSLA 2024-03-08: neither raw prices nor a quarantine in {store.base}; "
        "fetch them with: stock-assets run TSLA --as-of 2024-03-08"
    )
    with pytest.raises(errors.MissingArtefactError, match=r"with: stock-assets run TSLA$"):
        inspect.inspect(settings, "TSLA", None, None)


def test_prices_of_another_source_are_not_meant(settings: Settings, store: ArtefactStore):
    fetched(store, bars())
    assert len(inspect.inspect(settings, "TSLA", None, "csv")) == 1
    with pytest.raises(errors.MissingArtefactError, match="holds prices from csv; expected yahoo"):
        inspect.inspect(settings, "TSLA", None, "yahoo")


def test_a_date_without_trading_is_refused(settings: Settings):
    with pytest.raises(errors.NotASessionError):
        inspect.inspect(settings, "TSLA", "2024-03-09", None)


def test_inspecting_changes_no_file(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0304=("low", -186.72)))
    before = {path: path.stat().st_mtime_ns for path in Path(settings.data_dir).rglob("*")}
    told(settings)
    assert {path: path.stat().st_mtime_ns for path in Path(settings.data_dir).rglob("*")} == before


# What is told


def test_good_prices_are_one_line(settings: Settings, store: ArtefactStore):
    fetched(store, bars())
    asked = len([*checks.RAW, *checks.RAW_BESIDE_EARLIER, *checks.CLEAN, *checks.CLEAN_BESIDE_RAW])
    assert told(settings).splitlines() == [
        "TSLA 2024-03-08, source csv: 7 bars, 2024-02-29 to 2024-03-08",
        f"  raw_prices  {store.path('raw_prices', 'TSLA', FRIDAY, '.parquet')}",
        f"  nothing is wrong: all {asked} checks pass, and cleaning has nothing to repair",
    ]


def test_a_bad_price_is_told_by_check_and_rule_amid_its_neighbours(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0304=("low", -186.72)))
    text = told(settings)
    assert text.partition("\n\n")[2].startswith(
        """\
  raw_prices check warns: prices_are_positive
    Every price is above zero. Came 1; expected 0 rows with a price that is zero, negative or
    infinite.
         session    open    high      low   close  adj_close       volume
      2024-02-29  204.18  205.28   198.45  201.88     201.88   85,907,000
      2024-03-01  200.52  204.52    198.5  202.64     202.64   82,099,200
    > 2024-03-04  198.73  199.75  -186.72  188.14     188.14  134,334,900
      2024-03-05  183.05  184.59   177.57  180.74     180.74  119,660,800
      2024-03-06  179.99  181.58    173.7  176.54     176.54  107,920,900

"""
    )
    assert text.endswith("expected prices above zero\n    (see the same bars above)")
    assert "\n  cleaning halts: with_positive_prices\n    TSLA 2024-03-08: 1 bar with a price" in text
    assert text.count("> 2024-03-04") == 1


def test_a_missing_session_stands_empty_where_it_belongs(settings: Settings, store: ArtefactStore):
    fetched(store, bars().drop(pd.Timestamp("2024-03-04")))
    told_raw = told(settings).partition("sessions_are_complete")[2].partition("\n\n")[0]
    assert re.findall(r"^    . (\d{4}-\d\d-\d\d) .*$", told_raw, re.MULTILINE) == list(BARS)[:5]
    assert "    > 2024-03-04       -       -       -       -          -            -\n" in told_raw


def test_a_repair_is_told_by_what_it_changed(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0308=("high", 181.41)))  # below the open, within what a last bar may be off
    text = told(settings)
    assert (
        "\n  cleaning repairs: high_low_widened\n    1 row, 2024-03-08\n      2024-03-08  high 181.41 -> 181.5" in text
    )
    assert "check warns: open_and_close_lie_between_low_and_high" in text
    assert "halts" not in text


def test_a_change_in_the_last_digits_is_told_with_all_of_them(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0308=("high", 181.4999999999)))
    assert "2024-03-08  high 181.4999999999 -> 181.5\n" in told(settings)


def test_a_bar_that_came_twice_and_one_that_is_left_out(settings: Settings, store: ArtefactStore):
    frame = bars()
    frame.loc[pd.Timestamp("2024-03-05"), ["open", "high", "low", "close"]] = float("nan")
    fetched(store, frame.iloc[[0, 1, 1, 2, 3, 4, 5, 6]])
    text = told(settings)
    assert "cleaning repairs: repeated_bar_dropped\n    1 row, 2024-03-01\n      2024-03-01  came 2 times\n" in text
    assert "incomplete_bar_dropped_before\n    1 row, 2024-03-06\n      2024-03-06  its own values stay\n" in text
    assert "    > 2024-03-05       -       -       -       -     180.74  119,660,800\n" in text.split("leaves out")[1]


def test_a_suspicion_is_told_with_what_was_weighed(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0304=("adj_close", 94.07)))
    told_of_it = told(settings).split("adjusted_close_agrees_with_source")[1]
    header, row = told_of_it.splitlines()[3:5]
    assert header.split()[:4] == ["session", "adjusted_close", "source_adj_close", "relative_difference"]
    assert row.split()[:4] == ["2024-03-04", "188.14", "94.07", "0.5"]


def test_a_past_that_changed_since_the_session_before_is_told(settings: Settings, store: ArtefactStore):
    fetched(store, bars(THURSDAY, s0304=("close", 190.0)), THURSDAY)
    fetched(store, bars())
    told_of_it = told(settings).split("history_is_unrevised")[1].partition("\n\n")[0]
    assert " before   after  rows " in told_of_it
    assert re.search(r"2024-03-04 +2024-03-04 +close +190  188.14 +1 ", told_of_it)


def test_a_bar_that_is_gone_since_the_session_before_is_told(settings: Settings, store: ArtefactStore):
    fetched(store, bars(THURSDAY), THURSDAY)
    fetched(store, bars(s0305=("close", 181.0)).drop(pd.Timestamp("2024-03-04")))
    told_of_it = told(settings).split("history_is_unrevised")[1].partition("\n\n")[0]
    assert re.search(r"2024-03-04 +2024-03-04 +bar +188.14 +- ", told_of_it)
    assert re.search(r"2024-03-05 +2024-03-05 +close +180.74 +181 ", told_of_it)


def test_only_so_many_bars_of_a_problem(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0229=("low", -1), s0308=("low", -1)))
    text = told(settings, limit=1)
    assert "> 2024-02-29" in text
    assert "> 2024-03-08" not in text
    assert "      ... and more; see them with --limit\n" in text
    assert "and more" not in told(settings, limit=2)


def test_bars_far_apart_have_dots_between_them(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0229=("low", -1), s0308=("low", -1)))
    shown = re.findall(r"^    . (\d{4}-\d\d-\d\d|\.\.\.)", told(settings).partition("\n\n")[2], re.MULTILINE)
    assert shown[:7] == ["2024-02-29", "2024-03-01", "2024-03-04", "...", "2024-03-06", "2024-03-07", "2024-03-08"]


def test_on_a_narrow_terminal_the_prices_stay(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0304=("low", -186.72)))
    text = told(settings, width=61)
    assert "session    open    high      low   close\n" in text
    assert "volume" not in text


def test_dividends_and_splits_are_shown_where_there_are_any(settings: Settings, store: ArtefactStore):
    fetched(store, bars(s0304=("low", -186.72), s0305=("stock_splits", 3.0)))
    assert " volume  stock_splits\n" in told(settings)
    assert "dividends" not in told(settings).partition("\n\n")[2]


def test_cleaning_that_can_not_begin_is_told_too(settings: Settings, store: ArtefactStore):
    fetched(store, bars().drop(columns="high"))
    text = told(settings)
    assert "raw_prices check blocks: has_raw_schema" in text
    assert "cleaning halts: SchemaError\n    TSLA 2024-03-08: raw prices can't be read: no column high;" in text


def test_an_answer_that_is_no_table_is_shown_without_its_escapes(settings: Settings, store: ArtefactStore):
    kept(store, message="TSLA: Yahoo sent a page", payload=b"<html>\n\x1b[2J\x07[red]\xff" + b"x" * 1000)
    head, _, text = told(settings).partition("\n\n")
    assert head.splitlines() == [
        "TSLA 2024-03-08, source csv: an answer of 1,018 bytes, no bars",
        f"  quarantine  {store.path('quarantine', 'TSLA', FRIDAY, '.payload')}",
    ]
    assert text.splitlines()[:5] == [
        "  raw_prices failed: prices_are_positive",
        "    TSLA: Yahoo sent a page",
        "    1,018 bytes came, of which the first 600:",
        "    | <html>",
        "    | \\x1b[2J\\x07[red]\ufffd" + "x" * 77,
    ]
    assert "\x1b" not in text


def test_an_answer_of_which_nothing_is_left_is_told_by_its_reasons(settings: Settings, store: ArtefactStore):
    kept(store, message="TSLA: nothing that can be read")
    text = told(settings)
    assert text.startswith("TSLA 2024-03-08, source csv: no bars\n")
    assert text.endswith("    TSLA: nothing that can be read")


@pytest.mark.parametrize("style", ["bold red", "bold cyan", "bold yellow", "red", "dim"])
def test_every_style_is_one_that_a_terminal_knows(settings: Settings, store: ArtefactStore, style: str):
    from rich.style import Style

    fetched(store, bars(s0304=("low", -186.72)), THURSDAY)
    fetched(store, bars(s0308=("high", 181.41)))
    used = set()
    for session in (THURSDAY, FRIDAY):
        for item in inspect.inspect(settings, "TSLA", str(session), None):
            used |= {line.style for line in inspection.lines(item, limit=5)}
    assert style in used
    Style.parse(style)
