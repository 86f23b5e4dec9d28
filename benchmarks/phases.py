"""Where the time goes, with Dagster and without: one run of either kind in this process, its parts timed.

    python -m benchmarks.phases TICKER DATE DATA_DIR bare|dagster [--prices DIR]

Prints JSON: parts in order of time, each with its seconds. `run_overhead` shows both runs side by side. Both import the
same libraries first, so that none is charged to the step that happens to need it first.
"""

import importlib
import json
import time
from collections.abc import Callable
from typing import Any

# Imported by the package inside functions, where they are needed.
_LIBRARIES = (
    "matplotlib.backends.backend_agg",
    "matplotlib.style",
    "pandas",
    "pyarrow.parquet",
    "skops.io",
    "sklearn.ensemble",
)


class Stopwatch:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """What passed since the last lap belongs to `part`."""
        now = time.perf_counter()
        self.seconds[part] = now - self._last
        self._last = now


def import_libraries() -> None:
    """Now rather than in the first function that needs them."""
    for library in _LIBRARIES:
        importlib.import_module(library)


def main() -> None:
    watch = Stopwatch()
    import_libraries()
    watch.lap("import the libraries")
    from benchmarks import bare_pipeline

    watch.lap("import core, sources, reporting, storage")
    kinds = {"bare": _bare, "dagster": _dagster}
    parser = bare_pipeline.parser()
    parser.add_argument("kind", choices=kinds)
    arguments = parser.parse_args()
    print(json.dumps(kinds[arguments.kind](arguments, watch)))


def _bare(arguments: Any, watch: Stopwatch) -> dict[str, float]:
    from benchmarks import bare_pipeline

    work = bare_pipeline.work_on(arguments.ticker, arguments.session, arguments.prices, arguments.data_dir)
    return watch.seconds | bare_pipeline.run(work)


def _dagster(arguments: Any, watch: Stopwatch) -> dict[str, float]:
    """What `stock-assets run` does, up to reading the outcome. The environment names the data folder, as for a run."""
    import dagster

    watch.lap(f"import {dagster.__name__}")
    import stock_assets.cli
    import stock_assets.commands.run  # noqa: F401
    from stock_assets.commands import home
    from stock_assets.definitions import build_defs
    from stock_assets.defs import partitions
    from stock_assets.settings import Settings

    settings = Settings.from_environment().with_source("simulated" if arguments.prices is None else "csv")
    watch.lap("import the definitions and the command line")
    instance = home.instance(settings.dagster_home)
    watch.lap("create Dagster's instance")
    job = build_defs(settings).resolve_job_def("whole_graph_job")
    watch.lap("resolve the job")

    events = EventClock(instance.handle_new_event)
    setattr(instance, "handle_new_event", events)  # noqa: B010  (by name: it is no part of Dagster's declared interface)
    started = time.perf_counter()
    job.execute_in_process(
        partition_key=partitions.key(arguments.ticker, arguments.session),
        instance=instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    executed = time.perf_counter() - started
    watch.seconds |= events.steps | {
        f"write {events.count} events to Dagster's log": events.seconds,
        "the rest of Dagster's run": executed - events.seconds - sum(events.steps.values()),
    }
    instance.dispose()
    return watch.seconds


class EventClock:
    """Stands before the function that writes Dagster's events: their seconds, and the steps' without them."""

    def __init__(self, handle_new_event: Callable[..., None]) -> None:
        self.count = 0
        self.seconds = 0.0
        self.steps: dict[str, float] = {}
        self._handle_new_event = handle_new_event
        self._step_began = 0.0

    def __call__(self, entry: Any, **how: Any) -> None:
        before = time.perf_counter()
        event = entry.dagster_event
        kind = event.event_type_value if event else None
        if kind == "STEP_START":
            self._step_began = before - self.seconds
        elif kind == "STEP_SUCCESS":
            self.steps[event.step_key] = before - self.seconds - self._step_began
        self._handle_new_event(entry, **how)
        self.seconds += time.perf_counter() - before
        self.count += 1


if __name__ == "__main__":
    main()
