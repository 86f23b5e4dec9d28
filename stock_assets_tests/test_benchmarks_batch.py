"""The benchmark of batches runs, and answers what it says it answers. No test here looks at a time."""

from stock_assets_tests.test_benchmarks import run


def test_batches_of_two_sizes_and_each_kind_are_told():
    output = run("batch_forecasts", "--rows", "1000", "3000")
    for kind in ("repeated", "half bad"):
        assert f"{kind}, 1,000" in output
        assert f"{kind}, 3,000" in output
    assert "target    a peak at most 8.0 MB higher for 3,000 rows than for 1,000: " in output
