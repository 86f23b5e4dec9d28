"""What is wrong now: rules that make conditions open, go on, worsen and recover, from what runs and the calendar tell.

A condition is something wrong with a subject: a check, an asset whose step fails, a ticker's data or model. It opens on
the session it is first seen on; failures of the same or later sessions continue it, and nothing more is told unless a
warning becomes an error. A pass recovers it when it is of the newest session that it was seen on, or of a later one. A
failure of an earlier session is a condition of its own: it neither opens, continues nor closes what is of newer ones.

Pure: values in, values out. Where they are kept is in condition_store, how they are told in outbox and alert_texts.
Nothing here is counted or remembered: a failure is over when a pass of its session or a later one is known from a run
that ended later. So a run that is taken twice, or after runs that ended later, changes nothing that is known better.
"""

import datetime
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple


class Kind(enum.StrEnum):
    """What is wrong."""

    CHECK_FAILED = "check_failed"
    RUN_FAILED = "run_failed"
    """A step failed of itself, neither through a check nor through a step before it; or a run did, at no step."""
    DATA_LATE = "data_late"
    MODEL_EXPIRED = "model_expired"
    """A warning while the model is only about to expire."""


class Severity(enum.StrEnum):
    """How bad it is. `ERROR` is worse."""

    WARN = "warn"
    ERROR = "error"


class Event(enum.StrEnum):
    """What is told of a condition, each at most once."""

    OPENED = "opened"
    WORSENED = "worsened"
    RECOVERED = "recovered"


class Subject(NamedTuple):
    """What a condition is about."""

    kind: str
    ticker: str
    """Empty when it is about no single ticker."""
    asset: str
    """Empty when it is about no single asset."""
    check: str
    """Empty when it is about no check; of a run that failed at no step, its job."""


@dataclass(frozen=True)
class Observation:
    """How a subject stood on a session, as a run or a look at the calendar told."""

    subject: Subject
    session: datetime.date
    passed: bool
    at: datetime.datetime
    """When the run ended, or when was looked."""
    severity: str = Severity.ERROR
    observed: str | None = None
    expected: str | None = None
    told: str = ""
    run_id: str | None = None

    @property
    def order(self) -> tuple[datetime.datetime, str, datetime.date]:
        """What a run that ended later says counts more; within a run, what it says of a later session."""
        return self.at, self.run_id or "", self.session


@dataclass(frozen=True)
class Condition:
    """Something that is wrong, or was. `id` is None until it is stored."""

    subject: Subject
    session: datetime.date
    last_session: datetime.date
    severity: str
    observed: str | None
    expected: str | None
    told: str
    run_id: str | None
    opened: datetime.datetime
    recovered: datetime.datetime | None = None
    recovered_session: datetime.date | None = None
    id: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> "Condition":
        """A row of the table `conditions`, which may have other columns too, as a value."""
        subject = Subject(*(row[name] for name in Subject._fields))
        return cls(subject=subject, **{field.name: row[field.name] for field in fields(cls) if field.name != "subject"})

    def to_row(self) -> dict[str, Any]:
        """The columns of the table `conditions`, `id` left out."""
        values = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("subject", "id")
        }
        return self.subject._asdict() | values


class Change(NamedTuple):
    """A condition as it is from now on, and what is to be told of it; None when nothing is."""

    condition: Condition
    event: Event | None


def decide(
    open_conditions: Sequence[Condition], observation: Observation, known: Iterable[Observation] = ()
) -> list[Change]:
    """What an observation changes.

    Args:
        open_conditions: All open ones of the observation's subject.
        observation: What was seen.
        known: Of the same subject, what else is known; what counts less (`Observation.order`) is passed over.
    """
    later = [one for one in known if one.order > observation.order]
    if observation.passed:
        return _recoveries(open_conditions, observation, later)
    if _is_over(observation, later):
        return []
    earlier = [one for one in open_conditions if one.session <= observation.session]
    if not earlier:
        return [Change(_opened(observation), Event.OPENED)]
    condition = max(earlier, key=lambda one: one.session)
    worse = condition.severity == Severity.WARN and observation.severity == Severity.ERROR
    changed = replace(condition, last_session=max(condition.last_session, observation.session))
    if worse:
        changed = replace(
            changed,
            severity=observation.severity,
            observed=observation.observed,
            expected=observation.expected,
            told=observation.told,
            run_id=observation.run_id,
        )
    return [] if changed == condition else [Change(changed, Event.WORSENED if worse else None)]


def _opened(observation: Observation) -> Condition:
    return Condition(
        subject=observation.subject,
        session=observation.session,
        last_session=observation.session,
        severity=observation.severity,
        observed=observation.observed,
        expected=observation.expected,
        told=observation.told,
        run_id=observation.run_id,
        opened=observation.at,
    )


def _recoveries(open_conditions: Sequence[Condition], passed: Observation, later: list[Observation]) -> list[Change]:
    changes = []
    for condition in open_conditions:
        if condition.last_session > passed.session:
            continue
        lasting = [
            one.session
            for one in later
            if not one.passed and condition.session <= one.session <= condition.last_session
            if not _is_over(one, later)
        ]
        if not lasting:
            recovered = replace(condition, recovered=passed.at, recovered_session=passed.session)
            changes.append(Change(recovered, Event.RECOVERED))
        elif max(lasting) != condition.last_session:
            changes.append(Change(replace(condition, last_session=max(lasting)), None))
    return changes


def _is_over(failure: Observation, known: Iterable[Observation]) -> bool:
    """Whether a run that ended later shows that session, or a later one, in order."""
    return any(one.passed and one.session >= failure.session and one.order > failure.order for one in known)
