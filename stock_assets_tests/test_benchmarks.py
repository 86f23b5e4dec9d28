"""The benchmarks run, and compare what they say they compare. No test here looks at a time."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import measuring, phases

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", "--quick", *options], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def first_words(output: str) -> set[str]:
    return {line.split()[0] for line in output.splitlines() if line}


def test_overhead_is_told_for_equal_bytes():
    output = run("run_overhead")
    assert "the same files with the same bytes in every pair" in output
    assert "ratio, pair by pair" in output


def test_phases_of_both_kinds_name_the_same_steps_and_store_the_same_bytes(tmp_path, monkeypatch, capsys):
    work = measuring.Workload(("TSLA",), measuring.QUICK_SESSION, None)
    for name, value in work.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    seconds = {}
    for kind, folder in (("bare", tmp_path / "script"), ("dagster", tmp_path / "data")):
        monkeypatch.setattr(sys, "argv", ["phases", "TSLA", str(work.session), str(folder), kind])
        phases.main()
        seconds[kind] = json.loads(capsys.readouterr().out)
    assert seconds["bare"].keys() < seconds["dagster"].keys()
    assert {"raw_prices", "raw_prices_checks", "clean_prices_checks", "report"} <= seconds["bare"].keys()
    script, graph = (measuring.artefacts(tmp_path / folder, "TSLA") for folder in ("script", "data"))
    assert script
    assert script == graph


def test_import_time_names_our_costly_modules_and_no_heavy_library():
    output = run("import_time")
    assert "ratio, pair by pair" in output
    assert "stock_assets.definitions" in first_words(output)
    assert "heavy" not in first_words(output)


def test_costs_are_told_for_the_run_and_for_an_asset_asked_for():
    output = run("asset_costs", "--tickers", "TSLA", "--only", "features")
    assert "stock-assets run TSLA" in output
    assert "features" in first_words(output)
    assert "backtest" not in first_words(output)
    assert "the same as the run's in every repeat" in output


def test_features_are_timed_beside_the_same_values_in_pandas():
    output = run("feature_speed")
    assert "pandas / ours" in output
    assert {"build_features", "build_features_of_many", "features_do_not_look_ahead"} <= first_words(output)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc")
def test_memory_is_told_of_each_of_the_processes():
    output = run("services_memory")
    for process in ("code server", "daemon", "web server", "stock-assets ui", "all"):
        assert f"\n{process}, resident" in output


def test_different_bytes_end_the_benchmark():
    with pytest.raises(SystemExit, match=r"the run \(2 files\) and the script \(1 files\) don't hold the same: a, b"):
        measuring.require_equal_bytes({"a": b"1", "b": b"2"}, {"a": b"3"}, "the run", "the script")


def test_no_bytes_at_all_end_the_benchmark():
    with pytest.raises(SystemExit, match="don't hold the same"):
        measuring.require_equal_bytes({}, {}, "the run", "the script")


def test_artefacts_are_one_tickers_files_without_locks(tmp_path):
    for name in ("report/TSLA/2024-03-08/figures/price.png", "model/TSLA/.lock", "model/STX/2024-03-08.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    assert measuring.artefacts(tmp_path, "TSLA") == {"report/TSLA/2024-03-08/figures/price.png": b"x"}


def test_a_failed_process_ends_the_benchmark_with_its_message():
    with pytest.raises(SystemExit, match="ended with 3:\nno prices"):
        measuring.run(measuring.python("-c", "import sys; print('no prices'); sys.exit(3)"))


def test_memory_of_a_process_is_its_own_peak():
    # In a process of its own, as this one is large: see the note on top of `measuring`.
    lines = (
        "from benchmarks import measuring",
        "small = measuring.run(measuring.python('-c', 'pass'))",
        "large = measuring.run(measuring.python('-c', 'bytes([1]) * 300_000_000'))",
        "print(large.peak_bytes - small.peak_bytes)",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    difference = int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert 290_000_000 < difference < 310_000_000


def test_spread_is_minimum_median_maximum():
    assert measuring.spread([3.0, 1.0, 2.5]) == ["1.00", "2.50", "3.00"]


def test_settings_of_the_user_stay_out(tmp_path, monkeypatch):
    monkeypatch.setenv("STOCK_ASSETS_DATA_DIR", "/nowhere")
    monkeypatch.setenv("STOCK_ASSETS_YAHOO_URL", "http://127.0.0.1:9")
    work = measuring.Workload(("TSLA", "STX"), measuring.QUICK_SESSION, None)
    environment = work.environment(tmp_path)
    assert environment["STOCK_ASSETS_DATA_DIR"] == str(tmp_path / "data")
    assert environment["STOCK_ASSETS_FIRST_SESSION"] == "2014-06-30"
    assert "STOCK_ASSETS_YAHOO_URL" not in environment


def test_steps_are_timed_without_the_events_written_in_them(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(phases.time, "perf_counter", lambda: now[0])

    def handle(entry, **how):
        now[0] += 10.0

    clock = phases.EventClock(handle)
    for kind, work_after in (("STEP_START", 2.0), ("STEP_OUTPUT", 3.0), ("STEP_SUCCESS", 7.0)):
        clock(SimpleNamespace(dagster_event=SimpleNamespace(event_type_value=kind, step_key="features")))
        now[0] += work_after
    clock(SimpleNamespace(dagster_event=None))
    assert clock.steps == {"features": 5.0}
    assert (clock.count, clock.seconds) == (4, 40.0)
