"""The routes for programs and what may go wrong with them; batches are in test_batch_route, pages in test_pages."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stock_assets.core.errors import ArtefactError, SettingsError
from stock_assets.serving import app as application
from stock_assets.serving import problems, questions
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.serving import apps, stores
from stock_assets_tests.stored import file_of

# The session of Monday 2024-03-11 has to be there four hours after 22:00 UTC.
TUESDAY = dt.datetime(2024, 3, 12, 2, 0, tzinfo=dt.UTC)
# The model of Wednesday 2024-03-06 may be used on ten sessions, of which Tuesday 2024-03-19 is the last.
EXPIRED = dt.datetime(2024, 3, 20, 22, 0, tzinfo=dt.UTC)


def stored(store: ArtefactStore, ticker: str, session: dt.date) -> dict[str, Any]:
    """The row of the asset `predictions`, with its dates as text."""
    [row] = Snapshot(store, ticker, session).table("predictions").to_dict("records")
    dates = {name: row[name].date().isoformat() for name in ("as_of", "target_session", "model_as_of")}
    return row | dates


@pytest.mark.parametrize("ticker", ["TSLA", "tsla", "STX"])
def test_the_newest_forecast_is_the_stored_row_to_the_last_bit(
    client: FlaskClient, store: ArtefactStore, ticker: str
) -> None:
    answer = client.get("/predict", query_string={"ticker": ticker})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    expected = stored(store, ticker.upper(), stores.SESSION)
    assert {name: answer.json[name] for name in expected} == expected
    assert answer.json["is_stale"] is False
    assert answer.json["horizon_sessions"] == 1
    assert answer.json["forecast_checksum"] == store.checksum("predictions", ticker.upper(), stores.SESSION)


def test_a_past_session_is_asked_for_by_its_date(client: FlaskClient, store: ArtefactStore) -> None:
    session = stores.later(-1)
    answer = client.get(f"/predict?ticker=TSLA&as_of={session}")
    expected = stored(store, "TSLA", session)
    assert {name: answer.json[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("question", "address"),
    [
        ({"ticker": "TSLA"}, "ticker=TSLA"),
        ({"ticker": "stx", "as_of": "2024-03-07"}, "ticker=stx&as_of=2024-03-07"),
        ({"ticker": "STX", "as_of": None, "allow_stale": True}, "ticker=STX&allow_stale=true"),
    ],
)
def test_a_document_asks_as_an_address_does(client: FlaskClient, question: dict[str, Any], address: str) -> None:
    by_document, by_address = client.post("/predict", json=question), client.get(f"/predict?{address}")
    assert by_document.status_code == by_address.status_code == 200
    assert by_document.data == by_address.data


@pytest.mark.parametrize("path", ["/predict?ticker=TSLA", "/health", "/tickers", "/metrics", "/openapi.json", "/"])
def test_head_has_the_headers_of_get_and_no_body(client: FlaskClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == 200
    assert head.data == b""
    same = [name for name, _ in head.headers if name != "Content-Length"]
    assert {name: head.headers[name] for name in same} == {name: get.headers[name] for name in same}


def test_what_is_served_is_recorded_but_not_what_head_did_not_tell(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, told = make(), []
    recorder = apps.parts(client.application).recorder
    monkeypatch.setattr(recorder, "served", lambda forecast, route, times: told.append((forecast.ticker, route, times)))
    client.head("/predict?ticker=TSLA")
    client.get("/predict?ticker=STX&as_of=2020-01-02")
    assert told == []
    client.get("/predict?ticker=STX")
    client.post("/predict", json={"ticker": "TSLA"})
    answer = client.post("/predict/batch", data=b"ticker\nSTX\nSTX\n", content_type="text/csv", buffered=True)
    assert len(answer.text.splitlines()) == 3
    assert told == [("STX", "predict", 1), ("TSLA", "predict", 1), ("STX", "batch", 2)]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "ticker is missing"),
        ("as_of=2024-03-08", "ticker is missing"),
        ("ticker=", "'' is not a ticker"),
        ("ticker", "'' is not a ticker"),
        ("ticker=TSLA&ticker=STX", "'ticker' comes more than once"),
        ("ticker=TSLA&ticker=TSLA", "'ticker' comes more than once"),
        ("ticker=TSLA&colour=red", "unknown parameter 'colour'; expected ticker, as_of, allow_stale"),
        ("ticker=TSLA&Ticker=TSLA", "unknown parameter 'Ticker'"),
        ("ticker=%20TSLA", "' TSLA' is not a ticker"),
        ("ticker=TSLA%0A", r"'TSLA\n' is not a ticker"),
        ("ticker=TS%00LA", r"'TS\x00LA' is not a ticker"),
        ("ticker=ß", "can't be read; expected name=value, percent-encoded UTF-8"),
        ("ticker=%C3%9F", "'ß' is not a ticker"),
        ("ticker=%FF", "can't be read"),
        ("ticker=..%2F..%2Fetc%2Fpasswd", "'../../etc/passwd' is not a ticker"),
        ("ticker=ABCDEFGHIJKLMNOP", "'ABCDEFGHIJKLMNOP' is not a ticker; expected up to 15"),
        ("ticker=TSLA&as_of=", "as_of is ''"),
        ("ticker=TSLA&as_of=20240308", "as_of is '20240308'"),
        ("ticker=TSLA&as_of=2024-W10-5", "as_of is '2024-W10-5'"),
        ("ticker=TSLA&as_of=2024-3-8", "as_of is '2024-3-8'"),
        ("ticker=TSLA&as_of=2024-02-30", "there is no such date"),
        ("ticker=TSLA&as_of=2024-03-08%0A", "as_of is"),
        ("ticker=TSLA&as_of=%D9%A2024-03-08", "as_of is"),
        ("ticker=TSLA&as_of=today", "as_of is 'today'"),
        ("ticker=TSLA&allow_stale=1", "allow_stale is '1'; expected true or false"),
        ("ticker=TSLA&allow_stale=", "allow_stale is ''"),
        ("&".join(f"p{n}=1" for n in range(40)), "can't be read"),
        ("&".join(f"p{n}=1" for n in range(9)), "and 6 more"),
    ],
)
def test_an_address_that_is_not_understood_is_told_why(client: FlaskClient, query: str, told: str) -> None:
    sent = {"QUERY_STRING": query.encode().decode("latin-1")}
    detail = apps.problem(client.get("/predict", environ_overrides=sent), problems.MALFORMED)
    assert told in detail


@pytest.mark.parametrize("path", ["/", "/health", "/tickers", "/metrics", "/openapi.json", "/report/TSLA"])
def test_no_route_takes_a_parameter_that_it_does_not_have(client: FlaskClient, path: str) -> None:
    detail = apps.problem(client.get(f"{path}?ticker=TSLA"), problems.MALFORMED)
    assert detail == "unknown parameter 'ticker'; expected none"


def test_a_document_takes_no_parameters_beside_it(client: FlaskClient) -> None:
    apps.problem(client.post("/predict?ticker=TSLA", json={"ticker": "TSLA"}), problems.MALFORMED)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"ticker=TSLA", "is not JSON"),
        (b'{"ticker": "TSLA"} {}', "is not JSON"),
        (b"{'ticker': 'TSLA'}", "is not JSON"),
        (b'{"ticker": "\xff"}', "is not JSON"),
        (b'\xef\xbb\xbf{"ticker": "TSLA"}', "is not JSON"),
        (b'{"ticker": NaN}', "NaN is no JSON"),
        (b'{"ticker": "TSLA", "ticker": "STX"}', "a name comes more than once"),
        (b"null", "came as null; expected an object"),
        (b"[]", "came as an array"),
        (b'"TSLA"', "came as a string"),
        (b"17", "came as a number"),
        (b"true", "came as true or false"),
        (b"{}", 'has no "ticker"'),
        (b'{"as_of": "2024-03-08"}', 'has no "ticker"'),
        (b'{"ticker": "TSLA", "colour": "red"}', "unknown 'colour'"),
        (b'{"ticker": ["TSLA"]}', '"ticker" came as an array; expected a string'),
        (b'{"ticker": {"$ne": ""}}', '"ticker" came as an object'),
        (b'{"ticker": null}', '"ticker" came as null'),
        (b'{"ticker": 7}', '"ticker" came as a number'),
        (b'{"ticker": 1e999}', '"ticker" came as a number'),
        (b'{"ticker": "\\ud800"}', r"'\ud800' is not a ticker"),
        (b'{"ticker": "TSLA\\u0000"}', r"'TSLA\x00' is not a ticker"),
        (b'{"ticker": "TSLA", "as_of": 20240308}', '"as_of" came as a number; expected a string or null'),
        (b'{"ticker": "TSLA", "as_of": "2024-03-08T00:00"}', "as_of is"),
        (b'{"ticker": "TSLA", "allow_stale": "true"}', '"allow_stale" came as a string; expected true or false'),
        (b'{"ticker": "TSLA", "allow_stale": 1}', '"allow_stale" came as a number'),
        (b"[" * 16_000, "nested too deeply"),
        (b'{"ticker": ' * 1_400, "nested too deeply"),
        (b"9" * 5_000, "is not JSON"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:40]),
)
def test_a_document_that_is_not_understood_is_told_why(client: FlaskClient, body: bytes, told: str) -> None:
    detail = apps.problem(client.post("/predict", data=body, content_type="application/json"), problems.MALFORMED)
    assert told in detail


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "text/plain", "text/csv", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/json; charset=utf-16", "application/vnd.api+json", "nonsense", "application/json\x00"),
    ],
)
def test_a_document_of_another_type_is_refused(client: FlaskClient, content_type: str | None) -> None:
    apps.problem(client.post("/predict", data=b'{"ticker": "TSLA"}', content_type=content_type), problems.WRONG_TYPE)


def test_a_compressed_document_is_refused(client: FlaskClient) -> None:
    answer = client.post("/predict", json={"ticker": "TSLA"}, headers={"Content-Encoding": "gzip"})
    assert "'gzip'; expected a body that is not compressed" in apps.problem(answer, problems.WRONG_TYPE)


def test_a_document_may_name_its_charset(client: FlaskClient) -> None:
    answer = client.post("/predict", data=b'{"ticker": "TSLA"}', content_type="Application/JSON; charset=UTF-8")
    assert answer.status_code == 200


def test_a_document_is_read_up_to_its_largest_size(client: FlaskClient) -> None:
    question = b'{"ticker": "TSLA"}'
    largest = question + b" " * (questions.LARGEST_JSON - len(question))
    assert client.post("/predict", data=largest, content_type="application/json").status_code == 200
    answer = client.post("/predict", data=largest + b" ", content_type="application/json")
    assert apps.problem(answer, problems.TOO_LARGE) == "the body is larger than the 16,384 bytes that are taken"


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "+5", "٣", "9" * 30])
def test_a_length_that_is_none_is_refused(client: FlaskClient, length: str) -> None:
    told = {"CONTENT_LENGTH": length.encode().decode("latin-1")}
    answer = client.post(
        "/predict", input_stream=io.BytesIO(b"{}"), content_type="application/json", environ_overrides=told
    )
    assert "expected a whole number" in apps.problem(answer, problems.MALFORMED)


@pytest.mark.parametrize(
    ("query", "kind", "told"),
    [
        ("ticker=ZZZZ", problems.NO_TICKER, "no forecast of ZZZZ is stored"),
        ("ticker=ZZZZ&as_of=2024-03-08", problems.NO_SESSION, "no forecast of the session 2024-03-08"),
        ("ticker=TSLA&as_of=2024-01-03", problems.NO_SESSION, "no forecast of the session 2024-01-03"),
        ("ticker=TSLA&as_of=2024-03-09", problems.NO_SESSION, "a Saturday, is not a session"),
        ("ticker=TSLA&as_of=1066-10-14", problems.NO_SESSION, "the calendar runs from 1960-01-04"),
        ("ticker=TSLA&as_of=2999-01-01", problems.NO_SESSION, "the calendar runs from 1960-01-04"),
    ],
)
def test_what_is_not_there_is_not_found(
    client: FlaskClient, store: ArtefactStore, query: str, kind: problems.Kind, told: str
) -> None:
    detail = apps.problem(client.get(f"/predict?{query}"), kind)
    assert told in detail
    assert str(store.base) not in detail


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (TUESDAY, "that of 2024-03-11 had to be there by 2024-03-12 02:00 UTC"),
        (EXPIRED, "expired: the model was trained"),
    ],
    ids=["stale", "expired"],
)
def test_a_forecast_that_is_not_to_be_relied_on_is_refused_and_says_how_to_have_it(
    make: Any, now: dt.datetime, why: str
) -> None:
    client = make(clock=lambda: now)
    detail = apps.problem(client.get("/predict?ticker=TSLA"), problems.STALE)
    assert why in detail
    assert "add allow_stale=true, or as_of=2024-03-08" in detail
    assert apps.problem(client.post("/predict", json={"ticker": "TSLA"}), problems.STALE) == detail
    for anyway in ("allow_stale=true", "as_of=2024-03-08"):
        answer = client.get(f"/predict?ticker=TSLA&{anyway}")
        assert answer.status_code == 200
        assert answer.json["is_stale"] is True
        assert any(why in warning for warning in answer.json["warnings"])


def test_a_forecast_is_fresh_until_the_second_of_its_deadline(make: Any) -> None:
    client = make(clock=lambda: TUESDAY - dt.timedelta(microseconds=1))
    answer = client.get("/predict?ticker=TSLA")
    assert answer.status_code == 200
    assert answer.json["is_stale"] is False


def test_what_is_not_whole_is_not_served(make: Any, tmp_path: Path) -> None:
    torn = stores.small_store(tmp_path / "torn", ["TSLA"])
    file_of(Path(str(torn.path("clean_prices", "TSLA", stores.SESSION, ".parquet")))).write_bytes(
        b"not what was written"
    )
    client = make(torn)
    answer = client.get("/predict?ticker=TSLA")
    detail = apps.problem(answer, problems.NOT_WHOLE)
    assert answer.headers["Retry-After"] == "5"
    assert detail == "TSLA: no whole snapshot can be served at this moment; GET /health says why"
    health = client.get("/health")
    assert health.json["status"] == "degraded"
    assert "clean_prices" in health.json["troubles"]["TSLA"]
    assert str(tmp_path) not in health.text


def test_a_fault_of_ours_tells_nothing_of_the_inside(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make()

    def failing(ticker: str) -> None:
        raise RuntimeError("password of /var/lib/secret")

    monkeypatch.setattr(apps.parts(client.application).forecasts, "newest", failing)
    answer = client.get("/predict?ticker=TSLA")
    detail = apps.problem(answer, problems.INTERNAL)
    assert detail == problems.INTERNAL.meaning
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/predict", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/predict", {"GET", "HEAD", "POST"}),
        ("TRACE", "/health", {"GET", "HEAD"}),
        ("GET", "/predict/batch", {"POST"}),
        ("HEAD", "/predict/batch", {"POST"}),
        ("DELETE", "/report/TSLA", {"GET", "HEAD"}),
        ("BREW", "/tickers", {"GET", "HEAD"}),
        ("POST", "/", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_refused_with_those_there_are(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == 405
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == allowed
    if method != "HEAD":
        apps.problem(answer, problems.WRONG_METHOD)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/nothing",
            "/predict/",
            "/predict/batch/",
            "/predict//batch",
            "/static/x",
            "/report",
            "/report/",
            "/..",
            "/*",
        ),
        *(
            "/favicon.ico",
            "/\x00",
            "*",
            "/predict\r\nX: y",
            "/\u202e",
            "/health.json",
            "/.git/config",
            "http://a/health",
        ),
    ],
)
def test_another_path_is_not_found_and_never_redirected(client: FlaskClient, path: str) -> None:
    answer = client.get("/", environ_overrides={"PATH_INFO": path.encode().decode("latin-1")})
    apps.problem(answer, problems.NO_PATH)
    assert "Location" not in answer.headers


def test_a_doubled_slash_leads_nowhere_else(client: FlaskClient) -> None:
    answer = client.get("/", environ_overrides={"PATH_INFO": "//tickers"}, headers={"Host": "evil.example"})
    assert answer.status_code == 200
    assert "Location" not in answer.headers


def test_an_empty_path_is_the_page(client: FlaskClient) -> None:
    answer = client.get("/", environ_overrides={"PATH_INFO": ""}, headers={"Host": "evil.example"})
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"


# Who is let in


@pytest.fixture
def guarded(make: Any) -> FlaskClient:
    return make(token="pässword of 24 letters!!")


@pytest.mark.parametrize(
    "sent",
    [
        *("", "Bearer", "Bearer ", "Bearer wrong", "Basic cMOkc3N3b3Jk", "Bearer pässword of 24 letters!"),
        *("pässword of 24 letters!!", "Bearer pässword of 24 letters!!x", "Bearer \udcff", "Token x"),
    ],
)
@pytest.mark.parametrize("path", ["/predict?ticker=TSLA", "/", "/metrics", "/openapi.json", "/nothing"])
def test_nobody_without_the_token_gets_in(guarded: FlaskClient, path: str, sent: str) -> None:
    value = sent.encode("utf-8", "surrogateescape").decode("latin-1")
    answer = guarded.get(path, environ_overrides={"HTTP_AUTHORIZATION": value} if sent else {})
    apps.problem(answer, problems.NO_TOKEN)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="stock-assets"'


def test_the_token_is_asked_for_before_anything_is_read(guarded: FlaskClient) -> None:
    unread = io.BytesIO(b"ticker\nTSLA\n")
    answer = guarded.post("/predict/batch", input_stream=unread, content_type="text/csv")
    apps.problem(answer, problems.NO_TOKEN)
    assert unread.tell() == 0


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_one_gets_in(guarded: FlaskClient, scheme: str) -> None:
    value = f"{scheme} pässword of 24 letters!!".encode().decode("latin-1")
    assert guarded.get("/predict?ticker=TSLA", environ_overrides={"HTTP_AUTHORIZATION": value}).status_code == 200


def test_whether_the_server_is_well_may_be_asked_without_the_token(guarded: FlaskClient) -> None:
    assert guarded.get("/health").status_code == 200
    apps.problem(guarded.get("/health/"), problems.NO_TOKEN)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "stocks_1.example.org", "[::1]"])
def test_it_answers_under_any_name(client: FlaskClient, host: str) -> None:
    assert client.get("/tickers", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "evil.example/path",
        "a\tb",
        "<script>",
        "user@host",
        "[::1",
        "a:port",
        "h" * 300,
        "ä.example",
        "a:1:2",
    ],
)
def test_a_host_that_can_be_none_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/tickers", environ_overrides={"HTTP_HOST": host.encode().decode("latin-1")})
    assert "the header Host is" in apps.problem(answer, problems.MALFORMED)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("127.9.9.9", 200),
        ("[::1]:8000", 200),
        ("stocks.example:8000", 400),
        ("localhost.example", 400),
        ("10.0.0.1", 400),
        ("[::2]", 400),
        ("127.0.0.1.example", 400),
    ],
)
def test_a_server_for_this_machine_alone_answers_under_its_names_only(make: Any, host: str, status: int) -> None:
    """A page from elsewhere, whose name was made to lead here, asks under that name."""
    answer = make(local_names_only=True).get("/tickers", headers={"Host": host})
    assert answer.status_code == status
    if status == 400:
        assert "expected localhost or 127.0.0.1" in apps.problem(answer, problems.MALFORMED)


def test_no_answer_is_made_from_who_the_client_says_it_asked(client: FlaskClient) -> None:
    sent = {"Host": "evil.example", "X-Forwarded-Host": "worse.example", "X-Forwarded-Prefix": "/worse"}
    for path in ("/predict?ticker=TSLA", "/health", "/openapi.json", "/nothing", "/predict?ticker="):
        answer = client.get(path, headers=sent)
        assert b"evil" not in answer.data + str(answer.headers).encode()
        assert b"worse" not in answer.data + str(answer.headers).encode()
    assert b"worse" not in client.get("/", headers=sent).data


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/predict?ticker=TSLA", 200), ("/health", 200), ("/metrics", 200), ("/", 200), ("/report/TSLA", 200)),
        *(("/predict", 400), ("/nothing", 404), ("/predict/batch", 405)),
    ],
)
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    [policy] = answer.headers.getlist("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        *("/predict?ticker=TSLA%0D%0ASet-Cookie:%20a=b", "/predict?ticker=TSLA&x%0D%0AY:%20z=1"),
        *("/report/TSLA%0D%0ASet-Cookie:%20a=b", "/x%0D%0ASet-Cookie:%20a=b"),
    ],
)
def test_no_line_end_gets_into_a_header(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "Set-Cookie" not in answer.headers
    assert not any("\r" in part or "\n" in part for header in answer.headers for part in header)


# Whatever is sent


def is_told(response: Any, statuses: set[int]) -> None:
    assert response.status_code in statuses, response.text
    if response.status_code >= 400:
        told = json.loads(response.data)
        assert told["status"] == response.status_code
        assert told["type"].startswith("/#")


PIECES = st.sampled_from(
    [b"ticker", b"as_of", b"allow_stale", b"=", b"&", b";", b"TSLA", b"2024-03-08", b"true", b"%", b"%0", b"+", b"\xff"]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=12).map(b"".join))
def test_whatever_stands_in_an_address_is_answered(client: FlaskClient, query: bytes) -> None:
    response = client.get("/predict", environ_overrides={"QUERY_STRING": query.decode("latin-1")})
    is_told(response, {200, 400, 404})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["TSLA", "2024-03-08"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["ticker", "as_of", "allow_stale"]) | st.text(max_size=5)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(NAMES, VALUES, max_size=4).map(json.dumps).map(str.encode) | st.binary(max_size=60))
def test_whatever_stands_in_a_document_is_answered(client: FlaskClient, body: bytes) -> None:
    is_told(client.post("/predict", data=body, content_type="application/json"), {200, 400, 404})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.binary(max_size=30))
def test_whatever_path_is_asked_for_is_answered(client: FlaskClient, path: bytes) -> None:
    response = client.get("/", environ_overrides={"PATH_INFO": "/" + path.decode("latin-1")})
    is_told(response, {200, 400, 404, 405})


# What there is


def test_the_tickers_are_listed_with_their_names_and_newest_sessions(make: Any, tmp_path: Path) -> None:
    more = stores.small_store(tmp_path / "data", ["TSLA", "STX"])
    stores.write(more, "AAPL", stores.later(-1), stores.snapshot("AAPL", stores.later(-1)))
    assert make(more).get("/tickers").json == {
        "tickers": [
            {"ticker": "AAPL", "name": "", "as_of": "2024-03-07", "is_followed": False},
            {"ticker": "STX", "name": "Seagate Technology", "as_of": "2024-03-08", "is_followed": True},
            {"ticker": "TSLA", "name": "Tesla", "as_of": "2024-03-08", "is_followed": True},
        ]
    }


def test_health_is_ok_when_all_that_is_followed_is_fresh(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    told = answer.json
    assert (told["status"], told["troubles"]) == ("ok", {})
    assert (told["newest_session"], told["expected_session"]) == ("2024-03-08", "2024-03-08")
    assert told["now"] == "2024-03-09T12:00:00Z"
    assert told["tickers"]["TSLA"] == {
        "as_of": "2024-03-08",
        "is_stale": False,
        "is_followed": True,
        "model_as_of": "2024-03-06",
        "model_age_sessions": 2,
    }


def test_health_is_degraded_once_a_session_is_late(make: Any) -> None:
    on_time, late = (make(clock=lambda now=now: now).get("/health") for now in (TUESDAY - dt.timedelta(1), TUESDAY))
    assert on_time.json["status"] == "ok"
    assert late.status_code == 200
    assert late.json["status"] == "degraded"
    assert late.json["expected_session"] == "2024-03-11"
    assert late.json["tickers"]["STX"]["is_stale"] is True
    assert late.json["tickers"]["STX"]["model_age_sessions"] == 3


def test_health_knows_a_followed_ticker_that_was_never_forecast(make: Any, tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("tickers: [TSLA, NEW]\n")
    told = make(watchlist=file).get("/health").json
    assert told["status"] == "degraded"
    assert told["tickers"]["NEW"]["as_of"] is None
    assert told["tickers"]["STX"]["is_followed"] is False


def test_health_of_what_is_followed_no_longer_is_nobodys_concern(make: Any, tmp_path: Path) -> None:
    old = stores.small_store(tmp_path / "data", ["TSLA", "STX"])
    stores.write(old, "AAPL", stores.later(-30), stores.snapshot("AAPL", stores.later(-30)))
    told = make(old).get("/health").json
    assert told["status"] == "ok"
    assert told["tickers"]["AAPL"]["is_stale"] is True
    assert told["tickers"]["AAPL"]["model_age_sessions"] is None


def test_health_of_an_empty_store_is_503(make: Any, tmp_path: Path) -> None:
    answer = make(ArtefactStore(tmp_path / "empty")).get("/health")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.json["status"] == "nothing to serve"
    assert answer.json["newest_session"] is None


def test_a_store_that_can_t_be_listed_is_told(make: Any, monkeypatch: pytest.MonkeyPatch, store: ArtefactStore) -> None:
    client = make()

    def failing() -> None:
        raise ArtefactError(f"the folder {store.base}/predictions can't be listed: Input/output error")

    monkeypatch.setattr(apps.parts(client.application).forecasts, "newest_sessions", failing)
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json["troubles"] == {"store": "the folder <data>/predictions can't be listed: Input/output error"}
    for path in ("/tickers", "/"):
        apps.problem(client.get(path), problems.NOT_WHOLE)
    # What is not asked of the listing goes on.
    assert client.get("/predict?ticker=TSLA").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_health_tells_a_watchlist_that_can_t_be_read(make: Any, tmp_path: Path) -> None:
    answer = make(watchlist=tmp_path / "gone.yaml").get("/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "degraded"
    assert answer.json["troubles"]["watchlist"].startswith("watchlist gone.yaml does not exist")
    assert str(tmp_path) not in answer.text


def test_metrics_count_routes_and_statuses_and_never_a_client_s_own_words(make: Any) -> None:
    client = make()
    for path in ("/predict?ticker=TSLA", "/predict?ticker=TSLA", "/predict", "/nothing-of-mine", "/report/MINE"):
        client.get(path)
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'stock_assets_requests_total{method="GET",route="/predict",status="200"} 2.0' in answer.text
    assert 'stock_assets_requests_total{method="GET",route="/predict",status="400"} 1.0' in answer.text
    assert 'stock_assets_requests_total{method="GET",route="none",status="404"} 1.0' in answer.text
    assert 'stock_assets_requests_total{method="GET",route="/report/<ticker>",status="404"} 1.0' in answer.text
    assert 'stock_assets_forecasts_total{ticker="TSLA"} 2.0' in answer.text
    assert "mine" not in answer.text.lower()


def test_it_is_made_from_the_environment_when_nothing_else_is_said(
    store: ArtefactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCK_ASSETS_SOURCE", "csv")
    monkeypatch.setenv("STOCK_ASSETS_DATA_DIR", str(store.base))
    monkeypatch.setenv("STOCK_ASSETS_LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("STOCK_ASSETS_DATABASE_URL", f"sqlite:///{tmp_path / 'monitoring.db'}")
    monkeypatch.setenv("STOCK_ASSETS_SERVE_TOKEN", "a-token-of-its-own")
    app = application.create_app()
    address = "/predict?ticker=TSLA&as_of=2024-03-08"
    answer = app.test_client().get(address, headers={"Authorization": "Bearer a-token-of-its-own"})
    apps.parts(app).recorder.close()
    assert answer.status_code == 200
    assert answer.json["is_stale"] is True
    apps.problem(app.test_client().get(address), problems.NO_TOKEN)
    monkeypatch.setenv("STOCK_ASSETS_SOURCE", "tea leaves")
    with pytest.raises(SettingsError, match="STOCK_ASSETS_SOURCE"):
        application.create_app()
