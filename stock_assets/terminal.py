"""How the command line shows things: consoles, progress, tables. What is shown, and when, is in cli."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def warn(warning: str | None) -> None:
    """A warning nobody overlooks; nothing where there is none."""
    if warning:
        out.print(f"[bold black on yellow] {escape(warning)} [/]")


@contextmanager
def progress(ticker: str, total: int) -> Iterator["Bar | Lines"]:
    """Shows how a run of `total` assets goes on: a bar in a terminal, lines elsewhere."""
    if not sys.stdout.isatty():
        yield Lines(ticker)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[ticker]:<6}"),
        BarColumn(bar_width=27),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    # A second handle on the terminal: Dagster leads the first one into its own logs while a step runs.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding) as terminal:
        console = Console(file=terminal, highlight=False)
        with Bars(*columns, console=console, transient=True) as bars:
            yield Bar(bars, ticker, total)


@contextmanager
def rows(name: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many rows of a file are done: call it with them, and with all there are. Only in a terminal."""
    columns = (TextColumn("[bold]{task.description}"), BarColumn(bar_width=27), MofNCompleteColumn())
    shown = sys.stdout.isatty()
    with Bars(*columns, TimeElapsedColumn(), console=out, transient=True, disable=not shown) as bars:
        task = bars.add_task(escape(name), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class Bar:
    """Progress in a terminal."""

    def __init__(self, bars: Bars, ticker: str, total: int):
        self._bars = bars
        self._ticker = ticker
        self._task = bars.add_task("", total=total, ticker=ticker)

    def asset_started(self, asset: str) -> None:
        self._bars.update(self._task, description=asset)

    def asset_finished(self, asset: str) -> None:
        self._bars.advance(self._task)

    def retrying(self, asset: str) -> None:
        self._bars.console.print(_retry(self._ticker, asset), style="yellow")


class Lines:
    """Progress in a pipe or a file: only waits are told; the outcome follows anyway."""

    def __init__(self, ticker: str):
        self._ticker = ticker

    def asset_started(self, asset: str) -> None:
        pass

    def asset_finished(self, asset: str) -> None:
        pass

    def retrying(self, asset: str) -> None:
        err.print(_retry(self._ticker, asset), style="yellow")


def _retry(ticker: str, asset: str) -> str:
    return f"{ticker}: {asset} met a passing fault, trying again"


def short_path(path: str) -> str:
    """A path below the working directory as seen from there; any other, and a URL, as it is."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if "://" not in path and Path(path).is_relative_to(here) else path


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """A table with its title; nothing where it has no rows."""
    if not rows:
        return
    from rich import box
    from rich.table import Table

    drawn = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        drawn.add_row(*map(escape, row))
    # A pipe has no width: there, each row stays on one line.
    widest = (max(map(len, cells)) + 3 for cells in zip(columns, *rows, strict=True))
    width = out.width if out.is_terminal else sum(widest) + 2
    Console(highlight=False, width=width).print(drawn)
