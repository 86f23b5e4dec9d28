"""What our definitions add to Dagster's own import: both in new processes, in turn.

    python -m benchmarks.import_time [--repeats N] [--quick]

Every run, every code server and every `dagster` command imports the definitions first. Timed is the import statement
itself; Python's own start, equal for both, would only make the ratio look better. Target: a ratio of at most 1.15.
"""

import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks import measuring

HIGHEST_RATIO = 1.15
OURS, DAGSTER = "stock_assets.definitions", "dagster"
_TIMED = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
_SHOWN_MODULES = 12


def main() -> None:
    parser = measuring.options("What our definitions add to Dagster's import.", repeats=15, quick_repeats=1)
    arguments = parser.parse_args()
    repeats = measuring.repeats(arguments)
    measuring.print_header(
        f"Import time: `import {OURS}` beside `import {DAGSTER}`",
        f"repeats   {repeats} pairs, in turn" + ("" if arguments.quick else "; one of each before, not counted"),
    )
    with tempfile.TemporaryDirectory() as folder:
        work = measuring.Workload(("TSLA", "STX"), measuring.SESSION, None)
        environment = work.environment(Path(folder))
        if not arguments.quick:
            _import(OURS, environment)
            _import(DAGSTER, environment)
        pairs = [(_import(OURS, environment), _import(DAGSTER, environment)) for _ in range(repeats)]
        ratios = [ours / dagster for ours, dagster in pairs]
        measuring.print_table(
            ("", "unit", *measuring.SPREAD),
            [
                (f"import {OURS}", "ms", *measuring.spread([1e3 * ours for ours, _ in pairs], "{:.0f}")),
                (f"import {DAGSTER}", "ms", *measuring.spread([1e3 * dagster for _, dagster in pairs], "{:.0f}")),
                ("more, pair by pair", "ms", *measuring.spread([1e3 * (a - b) for a, b in pairs], "{:.0f}")),
                ("ratio, pair by pair", "", *measuring.spread(ratios, "{:.3f}")),
            ],
        )
        kept = statistics.median(ratios) <= HIGHEST_RATIO
        print(f"target    a median ratio of at most {HIGHEST_RATIO:g}: {measuring.verdict(kept)}\n")
        _show_modules(environment, 1 if arguments.quick else 5)


def _import(module: str, environment: dict[str, str]) -> float:
    """Seconds for the import alone."""
    return float(measuring.run(measuring.python("-c", _TIMED.format(module=module)), environment).output)


def _show_modules(environment: dict[str, str], times: int) -> None:
    """The modules that only our import loads, by their own time: what each line at their top level costs."""
    own: dict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        with_dagster = _own_times(DAGSTER, environment)
        for module, microseconds in _own_times(OURS, environment).items():
            if module not in with_dagster:
                own[module].append(microseconds / 1e3)
    medians = {module: statistics.median(found) for module, found in own.items()}
    costly = sorted(medians, key=medians.__getitem__, reverse=True)[:_SHOWN_MODULES]
    rest = len(medians) - len(costly)
    print(f"{len(medians)} modules come on top of Dagster's; their own time under -X importtime, median of {times}:")
    rows = [(module, f"{medians[module]:.1f}") for module in costly]
    others = sum(medians.values()) - sum(medians[module] for module in costly)
    measuring.print_table(("module", "ms"), [*rows, (f"{rest} others", f"{others:.1f}")])
    heavy = sorted({module.partition(".")[0] for module in medians} & {"pandas", "numpy", "sklearn", "matplotlib"})
    if heavy:
        print(f"heavy     {', '.join(heavy)} should be imported inside functions only")


def _own_times(module: str, environment: dict[str, str]) -> dict[str, int]:
    """Module -> microseconds spent in its own top level, as `python -X importtime` tells it."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    told = subprocess.run(command, cwd=measuring.ROOT, env=environment, capture_output=True, text=True, check=True)
    times = {}
    for line in told.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            times[name.strip()] = int(own)
    return times


if __name__ == "__main__":
    main()
