"""The rules of what is wrong: opening, going on, worsening, recovering; taken again, late and in any order."""

import datetime
import itertools

from hypothesis import given
from hypothesis import strategies as st

from stock_assets.monitoring import conditions
from stock_assets.monitoring.conditions import Condition, Event, Kind, Observation, Severity, Subject

SUBJECT = Subject(Kind.CHECK_FAILED, "TSLA", "clean_prices", "high_is_at_least_low")
TUESDAY, WEDNESDAY, THURSDAY = (datetime.date(2026, 11, day) for day in (17, 18, 19))
EVENING = datetime.datetime(2026, 11, 19, 22, 30, tzinfo=datetime.UTC)


def seen(session: datetime.date, outcome: str, minute: int) -> Observation:
    """`outcome`: pass, warn or error."""
    return Observation(
        SUBJECT,
        session,
        passed=outcome == "pass",
        at=EVENING + datetime.timedelta(minutes=minute),
        severity="warn" if outcome == "warn" else "error",
        observed=f"{outcome} at minute {minute}",
        run_id=f"run-{minute}",
    )


class Book:
    """What a database would hold, and what was told, in order."""

    def __init__(self) -> None:
        self.conditions: dict[int, Condition] = {}
        self.known: dict[str, Observation] = {}
        self.told: list[tuple[int, Event]] = []

    def take(self, one: Observation) -> None:
        found = [condition for condition in self.conditions.values() if condition.recovered is None]
        for condition, event in conditions.decide(found, one, self.known.values()):
            number = len(self.conditions) + 1 if condition.id is None else condition.id
            self.conditions[number] = conditions.replace(condition, id=number)
            if event is not None:
                self.told.append((number, event))
        self.known[one.run_id or ""] = one

    @property
    def open(self) -> list[Condition]:
        return [condition for condition in self.conditions.values() if condition.recovered is None]


def taken(*observations: Observation) -> Book:
    book = Book()
    for one in observations:
        book.take(one)
    return book


def test_a_failure_opens_the_next_ones_go_on_and_a_pass_recovers():
    book = taken(seen(TUESDAY, "error", 1), seen(WEDNESDAY, "error", 2), seen(THURSDAY, "pass", 3))
    [condition] = book.conditions.values()
    assert (condition.session, condition.last_session) == (TUESDAY, WEDNESDAY)
    assert (condition.recovered_session, condition.observed) == (THURSDAY, "error at minute 1")
    assert condition.recovered == EVENING + datetime.timedelta(minutes=3)
    assert book.told == [(1, Event.OPENED), (1, Event.RECOVERED)]


def test_a_pass_opens_nothing():
    assert taken(seen(TUESDAY, "pass", 1)).conditions == {}


def test_a_warning_that_becomes_an_error_is_told_once_and_an_error_that_becomes_a_warning_is_not():
    book = taken(*(seen(TUESDAY, outcome, n) for n, outcome in enumerate(["warn", "error", "warn", "error"])))
    assert book.told == [(1, Event.OPENED), (1, Event.WORSENED)]
    [condition] = book.open
    assert (condition.severity, condition.observed) == (Severity.ERROR, "error at minute 1")


def test_a_backfill_of_an_older_session_has_a_condition_of_its_own():
    book = taken(seen(THURSDAY, "error", 1), seen(TUESDAY, "error", 2))
    assert [one.session for one in book.open] == [THURSDAY, TUESDAY]
    book.take(seen(TUESDAY, "pass", 3))
    assert [one.session for one in book.open] == [THURSDAY]
    assert book.told == [(1, Event.OPENED), (2, Event.OPENED), (2, Event.RECOVERED)]


def test_a_backfill_that_passes_closes_nothing_that_is_newer():
    book = taken(seen(WEDNESDAY, "error", 1), seen(THURSDAY, "error", 2), seen(WEDNESDAY, "pass", 3))
    assert [(one.session, one.last_session) for one in book.open] == [(WEDNESDAY, THURSDAY)]


def test_a_pass_of_a_later_session_closes_all_that_is_older():
    book = taken(seen(WEDNESDAY, "error", 1), seen(TUESDAY, "error", 2), seen(THURSDAY, "pass", 3))
    assert book.open == []


def test_a_failure_that_is_known_to_be_mended_is_not_told():
    assert taken(seen(TUESDAY, "pass", 2), seen(TUESDAY, "error", 1)).told == []


def test_a_late_pass_leaves_what_failed_after_it():
    book = taken(seen(TUESDAY, "error", 1), seen(TUESDAY, "error", 3), seen(TUESDAY, "pass", 2))
    assert len(book.open) == 1
    book.take(seen(TUESDAY, "pass", 4))
    assert book.open == []


def test_a_late_pass_leaves_only_what_was_not_mended_since():
    began = (seen(TUESDAY, "error", 1), seen(WEDNESDAY, "error", 2))
    late = seen(WEDNESDAY, "pass", 3)
    book = taken(*began, seen(TUESDAY, "error", 4), late)
    assert [(one.session, one.last_session) for one in book.open] == [(TUESDAY, TUESDAY)]
    book.take(seen(TUESDAY, "pass", 5))
    assert book.open == []
    assert taken(*began, seen(TUESDAY, "error", 4), seen(TUESDAY, "pass", 5), late).open == []


OBSERVED = st.tuples(st.sampled_from([TUESDAY, WEDNESDAY, THURSDAY]), st.sampled_from(["pass", "warn", "error"]))
RUNS = st.lists(OBSERVED, max_size=12).map(
    lambda found: [seen(session, outcome, minute) for minute, (session, outcome) in enumerate(found)]
)


def spells(runs: list[Observation]) -> list[dict]:
    """The reference: spells of failure of runs in order, told from sets of failing sessions and no stored state."""
    found: list[dict] = []
    for run in runs:
        lasting = [spell for spell in found if not spell["over"]]
        if run.passed:
            for spell in lasting:
                spell["over"] = max(spell["sessions"]) <= run.session
            continue
        mine = [spell for spell in lasting if spell["sessions"][0] <= run.session]
        if mine:
            spell = max(mine, key=lambda one: one["sessions"][0])
            spell["sessions"].append(run.session)
            spell["error"] |= run.severity == "error"
        else:
            found.append({"sessions": [run.session], "over": False, "error": run.severity == "error"})
            found[-1]["began_as_error"] = found[-1]["error"]
    return found


@given(RUNS)
def test_every_spell_is_told_once_and_its_end_once(runs):
    book = taken(*runs)
    expected = spells(runs)
    told = []
    for number, spell in enumerate(expected, start=1):
        told.append((number, Event.OPENED))
        if spell["error"] and not spell["began_as_error"]:
            told.append((number, Event.WORSENED))
        if spell["over"]:
            told.append((number, Event.RECOVERED))
    assert sorted(book.told) == sorted(told)
    for number, events in itertools.groupby(sorted(book.told, key=lambda one: one[0]), key=lambda one: one[0]):
        order = [event for _, event in events]
        assert order == [event for event in Event if event in order], number


@given(RUNS, st.data())
def test_taking_runs_again_in_any_order_changes_nothing_and_tells_nothing(runs, data):
    book = taken(*runs)
    before = dict(book.conditions), list(book.told)
    for run in data.draw(st.lists(st.sampled_from(runs), max_size=30)) if runs else []:
        book.take(run)
    assert (book.conditions, book.told) == before


@given(RUNS, st.data())
def test_taking_runs_again_in_the_middle_changes_nothing(runs, data):
    again = Book()
    for n, run in enumerate(runs):
        again.take(run)
        for repeated in data.draw(st.lists(st.sampled_from(runs[: n + 1]), max_size=3)):
            again.take(repeated)
    assert again.told == taken(*runs).told


@given(RUNS, st.randoms(use_true_random=False))
def test_in_whatever_order_runs_come_in_the_same_is_wrong_in_the_end(runs, random):
    shuffled = list(runs)
    random.shuffle(shuffled)
    book = taken(*shuffled)
    failing = [
        run
        for n, run in enumerate(runs)
        if not run.passed and not any(later.passed and later.session >= run.session for later in runs[n + 1 :])
    ]
    assert bool(book.open) == bool(failing)
    for run in failing:
        assert any(one.session <= run.session <= one.last_session for one in book.open)
    before = dict(book.conditions)
    for run in runs:
        book.take(run)
    assert book.conditions == before
    # Nothing is told twice, and no end without a beginning.
    assert len(set(book.told)) == len(book.told)
