"""The Dagster UI as a newcomer meets it: `stock-assets ui` with its web server and daemon, and a browser that clicks.

One server for the module. Prices are invented and read from CSV files: GOOD's are whole, those of BAD have three bars
with high below low.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest

from stock_assets.core import checks, schemas
from stock_assets.defs import assets
from stock_assets.sources.simulated import SimulatedSource
from stock_assets_tests.end_to_end import browser as browsers
from stock_assets_tests.end_to_end.ui_server import Server, serving, until

THURSDAY, FRIDAY = dt.date(2024, 3, 7), dt.date(2024, 3, 8)
# As few bars as the default model can be judged on, so that a run is quick.
FIRST_BAR = "2019-11-01"
FAULTS = ("2021-05-03", "2022-05-02", "2023-05-01")

GROUPS = {
    "prices": ["raw_prices", "clean_prices"],
    "analysis": ["price_metrics"],
    "modelling": ["features", "model", "backtest", "evaluation", "tuning"],
    "serving": ["predictions"],
    "reporting": ["report", "summary", "watchlist_page"],
    "monitoring": ["track_record"],
}
FILES = {
    "raw_prices": ".parquet",
    "clean_prices": ".parquet",
    "price_metrics": ".json",
    "features": ".parquet",
    "model": ".skops",
    "backtest": ".parquet",
    "evaluation": ".json",
    "predictions": ".parquet",
    "track_record": ".parquet",
    "report": "/report.html",
}
# The graph with every group opened.
LINEAGE = "/asset-groups?expanded=" + quote(",".join(f"global@global:{group}" for group in GROUPS), safe="")

CHECKS = """
    query ($asset: AssetKeyInput!, $check: String!, $partition: String!) {
      assetCheckExecutions(assetKey: $asset, checkName: $check, partition: $partition, limit: 1) {
        status
        evaluation {
          success severity description partition
          metadataEntries {
            label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text }
            ... on TableMetadataEntry { table { records } }
          }
        }
      }
    }"""


def write_prices(folder: Path, ticker: str, *, faults: tuple[str, ...] = ()) -> None:
    """Invented bars up to FRIDAY in Yahoo's columns; on the sessions of `faults`, high and low have changed places."""
    bars = SimulatedSource().fetch(ticker, FRIDAY).bars.loc[FIRST_BAR : str(FRIDAY)].copy()
    bad = pd.to_datetime(list(faults))
    bars.loc[bad, ["high", "low"]] = bars.loc[bad, ["low", "high"]].to_numpy()
    headings = {name: name.replace("_", " ").title() for name in schemas.RAW_PRICES.columns}
    bars.rename(columns=headings).rename_axis("Date").to_csv(folder / f"{ticker}.csv")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ui")
    (folder / "prices").mkdir()
    write_prices(folder / "prices", "GOOD")
    write_prices(folder / "prices", "BAD", faults=FAULTS)
    with serving(folder, ("GOOD", "BAD")) as server:
        yield server


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[browsers.Browser]:
    with browsers.opened(server.url) as browser:
        yield browser


@pytest.fixture(scope="module")
def clicked(server: Server, browser: browsers.Browser) -> str:
    """The run that materialises everything of GOOD and THURSDAY, started by clicking; it has ended."""
    page = browser.page
    page.goto(LINEAGE)
    page.get_by_role("button", name="Materialize all").click()
    sessions = page.get_by_placeholder("ex: ")
    sessions.fill(str(THURSDAY))
    sessions.press("Enter")
    page.get_by_text("Select a partition").click()
    page.get_by_text("GOOD", exact=True).first.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch 1 run").click()

    def started() -> str | None:
        query = "query ($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results { id } } } }"
        tag = {"key": "dagster/partition", "value": f"{THURSDAY}|GOOD"}
        found = server.ask(query, filter={"tags": [tag]})["runsOrError"]["results"]
        return found[0]["id"] if found else None

    run_id = until(started, "the run is there")
    server.outcome(run_id)
    return run_id


@dataclass(frozen=True)
class Evening:
    """Two runs that went on at the same time, after GOOD was trained on THURSDAY."""

    bad: str
    good: str


@pytest.fixture(scope="module")
def evening(server: Server, clicked: str) -> Evening:
    """Everything for BAD and THURSDAY, and what an evening needs for GOOD and FRIDAY."""
    evening = Evening(server.launch("whole_graph_job", "BAD", THURSDAY), server.launch("daily_job", "GOOD", FRIDAY))
    server.outcome(evening.bad)
    server.outcome(evening.good)
    return evening


def test_definitions_load(server):
    query = """{
      workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError {
        ... on RepositoryLocation { repositories { jobs { name } assetGroups { groupName assetKeys { path } } } }
      } } } }
      instance { daemonHealth { allDaemonStatuses { daemonType lastHeartbeatErrors { message } } } }
      shouldShowNux
    }"""
    answer = server.ask(query)
    [location] = answer["workspaceOrError"]["locationEntries"]
    assert location["loadStatus"] == "LOADED"
    [repository] = location["locationOrLoadError"]["repositories"]
    jobs = {job["name"] for job in repository["jobs"] if not job["name"].startswith("__")}
    by_hand = {"tuning_job", "summary_job", "watchlist_job", "housekeeping_job", "backfill_job"}
    assert jobs == {"whole_graph_job", "daily_job", "evening_job", "training_job", *by_hand}
    groups = {
        group["groupName"]: {key["path"][-1] for key in group["assetKeys"]} for group in repository["assetGroups"]
    }
    assert groups == {group: set(members) for group, members in GROUPS.items()}
    assert not any(daemon["lastHeartbeatErrors"] for daemon in answer["instance"]["daemonHealth"]["allDaemonStatuses"])
    assert answer["shouldShowNux"] is False, "a window that asks for an e-mail address covers the first page"


def test_the_graph_shows_every_asset_in_its_group(server, browser):
    from playwright.sync_api import expect

    browser.page.goto(LINEAGE)
    drawing = browser.page.locator("foreignObject")
    assert sum(map(len, GROUPS.values())) == len(assets.ALL) + 1 == 13  # the page of all tickers is external
    for group, members in GROUPS.items():
        expect(drawing.filter(has_text=re.compile(f"^{group}$"))).not_to_have_count(0)
        for asset in members:
            expect(drawing.filter(has_text=re.compile(f"^{asset}$"))).to_have_count(1)


def test_a_partition_is_materialised_by_clicking(server, clicked):
    assert server.outcome(clicked) == "SUCCESS"
    assert server.materialised(clicked) == set(FILES)
    for asset, ending in FILES.items():
        assert (server.data / asset / "GOOD" / f"{THURSDAY}{ending}").exists()


def test_an_assets_page_tells_what_it_is_and_holds(server, browser, clicked):
    from playwright.sync_api import expect

    page = browser.page
    table = server.snapshot("GOOD", THURSDAY).table("raw_prices")
    page.goto("/assets/raw_prices?view=overview")
    expect(page.get_by_text(f"{THURSDAY}|GOOD")).to_be_visible()
    expect(page.get_by_text("as the source served them that evening")).to_be_visible()
    # The number of rows, the meaning of a column, the last close, and where it is.
    expect(page.get_by_text(f"{len(table):,}", exact=True)).to_be_visible()
    expect(page.get_by_text("Cash a share that goes ex on this session").first).to_be_visible()
    metadata = page.get_by_role("table").filter(has_text="fetched at").last
    for name in ("source", "last close", "splits", "last rows", "path", "checksum"):
        expect(metadata.get_by_text(name, exact=True).first).to_be_visible()
    expect(metadata).to_contain_text(str(server.data / "raw_prices" / "GOOD" / f"{THURSDAY}.parquet"))
    expect(metadata).to_contain_text(f"{table['volume'].iloc[-1]:,.0f}")


def test_pictures_are_shown_without_a_click(server, browser, clicked):
    from playwright.sync_api import expect

    for asset, picture in (("clean_prices", "closes"), ("evaluation", "calibration"), ("predictions", "forecast")):
        browser.page.goto(f"/assets/{asset}?view=overview")
        shown = browser.page.get_by_role("img", name=picture, exact=True)
        expect(shown).to_be_visible()
        assert shown.evaluate("picture => picture.naturalWidth") == 480


def test_the_checks_are_shown_as_passed(server, browser, clicked):
    from playwright.sync_api import expect

    for asset in ("raw_prices", "clean_prices", "features"):
        count = len(checks.ASKED[asset])
        browser.page.goto(f"/assets/{asset}?view=checks")
        expect(browser.page.get_by_text(f"Checks ({count})")).to_be_visible()
        expect(browser.page.get_by_text("Succeeded", exact=True)).to_have_count(count)


def test_bad_prices_stop_their_own_partition_only(server, evening):
    assert server.outcome(evening.bad) == "FAILURE"
    assert server.materialised(evening.bad) == {"raw_prices"}
    assert sorted(path.parent.name for path in server.data.glob("*/BAD")) == ["quarantine", "raw_prices"]
    assert server.outcome(evening.good) == "SUCCESS"


def test_a_failed_check_tells_partition_and_bars(server, evening):
    [execution] = server.ask(
        CHECKS, asset={"path": ["raw_prices"]}, check="high_is_at_least_low", partition=f"{THURSDAY}|BAD"
    )["assetCheckExecutions"]
    evaluation = execution["evaluation"]
    assert (execution["status"], evaluation["success"], evaluation["severity"]) == ("FAILED", False, "WARN")
    assert evaluation["partition"] == f"{THURSDAY}|BAD"
    told = {entry["label"]: entry for entry in evaluation["metadataEntries"]}
    assert told["observed"]["intValue"] == len(FAULTS)
    assert told["expected"]["text"] == "0 rows with high below low"
    rows = [json.loads(record) for record in told["offending sessions"]["table"]["records"]]
    assert [row["session"] for row in rows] == list(FAULTS)


def test_the_page_of_a_failed_run_names_partition_and_bars(server, browser, evening):
    from playwright.sync_api import expect

    browser.page.goto(f"/runs/{evening.bad}")
    told = browser.page.get_by_text(re.compile(rf"BAD {THURSDAY}: \d bars? .*{FAULTS[-1]}"))
    expect(told.first).to_be_visible()


def test_the_evening_uses_the_model_of_the_session_before(server, evening):
    assert server.materialised(evening.good) == set(FILES) - {"model", "backtest", "evaluation"}
    [model_as_of] = server.snapshot("GOOD", FRIDAY).table("predictions")["model_as_of"]
    assert model_as_of == pd.Timestamp(THURSDAY)


def test_training_needs_no_new_prices(server, evening):
    run_id = server.launch("training_job", "GOOD", FRIDAY)
    assert server.outcome(run_id) == "SUCCESS"
    assert server.materialised(run_id) == {"model", "backtest", "evaluation"}
    assert server.snapshot("GOOD", FRIDAY).document("evaluation")["as_of"] == str(FRIDAY)


def test_the_watchlist_page_is_made_by_its_job(server, browser, evening):
    """Whatever failed; as a partition of the session, in the graph beside what it shows."""
    from playwright.sync_api import expect

    assert server.outcome(server.launch_session("watchlist_job", THURSDAY)) == "SUCCESS"
    page = (server.data / "watchlist_page" / "ALL_TICKERS" / f"{THURSDAY}.html").read_text()
    assert page.index('data-ticker="BAD"') < page.index('data-ticker="GOOD"')
    assert "Halted at clean_prices" in page
    assert "This session" in page
    browser.page.goto("/assets/watchlist_page?view=overview")
    expect(browser.page.get_by_text("2 tickers, 1 needs attention").first).to_be_visible()
    expect(browser.page.get_by_text(str(THURSDAY), exact=True).first).to_be_visible()


def test_the_pages_ask_nothing_of_other_machines(browser, clicked, evening):
    assert browser.requests
    assert browser.external_requests() == []


def test_the_pages_meet_no_error(browser, clicked, evening):
    assert browser.errors == []
