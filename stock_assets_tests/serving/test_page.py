"""The page at `/` and the stored reports, as they are made and served; a browser shows them in test_page_in_browser."""

import base64
import hashlib
import itertools
import re
from pathlib import Path
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from stock_assets.reporting import wording
from stock_assets.serving import page, pages, problems
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.serving import apps, stores
from stock_assets_tests.serving.test_app import EXPIRED

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def rows(markup: str) -> dict[str, str]:
    """Ticker -> the text of its row, in the page's order."""
    found = re.findall(r'<tbody [^>]*data-ticker="([^"]+)"[^>]*>(.*?)</tbody>', markup, re.DOTALL)
    return {ticker: " ".join(re.sub("<[^>]+>", " ", row).split()) for ticker, row in found}


def test_each_ticker_has_a_row_with_its_stored_forecast(client: FlaskClient, store: ArtefactStore) -> None:
    answer = client.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    shown = rows(answer.text)
    assert list(shown) == ["TSLA", "STX"]
    for ticker, row in shown.items():
        stored = Snapshot(store, ticker, stores.SESSION).table("predictions").iloc[0]
        for name in ("predicted_close", "interval_low", "interval_high", "naive_close"):
            assert wording.price(stored[name]) in row
        assert wording.percent(stored["probability_up"]) in row
        assert "≈ No better than naive" in row
        assert "2024-03-08" in row
    assert "for 2024-03-11" in answer.text
    assert 'href="/report/STX"' in answer.text
    assert "Seagate Technology" in shown["STX"]


def test_the_policy_allows_the_style_sheet_of_the_page_and_nothing_else(client: FlaskClient) -> None:
    answer = client.get("/")
    [style] = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in policy
    assert " style=" not in answer.text
    assert "<script" not in answer.text


def test_what_may_not_be_relied_on_says_why(make: Any) -> None:
    row = rows(make(clock=lambda: EXPIRED).get("/").text)["TSLA"]
    assert "Stale: the forecast was made after the close of 2024-03-08" in row
    assert "Expired: the model was trained after the close of 2024-03-06" in row


def test_simulated_prices_are_said_to_be(make: Any, tmp_path: Path) -> None:
    simulated = stores.small_store(tmp_path / "simulated", ["TSLA"], source="simulated")
    markup = make(simulated, source="simulated").get("/").text
    assert "SIMULATED PRICES - not real" in markup
    assert "SIMULATED" in rows(markup)["TSLA"]
    assert "<title>Forecasts - SIMULATED PRICES</title>" in markup


def test_a_ticker_without_a_forecast_costs_the_others_nothing(make: Any, one_store: ArtefactStore) -> None:
    one_store.path("predictions", "TSLA", stores.SESSION, ".parquet").write_bytes(b"torn")
    stores.write(one_store, "AAPL", stores.SESSION, stores.snapshot("AAPL", stores.SESSION))
    shown = rows(make(one_store).get("/").text)
    assert list(shown) == ["TSLA", "STX", "AAPL"]
    assert "There is no whole snapshot at this moment" in shown["TSLA"]
    assert "There is no forecast yet." in shown["STX"]
    assert "No better than naive" in shown["AAPL"]


def test_an_empty_store_has_a_page_too(make: Any, tmp_path: Path) -> None:
    empty = tmp_path / "watchlist.yaml"
    markup = make(ArtefactStore(tmp_path / "empty"), watchlist=empty).get("/").text
    assert "No forecast has been stored yet" in markup
    assert rows(markup) == {}


def test_the_page_shows_what_it_has_when_time_is_up(app: flask.Flask) -> None:
    serving = apps.parts(app)
    seconds = itertools.chain([0.0, 0.0], itertools.repeat(page.LOADING_SECONDS + 0.1))
    shown = page.rows(
        serving.listings.now(),
        serving.forecasts,
        now=apps.SATURDAY,
        deadline=serving.config.deadline,
        monotonic=lambda: next(seconds),
    )
    assert [(row.ticker, row.forecast is not None) for row in shown] == [("TSLA", True), ("STX", False)]
    assert shown[1].notes == ("Not verified yet: load the page again.",)


def test_the_examples_name_the_server_as_it_was_asked(client: FlaskClient) -> None:
    markup = client.get("/", headers={"Host": "stocks.local:8000"}).text
    assert "http://stocks.local:8000/predict?ticker=TSLA&amp;as_of=2024-03-08" in markup
    assert "Authorization" not in re.sub("<dd>.*?</dd>", "", markup, flags=re.DOTALL)


def test_the_examples_show_a_token_where_one_is_needed(make: Any) -> None:
    markup = make(token="not-to-be-shown").get("/", headers={"Authorization": "Bearer not-to-be-shown"}).text
    assert markup.count("Authorization: Bearer $TOKEN") == 5
    assert "not-to-be-shown" not in markup


def test_hostile_texts_are_texts() -> None:
    row = page.Row(HOSTILE, HOSTILE, (HOSTILE,), forecast=HOSTILE, verdict=HOSTILE, report="/report/X", as_of=HOSTILE)
    markup = page.render([row], url=HOSTILE, version=HOSTILE, source=HOSTILE, with_token=True).html.decode()
    assert "<script" not in markup
    assert "<img" not in markup
    assert "&lt;script&gt;" in markup


# Reports


def test_the_newest_report_is_served_as_it_is_stored(client: FlaskClient, store: ArtefactStore) -> None:
    answer = client.get("/report/tsla")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.data == Snapshot(store, "TSLA", stores.SESSION).report_file("report.html")
    assert answer.headers["Content-Security-Policy"] == pages.REPORT_POLICY
    assert pages.REPORT_POLICY.startswith("sandbox; default-src 'none'; ")
    assert client.head("/report/TSLA").status_code == 200


def test_a_ticker_without_a_report_has_none(client: FlaskClient) -> None:
    apps.problem(client.get("/report/ZZZZ"), problems.NO_REPORT)


def test_a_damaged_report_is_not_served(make: Any, one_store: ArtefactStore) -> None:
    one_store.path("report", "TSLA", stores.SESSION, "/report.html").write_bytes(b"<h1>another</h1>")
    detail = apps.problem(make(one_store).get("/report/TSLA"), problems.NOT_WHOLE)
    assert str(one_store.base) not in detail


@pytest.mark.parametrize(
    "path",
    [
        *("..", ".", "../../../secret", "..%2f..%2fsecret", "....//secret", "TSLA/../../secret", "TSLA/2024-03-08"),
        *(
            "TSLA/2024-03-08/report.html",
            "/etc/passwd",
            "TSLA\x00",
            "TSLA\x00.html",
            "\\..\\secret",
            "~root",
            "C:",
            "*",
        ),
        *("TSLA.sha256/", "TSLA/.lock", ".lock", "%2e%2e", "..;/secret", "TSLA ", "ＴＳＬＡ", "tsla\n", "T" * 300),
    ],
)
def test_no_report_leads_out_of_the_folder_of_reports(make: Any, one_store: ArtefactStore, path: str) -> None:
    Path(str(one_store.base), "secret").write_text("SECRET")
    Path(str(one_store.base), "report", "secret").write_text("SECRET")
    sent = {"PATH_INFO": f"/report/{path}".encode().decode("latin-1")}
    answer = make(one_store).get("/", environ_overrides=sent)
    assert answer.status_code in (400, 404)
    assert "SECRET" not in answer.text
    apps.problem(answer, problems.MALFORMED if answer.status_code == 400 else problems.NO_PATH)
