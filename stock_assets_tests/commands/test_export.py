"""`export`: the names of the files, what is in them, and which session and source are meant."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from stock_assets.commands import export
from stock_assets.core import cleaning, errors, features, metrics, schemas
from stock_assets.settings import Settings
from stock_assets.sources import csv_files, simulated
from stock_assets.storage import formats
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.reporting.test_text import EVALUATION

FRIDAY, MONDAY = dt.date(2024, 3, 8), dt.date(2024, 3, 11)
NAMES = {
    "stx_raw_data.csv",
    "stx_clean.csv",
    "stx_metrics.json",
    "stx_features.csv",
    "model_metrics.txt",
    "metrics.json",
    "confusion_matrix.png",
    "final_analysis_report.html",
    "predictions.csv",
}


def forecast(ticker: str, session: dt.date, source: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ticker": pd.Series([ticker], dtype="str"),
            "as_of": pd.Series([session], dtype=schemas.SESSION_DTYPE),
            "target_session": pd.Series([session + dt.timedelta(days=3)], dtype=schemas.SESSION_DTYPE),
            "probability_up": [0.1 + 0.2],  # 0.30000000000000004: every digit counts
            "expected_return": [1 / 3],
            "predicted_close": [92.85],
            "interval_low": [89.59],
            "interval_high": [96.11],
            "interval_level": [0.9],
            "naive_close": [92.69],
            "model_as_of": pd.Series([session], dtype=schemas.SESSION_DTYPE),
            "beats_naive": [False],
            "source": pd.Series([source], dtype="str"),
        }
    )


def fill(data_dir: Path, session: dt.date, *, source: str = "csv", evaluated: bool = True) -> None:
    """STX's artefacts of `session` in `data_dir`: simulated prices of five years under the name of `source`."""
    store = ArtefactStore(data_dir)
    raw = simulated.SimulatedSource().fetch("STX", session).bars.iloc[-1260:]
    clean = cleaning.clean_prices(raw, ticker="STX", as_of=session)
    raw.iloc[7, raw.columns.get_loc("volume")] = float("nan")  # missing numbers are to stay missing
    tables = {
        "raw_prices": raw,
        "clean_prices": clean,
        "features": features.build_features(clean, ticker="STX", as_of=session),
        "predictions": forecast("STX", session, source),
    }
    for asset, table in tables.items():
        content = formats.encode_table(table, asset=asset, ticker="STX", as_of=session, source=source)
        store.write(asset, "STX", session, {".parquet": content})
    documents = {"price_metrics": metrics.price_metrics(clean, ticker="STX", as_of=session, source=source)}
    if evaluated:
        documents["evaluation"] = EVALUATION | {"as_of": session.isoformat(), "source": source}
    for asset, document in documents.items():
        store.write(asset, "STX", session, {".json": formats.encode_json(document)})
    report = {"/report.html": b"<p>page</p>", "/figures/confusion_matrix.png": b"\x89PNG"}
    store.write("report", "STX", session, report)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with STX on a Friday, trained, and on the Monday after it, not trained."""
    folder = tmp_path_factory.mktemp("data")
    fill(folder, FRIDAY)
    fill(folder, MONDAY, evaluated=False)
    return folder


def settings(data_dir: Path | str, **more: str) -> Settings:
    return Settings.from_environment({"STOCK_ASSETS_DATA_DIR": str(data_dir)} | more)


def test_the_files_are_those_a_person_expects(filled: Path, tmp_path: Path) -> None:
    session, source, written = export.export(settings(filled), "STX", "2024-03-08", tmp_path / "new" / "folder", None)
    assert (session, source) == (FRIDAY, "csv")
    assert {path.name for path in written} == NAMES
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == NAMES


def test_a_summary_travels_along_when_there_is_one(filled: Path, tmp_path: Path) -> None:
    ArtefactStore(str(filled)).write("summary", "STX", MONDAY, {".pdf": b"%PDF-1.7"})
    export.export(settings(filled), "STX", "2024-03-11", tmp_path, None)
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES, "stx_summary.pdf"}
    assert (tmp_path / "stx_summary.pdf").read_bytes() == b"%PDF-1.7"


def test_exported_raw_prices_are_a_file_that_the_source_csv_reads_back(filled: Path, tmp_path: Path) -> None:
    export.export(settings(filled), "STX", "2024-03-08", tmp_path, None)
    (tmp_path / "stx_raw_data.csv").rename(tmp_path / "STX.csv")
    again = csv_files.CsvSource(tmp_path).fetch("STX", FRIDAY).bars
    raw = pd.read_parquet(filled / "raw_prices" / "STX" / "2024-03-08.parquet").set_index("session")
    assert raw["volume"].isna().sum() == 1
    pd.testing.assert_frame_equal(again, raw, check_exact=True)


def test_predictions_are_those_of_the_table_to_the_last_digit(filled: Path, tmp_path: Path) -> None:
    export.export(settings(filled), "STX", "2024-03-08", tmp_path, None)
    table = pd.read_parquet(filled / "predictions" / "STX" / "2024-03-08.parquet")
    dates = ["as_of", "target_session", "model_as_of"]
    again = pd.read_csv(tmp_path / "predictions.csv", parse_dates=dates)
    assert list(again["probability_up"]) == [0.30000000000000004]
    pd.testing.assert_frame_equal(again, table, check_exact=True, check_dtype=False)


def test_the_other_tables_keep_their_sessions_and_columns(filled: Path, tmp_path: Path) -> None:
    export.export(settings(filled), "STX", "2024-03-08", tmp_path, None)
    for asset, name in (("clean_prices", "clean"), ("features", "features")):
        table = pd.read_parquet(filled / asset / "STX" / "2024-03-08.parquet").set_index("session")
        again = pd.read_csv(tmp_path / f"stx_{name}.csv", index_col="session", parse_dates=["session"])
        assert list(again.columns) == list(table.columns)
        assert list(again.index) == list(table.index)
        assert list(again["close"]) == list(table["close"])


def test_documents_are_the_stored_bytes_and_the_text_is_for_people(filled: Path, tmp_path: Path) -> None:
    export.export(settings(filled), "STX", "2024-03-08", tmp_path, None)
    for asset, name in (("price_metrics", "stx_metrics.json"), ("evaluation", "metrics.json")):
        assert (tmp_path / name).read_bytes() == (filled / asset / "STX" / "2024-03-08.json").read_bytes()
    assert (tmp_path / "model_metrics.txt").read_text().startswith("STX, as of 2024-03-08, prices from csv\n")
    assert (tmp_path / "final_analysis_report.html").read_bytes() == b"<p>page</p>"


def test_without_a_session_it_is_the_newest_with_a_report(filled: Path, tmp_path: Path) -> None:
    session, _, _ = export.export(settings(filled), "STX", None, tmp_path, None)
    assert session == MONDAY


def test_a_session_without_training_shows_the_evaluation_of_its_model(filled: Path, tmp_path: Path) -> None:
    export.export(settings(filled), "STX", "2024-03-11", tmp_path, None)
    assert json.loads((tmp_path / "metrics.json").read_text())["as_of"] == "2024-03-08"


def test_without_a_source_it_is_the_one_with_the_newest_report(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stock_assets.settings.project_root", lambda: tmp_path)
    fill(tmp_path / "data" / "csv", FRIDAY)
    fill(tmp_path / "data" / "simulated", MONDAY, source="simulated")
    default = Settings.from_environment({})
    fill(tmp_path / "data" / "simulated", FRIDAY, source="simulated")
    assert export.export(default, "STX", None, tmp_path / "a", None)[:2] == (MONDAY, "simulated")
    # Of equal ones, the first of yahoo, csv, simulated.
    assert export.export(default, "STX", "2024-03-08", tmp_path / "b", None)[:2] == (FRIDAY, "csv")
    assert export.export(default, "STX", None, tmp_path / "c", "csv")[:2] == (FRIDAY, "csv")


@pytest.mark.parametrize(
    ("session", "source", "told"),
    [
        ("2024-03-07", None, "STX 2024-03-07: no report in .*; make one with: stock-assets run STX --as-of 2024-03-07"),
        ("2024-03-08", "yahoo", "STX 2024-03-08: .* holds prices from csv; expected yahoo"),
    ],
)
def test_what_is_not_there(filled: Path, tmp_path: Path, session: str, source: str | None, told: str) -> None:
    with pytest.raises(errors.MissingArtefactError, match=told):
        export.export(settings(filled), "STX", session, tmp_path / "out", source)
    assert not (tmp_path / "out").exists()


def test_a_damaged_artefact_stops_it_before_the_first_file(tmp_path: Path) -> None:
    fill(tmp_path / "data", FRIDAY)
    (tmp_path / "data" / "report" / "STX" / "2024-03-08" / "report.html").write_bytes(b"<p>pa")
    with pytest.raises(errors.DamagedArtefactError, match=r"STX 2024-03-08: report in .* came 5 bytes"):
        export.export(settings(tmp_path / "data"), "STX", None, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()
