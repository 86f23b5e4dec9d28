"""The benchmark of answers without a server runs, and tells each kind. No test here looks at a time."""

from benchmarks import serving_in_process
from stock_assets_tests.test_benchmarks import run


def test_answers_are_told_beside_a_bare_route():
    output = run("serving_in_process", "--requests", "20")
    for kind in serving_in_process.PATHS:
        assert sum(line.startswith(kind) for line in output.splitlines()) >= 2
    assert "target    GET /predict at 0.5 of the bare route or more: " in output
