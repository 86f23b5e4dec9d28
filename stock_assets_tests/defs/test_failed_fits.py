"""A model that can't be fitted: one line that says why, and no second try that would fail the same way."""

import dagster as dg
import pytest
from sklearn.ensemble import RandomForestClassifier

from stock_assets.core.errors import ModelError, OutOfMemoryError
from stock_assets.defs import logs, partitions
from stock_assets_tests.defs.graph import PRICES, SESSION, attempts, failures, materialised


def test_a_model_that_finds_no_memory_fails_once_and_says_so(make_graph, monkeypatch):
    def fit(self, *args, **kwargs):
        raise MemoryError("Unable to allocate 7.28 TiB")

    graph = make_graph()
    assert graph.run((*PRICES, "features")).success
    monkeypatch.setattr(RandomForestClassifier, "fit", fit)
    result = graph.run(["model"])
    assert not result.success
    assert attempts(result, "model") == 1
    told = failures(result)["model"]
    assert f"TSLA {SESSION}: the random_forest classifier, on " in told
    assert "ran out of memory (Unable to allocate 7.28 TiB); expected the fit to have room" in told
    assert "model" not in materialised(result)
    [line] = [line for line in graph.log("model") if " ERROR " in line]
    assert f" TSLA {SESSION} TSLA {SESSION}: the random_forest classifier" in line


@pytest.mark.parametrize("kind", [ModelError, OutOfMemoryError])
def test_a_failed_fit_is_not_tried_again_even_where_retries_are_allowed(tmp_path, kind):
    started = []

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(["2024-03-08|TSLA"]),
        required_resource_keys={"log_dir"},
        retry_policy=dg.RetryPolicy(max_retries=2),
    )
    def fitting(context: dg.AssetExecutionContext):
        with logs.working(context):
            started.append(context.retry_number)
            raise kind("TSLA 2024-03-08: no")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "split", lambda _: ("TSLA", SESSION))
        result = dg.materialize(
            [fitting],
            partition_key="2024-03-08|TSLA",
            resources={"log_dir": dg.ResourceDefinition.hardcoded_resource(tmp_path)},
            raise_on_error=False,
        )
    assert not result.success
    assert started == [0]
