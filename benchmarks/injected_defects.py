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
    counts: dict[str, Counter[Outcome]] = {defect.name: Counter() for defect in chosen}
    uncaught: dict[str, list[str]] = {defect.name: [] for defect in chosen}
    without: set[str] = set()
    # All defects of a seed share its histories: so few of them have to be kept.
    for seed in seeds:
        for defect in chosen:
            try:
                case = outcomes.run(defect, seed, prices)
            except LookupError:
                without.add(defect.name)
                continue
            injected, verdict = case.injected, case.verdict
            counts[defect.name][verdict.outcome] += 1
            if verdict.outcome in (Outcome.MISSED, Outcome.WRONG):
                where = f"{injected.sessions[0]}, {injected.description}, {injected.parameters}"
                line = f"{verdict.outcome.value:<7} {defect.name} --seed {seed}: {where}: {verdict.said}"
                uncaught[defect.name].append(line)
    counts["all"] = sum(counts.values(), Counter())
    measuring.print_table(
        ("defect", "cases", *(outcome.value for outcome in Outcome)),
        [
            (name, f"{found.total():,}", *(f"{found[outcome]:,}" for outcome in Outcome))
            for name, found in counts.items()
        ],
    )
    if without:
        print(f"seeds without a history for them: {', '.join(sorted(without))}\n")
    for outcome in Outcome:
        print(f"{outcome.value:<20}{outcome.meaning}")
    print()
    for lines in uncaught.values():
        print(*lines[:_SHOWN], sep="\n", end="\n" if lines else "")
    return sum(map(len, uncaught.values()))


def _leave_alone(n: int, seed: int, prices: Path | None) -> int:
    raised = 0
    for number in range(seed, seed + n):
        history = histories.simulated(number) if prices is None else histories.real(prices, number)
        if found := outcomes.alarms(history):
            raised += 1
            print(f"alarm     {history.name}: {', '.join(found)}")
    print(f"{n:,} histories without a defect ({seed} to {seed + n - 1}): {raised} with an alarm or a changed cell")
    # Real files have faults of their own, and nobody knows all of them.
    return raised if prices is None else 0


if __name__ == "__main__":
    main()
