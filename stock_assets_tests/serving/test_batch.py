"""A CSV of questions in, a CSV of forecasts out: every line in its place, whatever the lines hold."""

import csv
import datetime as dt
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.core.errors import (
    InsufficientHistoryError,
    InvalidTickerError,
    MissingArtefactError,
    QuestionsError,
    TooManyRowsError,
)
from stock_assets.serving import answers, batch
from stock_assets.serving.config import Config
from stock_assets.serving.forecasts import Forecast, Forecasts
from stock_assets.sources import base
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.serving import stores

FRIDAY, THURSDAY = dt.date(2024, 3, 8), dt.date(2024, 3, 7)
SATURDAY = dt.datetime(2024, 3, 9, 12, tzinfo=dt.UTC)
TUESDAY = dt.datetime(2024, 3, 12, 12, tzinfo=dt.UTC)  # Monday's forecast had to be there by 02:00 UTC
DATA = ("row", *answers.COLUMNS, "error")


def config(folder: Path, now: dt.datetime = SATURDAY, **more: object) -> Config:
    given = {"source": "csv", "watchlist": folder / "watchlist.yaml", "log_dir": folder / "logs", "database_url": None}
    return Config(data_dir=str(folder), deadline=dt.timedelta(hours=4), clock=lambda: now, **given | more)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtefactStore:
    """TSLA and STX on Thursday and Friday."""
    return stores.small_store(tmp_path_factory.mktemp("batch"), sessions=[THURSDAY, FRIDAY])


@pytest.fixture(scope="module")
def forecasts(store: ArtefactStore) -> Forecasts:
    return Forecasts(store)


Ask = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module")
def ask(forecasts: Forecasts, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The rows of the answer to a table, by column, after the answer was found to be a valid CSV."""
    folder = tmp_path_factory.mktemp("asked")

    def asked(table: bytes | str, now: dt.datetime = SATURDAY, **options: object) -> list[dict[str, str]]:
        data = table.encode() if isinstance(table, str) else table
        answer = batch.answer(io.BytesIO(data), forecasts, config(folder, now), **options)
        try:
            return rows_of(b"".join(answer))
        finally:
            answer.close()

    return asked


def rows_of(answer: bytes) -> list[dict[str, str]]:
    header, *rows = csv.reader(io.StringIO(answer.decode("utf-8", errors="strict"), newline=""), strict=True)
    assert tuple(header) == DATA
    assert all(len(row) == len(header) for row in rows)
    return [dict(zip(header, row, strict=True)) for row in rows]


def cells(forecast: Forecast, now: dt.datetime = SATURDAY) -> dict[str, str]:
    standing = answers.standing(forecast, now, dt.timedelta(hours=4))
    return dict(zip(answers.COLUMNS, answers.as_cells(forecast, standing), strict=True))


def test_rows_are_the_stored_forecasts_in_the_order_asked(ask: Ask, forecasts: Forecasts) -> None:
    rows = ask("ticker,as_of\nSTX,\nTSLA,2024-03-07\n tsla ,\nSTX,2024-03-08\n")
    asked = [forecasts.newest("STX"), forecasts.of("TSLA", THURSDAY), forecasts.newest("TSLA"), forecasts.newest("STX")]
    assert rows == [
        {"row": str(number), **cells(forecast), "error": ""} for number, forecast in enumerate(asked, start=2)
    ]
    assert [row["as_of"] for row in rows] == ["2024-03-08", "2024-03-07", "2024-03-08", "2024-03-08"]


@pytest.mark.parametrize(
    "header",
    ["ticker,as_of", "TICKER,As-Of", '"Ticker","as of"', " ticker , AS_OF ", "as_of;ticker", "as_of\tnote\tticker"],
)
def test_the_columns_are_found_however_they_are_written(ask: Ask, header: str) -> None:
    places = [name.strip(' "').casefold()[0] for name in header.replace(";", ",").replace("\t", ",").split(",")]
    delimiter = ";" if ";" in header else "\t" if "\t" in header else ","
    line = delimiter.join({"t": "TSLA", "a": "2024-03-07", "n": "x"}[place] for place in places)
    [row] = ask(f"{header}\n{line}\n")
    assert (row["ticker"], row["as_of"], row["error"]) == ("TSLA", "2024-03-07", "")


@pytest.mark.parametrize(
    ("line", "ticker", "as_of", "error"),
    [
        ("../../etc,", "../../etc", "", "'../../etc' is not a ticker; expected up to 15 letters or digits"),
        (",2024-03-08", "", "2024-03-08", "no ticker; expected one such as TSLA"),
        ("=1+1,", "'=1+1", "", '"\'=1+1" is not a ticker'),
        ('"TSLA;=1",', r"TSLA\x3b=1", "", r"'TSLA\\x3b=1' is not a ticker"),
        ("AAPL,", "AAPL", "", "AAPL: no forecast of this ticker is stored"),
        ("AAPL,2024-03-08", "AAPL", "2024-03-08", "AAPL 2024-03-08: no forecast of this session is stored"),
        ("TSLA,2024-03-06", "TSLA", "2024-03-06", "TSLA 2024-03-06: no forecast of this session is stored"),
        ("TSLA,2024-03-09", "TSLA", "2024-03-09", "2024-03-09, a Saturday, is not a session of XNYS: the nearest are"),
        ("TSLA,08.03.2024", "TSLA", "08.03.2024", "'08.03.2024' is not a session: expected a date such as 2020-12-11"),
        ("TSLA,@x", "TSLA", "'@x", '"\'@x" is not a session'),
        ("", "", "", "a blank line; expected a ticker"),
        ("TSLA", "", "", "1 cell: came TSLA; expected 2, as in the header"),
        ('"TSLA,', "", "", r"quotes that are not closed, or closed in the middle of a cell: came \x22TSLA\x2c"),
    ],
)
def test_a_bad_row_keeps_its_place_and_what_came(ask: Ask, line: str, ticker: str, as_of: str, error: str) -> None:
    before, row, after = ask(f"ticker,as_of\nTSLA,\n{line}\nTSLA,\n")
    assert (row["row"], row["ticker"], row["as_of"]) == ("3", ticker, as_of)
    assert row["error"].startswith(error)
    assert {row[column] for column in answers.COLUMNS} == {"", ticker, as_of}
    assert before | {"row": ""} == after | {"row": ""}
    assert (before["row"], after["row"], before["error"]) == ("2", "4", "")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (b"", "the table is empty; expected a header with a column ticker, or with Date and Close"),
        (b"\n\n", "the table is empty"),
        (b"symbol,as_of\nTSLA,\n", r"line 1: came symbol\\x2c as_of; expected a header with a column ticker"),
        (b"\nTSLA\nSTX\n", "line 2: came TSLA; expected a header with a column ticker"),
        (b"ticker,Ticker\nTSLA,STX\n", "line 1: the header repeats ticker; expected each once"),
        (b"tick\xe9r\nTSLA\n", r"line 1 can't be read: byte 5 of the line is not UTF-8: came tick\\xe9r"),
        (b"PK\x03\x04\0\0\n", "line 1 can't be read: a NUL character"),  # a spreadsheet's own file
        (b"=cmd\n", "line 1: came '=cmd; expected"),
    ],
)
def test_a_table_that_is_neither_kind_is_refused_as_a_whole(ask: Ask, table: bytes, told: str) -> None:
    with pytest.raises(QuestionsError, match=told):
        ask(table)


def test_what_was_answered_can_be_asked_again(forecasts: Forecasts, ask: Ask, tmp_path: Path) -> None:
    answer = batch.answer(io.BytesIO(b"ticker\nTSLA\nx y\nSTX\n"), forecasts, config(tmp_path))
    text = b"".join(answer)
    answer.close()
    assert ask(text) == rows_of(text)
    assert ask("Date,Close,as of,ticker\n2024-03-07,1,2024-03-08,TSLA\n")[0]["as_of"] == "2024-03-08"


def test_no_questions_have_no_answers(ask: Ask) -> None:
    assert ask("ticker\n") == []
    assert ask("ticker,as_of") == []


def test_a_list_with_a_ticker_beside_it_is_refused(ask: Ask) -> None:
    with pytest.raises(QuestionsError, match=r"a list with tickers of its own; expected a history .* of STX"):
        ask("ticker\nTSLA\n", ticker="STX")
    with pytest.raises(InvalidTickerError):
        ask("ticker\nTSLA\n", ticker="../x")


def test_a_forecast_that_is_late_is_given_to_who_asks_for_its_session_or_says_so(ask: Ask) -> None:
    table = "ticker,as_of\nTSLA,\nTSLA,2024-03-08\n"
    late, dated = ask(table, TUESDAY)
    assert late["error"].startswith(
        "TSLA: stale: the forecast was made after the close of 2024-03-08; that of 2024-03-11"
    )
    assert (late["ticker"], late["as_of"], late["predicted_close"]) == ("TSLA", "", "")
    assert (dated["error"], dated["is_stale"], dated["as_of"]) == ("", "true", "2024-03-08")
    given, same = ask(table, TUESDAY, allow_stale=True)
    assert given | {"row": ""} == same | {"row": ""} == dated | {"row": ""}


# What people, programs and attackers put into cells and between them.
PIECES = st.sampled_from(
    [
        *(
            b"TSLA",
            b"STX",
            b"AAPL",
            b"2024-03-08",
            b"2024-03-07",
            b"2024-03-09",
            b",",
            b",,",
            b"\n",
            b"\r\n",
            b'"',
            b";",
        ),
        *(
            b"=HYPERLINK(1)",
            b"+1",
            b"-1",
            b"@x",
            b"\t",
            b"\0",
            b"\xff",
            b"\xe4",
            "ä€".encode(),
            b" ",
            b"'",
            b"\\",
            b"|",
        ),
    ]
)
BAD_LINES = st.lists(PIECES.filter(lambda piece: b"\n" not in piece), max_size=8).map(b"".join)


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_every_line_comes_back_once_and_in_place_in_a_valid_csv(ask: Ask, body: bytes) -> None:
    rows = ask(b"ticker,as_of\n" + body)
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    n_lines = len(lines) - (lines[-1] == b"")
    assert [int(row["row"]) for row in rows] == list(range(2, n_lines + 2))
    for row in rows:
        assert (row["predicted_close"] == "") == (row["error"] != "")
        if row["error"]:
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
            assert not set(row["ticker"] + row["as_of"]) & set('",;\t\r\n')
            assert all(cell.isprintable() for cell in row.values())


@given(st.lists(st.tuples(BAD_LINES, st.sampled_from(["TSLA,", "STX,2024-03-07", "stx,2024-03-08"])), min_size=1))
def test_good_rows_are_what_they_are_without_the_bad_ones_around_them(ask: Ask, pairs: list[tuple[bytes, str]]) -> None:
    alone = ask("ticker,as_of\n" + "".join(f"{good}\n" for _, good in pairs))
    mixed = ask(b"ticker,as_of\n" + b"".join(bad + b"\n" + good.encode() + b"\n" for bad, good in pairs))
    assert len(mixed) == 2 * len(pairs)
    assert [row | {"row": ""} for row in mixed[1::2]] == [row | {"row": ""} for row in alone]
    assert [row["error"] for row in alone] == [""] * len(pairs)


def test_the_same_in_utf16_with_semicolons(ask: Ask) -> None:
    table = "ticker,as_of\r\nTSLA,\r\nÄ,\r\n"
    assert ask(table.replace(",", ";").encode("utf-16")) == ask(table)


@pytest.mark.parametrize("end", ["", "\n"])
def test_as_many_rows_as_allowed_and_not_one_more(forecasts: Forecasts, tmp_path: Path, end: str) -> None:
    def asked(n: int) -> batch.Answer:
        return batch.answer(
            io.BytesIO(("\n".join(["ticker", *["TSLA"] * n]) + end).encode()), forecasts, config(tmp_path, max_rows=3)
        )

    answer = asked(3)
    assert answer.rows == 3
    answer.close()
    with pytest.raises(TooManyRowsError, match="more than 3 rows; expected at most as many at once"):
        asked(4)


def test_a_body_without_end_is_refused_when_it_is_too_long(forecasts: Forecasts, tmp_path: Path) -> None:
    class Endless:
        def read(self, size: int, /) -> bytes:
            return b"ticker\n" + b"TSLA\n" * 100

    with pytest.raises(TooManyRowsError):
        batch.answer(Endless(), forecasts, config(tmp_path, max_rows=1000))


def test_the_questions_are_read_to_their_end_before_the_first_answer(forecasts: Forecasts, tmp_path: Path) -> None:
    stream = io.BytesIO(b"ticker\n" + b"TSLA\n" * 5000)
    answer = batch.answer(stream, forecasts, config(tmp_path))
    assert stream.read() == b""
    assert (answer.rows, answer.given, answer.predicted, answer.failed) == (5000, 0, 0, 0)
    answer.close()


def test_what_is_served_is_told_before_it_goes_out(forecasts: Forecasts, tmp_path: Path) -> None:
    told: list[tuple[str, dt.date, int]] = []
    table = b"ticker,as_of\n" + b"TSLA,\nSTX,\nx y,\ntsla,2024-03-08\n" * 1000 + b"STX,2024-03-07\n"
    answer = batch.answer(
        io.BytesIO(table),
        forecasts,
        config(tmp_path),
        served=lambda forecast, times: told.append((forecast.ticker, forecast.as_of, times)),
    )
    rows: list[dict[str, str]] = []
    header = next(answer)
    assert told == []
    for part in answer:
        rows += rows_of(header + part)
        assert sum(times for *_, times in told) == sum(not row["error"] for row in rows) == answer.predicted
        assert (answer.given, answer.failed) == (len(rows), len(rows) - answer.predicted)
    answer.close()
    assert answer.given == answer.rows == 4001
    counted = {key: sum(times for *one, times in told if tuple(one) == key) for key in {one[:2] for one in told}}
    assert counted == {("TSLA", FRIDAY): 2000, ("STX", FRIDAY): 1000, ("STX", THURSDAY): 1}


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def replaced(store: ArtefactStore, session: dt.date, version: int) -> None:
    stores.write(store, "TSLA", session, stores.snapshot("TSLA", session, version=version))


def test_one_table_sees_one_snapshot_of_a_ticker_from_beginning_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is kept ready beyond a block, as with very many different questions.
    monkeypatch.setattr(batch, "_KEPT", 0)
    store, clock = stores.small_store(tmp_path, ["TSLA"]), Clock()
    forecasts = Forecasts(store, monotonic=clock)
    answer = batch.answer(io.BytesIO(b"ticker,as_of\n" + b"TSLA,\n" * 5000), forecasts, config(tmp_path))
    parts = [next(answer), next(answer)]
    replaced(store, FRIDAY, version=1)
    stores.write(store, "TSLA", stores.later(1), stores.snapshot("TSLA", stores.later(1)))
    clock.now += 100
    assert forecasts.newest("TSLA").as_of == stores.later(1)
    rows = rows_of(b"".join([*parts, *answer]))
    answer.close()
    assert len(rows) == 5000
    assert {row["forecast_checksum"] for row in rows} == {rows[0]["forecast_checksum"]}
    assert {(row["as_of"], row["error"]) for row in rows} == {("2024-03-08", "")}


def test_a_session_that_is_replaced_meanwhile_is_not_told_in_two_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_KEPT", 0)
    store, clock = stores.small_store(tmp_path, ["TSLA"], [THURSDAY, FRIDAY]), Clock()
    forecasts = Forecasts(store, monotonic=clock)
    answer = batch.answer(io.BytesIO(b"ticker,as_of\n" + b"TSLA,2024-03-07\n" * 5000), forecasts, config(tmp_path))
    parts = [next(answer), next(answer)]
    replaced(store, THURSDAY, version=1)
    clock.now += 100
    rows = rows_of(b"".join([*parts, *answer]))
    answer.close()
    given = [row for row in rows if not row["error"]]
    assert {row["forecast_checksum"] for row in given} == {rows[0]["forecast_checksum"]}
    assert len(given) == 2000
    assert {row["error"] for row in rows[2000:]} == {
        "TSLA 2024-03-07: the forecast was replaced while this table was answered, and the rows before have the former "
        "one; ask again"
    }


def test_damage_is_told_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    store = stores.small_store(tmp_path, ["TSLA", "STX"], [THURSDAY, FRIDAY])
    for session in (THURSDAY, FRIDAY):
        store.path("predictions", "TSLA", session, ".parquet").write_bytes(b"damaged")
    answer = batch.answer(
        io.BytesIO(b"ticker,as_of\nTSLA,\nTSLA,2024-03-07\nSTX,\n"), Forecasts(store), config(tmp_path)
    )
    text = b"".join(answer)
    answer.close()
    newest, past, other = rows_of(text)
    assert newest["error"] == "TSLA: the stored forecast is damaged, or is being replaced; ask again later"
    assert past["error"] == "TSLA 2024-03-07: the stored forecast is damaged, or is being replaced; ask again later"
    assert other["error"] == ""
    assert str(tmp_path).encode() not in text


def test_a_table_that_nobody_reads_to_its_end_leaves_nothing_open(forecasts: Forecasts, tmp_path: Path) -> None:
    answer = batch.answer(io.BytesIO(b"ticker\n" + b"TSLA\n" * 500_000), forecasts, config(tmp_path))
    next(answer)
    answer.close()
    answer.close()
    assert list(answer) == []


@pytest.mark.parametrize("kept", [1, 10_000])
def test_how_much_is_kept_ready_makes_no_difference(ask: Ask, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    table = "ticker,as_of\n" + "".join(f"TSLA,\nT{n},\nSTX,2024-03-07\n" for n in range(1500))
    expected = ask(table)
    monkeypatch.setattr(batch, "_KEPT", kept)
    assert ask(table) == expected


def history(store: ArtefactStore, session: dt.date = FRIDAY) -> list[str]:
    """TSLA's stored raw prices as the lines of a CSV in Yahoo's form."""
    raw = Snapshot(store, "TSLA", session).table("raw_prices")
    headings = {column: heading for heading, column in base.YAHOO_HEADINGS.items()}
    return raw.rename(columns=headings).rename_axis("Date").to_csv().splitlines()


def test_the_stored_prices_give_the_stored_forecast(ask: Ask, store: ArtefactStore, forecasts: Forecasts) -> None:
    lines = history(store)
    [row] = ask("\n".join(lines), ticker="tsla")
    stored = forecasts.newest("TSLA")
    assert row["source"] == "upload"
    assert {name: row[name] for name in stored.row} == {
        **{name: cells(stored)[name] for name in stored.row},
        "source": "upload",
    }
    assert (row["row"], row["error"], row["verdict"]) == (str(len(lines)), "", stored.verdict)
    assert row["model_checksum"] == stored.model_checksum
    assert row["warnings"].startswith("upload: ")


def test_a_history_in_any_order_and_form_gives_the_same_forecast(ask: Ask, store: ArtefactStore) -> None:
    header, *bars = history(store)
    [row] = ask("\n".join([header, *bars]), ticker="TSLA")
    turned = [f"{bar};TSLA".replace(",", ";") for bar in reversed(bars)]
    [other] = ask("\r\n".join([f"{header};Ticker".replace(",", ";"), *turned]).encode("utf-16"))
    assert other["row"] == "2"
    assert other | {"row": ""} == row | {"row": ""}


def test_bars_that_cannot_be_used_are_told_in_their_places(ask: Ask, store: ArtefactStore) -> None:
    header, *bars = history(store)
    [whole] = ask("\n".join([header, *bars]), ticker="TSLA")
    cut, broken = bars[200].split(","), bars[-3].split(",")
    cut[1:] = [""] * len(cut[1:])
    broken[4] = "=1"
    mixed = [*bars[:200], ",".join(cut), *bars[201:-3], ",".join(broken), *bars[-2:], "\0"]
    served: list[tuple[Forecast, int]] = []
    rows = ask(
        "\n".join([header, *mixed]), ticker="TSLA", served=lambda forecast, times: served.append((forecast, times))
    )
    n = len(bars)
    assert [(row["row"], row["as_of"], row["error"]) for row in rows[:2]] == [
        ("202", bars[200][:10], "a bar without all its prices"),
        (str(n - 1), bars[-3][:10], "Close: came '=1; expected a number, or nothing"),
    ]
    assert [(row["row"], row["as_of"]) for row in rows[2:]] == [
        (str(n + 1), "2024-03-08"),
        (str(n + 2), ""),
    ]
    assert rows[3]["error"].startswith("a NUL character")
    forecast = rows[2]
    assert (forecast["error"], forecast["ticker"]) == ("", "TSLA")
    assert "rows of the history that could not be used: 3" in forecast["warnings"]
    assert forecast["naive_close"] == whole["naive_close"]
    [(told, times)] = served
    assert (told.source, told.as_of, times) == ("upload", FRIDAY, 1)


def test_a_history_that_cannot_be_forecast_is_refused_as_a_whole(ask: Ask, store: ArtefactStore) -> None:
    header, *bars = history(store)
    with pytest.raises(InsufficientHistoryError, match="TSLA"):
        ask("\n".join([header, *bars[-5:]]), ticker="TSLA")
    with pytest.raises(
        QuestionsError, match="TSLA, the last bar: 2024-03-08: prices are final from 2024-03-08 22:00 UTC on"
    ):
        ask("\n".join([header, *bars]), dt.datetime(2024, 3, 8, 21, tzinfo=dt.UTC), ticker="TSLA")
    with pytest.raises(MissingArtefactError, match="AAPL"):
        ask("\n".join([header, *bars]), ticker="AAPL")
    with pytest.raises(QuestionsError, match="whose prices are these"):
        ask("\n".join([header, *bars]))


def test_what_is_held_does_not_grow_with_the_rows(
    forecasts: Forecasts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_IN_MEMORY", 64 * 1024)
    monkeypatch.setattr(batch, "_KEPT", 1000)

    def held(rows: int) -> int:
        block = b"TSLA,\nSTX,2024-03-07\n\xff,\n\nAAPL,\nTSLA\nSTX,\n?%d,\n"
        stream = io.BytesIO(b"ticker,as_of\n" + b"".join(block % n for n in range(rows // 8)))
        tracemalloc.start()
        try:
            answer = batch.answer(stream, forecasts, config(tmp_path))
            assert sum(1 for _ in answer) == rows // 2000 + 1
            answer.close()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Even eight bytes a row would be more.
    assert held(80_000) - held(40_000) < 200_000


_MILLION = """
import json, sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from stock_assets.serving import batch
from stock_assets.serving.config import Config
from stock_assets.serving.forecasts import Forecasts
from stock_assets.sources import base
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot

folder = Path(sys.argv[1])
config = Config(
    data_dir=str(folder), source="csv", watchlist=folder, log_dir=folder, database_url=None,
    deadline=timedelta(hours=4), clock=lambda: datetime(2024, 3, 9, 12, tzinfo=UTC),
)
forecasts = Forecasts(ArtefactStore(folder))

class Rows:
    def __init__(self, n):
        self.left, self.header = n, b"ticker,as_of\\n"

    def read(self, size, /):
        n = min(self.left, 1600) // 16
        self.left -= 16 * n
        rows = (b"TSLA,\\nSTX,2024-03-07\\n" * 6 + b"=1,\\nTSLA\\n\\"\\xff\\",\\n\\n") * n
        header, self.header = self.header, b""
        return header + rows

def peak():
    status = Path("/proc/self/status").read_text()
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))

found = []
for n in (1600, 80_000, 1_000_000):
    # Begins the peak anew: imports and models have a higher one.
    Path("/proc/self/clear_refs").write_text("5")
    answer = batch.answer(Rows(n), forecasts, config)
    size = sum(map(len, answer))
    answer.close()
    found.append((answer.given, answer.predicted, size, peak()))
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak of memory")
def test_a_million_rows_take_no_more_memory_than_some_thousands(store: ArtefactStore) -> None:
    done = subprocess.run([sys.executable, "-c", _MILLION, str(store.base)], capture_output=True, text=True, check=True)
    _, few, many = json.loads(done.stdout)
    assert (few[:2], many[:2]) == ([80_000, 60_000], [1_000_000, 750_000])
    assert many[2] > 200e6  # bytes that went out
    assert many[3] - few[3] < 8e6
