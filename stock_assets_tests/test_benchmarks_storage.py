"""The benchmark of storage runs, and tells what an evening adds beside the whole. No test here looks at a time."""

import re

from stock_assets_tests.test_benchmarks import run


def test_an_evening_is_told_beside_the_whole_and_parts_beside_one_file():
    output = run("storage", "--tickers", "TSLA")
    assert "15 evenings up to 2024-03-08, source simulated" in output
    rows = dict(re.findall(r"(?m)^(raw_prices|clean_prices|features|together) +(\S.*)$", output.partition("target")[0]))
    assert rows.keys() == {"raw_prices", "clean_prices", "features", "together"}
    assert "target    at most 0.1 of the whole, median and mean: " in output
    assert re.search(r"(?m)^features +2 ", output.partition("target")[2]), "parts of the table of March"
