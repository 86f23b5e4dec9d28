"""POST /predict/batch: what of a body is read, and how it is refused. How tables are answered is in test_batch."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from gunicorn.http import errors as gunicorn_errors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from stock_assets.serving import answers, problems, uploads
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.serving import apps, stores

LIST = b"ticker,as_of\nTSLA,\nnonsense!,\nSTX,2024-03-08\n"
MOST = 200_000


@pytest.fixture(scope="module")
def store(made_store: Path) -> ArtefactStore:
    """TSLA and STX on three sessions up to Friday 2024-03-08. No test changes it."""
    return ArtefactStore(made_store)


@pytest.fixture(scope="module")
def app(store: ArtefactStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[flask.Flask]:
    made = apps.make(store, tmp_path_factory.mktemp("app"), max_body_bytes=MOST, max_rows=1000)
    yield made
    apps.parts(made).recorder.close()


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


def post(client: FlaskClient, body: bytes, query: str = "", **more: Any) -> TestResponse:
    return client.post(f"/predict/batch{query}", data=body, buffered=True, **{"content_type": "text/csv"} | more)


class Stream(io.RawIOBase):
    """A body that gives `total` bytes of the same line, or fails; it knows how many were asked of it."""

    def __init__(self, total: int | None, fault: Exception | None = None) -> None:
        self.total, self.fault, self.given = total, fault, 0

    def read(self, n: int = -1) -> bytes:
        assert n > 0, "a body must be read in parts of a known size"
        left = n if self.total is None else min(n, self.total - self.given)
        if left == 0 and self.fault:
            raise self.fault
        data = (b"ticker\n" + b"TSLA\n" * (self.given + left))[self.given :][:left]
        self.given += len(data)
        return data


def stream(client: FlaskClient, body: Stream, *, length: int | None = None, chunked: bool = True) -> TestResponse:
    """A body as gunicorn gives it: of a length, or in chunks whose end the server knows."""
    told: dict[str, Any] = {"wsgi.input_terminated": True, "wsgi.input": body}
    told |= {"HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
    told |= {} if length is None else {"CONTENT_LENGTH": str(length)}
    return client.post("/predict/batch", content_type="text/csv", environ_overrides=told, buffered=True)


def rows(response: TestResponse) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_each_row_of_a_list_is_answered_in_its_place(client: FlaskClient, store: ArtefactStore) -> None:
    answer = post(client, LIST)
    first, bad, last = rows(answer)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="predictions.csv"'
    assert list(first) == ["row", *answers.COLUMNS, "error"]
    for row, ticker in ((first, "TSLA"), (last, "STX")):
        stored = Snapshot(store, ticker, stores.SESSION).table("predictions").iloc[0]
        assert (row["ticker"], row["as_of"], row["error"]) == (ticker, "2024-03-08", "")
        assert float(row["predicted_close"]) == stored["predicted_close"]
    assert (bad["row"], bad["ticker"], bad["predicted_close"]) == ("3", "nonsense!", "")
    assert "not a ticker" in bad["error"]


def test_a_history_is_answered_with_what_the_graph_would_have_forecast(
    client: FlaskClient, store: ArtefactStore
) -> None:
    raw = Snapshot(store, "TSLA", stores.SESSION).table("raw_prices")
    names = {"adj_close": "Adj Close", "dividends": "Dividends", "splits": "Stock Splits"}
    history = raw.rename(columns=lambda name: names.get(name, name.title())).rename_axis("Date").to_csv()
    [row] = rows(post(client, history.encode(), "?ticker=tsla"))
    stored = Snapshot(store, "TSLA", stores.SESSION).table("predictions").iloc[0]
    assert row["error"] == ""
    assert float(row["predicted_close"]) == stored["predicted_close"]
    assert float(row["probability_up"]) == stored["probability_up"]
    assert row["source"] == "upload"


def test_a_history_of_a_ticker_without_a_model_is_not_found(client: FlaskClient) -> None:
    history = b"Date,Open,High,Low,Close,Volume\n2024-03-07,1,2,1,2,9\n2024-03-08,1,2,1,2,9\n"
    answer = post(client, history, "?ticker=ZZZZ")
    assert answer.status_code in (problems.NO_TICKER.status, problems.UNUSABLE_TABLE.status)
    assert "ZZZZ" in answer.text


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "TEXT/CSV", "text/csv; charset=utf-8", "text/csv; charset=UTF-8; header=present"],
)
def test_it_takes_csv(client: FlaskClient, content_type: str) -> None:
    assert len(rows(post(client, LIST, content_type=content_type))) == 3


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "application/json", "text/plain", "application/vnd.ms-excel", "multipart/form-data; boundary=x"),
        *("text/csv; charset=latin-1", "text/csv; charset=utf-7"),
    ],
)
def test_it_takes_nothing_else(client: FlaskClient, content_type: str | None) -> None:
    apps.problem(post(client, LIST, content_type=content_type), problems.WRONG_TYPE)


def test_it_takes_nothing_compressed(client: FlaskClient) -> None:
    apps.problem(post(client, LIST, headers={"Content-Encoding": "gzip"}), problems.WRONG_TYPE)


@pytest.mark.parametrize(
    "query", ["?ticker=", "?ticker=TSLA&ticker=STX", "?as_of=2024-03-08", "?allow_stale=yes", "?ticker=..%2Fetc"]
)
def test_parameters_it_does_not_understand_are_refused(client: FlaskClient, query: str) -> None:
    apps.problem(post(client, LIST, query), problems.MALFORMED)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the table is empty"),
        (b"colour\nred\n", "expected a header with a column ticker, or with Date and Close"),
        (b'{"ticker": "TSLA"}', "expected a header"),
        (b"\x00\x01\x02", "expected a header"),
        (b"\x89PNG\r\n\x1a\n", "expected a header"),
        (b"ticker,ticker\nTSLA,STX\n", "repeats ticker"),
    ],
)
def test_what_is_no_such_table_is_told_why(client: FlaskClient, body: bytes, told: str) -> None:
    assert told in apps.problem(post(client, body), problems.UNUSABLE_TABLE)


def test_a_list_is_not_of_one_ticker(client: FlaskClient) -> None:
    assert "a list with tickers of its own" in apps.problem(post(client, LIST, "?ticker=TSLA"), problems.UNUSABLE_TABLE)


def test_a_table_of_too_many_rows_is_refused(client: FlaskClient) -> None:
    assert len(rows(post(client, b"ticker\n" + b"TSLA\n" * 1000))) == 1000
    detail = apps.problem(post(client, b"ticker\n" + b"TSLA\n" * 1001), problems.TOO_LARGE)
    assert "more than 1,000 rows" in detail


def test_a_body_that_says_it_is_too_large_is_not_read(client: FlaskClient) -> None:
    body = Stream(MOST + 1)
    answer = stream(client, body, length=MOST + 1, chunked=False)
    assert apps.problem(answer, problems.TOO_LARGE) == "the body is larger than the 200,000 bytes that are taken"
    assert body.given == 0


def test_a_body_without_end_is_read_no_further_than_allowed(store: ArtefactStore, tmp_path: Path) -> None:
    app = apps.make(store, tmp_path, max_body_bytes=MOST)
    body = Stream(None)
    apps.problem(stream(app.test_client(), body), problems.TOO_LARGE)
    apps.parts(app).recorder.close()
    assert MOST < body.given <= MOST + uploads.BLOCK


def test_a_body_in_chunks_is_read_to_its_end(client: FlaskClient) -> None:
    assert len(rows(stream(client, Stream(7 + 5 * 40)))) == 40


def test_a_body_of_some_length_is_read_no_further(client: FlaskClient) -> None:
    body = Stream(None)
    assert len(rows(stream(client, body, length=7 + 5 * 40, chunked=False))) == 40
    assert body.given == 7 + 5 * 40


def test_a_body_without_a_length_is_empty_where_the_server_knows_no_end(client: FlaskClient) -> None:
    body = Stream(None)
    answer = client.post("/predict/batch", content_type="text/csv", environ_overrides={"wsgi.input": body})
    apps.problem(answer, problems.UNUSABLE_TABLE)
    assert body.given == 0


def test_a_body_that_breaks_off_is_not_answered_in_part(client: FlaskClient) -> None:
    answer = stream(client, Stream(207), length=300, chunked=False)
    assert apps.problem(answer, problems.MALFORMED) == "the body broke off after 207 of 300 bytes"


@pytest.mark.parametrize(
    "fault",
    [
        *(ConnectionResetError(104, "reset"), TimeoutError(), gunicorn_errors.NoMoreData()),
        *(gunicorn_errors.InvalidChunkSize(b"x"), gunicorn_errors.ChunkMissingTerminator(b"x")),
    ],
    ids=repr,
)
def test_chunks_that_break_off_are_not_answered_in_part(client: FlaskClient, fault: Exception) -> None:
    answer = stream(client, Stream(207, fault))
    assert apps.problem(answer, problems.MALFORMED) == "the body broke off or is no HTTP, after 207 bytes"


CELLS = st.one_of(
    st.sampled_from(
        [b"TSLA", b"STX", b"2024-03-08", b"Date", b"Close", b"ticker", b"as_of", b'"', b"\xff", b"\x00", b"="]
    ),
    st.binary(max_size=6),
)
TABLES = st.lists(st.lists(CELLS, max_size=4).map(b",".join), max_size=8).map(b"\n".join)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(TABLES, TABLES.map(lambda table: b"ticker,as_of\n" + table), st.binary(max_size=80)))
def test_whatever_is_sent_is_answered(client: FlaskClient, body: bytes) -> None:
    answer = post(client, body)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))
