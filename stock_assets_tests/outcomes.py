"""What becomes of a defect: the raw prices go the way they go in the graph, and the result is compared with the truth.

The truth is what cleaning makes of the history without the defect. The defects live in defects, the histories in
histories.
"""

import enum
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stock_assets.core import checks, cleaning, provisional, schemas, sessions, validation
from stock_assets.core.adjusting import PRICES, as_served_on
from stock_assets.core.errors import DataError, SourceError
from stock_assets_tests import defects, histories
from stock_assets_tests.histories import History

PRICE_TOLERANCE = 1e-9
TABLE = (*PRICES, "volume", "dividend", "split_ratio")
"""What cleaning says of a row; the other columns are computed from these."""


class Outcome(enum.Enum):
    """What a person sees, and whether the prices are right."""

    REPAIRED = ("repaired exactly", "to the original values, with a flag on each row")
    REPAIRED_OTHERWISE = ("repaired otherwise", "flagged bars left out, or high and low widened and flagged")
    HALTED = ("halted", "not final, a blocking check, or cleaning: nothing reaches the graph")
    WARNED = ("warned", "a check fails that passes without the defect, or the past was told differently before")
    HARMLESS = ("harmless", "nobody says anything, and the clean prices are the truth")
    MISSED = ("missed", "nobody says anything, and the clean prices are not the truth")
    WRONG = (
        "wrong",
        "cleaning changed a cell into something else than the truth, or repaired a part and nobody says so",
    )

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Outcome":
        member = object.__new__(cls)
        member._value_ = value
        member.meaning = meaning
        return member

    @property
    def caught(self) -> bool:
        return self not in (Outcome.HARMLESS, Outcome.MISSED, Outcome.WRONG)


@dataclass(frozen=True)
class Verdict:
    """An outcome and what was said: the halt's message, the repairs, or the checks that failed."""

    outcome: Outcome
    said: str


@dataclass(frozen=True)
class Case:
    """A defect in a history, and what became of it."""

    history: History
    bad: pd.DataFrame
    injected: defects.Injected
    verdict: Verdict


@dataclass(frozen=True)
class Truth:
    """Of a history without defects: the clean table, and the checks that fail nevertheless (real prices have some)."""

    clean: pd.DataFrame
    failing: frozenset[str]


MOST_HISTORIES = 1_000_000
MOST_TRIES = 50

_KEPT = 64


def run(defect: defects.Defect, seed: int, folder: Path | None = None) -> Case:
    """The case `seed` of a defect, in simulated prices or in the real ones under `folder`: the same every time."""
    rng = defects.Rng([seed, *defect.name.encode()])
    history = _draw(defect, seed, folder)
    bad, injected = defect.inject(history.raw, rng)
    verdict = judge(history, bad, with_previous=defect.needs_previous, unit=injected.unit)
    return Case(history, bad, injected, verdict)


def _draw(defect: defects.Defect, seed: int, folder: Path | None) -> History:
    """All defects share the histories of a seed; each takes the first it applies to.

    Real histories only if they have no fault of their own, as some do.
    """
    rng = defects.Rng(seed)
    for number in rng.randint(MOST_HISTORIES, size=MOST_TRIES):
        history = histories.simulated(int(number)) if folder is None else histories.real(folder, int(number))
        if defect.applies(history.raw) and (folder is None or not alarms(history)):
            return history
    raise LookupError(f"seed {seed}: none of {MOST_TRIES} histories is one that {defect.name} applies to")


def judge(history: History, bad: pd.DataFrame, *, with_previous: bool = False, unit: float = 1.0) -> Verdict:
    """`bad` on its way from the source to a clean table, and what is said of it.

    The truth is that of the history, prices and payments times `unit`; `with_previous` asks the session before too.
    """
    expected = truth(history)
    try:
        clean, failing = process(history, bad, with_previous=with_previous)
    except (DataError, SourceError) as error:
        return Verdict(Outcome.HALTED, str(error))
    warned = sorted(failing - expected.failing)
    in_money = [*PRICES, "dividend"]
    found = _compared(clean, expected.clean.assign(**expected.clean[in_money] * unit), bad)
    said = ", ".join([*found.flags, *warned]) or "nothing"
    if found.wrong:
        return Verdict(Outcome.WRONG, f"{said}; not the truth: {found.wrong}")
    if found.flags and found.is_truth:
        return Verdict(Outcome.REPAIRED, said)
    if found.flags and found.explained:
        return Verdict(Outcome.REPAIRED_OTHERWISE, said)
    # That something was repaired is no word about what was not.
    if set(warned) - {"no_bar_is_repaired"}:
        return Verdict(Outcome.WARNED, said)
    if found.flags:
        return Verdict(Outcome.WRONG, f"{said}; repaired in part")
    return Verdict(Outcome.HARMLESS if found.is_truth else Outcome.MISSED, said)


@functools.lru_cache(maxsize=_KEPT)
def truth(history: History) -> Truth:
    """What becomes of a history without a defect."""
    clean, failing = process(history, history.raw)
    return Truth(clean, frozenset(failing))


@functools.lru_cache(maxsize=_KEPT)
def alarms(history: History) -> tuple[str, ...]:
    """What is said of a history without a defect, or done to it: must be nothing."""
    try:
        clean, failing = process(history, history.raw, with_previous=True)
    except (DataError, SourceError) as error:
        return (f"halted: {error}",)
    compared = _compared(clean, clean.assign(repairs=""), history.raw)
    touched = [f"{compared.wrong} touched"] if compared.wrong else []
    lost = [f"{len(history.raw) - len(clean)} rows dropped"] if len(clean) != len(history.raw) else []
    return (*sorted(failing), *compared.flags, *touched, *lost)


def process(history: History, raw: pd.DataFrame, *, with_previous: bool = False) -> tuple[pd.DataFrame, set[str]]:
    """The clean table, and the names of the checks that fail on the way; where the graph stops, this raises."""
    names = {"ticker": history.ticker, "as_of": history.as_of}
    evening = sessions.available_from(history.as_of)
    if has_raw_form(raw):
        provisional.require_final(
            raw,
            ticker=history.ticker,
            session=history.as_of,
            last_trade=sessions.close_time(history.as_of),
            now=evening,
        )
    failing = _asked(checks.RAW, (raw,), names)
    if with_previous:
        before = as_served_on(history.raw, history.raw.index[-2].date())
        failing |= _asked(checks.RAW_BESIDE_EARLIER, (raw, before), names)
    clean = cleaning.clean_prices(raw, **names)
    failing |= _asked(checks.CLEAN, (clean,), names)
    failing |= _asked(checks.CLEAN_BESIDE_RAW, (clean, raw), names)
    return clean, failing


def has_raw_form(raw: pd.DataFrame) -> bool:
    """Whether all columns are there, as numbers: sources give `require_final` nothing else."""
    return list(raw.columns) == list(schemas.RAW_PRICES.columns) and all(kind.kind == "f" for kind in raw.dtypes)


def _asked(asked: tuple[checks.Check, ...], frames: tuple[pd.DataFrame, ...], names: dict) -> set[str]:
    failing = set()
    for check, finding in validation.ask(asked, *frames, **names):
        if not finding.passed:
            if check.blocking:
                raise DataError(f"blocking check {check.name}: {finding.observed}; expected {finding.expected}")
            failing.add(check.name)
    return failing


@dataclass(frozen=True)
class _Compared:
    """Of a clean table beside the truth.

    `flags`: repairs that the truth has not. `explained`: what differs are bars left out, whose events may be on the
    next one, and high and low that are flagged as widened. `wrong`: rows on which cleaning changed a cell into
    something else than the truth.
    """

    flags: tuple[str, ...]
    is_truth: bool
    explained: bool
    wrong: str


def _compared(clean: pd.DataFrame, true: pd.DataFrame, bad: pd.DataFrame) -> _Compared:
    flags = clean["repairs"].where(clean["repairs"] != true["repairs"].reindex(clean.index), "")
    added = tuple(sorted({name for text in flags[flags != ""].unique() for name in text.split(",")}))
    both = clean.index.intersection(true.index)
    ours, theirs = (frame.loc[both, list(TABLE)].to_numpy(dtype="float64") for frame in (clean, true))
    ratios = true["split_ratio"].to_numpy()
    # Whole shares: what is lost when volumes are rounded in other shares can't be got back.
    shares = np.where(np.array(TABLE) == "volume", np.maximum(ratios, 1 / ratios).max(), 0.0)
    equal = np.abs(ours - theirs) <= PRICE_TOLERANCE * np.abs(theirs) + shares
    moved = flags.loc[both].str.contains("event_moved_to_next_bar").to_numpy()
    events = [TABLE.index("dividend"), TABLE.index("split_ratio")]
    equal[:, events] |= moved[:, np.newaxis] & _close(ours[:, events], _events_since_bar_before(true, both))
    # Without a close before it, nothing can tell what a dividend on the first row was, and nothing is made of it.
    equal[both == true.index[0], TABLE.index("dividend")] = True
    widened = np.zeros_like(equal)
    mended = flags.loc[both].str.contains("high_low_widened").to_numpy()
    widened[:, [TABLE.index("high"), TABLE.index("low")]] = mended[:, np.newaxis]
    changed = ~_close(ours, _as_came(bad, both)) & ~(equal | widened)
    wrong = changed.any(axis=1)
    shown = ", ".join(f"{session:%Y-%m-%d}" for session in both[wrong][:3])
    return _Compared(
        flags=added,
        is_truth=len(both) == len(clean) == len(true) and bool(equal.all()),
        explained=bool((equal | widened).all()),
        wrong=shown and f"{int(wrong.sum())} rows ({shown})",
    )


def _events_since_bar_before(true: pd.DataFrame, kept: pd.Index) -> np.ndarray:
    """Dividend and split ratio of each of the `kept` sessions with those of the sessions left out before it."""
    bar = kept.searchsorted(true.index)
    dividend, ratio = true["dividend"].groupby(bar).sum(), true["split_ratio"].groupby(bar).prod()
    return np.column_stack([dividend, ratio])[: len(kept)]


def _as_came(bad: pd.DataFrame, sessions: pd.Index) -> np.ndarray:
    """The columns of `TABLE` as they are in raw prices."""
    rows = bad.loc[~bad.index.duplicated()].reindex(sessions)
    split = rows["stock_splits"].where(rows["stock_splits"] > 0, 1.0)
    table = rows.assign(dividend=rows["dividends"] + rows["capital_gains"], split_ratio=split)
    return table[list(TABLE)].to_numpy(dtype="float64")


def _close(ours: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(ours - others) <= PRICE_TOLERANCE * np.abs(others)
