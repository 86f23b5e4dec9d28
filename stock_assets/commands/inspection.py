"""What `inspect` found, as lines for a person at a terminal: tables that fit, bars in question marked with `>`."""

import datetime
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from stock_assets.commands.inspect import Answers, Inspected
from stock_assets.core import checks
from stock_assets.core.errors import BadPricesError, DataError
from stock_assets.storage import quarantine

if TYPE_CHECKING:
    from stock_assets.core.validation import Finding

WIDTH = 100
"""Columns of text where the terminal has no say or is wider."""

_AROUND = 2
_PAYLOAD_SHOWN = 600
# A column with nothing but this on the rows shown is left out.
_USUAL = {"dividends": 0, "capital_gains": 0, "stock_splits": 0, "dividend": 0, "split_ratio": 1, "repairs": ""}
# Where a table is too wide, columns that are not among these go first, then these from the end.
_DEAREST = ("close", "open", "high", "low", "repairs", "volume", "stock_splits", "split_ratio", "dividends", "dividend")


class Line(NamedTuple):
    """A line of text, and how it looks on a terminal that shows colours."""

    text: str
    style: str = ""


def lines(inspected: Inspected, *, limit: int, width: int = WIDTH) -> Iterator[Line]:
    """The whole story of one stored answer; of each problem the first `limit` rows."""
    yield Line(f"{inspected.ticker} {inspected.session}, source {inspected.source}: {_span(inspected)}", "bold")
    for asset, path in inspected.paths.items():
        yield Line(f"  {asset:<11} {path}")
    page = _Page(limit, width)
    if inspected.answers is not None:
        if inspected.kept_for:
            kept_for = ", ".join(f"{problem.what} ({problem.asset})" for problem in inspected.kept_for)
            yield from page.wrapped("  kept for    ", kept_for)
        yield from page.answers(inspected.answers)
        return
    for problem in inspected.kept_for:
        yield from page.headed(f"{problem.asset} failed: {problem.what}", problem.message, "bold red")
    if inspected.payload is not None:
        yield from page.payload(inspected.payload)


def _span(inspected: Inspected) -> str:
    if inspected.answers is None:
        return "no bars" if inspected.payload is None else f"an answer of {len(inspected.payload):,} bytes, no bars"
    index = inspected.answers.raw.index
    if index.empty:
        return "no bars"
    return f"{_count(len(index), 'bar')}, {_session(index[0])} to {_session(index[-1])}"


@dataclass
class _Page:
    """`shown`: sessions whose bars stand further up already, as (table, sessions)."""

    limit: int
    width: int
    shown: set[tuple[str, tuple[datetime.date, ...]]] = field(default_factory=set)

    def answers(self, answers: Answers) -> Iterator[Line]:
        raw, clean = answers.raw, answers.clean
        for check, finding in answers.failed_raw:
            yield from self.check("raw_prices", check, finding, raw)
        if answers.halted is not None:
            yield from self.halted(answers.halted, raw)
        if clean is None:
            return
        yield from self.repairs(raw, clean)
        for check, finding in answers.failed_clean:
            yield from self.check("clean_prices", check, finding, clean)
        untouched = len(raw) == len(clean) and clean["repairs"].eq("").to_numpy().all()
        if untouched and not answers.failed_raw and not answers.failed_clean:
            asked = len([*checks.RAW, *checks.RAW_BESIDE_EARLIER, *checks.CLEAN, *checks.CLEAN_BESIDE_RAW])
            yield Line(f"  nothing is wrong: all {asked} checks pass, and cleaning has nothing to repair", "green")

    def check(self, asset: str, check: checks.Check, finding: "Finding", frame: pd.DataFrame) -> Iterator[Line]:
        kind, style = ("blocks", "bold red") if check.blocking else ("warns", "bold yellow")
        note = f" ({finding.note})" if finding.note else ""
        told = f"{check.description} Came {_cell(finding.observed)}; expected {finding.expected}{note}."
        yield from self.headed(f"{asset} check {kind}: {check.name}", told, style)
        offending = finding.offending
        by_session = isinstance(offending.index, pd.DatetimeIndex)
        weighed = not offending.columns.isin(frame.columns).all() and offending.index.isin(frame.index).any()
        if by_session and not weighed:
            yield from self.bars(asset, frame, quarantine.sessions_of(offending))
        elif len(offending):
            # What the check weighed, and then the rest of the bars.
            rest = frame.loc[~frame.index.duplicated(), frame.columns.difference(offending.columns, sort=False)]
            rows = offending.head(self.limit)
            yield from self.table(rows.join(rest) if by_session else rows, first=tuple(offending.columns))
            yield from self.more(len(offending))

    def halted(self, error: DataError, raw: pd.DataFrame) -> Iterator[Line]:
        rule, sessions = (error.rule, error.sessions) if isinstance(error, BadPricesError) else (None, ())
        yield from self.headed(f"cleaning halts: {rule or type(error).__name__}", str(error), "bold red")
        yield from self.bars("raw_prices", raw, sessions)

    def repairs(self, raw: pd.DataFrame, clean: pd.DataFrame) -> Iterator[Line]:
        repaired = clean.loc[clean["repairs"] != ""]
        for names, rows in repaired.groupby("repairs", sort=False):
            first, last = _session(rows.index[0]), _session(rows.index[-1])
            told = f"{_count(len(rows), 'row')}, {first}{f' to {last}' if len(rows) > 1 else ''}"
            yield from self.headed(f"cleaning repairs: {str(names).replace(',', ', ')}", told, "bold cyan")
            for n in range(min(len(rows), self.limit)):
                came = raw.loc[[rows.index[n]]]
                yield from self.wrapped(f"      {_session(rows.index[n])}  ", _changes(came, rows.iloc[n].to_dict()))
            yield from self.more(len(rows))
        dropped = raw.index[~raw.index.isin(clean.index)].unique()
        if len(dropped):
            yield from self.headed("cleaning leaves out", _count(len(dropped), "bar"), "bold cyan")
            yield from self.bars("raw_prices", raw, tuple(session.date() for session in dropped))

    def bars(self, table: str, frame: pd.DataFrame, sessions: tuple[datetime.date, ...]) -> Iterator[Line]:
        """The bars of `sessions`, marked, with two before and after; a session that has none stands there empty."""
        if not sessions:
            return
        if (table, sessions) in self.shown:
            yield Line("    (see the same bars above)", "dim")
            return
        self.shown.add((table, sessions))
        wanted = pd.DatetimeIndex(sessions[: self.limit]).unique()
        absent = pd.DataFrame(index=wanted[~wanted.isin(frame.index)])
        rows = pd.concat([frame, absent]) if len(absent) else frame
        rows = rows.sort_index(kind="stable")
        hits = np.flatnonzero(rows.index.isin(wanted))
        around = np.add.outer(hits, np.arange(-_AROUND, _AROUND + 1)).ravel()
        positions = np.unique(around[(around >= 0) & (around < len(rows))])
        yield from self.table(rows.iloc[positions], marked=set(wanted), positions=positions)
        yield from self.more(len(sessions))

    def table(
        self,
        rows: pd.DataFrame,
        *,
        first: tuple[str, ...] = (),
        marked: Collection[Any] = (),
        positions: Sequence[int] | np.ndarray = (),
    ) -> Iterator[Line]:
        """`rows` as aligned text, dots where `positions` leap. The columns `first` are left out in no case."""
        by_session = isinstance(rows.index, pd.DatetimeIndex)
        columns = {"session": [_session(label) for label in rows.index]} if by_session else {}
        for name in rows.columns:
            values = rows[name].tolist()
            usual = name in _USUAL and all(pd.isna(value) or value == _USUAL[name] for value in values)
            if name in first or not usual:
                columns[name] = [_cell(value) for value in values]
        widths = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
        for name in sorted(columns, key=lambda name: _worth(name, first)):
            if 4 + sum(width + 2 for width in widths.values()) <= self.width or len(widths) == 1:
                break
            del widths[name]
        yield Line("      " + "  ".join(f"{name:>{width}}" for name, width in widths.items()), "dim")
        for n, label in enumerate(rows.index):
            if n and len(positions) and positions[n] != positions[n - 1] + 1:
                yield Line("      ...", "dim")
            cells = "  ".join(f"{columns[name][n]:>{width}}" for name, width in widths.items())
            hit = label in marked
            yield Line(f"    {'>' if hit else ' '} {cells}".rstrip(), "red" if hit else "")

    def payload(self, payload: bytes) -> Iterator[Line]:
        more = f", of which the first {_PAYLOAD_SHOWN}" if len(payload) > _PAYLOAD_SHOWN else ""
        yield Line(f"    {len(payload):,} bytes came{more}:", "dim")
        for line in payload[:_PAYLOAD_SHOWN].decode("utf-8", errors="replace").splitlines():
            # Escape sequences of a stranger's answer must not reach the terminal.
            plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
            room = self.width - 6
            for start in range(0, max(len(plain), 1), room):
                yield Line(f"    | {plain[start : start + room]}")

    def headed(self, heading: str, told: str, style: str) -> Iterator[Line]:
        yield Line("")
        yield Line(f"  {heading}", style)
        yield from self.wrapped("    ", told)

    def wrapped(self, heading: str, told: str) -> Iterator[Line]:
        parts = textwrap.wrap(told, self.width - len(heading), break_on_hyphens=False)
        for n, part in enumerate(parts):
            yield Line(f"{heading if n == 0 else ' ' * len(heading)}{part}")

    def more(self, count: int) -> Iterator[Line]:
        if count > self.limit:
            yield Line("      ... and more; see them with --limit", "dim")


def _changes(came: pd.DataFrame, after: dict[str, float]) -> str:
    """`high 12.3 -> 12.31, low ...`; a bar that came several times is compared as it came first."""
    first = came.iloc[0].to_dict()
    before = {name: first[name] for name in ("open", "high", "low", "close", "volume")}
    before["dividend"] = first["dividends"] + first["capital_gains"]
    before["split_ratio"] = first["stock_splits"] or 1.0
    changed = [f"{name} {_change(value, after[name])}" for name, value in before.items() if value != after[name]]
    told = [f"came {len(came)} times"] if len(came) > 1 else []
    return ", ".join([*told, *changed]) or "its own values stay"


def _change(before: float, after: float) -> str:
    shown = _cell(before), _cell(after)
    return " -> ".join(shown if shown[0] != shown[1] else (repr(float(before)), repr(float(after))))


def _worth(name: str, first: tuple[str, ...]) -> int:
    """Columns of small worth make room first."""
    if name == "session" or name in first:
        return len(_DEAREST) + 1
    return len(_DEAREST) - _DEAREST.index(name) if name in _DEAREST else 0


def _count(number: int, thing: str) -> str:
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"


def _session(label: Any) -> str:
    return f"{label:%Y-%m-%d}" if isinstance(label, datetime.date) else str(label)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, datetime.date):
        return _session(value)
    if isinstance(value, str | bool):
        return str(value)
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.8g}"
