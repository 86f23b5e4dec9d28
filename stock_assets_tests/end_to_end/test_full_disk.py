"""`stock-assets run` on a disk that fills up: one clear line, nothing half-written, and a run with room goes through.

Needs a system that lets us mount a disk of our own; defs/test_full_disk does with less.
"""

import shutil
from pathlib import Path

from stock_assets_tests.end_to_end.conftest import SESSION, Run
from stock_assets_tests.full_disk import run_on_a_disk_of
from stock_assets_tests.place import Place

RUN = ("run", "STX", "--source", "csv", "--as-of", SESSION)


def of_stx(place: Place) -> dict[str, bytes]:
    """Without the page of all tickers."""
    return {name: content for name, content in place.files().items() if f"/STX/{SESSION}" in name}


def test_a_full_data_folder(csv_run: Run, tmp_path: Path) -> None:
    place = Place(tmp_path, csv_run.place.settings)
    expected = of_stx(csv_run.place)
    needed = sum(len(data) for name, data in expected.items() if name.startswith(f"features/STX/{SESSION}.parquet"))
    # Room for the prices, but not for the features.
    done = run_on_a_disk_of(f"{needed // 1024 - 50}k", place, place.data, *RUN)
    assert done.code == 1
    assert done.errors == [
        f"error: STX {SESSION}: features could not be written to {place.data}/features/STX: No space left on device; "
        f"nothing half-written was left. Mend that, then materialise features for STX, session {SESSION}, again"
    ]
    assert "Traceback" not in done.err
    stored = place.files()
    assert {name.split("/")[0] for name in stored} == {"raw_prices", "clean_prices", "price_metrics", "watchlist_page"}
    assert of_stx(place).items() <= expected.items()
    assert (place.run(*RUN).code, of_stx(place)) == (0, expected)


def test_a_full_dagster_home(csv_run: Run, tmp_path: Path) -> None:
    place = Place(tmp_path, csv_run.place.settings)
    done = run_on_a_disk_of("600k", place, tmp_path / "home", *RUN)
    assert done.code == 2
    [error] = done.errors
    assert error.startswith(f"error: DAGSTER_HOME {tmp_path / 'home'} can't be used: ")
    assert "Traceback" not in done.err
    assert not [name for name in place.files() if name.endswith(".tmp")]
    shutil.rmtree(tmp_path / "home")
    assert place.run(*RUN).code == 0
