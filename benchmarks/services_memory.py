"""What it takes to let it run every evening: the memory of Dagster's processes while nothing goes on.

    python -m benchmarks.services_memory [--repeats N] [--quick]

`stock-assets ui` is started on an empty home; once its page answers and every sensor has ticked, which loads the
libraries that they need, each of its processes is asked. Resident is what the kernel counts for the process alone;
proportional is without what it shares with others, so that the sum is what the machine gives. Linux only: reads /proc.
"""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

from benchmarks import measuring

_NAMES = {
    "dagster_webserver": "web server",
    "dagster._daemon": "daemon",
    "code-server": "code server, its parent",
    "api grpc": "code server",
    "resource_tracker": "Python's own helper",
    "dagster dev": "stock-assets ui",
}
_SENSORS = ("monitoring_sensor", "freshness_sensor", "watchlist_sensor")
_LONGEST = 180.0


def main() -> None:
    parser = measuring.options("The memory of web server, daemon and code server.", repeats=3, quick_repeats=1)
    arguments = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").exists():
        measuring.fail("this system has no /proc/<pid>/smaps_rollup; expected Linux")
    times = measuring.repeats(arguments)
    measuring.print_header("Memory of `stock-assets ui` while nothing goes on", f"repeats   {times}")
    starts, found = [], []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            seconds, processes = _measured(Path(folder))
        starts.append(seconds)
        found.append(processes)
    rows = []
    for name in sorted({name for processes in found for name in processes}):
        for kind, place in (("resident", 0), ("proportional", 1)):
            megabytes = [processes.get(name, (0, 0))[place] / 1e6 for processes in found]
            rows.append((f"{name}, {kind}", "MB", *measuring.spread(megabytes, "{:.0f}")))
    for kind, place in (("resident", 0), ("proportional", 1)):
        sums = [sum(memory[place] for memory in processes.values()) / 1e6 for processes in found]
        rows.append((f"all, {kind}", "MB", *measuring.spread(sums, "{:.0f}")))
    rows.append(("until the page answers", "s", *measuring.spread(starts, "{:.1f}")))
    measuring.print_table(("", "unit", *measuring.SPREAD), rows)


def _measured(folder: Path) -> tuple[float, dict[str, tuple[int, int]]]:
    """Seconds until the page answers, and what -> (resident, proportional) bytes."""
    environment = measuring.Workload(("TSLA", "STX"), measuring.SESSION, None).environment(folder)
    environment["STOCK_ASSETS_SOURCE"] = "simulated"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = folder / "output"
    started = time.monotonic()
    with output.open("wb") as log:
        process = subprocess.Popen(
            measuring.python("-m", "stock_assets.cli", "ui", "--port", str(port)),
            cwd=measuring.ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(lambda: _answers(port), process, output)
        seconds = time.monotonic() - started
        _wait(lambda: all(f"Sensor {name} skipped" in output.read_text() for name in _SENSORS), process, output)
        return seconds, _memory_of(process.pid)
    finally:
        measuring.stop_group(process)


def _wait(condition: Callable[[], bool], process: subprocess.Popen, output: Path) -> None:
    deadline = time.monotonic() + _LONGEST
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            measuring.fail(f"stock-assets ui is not ready:\n{output.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def _memory_of(group: int) -> dict[str, tuple[int, int]]:
    """Of the processes in a group, those of the same name summed up."""
    found: dict[str, tuple[int, int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if os.getpgid(int(folder.name)) != group:
                continue
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            told = (folder / "smaps_rollup").read_text()
            kilobytes = {name: int(number) for name, number in re.findall(r"^(Rss|Pss): +(\d+) kB", told, re.MULTILINE)}
            name = next((name for part, name in _NAMES.items() if part in words), words[:60])
            before = found.get(name, (0, 0))
            found[name] = (before[0] + kilobytes["Rss"] * 1024, before[1] + kilobytes["Pss"] * 1024)
    return found


if __name__ == "__main__":
    main()
