"""What a report is made from: which card, which earlier snapshot, what is said of the data, and at what cost."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from stock_assets.core.errors import MissingArtefactError
from stock_assets.core.track_record import TrackRecord
from stock_assets.defs import report_inputs
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot
from stock_assets_tests.defs.graph import SESSION, TRAINED, CannedSource, later

CORRECTED = pd.Timestamp("2023-05-01")

# Gathers the inputs of SESSION in a new process, as the step of the report does, and tells what that has imported.
GATHERING = """
import datetime, sys
from stock_assets.core import track_record
from stock_assets.defs import report_inputs
from stock_assets.storage import artefacts, snapshots
store, session = artefacts.ArtefactStore(sys.argv[1]), datetime.date.fromisoformat(sys.argv[2])
stored = snapshots.Snapshot(store, "TSLA", session)
inputs = report_inputs.gather(
    store,
    "TSLA",
    session,
    **{name: stored.table(name) for name in ("raw_prices", "clean_prices", "backtest", "predictions")},
    **{name: stored.document(name) for name in ("price_metrics", "evaluation")},
    track_record=track_record.TrackRecord(stored.table("track_record"), stored.document("track_record")),
)
print(inputs.card["as_of"], *(name for name in ("sklearn", "skops", "matplotlib") if name in sys.modules))
"""


def gathered(store, trained_on=SESSION):
    """The inputs of the report of TSLA on SESSION, read from the store."""
    stored, trained = Snapshot(store, "TSLA", SESSION), Snapshot(store, "TSLA", trained_on)
    return report_inputs.gather(
        store,
        "TSLA",
        SESSION,
        **{name: stored.table(name) for name in ("raw_prices", "clean_prices", "predictions")},
        price_metrics=stored.document("price_metrics"),
        backtest=trained.table("backtest"),
        evaluation=trained.document("evaluation"),
        track_record=TrackRecord(stored.table("track_record"), stored.document("track_record")),
    )


def test_the_card_and_the_quality_are_those_of_the_partition(finished):
    graph, _ = finished
    inputs = gathered(graph.store)
    assert inputs.card == graph.snapshot().document("model")
    assert inputs.quality["ticker"] == inputs.ticker == "TSLA"
    assert inputs.quality["as_of"] == inputs.card["as_of"] == SESSION.isoformat()
    assert inputs.quality["source"] == inputs.source == "canned"
    assert inputs.quality["n_sessions"] == len(inputs.clean)
    assert inputs.quality["revisions"]["why"] == f"no snapshot since {later(-1)}"


def test_the_checksum_is_that_of_the_seal(finished):
    """As `sha256sum` gives it: raw prices consist of nothing but their table."""
    graph, _ = finished
    seal = graph.store.path("raw_prices", "TSLA", SESSION, ".parquet").with_suffix(".sha256").read_bytes()
    assert gathered(graph.store).quality["checksum"] == hashlib.sha256(seal).hexdigest()


def test_of_the_model_nothing_but_the_card_is_loaded(finished):
    graph, _ = finished
    command = [sys.executable, "-c", GATHERING, graph.settings.data_dir, SESSION.isoformat()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [SESSION.isoformat()]


def test_the_card_is_that_of_the_model_behind_the_forecast(make_graph):
    """Not of one that was trained after the forecast was made."""
    graph = make_graph()
    assert graph.run(TRAINED, session=later(-3)).success
    assert graph.run("daily_job").success
    assert graph.run("training_job").success
    assert gathered(graph.store, trained_on=later(-3)).card["as_of"] == later(-3).isoformat()
    assert graph.run(["report"]).success
    assert graph.run(["predictions"]).success
    assert gathered(graph.store).card["as_of"] == SESSION.isoformat()


def test_what_the_source_revised_since_the_session_before_is_told(make_graph):
    """Not since an older one: what a page says would change when sessions between are made later."""

    def correct(bars, ticker, session):
        if session == SESSION:
            bars.loc[CORRECTED, ["close", "adj_close"]] *= 1.001
        return bars

    graph = make_graph(prices=CannedSource(change=correct))
    assert graph.run(["raw_prices"], session=later(-2)).success
    assert graph.run(["raw_prices"], session=later(1)).success
    assert graph.run("whole_graph_job").success
    assert gathered(graph.store).quality["revisions"]["why"] == f"no snapshot since {later(-1)}"
    assert graph.run(["raw_prices"], session=later(-1)).success
    told = gathered(graph.store).quality["revisions"]
    assert (told["compared_with"], told["n"], told["why"]) == (later(-1).isoformat(), 1, None)
    [row] = told["rows"]
    assert (row["session"], row["column"]) == ("2023-05-01", "close")
    assert row["now"] == pytest.approx(1.001 * row["before"])


def test_a_card_that_is_gone_is_named(finished, tmp_path):
    graph, _ = finished
    stored = Path(shutil.copytree(graph.settings.data_dir, tmp_path / "data"))
    (stored / "model" / "TSLA" / f"{SESSION}.sha256").unlink()
    with pytest.raises(MissingArtefactError, match=f"TSLA {SESSION}: there is no model .*materialise model for TSLA"):
        gathered(ArtefactStore(stored))
