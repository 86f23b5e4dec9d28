"""A hundred writers of real artefacts, killed at random moments; and the run that comes after."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stock_assets.settings import project_root
from stock_assets.storage import ledger
from stock_assets_tests.defs.graph import ALL, SESSION
from stock_assets_tests.place import PATIENCE, clean_environment, files
from stock_assets_tests.storage import killed_writers

KILLS = 100
ARTEFACTS = (*ALL, ledger.ASSET)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("killed") / "data"


@pytest.fixture(scope="module")
def found(finished, data: Path) -> dict[str, Any]:
    """In which states all artefacts of a partition were found after each kill (see killed_writers.real_ones)."""
    graph, result = finished
    assert result.success
    assert killed_writers.SESSION == SESSION
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (shown when a test fails: the same moments can be tried again)
    program = [sys.executable, "-m", "stock_assets_tests.storage.killed_writers"]
    done = subprocess.run(
        [*program, "real_ones", graph.settings.data_dir, str(data), str(KILLS), str(seed)],
        cwd=project_root(),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_artefact_is_whole_or_absent(found: dict[str, Any]) -> None:
    assert found["artefacts"] == len(ARTEFACTS)
    assert set(found["states"]) == {"first", "second", "absent"}, (
        "one is damaged, or no writer was killed in the middle"
    )
    assert sum(found["states"].values()) == KILLS * len(ARTEFACTS)
    assert found["midway"] > KILLS / 10, "hardly any writer was killed while it wrote"


def test_the_run_that_comes_after_succeeds_and_clears_up(
    found: dict[str, Any], finished, data: Path, make_graph
) -> None:
    undisturbed, _ = finished
    graph = make_graph()
    shutil.copytree(data, graph.settings.data_dir)
    # A ledger is read before it is written, and the writers' second versions are no JSON.
    shutil.rmtree(Path(graph.settings.data_dir) / ledger.ASSET)
    (Path(graph.settings.data_dir) / "report" / "TSLA" / f".{SESSION}.0.tmp").write_bytes(b"of a killed writer")
    assert graph.run("whole_graph_job").success
    assert files(Path(graph.settings.data_dir)) == files(Path(undisturbed.settings.data_dir))
