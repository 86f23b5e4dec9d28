"""Is every known fault of a price source caught? One of them in each of 10,000 clean histories.

    python -m benchmarks.injected_defects [--cases N] [--clean N] [--seed N] [--defect NAME ...] [--prices DIR]

The defects are those of stock_assets_tests.defects, the outcomes those of stock_assets_tests.outcomes. A case is a
defect and a seed, and the same wherever and whenever it runs. Exits with 1 when a defect is missed, a repair is wrong,
or a history without a defect raises an alarm.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks import measuring
from stock_assets_tests import defects, histories, outcomes
from stock_assets_tests.outcomes import Outcome

COMMAND = "python -m benchmarks.injected_defects"
_SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="Is every known fault of a price source caught?")
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="over all defects; default 10000")
    parser.add_argument("--clean", type=int, default=1_000, metavar="N", help="histories without defect; default 1000")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed; default 0")
    parser.add_argument("--defect", nargs="+", choices=list(defects.DEFECTS), metavar="NAME", help="default: all")
    parser.add_argument(
        "--prices", type=Path, metavar="DIR", help="use the files DIR/*/<TICKER>.csv, those without alarm"
    )
    arguments = parser.parse_args()
    chosen = [defects.DEFECTS[name] for name in arguments.defect or defects.DEFECTS]
    if arguments.cases == 1 and len(chosen) == 1:
        show(outcomes.run(chosen[0], arguments.seed, arguments.prices))
        return
    each = -(-arguments.cases // len(chosen))
    last = arguments.seed + each - 1
    measuring.print_header(
        "Injected defects",
        f"work      {each * len(chosen):,} cases: {len(chosen)} defects x seeds {arguments.seed} to {last}; prices: "
        + (f"{arguments.prices}" if arguments.prices else "simulated"),
        f"replay    {COMMAND} --cases 1 --defect NAME --seed N"
        + (f" --prices {arguments.prices}" if arguments.prices else ""),
    )
    started = time.perf_counter()
    uncaught = _inject(chosen, range(arguments.seed, last + 1), arguments.prices)
    print(f"{time.perf_counter() - started:,.0f} s\n")
    alarms = _leave_alone(arguments.clean, arguments.seed, arguments.prices)
    sys.exit(1 if uncaught or alarms else 0)


def show(case: outcomes.Case) -> None:
    """One case in full: what was done, what came of it, and the rows around."""
    injected = case.injected
    print(f"history   {case.history.name}: {case.history.ticker}, {len(case.history.raw)} bars to {case.history.as_of}")
    numbers = ", ".join(f"{name} {value}" for name, value in injected.parameters.items())
    print(f"injected  {injected.description}{', ' if numbers else ''}{numbers}")
    print(f"sessions  {injected.sessions[0]} to {injected.sessions[-1]}, {len(injected.sessions)} in all")
    print(f"outcome   {case.verdict.outcome.value}: {case.verdict.said}\n")
    row = int((case.bad.index < str(injected.sessions[0])).sum())
    print(case.bad.iloc[max(0, row - 3) : row + 5].to_string())


def _inject(chosen: list[defects.Defect], seeds: range, prices: Path | None) -> int:
    rows, uncaught = [], []
    total: Counter[Outcome] = Counter()
    for defect in chosen:
        try:
            cases = {seed: outcomes.run(defect, seed, prices) for seed in seeds}
        except LookupError as error:
            print(error)
            continue
        counts = Counter(case.verdict.outcome for case in cases.values())
        total += counts
        rows.append((defect.name, f"{len(cases):,}", *(f"{counts[outcome]:,}" for outcome in Outcome)))
        bad = {seed: case for seed, case in cases.items() if case.verdict.outcome in (Outcome.MISSED, Outcome.WRONG)}
        uncaught += [(defect.name, seed, case.injected, case.verdict) for seed, case in bad.items()]
    rows.append(("all", f"{sum(total.values()):,}", *(f"{total[outcome]:,}" for outcome in Outcome)))
    measuring.print_table(("defect", "cases", *(outcome.value for outcome in Outcome)), rows)
    for outcome in Outcome:
        print(f"{outcome.value:<20}{outcome.meaning}")
    print()
    shown: Counter[str] = Counter()
    for name, seed, injected, verdict in uncaught:
        shown[name] += 1
        if shown[name] <= _SHOWN:
            where = f"{injected.sessions[0]}, {injected.description}, {injected.parameters}"
            print(f"{verdict.outcome.value:<7} {name} --seed {seed}: {where}: {verdict.said}")
    return len(uncaught)


def _leave_alone(n: int, seed: int, prices: Path | None) -> int:
    first = seed // 1_000 * outcomes.POOL
    raised = 0
    for number in range(first, first + n):
        history = histories.simulated(number) if prices is None else histories.real(prices, number)
        if found := outcomes.alarms(history):
            raised += 1
            print(f"alarm     {history.name}: {', '.join(found)}")
    print(f"{n:,} histories without a defect ({first} to {first + n - 1}): {raised} with an alarm or a changed cell")
    # Real files have faults of their own, and nobody knows all of them.
    return raised if prices is None else 0


if __name__ == "__main__":
    main()
