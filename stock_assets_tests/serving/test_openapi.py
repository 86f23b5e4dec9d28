"""The OpenAPI document is what the application does: schemathesis asks everything that it allows, and much that not.

In process, without a server or a socket. Every check of schemathesis is at work that needs no second identity and no
clock; where an answer is not one that the document describes, a failure says which request to repeat.
"""

import collections
import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import FuzzConfig
from schemathesis.core.media_types import MEDIA_TYPE_STRATEGIES
from schemathesis.engine import events, from_schema

from stock_assets.serving import problems
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.serving import apps

TOKEN = "a-token-that-is-known"
N_REQUESTS = 10_000

OPERATIONS = {
    *(("get", "/"), ("get", "/health"), ("get", "/metrics"), ("get", "/openapi.json"), ("get", "/predict")),
    *(("post", "/predict"), ("post", "/predict/batch"), ("get", "/report/{ticker}"), ("get", "/tickers")),
}


@pytest.fixture(scope="module")
def store(made_store: Path) -> ArtefactStore:
    """TSLA and STX on three sessions up to Friday 2024-03-08. No test changes it."""
    return ArtefactStore(made_store)


class Asked:
    """An application that counts what it is asked: method, route, status."""

    def __init__(self, app: flask.Flask) -> None:
        self.app = app
        self.answers: collections.Counter[tuple[str, str, int]] = collections.Counter()
        self._inner, app.wsgi_app = app.wsgi_app, self._count  # type: ignore[method-assign]

    def _count(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, *more: Any) -> Any:
            route = environ.get("stock_assets.route", "none")
            self.answers[environ["REQUEST_METHOD"], route, int(status[:3])] += 1
            return start_response(status, *more)

        parts = self._inner(environ, start)
        # Read and closed as a server does; schemathesis does not close.
        try:
            return list(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def statuses(self, method: str, route: str) -> set[int]:
        return {status for asked, at, status in self.answers if (asked, at) == (method, route)}


@pytest.fixture(scope="module")
def asked(store: ArtefactStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """An application that lets everybody in."""
    app = apps.make(store, tmp_path_factory.mktemp("open"))
    yield Asked(app)
    apps.parts(app).recorder.close()


@pytest.fixture(scope="module")
def guarded(store: ArtefactStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One that lets those in who have the token."""
    app = apps.make(store, tmp_path_factory.mktemp("guarded"), token=TOKEN)
    yield Asked(app)
    apps.parts(app).recorder.close()


@pytest.fixture(scope="module")
def document(asked: Asked) -> dict[str, Any]:
    return json.loads(asked.app.test_client().get("/openapi.json").data)


# What schemathesis asks

CELLS = st.sampled_from(["TSLA", "stx", "ZZZZ", "2024-03-08", "2024-03-09", "ticker", "Date", "Close", ""]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
ROWS = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=6)
HEADERS = st.sampled_from(["ticker", "ticker,as_of", "Date,Open,High,Low,Close,Volume", "colour", ""])
TABLES = st.builds(lambda header, rows: "\n".join([header, *rows]).encode(), HEADERS, ROWS)


@pytest.fixture
def tables() -> Iterator[None]:
    """JSON Schema can't say what a CSV is: these are good ones, and bad ones, instead of any text."""
    schemathesis.openapi.media_type("text/csv", TABLES)
    yield
    MEDIA_TYPE_STRATEGIES.pop("text/csv")


def config(*, token: str | None = None) -> schemathesis.Config:
    # With a token the check of that name asks again without it, which in 4.32 can't be done in process: see below.
    guard = {"auth": {"openapi": {"token": {"bearer": token}}}} if token else {}
    accepted = ["2xx", "404", "409"]
    return schemathesis.Config.from_dict(
        {
            "seed": 20240308,
            "generation": {"mode": "all", "database": "none", "no-shrink": True},
            "phases": {
                "coverage": {"generate-duplicate-query-parameters": True},
                "fuzzing": {"enabled": False},
                "stateful": {"enabled": False},
            },
            "checks": {
                "not_a_server_error": {"expected-statuses": ["2xx", "400", "401", "404", "405", "409", "415", "422"]},
                "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "415", "422"]},
                "positive_data_acceptance": {"expected-statuses": accepted},
                "ignored_auth": {"enabled": token is None},
            },
            # A table that is none: beyond what JSON Schema can say of a text.
            "operations": [
                {
                    "include-path": "/predict/batch",
                    "checks": {"positive_data_acceptance": {"expected-statuses": [*accepted, "422"]}},
                }
            ],
        }
        | guard
    )


def failures(stream: Iterable[events.EngineEvent]) -> Iterator[str]:
    """What schemathesis found wrong: the request, and why; and where it could not ask."""
    for event in stream:
        if isinstance(event, events.NonFatalError):
            yield f"{event.label}: {event.value!r}"
        elif isinstance(event, events.FatalError):
            yield repr(event.exception)
        elif isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
            for checks in event.recorder.checks.values():
                for check in checks:
                    if (found := check.failure_info) is not None:
                        why = found.failure
                        yield f"{why.operation}: {why.title}: {why.message}\n{found.code_sample}"


def until(asked: Asked, n: int, stream: Any) -> Iterator[events.EngineEvent]:
    """The events of fuzzing without end, up to the `n`-th request."""
    for event in stream:
        yield event
        if asked.answers.total() >= n:
            stream.stop()


def test_every_corner_of_the_document_is_as_it_says(asked: Asked) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", asked.app, config=config())
    assert list(failures(from_schema(schema).execute())) == []
    assert asked.statuses("GET", "/predict") >= {200, 400}
    assert asked.statuses("POST", "/predict") >= {200, 400, 415}
    assert asked.statuses("POST", "/predict/batch") >= {200, 400}
    # Methods that the document does not have.
    assert {method for method, _, status in asked.answers if status == 405} >= {"DELETE", "PATCH", "PUT", "TRACE"}


def test_every_corner_is_as_it_says_with_a_token_too(guarded: Asked) -> None:
    schema = schemathesis.openapi.from_wsgi(
        "/openapi.json", guarded.app, config=config(token=TOKEN), headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert list(failures(from_schema(schema).execute())) == []
    assert guarded.statuses("GET", "/predict") >= {200, 400}
    assert guarded.statuses("POST", "/predict/batch") >= {200, 400}


@pytest.mark.usefixtures("tables")
def test_ten_thousand_requests_get_no_answer_that_is_not_in_the_document(asked: Asked) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", asked.app, config=config())
    before = asked.answers.total()
    fuzzing = from_schema(schema).fuzz(FuzzConfig(max_time=None))
    assert list(failures(until(asked, before + N_REQUESTS, fuzzing))) == []
    assert asked.answers.total() - before >= N_REQUESTS
    assert asked.statuses("GET", "/predict") >= {200, 400, 404}
    assert asked.statuses("POST", "/predict") >= {200, 400, 404}
    assert asked.statuses("POST", "/predict/batch") >= {200, 400, 422}
    assert not any(status >= 500 for _, _, status in asked.answers)


# What stands in it


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}], ids=str)
@pytest.mark.parametrize(("method", "path"), sorted(OPERATIONS))
def test_a_token_is_required_where_the_document_says_so(
    guarded: Asked, method: str, path: str, sent: dict[str, str]
) -> None:
    client = guarded.app.test_client()
    told = json.loads(client.get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).data)
    operation = told["paths"][path][method]
    answer = client.open(path.format(ticker="TSLA"), method=method.upper(), headers=sent)
    required = operation.get("security", told["security"]) != []
    assert required == (path != "/health")
    assert required == ("401" in operation["responses"])
    assert (answer.status_code == 401) == required


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_it_has_every_route_of_the_application_and_no_other(asked: Asked, document: dict[str, Any]) -> None:
    served = {
        (method.lower(), re.sub("<(.*?)>", r"{\1}", rule.rule))
        for rule in asked.app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    assert {(method, path) for method, path, _ in operations(document)} == OPERATIONS
    assert {(method, path) for method, path in served if method != "head"} == OPERATIONS


def test_it_is_of_this_version_and_needs_no_token_where_there_is_none(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == importlib.metadata.version("stock-assets")
    assert "security" not in document
    assert not any("401" in operation["responses"] for _, _, operation in operations(document))


def test_every_error_is_a_problem_that_the_page_explains(asked: Asked, document: dict[str, Any]) -> None:
    explained = {f"/#{name}" for name in re.findall('<dt id="([^"]+)"', asked.app.test_client().get("/").text)}
    assert explained == {f"/#{kind.name}" for kind in problems.KINDS}
    errors = [
        (status, response)
        for _, path, operation in operations(document)
        for status, response in operation["responses"].items()
        if status[0] in "45" and path != "/health"
    ]
    assert len(errors) > 20
    for status, response in errors:
        [(media, content)] = response["content"].items()
        assert media == "application/problem+json"
        [_, own] = content["schema"]["allOf"]
        assert own["properties"]["status"]["const"] == int(status)
        assert set(own["properties"]["type"]["enum"]) <= explained


def test_its_examples_are_what_the_application_answers(asked: Asked, document: dict[str, Any]) -> None:
    client = asked.app.test_client()
    [example] = [
        operation["responses"]["200"]["content"]["application/json"]["example"]
        for method, path, operation in operations(document)
        if (method, path) == ("get", "/predict")
    ]
    assert list(example) == list(client.get("/predict?ticker=TSLA").json)
    batch = document["paths"]["/predict/batch"]["post"]["requestBody"]["content"]["text/csv"]["examples"]
    for named in batch.values():
        assert (
            client.post("/predict/batch", data=named["value"], content_type="text/csv", buffered=True).status_code
            == 200
        )
