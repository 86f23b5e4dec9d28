"""The benchmark of backfills runs, and compares what it says it compares. No test here looks at a time."""

from stock_assets_tests.test_benchmarks import run


def test_a_backfill_is_told_beside_runs_of_a_session_each_for_equal_bytes():
    output = run("backfill_speed")
    assert "measured  1 runs of one session, a backfill of one and one of 3; same bytes" in output
    assert "target    at least 10 times as fast" in output
