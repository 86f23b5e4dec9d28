"""What each asset tells in the UI: pictures that are pictures, the numbers that are stored, under names that stay."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from stock_assets.defs import asset_metadata, describe, resources
from stock_assets.reporting import small_charts
from stock_assets_tests.defs.graph import ALL, SESSION, CannedSource, Graph, later, metadata

PICTURES = {
    "clean_prices": ["closes"],
    "price_metrics": ["drawdowns"],
    "model": ["importance"],
    "evaluation": ["growth", "calibration"],
    "predictions": ["forecast"],
}
# There is nothing to compare with before the second snapshot of a ticker, and no rows to show without a repair.
AT_TIMES = {"revisions"}
NUMBERS = (dg.IntMetadataValue, dg.FloatMetadataValue)

Told = dict[str, dict[str, Any]]


def told(result: dg.ExecuteInProcessResult) -> Told:
    return {asset: metadata(result, asset) for asset in ALL}


def numbers(of_asset: dict[str, Any]) -> set[str]:
    return {name for name, value in of_asset.items() if isinstance(value, NUMBERS)}


def picture(name: str, value: dg.MetadataValue) -> str:
    """The address of a picture that the UI shows at once: longer texts are behind a link."""
    assert isinstance(value, dg.MarkdownMetadataValue)
    assert len(value.md_str) < 1000
    found = re.fullmatch(rf"!\[{name}\]\(<(data:image/svg\+xml,[^<>&]+)>\)", value.md_str)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def first(finished: tuple[Graph, dg.ExecuteInProcessResult]) -> Told:
    return told(finished[1])


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Told]]:
    """Another ticker, whose prices are simulated, on two other sessions; the second without training."""
    source = CannedSource()
    source.name = "simulated"
    folder = tmp_path_factory.mktemp("others")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        graph = Graph(folder, instance, prices=source)
        trained = told(graph.run("whole_graph_job", ticker="STX"))
        evening = graph.run("daily_job", ticker="STX", session=later(1))
        untrained = {name: metadata(evening, name) for name in ALL if evening.asset_materializations_for_node(name)}
        yield [trained, untrained]


def test_a_number_has_the_same_name_in_every_materialisation(first: Told, others: list[Told]) -> None:
    for other in others:
        assert len(other) >= 6
        for asset in other:
            assert numbers(other[asset]) - AT_TIMES == numbers(first[asset]), asset


@pytest.mark.parametrize("asset", ALL)
def test_seconds_and_bytes_are_told(first: Told, asset: str) -> None:
    assert 0 <= first[asset]["seconds"].value < 300
    assert first[asset]["bytes"].value > 0
    assert first[asset]["path"].value


def test_seconds_are_those_of_the_log(finished: tuple[Graph, dg.ExecuteInProcessResult], first: Told) -> None:
    graph, _ = finished
    for asset in ALL:
        [end] = [line for line in graph.log(asset) if " finished in " in line]
        # Opening the log counts too.
        assert -0.006 < first[asset]["seconds"].value - float(end.split()[-2]) < 0.5


def test_the_numbers_an_operator_looks_for(finished: tuple[Graph, dg.ExecuteInProcessResult], first: Told) -> None:
    snapshot = finished[0].snapshot()
    metrics, card, scores = (snapshot.document(name) for name in ("price_metrics", "model", "evaluation"))
    forecast = snapshot.table("predictions").iloc[0]
    direction, traded = scores["classification"], scores["backtest"]
    expected = {
        ("clean_prices", "last return"): metrics["last_return"],
        ("price_metrics", "drawdown"): metrics["drawdown"]["current"],
        ("price_metrics", "annual volatility"): metrics["annual_volatility"]["all"],
        ("model", "rows trained on"): card["n_train"],
        ("model", "attempts"): len(card["attempts"]),
        ("model", "accuracy, holdout"): card["holdout"]["accuracy"],
        ("model", "Brier score, in sample"): card["in_sample"]["brier"],
        ("evaluation", "accuracy"): direction["accuracy"],
        ("evaluation", "Brier score, naive"): direction["brier_naive"],
        ("evaluation", "log loss"): direction["log_loss"],
        ("evaluation", "out-of-sample R2"): scores["regression"]["r2_oos"],
        ("evaluation", "interval coverage"): scores["interval"]["coverage"],
        ("evaluation", "Sharpe ratio, held"): traded["buy_and_hold"]["sharpe"],
        ("predictions", "interval low"): forecast["interval_low"],
        ("predictions", "model's age in sessions"): 0,
    }
    for (asset, name), value in expected.items():
        assert first[asset][name].value == pytest.approx(value, rel=1e-5), (asset, name)
        assert isinstance(first[asset][name], NUMBERS), (asset, name)
    assert first["model"]["usable until"].value == card["last_session"]
    assert first["model"]["settings fingerprint"].value == card["fingerprint"]


def test_seconds_are_told_of_what_is_made_by_hand_too(make_graph) -> None:
    """Whose bodies yield what they made, and only when there is something to make."""
    graph = make_graph()
    assert graph.run("whole_graph_job").success
    searched = graph.run("tuning_job", ops={"tuning": {"grid": {"window": [None, 150]}}})
    written = graph.run("summary_job", ops={"summary": {"narrative": "A quiet session."}})
    for result, asset in ((searched, "tuning"), (written, "summary")):
        assert metadata(result, asset)["seconds"].value > 0


def test_the_age_of_the_model_is_told(others: list[Told]) -> None:
    assert others[1]["predictions"]["model's age in sessions"].value == 1
    assert others[1]["predictions"]["model of"].value == str(SESSION)


@pytest.mark.parametrize("asset", PICTURES)
def test_pictures_are_small_and_stand_above_the_numbers(first: Told, asset: str) -> None:
    for name in PICTURES[asset]:
        assert picture(name, first[asset][name])
    told_first = [name for name in first[asset] if not name.startswith("dagster/")]
    assert told_first[: 1 + len(PICTURES[asset])] == ["source", *PICTURES[asset]]


def test_there_are_no_other_pictures(first: Told) -> None:
    for asset, of_asset in first.items():
        found = [name for name, value in of_asset.items() if isinstance(value, dg.MarkdownMetadataValue)]
        assert found == PICTURES.get(asset, [])


def test_a_picture_depends_on_the_artefacts_only(
    finished: tuple[Graph, dg.ExecuteInProcessResult], first: Told
) -> None:
    clean = finished[0].snapshot().table("clean_prices")
    again = small_charts.closes(clean, label=f"TSLA {SESSION}", simulated=False)
    assert picture("closes", first["clean_prices"]["closes"]) == again


def test_the_years_of_an_evaluation_are_a_table(finished: tuple[Graph, dg.ExecuteInProcessResult], first: Told) -> None:
    years = finished[0].snapshot().document("evaluation")["by_year"]
    rows = [record.data for record in first["evaluation"]["by year"].records]
    assert [row["year"] for row in rows] == [str(year["year"]) for year in years]
    assert float(rows[0]["accuracy"]) == pytest.approx(years[0]["accuracy"], rel=1e-4)


def test_what_is_large_is_kept_twice_and_not_three_times(
    finished: tuple[Graph, dg.ExecuteInProcessResult],
) -> None:
    """Dagster keeps the metadata of an output in the event of the output too."""
    _, result = finished
    for event in result.all_events:
        if event.is_successful_output and event.step_key in ALL:
            kinds = {type(value) for value in event.step_output_data.metadata.values()}
            assert not kinds & {dg.TableMetadataValue, dg.TableSchemaMetadataValue, dg.JsonMetadataValue}


def test_an_evening_costs_little_of_dagsters_storage(first: Told) -> None:
    """Of one ticker, all that assets tell: 120 kB, kept for good."""
    size = sum(len(dg.serialize_value(value)) for of_asset in first.values() for value in of_asset.values())
    assert size < 130_000


def test_repaired_rows_are_shown(make_graph) -> None:
    def twice(bars, ticker, session):
        import pandas as pd

        return pd.concat([bars, bars.loc[["2023-11-24"]]]).sort_index(kind="stable")

    result = make_graph(prices=CannedSource(change=twice)).run(["raw_prices", "clean_prices"])
    shown = metadata(result, "clean_prices")
    assert shown["rows repaired"].value == 1
    [row] = shown["repaired rows"].records
    assert (row.data["session"], row.data["repairs"]) == ("2023-11-24", "repeated_bar_dropped")


def test_the_importance_of_shuffled_features_is_preferred() -> None:
    from stock_assets.defs.logs import Work

    work = Work("TSLA", SESSION, None)
    card = {
        "source": "csv",
        "feature_importance": {"a": 0.7, "b": 0.3},
        "feature_importance_measures": "mean decrease in impurity, in sample: a hint, no proof",
    }
    shuffled = {"features": {"a": {"mean": 0.1, "deviation": 0.2}, "b": {"mean": 0.4, "deviation": 0.1}}}
    by_impurity = asset_metadata._importance(card, work)
    by_shuffling = asset_metadata._importance(card | {"permutation_importance": shuffled}, work)
    look = {"label": f"TSLA {SESSION}", "simulated": False}
    assert by_impurity == small_charts.importance({"a": 0.7, "b": 0.3}, measure="mean decrease in impurity", **look)
    assert by_shuffling == small_charts.importance(
        {"a": 0.1, "b": 0.4}, {"a": 0.2, "b": 0.1}, measure="loss when a feature is shuffled", **look
    )


def test_lines_leave_out_what_is_not_defined() -> None:
    [row] = describe.lines(["year", "R2"], [["2024", None]]).records
    assert row.data == {"year": "2024", "R2": ""}


def test_every_resource_says_what_it_is_for(finished: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    graph, _ = finished
    for name, resource in graph.defs.resources.items():
        assert isinstance(resource, dg.ResourceDefinition)
        assert resource.description, name


def test_a_resource_takes_no_config() -> None:
    described = resources.described("clock", dt.UTC)
    assert described.config_schema.config_type.fields == {}
    assert json.dumps(described.description)


def test_everything_in_the_listing_says_what_it_is(finished: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    """Assets, checks and jobs; which columns tables have is in test_tables."""
    graph = finished[0].defs
    for spec in graph.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert len(spec.description or "") > 60, name
        assert spec.owners, name
        assert spec.group_name, name
        assert spec.kinds, name
        assert spec.code_version, name
        assert spec.tags["cadence"] in ("every-session", "training", "by-hand"), name
    for checks in graph.asset_checks:
        for check in checks.check_specs:
            assert len(check.description or "") > 40, check.name
    for job in graph.jobs:
        assert graph.resolve_job_def(job.name).description, job.name


def test_the_cadence_follows_the_jobs(finished: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    cadences = {spec.key.to_user_string(): spec.tags["cadence"] for spec in finished[0].defs.resolve_all_asset_specs()}
    assert cadences["raw_prices"] == cadences["report"] == cadences["watchlist_page"] == "every-session"
    assert cadences["model"] == cadences["backtest"] == cadences["evaluation"] == "training"
    assert cadences["tuning"] == cadences["summary"] == "by-hand"


def test_every_field_of_the_launchpad_has_its_meaning(finished: tuple[Graph, dg.ExecuteInProcessResult]) -> None:
    graph = finished[0].defs
    for job, asset in (("tuning_job", "tuning"), ("summary_job", "summary")):
        fields = graph.resolve_job_def(job).get_node_named(asset).definition.config_schema.config_type.fields
        assert fields
        for name, field in fields.items():
            assert field.description, (asset, name)
