"""The benchmark of the server runs and compares what it says it compares. No time is looked at."""

from stock_assets_tests.test_benchmarks import run


def test_predict_is_told_beside_a_bare_route():
    lines = run("serving", "--seconds", "0.2").splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("/predict", "bare"))] == ["/predict", "bare"]
    assert any(line.startswith("ratio, pair by pair: ") for line in lines)
    assert any(line.startswith("a single request: ") for line in lines)
    assert [line.split()[0] for line in lines if line.startswith(("1,000 ", "10,000 "))] == ["1,000", "10,000"]
