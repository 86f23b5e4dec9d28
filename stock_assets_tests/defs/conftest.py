"""Fixtures: graphs on temporary stores."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from stock_assets_tests.defs import graph


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage in memory."""
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as ephemeral:
        yield ephemeral


@pytest.fixture
def make_graph(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., graph.Graph]:
    """Makes graphs from overrides of `build_defs`. Those of one test share data, logs and instance."""

    def make(**overrides) -> graph.Graph:
        return graph.Graph(tmp_path, instance, **overrides)

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[graph.Graph, dg.ExecuteInProcessResult]]:
    """A graph on which the whole job was run for TSLA on graph.SESSION, and the result. To be looked at only."""
    folder = tmp_path_factory.mktemp("finished")
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        made = graph.Graph(folder, instance)
        yield made, made.run("whole_graph_job")
