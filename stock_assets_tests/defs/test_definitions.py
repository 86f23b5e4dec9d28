"""What Dagster is told: the graph, its groups, its jobs, how steps are tried again, and what loading costs."""

import datetime as dt
import subprocess
import sys

import dagster as dg
import pytest

from stock_assets.core import checks, configuration
from stock_assets.core.errors import SettingsError, SourceUnavailableError
from stock_assets.definitions import build_defs
from stock_assets.defs import assets, freshness, jobs, partitions, retries
from stock_assets.settings import Settings

# Asset -> (group, what it is made from).
GRAPH = {
    "raw_prices": ("prices", set()),
    "clean_prices": ("prices", {"raw_prices"}),
    "price_metrics": ("analysis", {"clean_prices"}),
    "features": ("modelling", {"clean_prices"}),
    "model": ("modelling", {"features"}),
    "backtest": ("modelling", {"features"}),
    "evaluation": ("modelling", {"backtest"}),
    "tuning": ("modelling", {"features"}),
    "predictions": ("serving", {"features", "model", "evaluation"}),
    "track_record": ("monitoring", {"clean_prices", "features"}),
    "report": (
        "reporting",
        {"raw_prices", "clean_prices", "price_metrics", "model", "backtest", "evaluation", "predictions"}
        | {"track_record"},
    ),
    "summary": ("reporting", {"report", "price_metrics", "evaluation", "predictions"}),
}
WHOLE = GRAPH.keys() - {"tuning", "summary"}
NOT_TRAINED = WHOLE - {"model", "backtest", "evaluation"}

# Of a session, not of a ticker and a session.
PAGES = {"watchlist_page": ("reporting", {"report"})}

# Imports what the UI and every run import, with each warning an error and without any network.
LOADING = """
import socket, sys
def refuse(*args): raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refuse
import stock_assets.definitions
heavy = "pandas numpy scipy sklearn matplotlib yfinance curl_cffi pyarrow pandera skops exchange_calendars upath"
print(*(name for name in f"{heavy} fpdf markdown_it".split() if name in sys.modules))
"""


@pytest.fixture
def settings(tmp_path) -> Settings:
    watchlist = tmp_path / "watchlist.yaml"
    watchlist.write_text("tickers: [TSLA, STX]\n")
    return Settings.from_environment(
        {
            "STOCK_ASSETS_DATA_DIR": str(tmp_path / "data"),
            "STOCK_ASSETS_WATCHLIST": str(watchlist),
            "DAGSTER_HOME": str(tmp_path / "home"),
        }
    )


@pytest.fixture
def defs(settings) -> dg.Definitions:
    return build_defs(settings)


def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_the_assets_and_what_each_is_made_from(defs):
    edges = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs(defs).items()}
    assert edges == {name: upstream for name, (_, upstream) in (GRAPH | PAGES).items()}


def test_a_partition_depends_on_no_other_partition(defs):
    """To Dagster: or a backfill of one session would take in others. `most_recent` looks back by itself."""
    assert {dep.partition_mapping for spec in specs(defs).values() for dep in spec.deps} == {None}


def test_groups_are_folders(defs):
    groups = {name: spec.group_name for name, spec in specs(defs).items()}
    assert groups == {name: group for name, (group, _) in (GRAPH | PAGES).items()}
    for asset in assets.ALL:
        [name] = [key.to_user_string() for key in asset.keys]
        assert asset.op.compute_fn.decorated_fn.__module__ == f"stock_assets.defs.assets.{groups[name]}.{name}"


@pytest.mark.parametrize("name", GRAPH)
def test_every_asset_tells_about_itself(defs, name):
    spec = specs(defs)[name]
    assert spec.description is not None
    assert len(spec.description) > 60
    assert spec.owners == ["team:stock-assets"]
    assert spec.kinds
    assert spec.code_version
    assert [part.name for part in spec.partitions_def.partitions_defs] == [partitions.SESSION, partitions.TICKER]
    assert spec.partitions_def.has_partition_key(partitions.key("STX", dt.date(2020, 1, 2)))


def test_the_watchlist_page_has_a_partition_a_session_and_a_job_of_its_own(defs):
    spec = specs(defs)["watchlist_page"]
    assert (spec.owners, bool(spec.description), bool(spec.kinds), bool(spec.code_version)) == (
        ["team:stock-assets"],
        True,
        True,
        True,
    )
    job = defs.resolve_job_def("watchlist_job")
    for partitions_def in (spec.partitions_def, job.partitions_def):
        assert partitions_def == specs(defs)["report"].partitions_def.get_partitions_def_for_dimension("date")
    assert job.description


def test_materialize_all_is_one_run_of_one_partition(defs):
    """With assets of another partitioning among them it would be a backfill, which waits for every ticker."""
    graph = defs.resolve_asset_graph()
    materializable = {graph.get(key).partitions_def for key in graph.materializable_asset_keys}
    assert materializable == {specs(defs)["report"].partitions_def}
    assert dg.AssetKey("watchlist_page") not in graph.materializable_asset_keys


def test_definitions_can_be_loaded_by_dagster(defs):
    dg.Definitions.validate_loadable(defs)


def test_the_grid_follows_watchlist_and_first_session(tmp_path):
    watchlist = tmp_path / "watchlist.yaml"
    watchlist.write_text("tickers: [BRK-B]\n")
    environment = {"STOCK_ASSETS_WATCHLIST": str(watchlist), "STOCK_ASSETS_FIRST_SESSION": "2024-07-01"}
    grid = specs(build_defs(Settings.from_environment(environment)))["report"].partitions_def
    keys = grid.get_partition_keys(dt.datetime(2024, 7, 5, 22, tzinfo=dt.UTC))
    assert keys == [f"2024-07-0{day}|BRK-B" for day in (1, 2, 3, 5)]  # the 4th is Independence Day


@pytest.mark.parametrize(
    ("job", "selected"),
    [
        ("whole_graph_job", set(WHOLE)),
        ("daily_job", set(NOT_TRAINED)),
        ("training_job", {"model", "backtest", "evaluation"}),
        ("tuning_job", {"tuning"}),
        ("summary_job", {"summary"}),
    ],
)
def test_jobs(defs, job, selected):
    resolved = defs.resolve_job_def(job)
    assert {key.to_user_string() for key in resolved.asset_layer.selected_asset_keys} == selected
    assert resolved.executor_def is dg.in_process_executor
    assert resolved.description


def test_some_assets_are_never_made_unasked(defs):
    assert assets.BY_HAND == ("tuning", "summary")
    for job in jobs.ALL:
        made = {key.to_user_string() for key in defs.resolve_job_def(job.name).asset_layer.selected_asset_keys}
        assert made.isdisjoint(assets.BY_HAND) or made == {job.name.removesuffix("_job")}
    by_itself = {schedule.job_name for schedule in defs.schedules if schedule.default_status.value == "RUNNING"}
    assert by_itself == {"daily_job", "whole_graph_job"}


def test_whatever_ticks_says_what_it_does(defs):
    """In the words of `description`: Dagster does not read the docstrings of sensors and schedules."""
    told = {one.name: one.description for one in (*defs.sensors, *defs.schedules)}
    assert len(told) >= 6
    assert {name for name, description in told.items() if len(description or "") < 60} == set()


def test_the_launchpad_offers_every_key_with_its_meaning(defs):
    schema = defs.resolve_job_def("tuning_job").resource_defs["model_settings"].config_schema.config_type
    assert {name: field.description for name, field in schema.fields.items()} == configuration.KEYS
    assert not any(field.is_required for field in schema.fields.values())


def test_checks_are_those_of_core(defs):
    expected = {(asset, check.name): check for asset, asked in checks.ASKED.items() for check in asked}
    graph = defs.resolve_asset_graph()
    calendar = {freshness.REPORT_CHECK, freshness.MODEL_CHECK}
    keys = {key for key in graph.asset_check_keys if key.name not in calendar}
    found = {(key.asset_key.to_user_string(), key.name): graph.get_check_spec(key) for key in keys}
    assert found.keys() == expected.keys()
    for key, check in expected.items():
        assert found[key].blocking == check.blocking
        severity = "Blocks" if check.blocking else "Warns"
        assert found[key].description == f"{check.description} {severity}: {check.why}"
        assert found[key].partitions_def == specs(defs)[key[0]].partitions_def


def test_checks_of_an_asset_are_one_step(defs):
    """A step costs more than a check: its table is read once."""
    asked_of_tables = {check.op.name for check in defs.asset_checks} - {"freshness_of_report", "freshness_of_model"}
    assert asked_of_tables == {f"{asset}_checks" for asset in checks.ASKED}


@pytest.mark.parametrize(
    ("asset", "retries_of_step"),
    [
        ("raw_prices", 0),  # asks for its own, by the kind of error: see test_retries
        ("clean_prices", 0),
        ("price_metrics", 1),
        ("features", 1),
        ("model", 0),
        ("backtest", 0),
        ("evaluation", 1),
        ("predictions", 1),
        ("track_record", 1),
        ("report", 1),
    ],
)
def test_retries_of_each_step(defs, asset, retries_of_step):
    policy = defs.resolve_job_def("whole_graph_job").get_node_named(asset).definition.retry_policy
    assert (policy.max_retries if policy else 0) == retries_of_step


def test_the_wait_before_a_fetch_doubles_with_jitter():
    for retry, middle in ((0, 5.0), (1, 10.0), (2, 20.0)):
        waits = [retries.fetch_wait(5.0, retry) for _ in range(200)]
        assert middle * 0.75 <= min(waits) < middle < max(waits) <= middle * 1.25


def test_no_wait_when_there_is_none_to_begin_with():
    assert retries.fetch_wait(0.0, 2) == 0.0


def test_the_fetch_gives_up_after_three_retries():
    assert retries.fetch_again(SourceUnavailableError("busy"), 0.0, 0).max_retries == 3


def test_the_source_is_left_alone_for_as_long_as_it_asked():
    asked = SourceUnavailableError("busy", retry_after=90.0)
    assert retries.fetch_again(asked, 5.0, 0).seconds_to_wait == 90.0
    briefly = SourceUnavailableError("busy", retry_after=1.0)
    assert 15.0 <= retries.fetch_again(briefly, 5.0, 2).seconds_to_wait <= 25.0


def test_a_source_that_asks_for_an_hour_is_not_waited_for():
    given_up = retries.fetch_again(SourceUnavailableError("TSLA 2024-03-08: busy", retry_after=3600.0), 5.0, 0)
    assert isinstance(given_up, dg.Failure)
    assert not given_up.allow_retries
    told = "TSLA 2024-03-08: busy; it asks to be left alone for 3600 s, and 300 s is the longest wait"
    assert given_up.description == told


def test_loading_imports_nothing_heavy_warns_of_nothing_and_needs_no_network(tmp_path):
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADING],
        env={"STOCK_ASSETS_DATA_DIR": str(tmp_path), "DAGSTER_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (loaded.returncode, loaded.stdout.strip(), loaded.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_watchlist(settings):
    settings.watchlist.write_text("tickers: [TSLA, ../etc]\n")
    with pytest.raises(SettingsError, match="entry 2"):
        build_defs(settings)


def test_an_override_that_is_no_resource(settings):
    with pytest.raises(TypeError, match=r"no resource is called price; there are .*prices"):
        build_defs(settings, price=None)
