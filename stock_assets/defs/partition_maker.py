"""Makes one partition after another within one run, as a run of each would: the same bodies of assets and checks in the
same order, a blocking check or a failure stopping what is downstream, the same retries, artefacts and events.

What a run of each would cost beside the work is a process, imports, and some 130 events that say how a step goes on.
Here a step's inputs are what was just made, in memory; only what is the same for many sessions, a model for example, is
loaded, and once. Which partitions are made, and what of them, is in backfill.
"""

import inspect
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, TypeVar

import dagster as dg

from stock_assets.core.errors import ProvisionalPricesError, SourceUnavailableError, StockAssetsError
from stock_assets.defs import failures, partitions, places
from stock_assets.defs.io_managers import ArtefactIOManager, Slot
from stock_assets.defs.partition_events import PartitionEvents

_T = TypeVar("_T")


class SourceSilentError(Exception):
    """The price source does not answer, whichever session it is asked for; its cause says why."""


class PutOffError(Exception):
    """The source wants to be asked again later, for which other partitions need not wait; its cause says why."""

    def __init__(self, seconds: float, retries: int):
        super().__init__(f"retry {retries} in {seconds:.1f} s")
        self.seconds = seconds
        self.retries = retries
        """The number of that retry."""


class Outcome(NamedTuple):
    """How a partition came out."""

    made: tuple[str, ...]
    """Assets, in the order of the graph."""
    why: str | None
    """What stopped it, in a line; None when nothing did."""


@dataclass
class _Context:
    """What the bodies of assets and checks ask of Dagster's context, for a partition that is not the run's own."""

    resources: Any
    run: dg.DagsterRun
    asset_key: dg.AssetKey
    partition_key: dg.MultiPartitionKey
    retry_number: int
    of_output: dict[str, Any] = field(default_factory=dict)
    of_asset: dict[str, Any] = field(default_factory=dict)

    def add_output_metadata(self, metadata: Mapping[str, Any]) -> None:
        self.of_output |= metadata

    def add_asset_metadata(self, metadata: Mapping[str, Any]) -> None:
        self.of_asset |= metadata


class _Step:
    """The body of an asset or of its checks, and what it is made from."""

    asset: str
    """The one it makes, or whose checks it asks."""

    def __init__(self, definition: dg.AssetsDefinition):
        self.op = definition.op
        self.name = definition.op.name
        self.parents = frozenset(key.to_user_string() for key in definition.keys_by_input_name.values())
        self.resources = definition.required_resource_keys
        self._body: Callable[..., Any] = definition.op.compute_fn.decorated_fn  # type: ignore[union-attr]
        asked = [name for name in inspect.signature(self._body).parameters if name != "context"]
        self.inputs = {name: definition.keys_by_input_name[name].to_user_string() for name in asked}

    def __call__(self, context: _Context, values: Mapping[str, Any]) -> Any:
        return self._body(context, **{name: values[asset] for name, asset in self.inputs.items()})


class AssetStep(_Step):
    """Makes an asset."""

    def __init__(self, definition: dg.AssetsDefinition):
        super().__init__(definition)
        self.asset = self.name
        self.keeper: str = definition.op.output_defs[0].io_manager_key
        self.pool = definition.op.pool
        self.code_version: str = definition.specs_by_key[definition.key].code_version or ""

    def held_up_by(self, halted: Collection[str]) -> bool:
        """Whether a check blocks what comes after an asset that this one is made from."""
        return not self.parents.isdisjoint(halted)


class CheckStep(_Step):
    """Asks the checks of one asset."""

    def __init__(self, definition: dg.AssetChecksDefinition):
        super().__init__(definition)
        specs = list(definition.check_specs)
        self.asset = specs[0].asset_key.to_user_string()
        self.keys = [spec.key for spec in specs]
        self.blocking: dict[str | None, bool] = {spec.name: bool(spec.blocking) for spec in specs}
        self.blocks = any(self.blocking.values())

    def held_up_by(self, halted: Collection[str]) -> bool:
        """Whether a check blocks what comes after another asset that these checks look at."""
        return not (self.parents - {self.asset}).isdisjoint(halted)


class Steps:
    """The assets that can be made and the checks on them, in the order of the graph."""

    def __init__(self, assets: Sequence[dg.AssetsDefinition], checks: Sequence[dg.AssetChecksDefinition]):
        self._assets = {step.name: step for step in map(AssetStep, assets)}
        self._checks = [CheckStep(definition) for definition in checks]

    @property
    def assets(self) -> set[str]:
        return set(self._assets)

    @property
    def resources(self) -> set[str]:
        """Keys of the resources that they need."""
        every = (*self._assets.values(), *self._checks)
        # Checks make no artefact, though Dagster lists a manager of their outputs.
        return {key for step in every for key in step.resources} - {"io_manager"}

    def of(self, asset: str) -> AssetStep:
        return self._assets[asset]

    def checks(self, wanted: Collection[str]) -> list[dg.AssetCheckKey]:
        """The checks that are asked when the assets `wanted` are made."""
        return [key for step in self.in_order(wanted) if isinstance(step, CheckStep) for key in step.keys]

    def in_order(self, wanted: Collection[str]) -> list[AssetStep | CheckStep]:
        """The assets `wanted`, each followed by the checks that can be asked then."""
        steps: list[AssetStep | CheckStep] = []
        there: set[str] = set()
        for name, step in self._assets.items():
            if name in wanted:
                there.add(name)
                steps.append(step)
                steps += [check for check in self._checks if check.parents <= there and name in check.parents]
        return steps


class PartitionMaker:
    """Makes partitions of one ticker in a run of Dagster, and tells its event log."""

    def __init__(self, context: dg.OpExecutionContext, steps: Steps, ticker: str, patience: float = math.inf):
        """`patience`: seconds that a step waits at most before it is tried again; longer waits are put off."""
        self._context = context
        self._steps = steps
        self._ticker = ticker
        self._patience = patience
        self._loaded: dict[str, tuple[Slot, str, Any]] = {}

    def make(self, session: date, wanted: Collection[str], retries: int = 0) -> Outcome:
        """Make the assets `wanted` of one session and ask their checks. `retries`: those so far, when it was put off.

        Whatever goes wrong with a session is in the outcome. Raises `SourceSilentError` when the price source does not
        answer, which is about no session in particular; `PutOffError` when it wants to be asked again later than this
        one's patience goes: nothing is made then.
        """
        events = PartitionEvents(self._context, partitions.key(self._ticker, session))
        values: dict[str, Any] = {}
        halted: set[str] = set()
        wrong: list[str] = []
        silent: BaseException | None = None
        for step in self._steps.in_order(wanted):
            if not step.parents <= values.keys() | (self._steps.assets - set(wanted)) or step.held_up_by(halted):
                continue
            try:
                if isinstance(step, AssetStep):
                    # Before prices are there, nothing else is made: what was put off is this step.
                    values[step.name] = self._asset(step, session, values, events, 0 if values else retries)
                elif complaint := self._check(step, session, values, events):
                    wrong.append(complaint)
                    halted.add(step.asset)
            except PutOffError as later:
                events.failed(step.asset, step.name, self._told(_cause(later), session, step.name), will_retry=True)
                raise
            # As in a run of its own: whatever happens in it, the other sessions go on.
            except Exception as error:
                self._context.log.exception(f"{self._ticker} {session}: {step.name} failed")
                wrong.append(self._told(error, session, step.name))
                events.failed(step.asset, step.name, wrong[-1])
                if isinstance(step, CheckStep) and step.blocks:
                    halted.add(step.asset)
                if _is_silence(error):
                    silent = error.__cause__
        if wrong:
            events.not_made(asset for asset in wanted if asset not in values)
        if silent is not None:
            raise SourceSilentError(str(silent)) from silent
        return Outcome(tuple(values), wrong[0] if wrong else None)

    def not_tried(self, session: date, wanted: Collection[str], why: str) -> str:
        """Tell of a session that is not begun, as the source would be asked in vain; the words that were told."""
        first = next(step for step in self._steps.in_order(wanted) if isinstance(step, AssetStep))
        events = PartitionEvents(self._context, partitions.key(self._ticker, session))
        told = f"{failures.NOT_TRIED}: {why}"
        events.failed(first.asset, first.name, told)
        events.not_made(wanted)
        return told

    def _asset(
        self, step: AssetStep, session: date, values: Mapping[str, Any], events: PartitionEvents, retries: int
    ) -> Any:
        keeper = self._keeper(step)

        def once(retry_number: int) -> tuple[Any, dict[str, Any]]:
            context = self._context_of(step.name, session, retry_number)
            inputs = self._inputs(step, session, values)
            # Until the next try, others may have the place.
            with places.taken(
                self._context.instance, self._context.run, step.pool, f"{step.name}[{context.partition_key}]"
            ):
                value = step(context, inputs)
            kept = keeper.keep(value, Slot(step.name, self._ticker, session))
            return value, {**context.of_output, **kept, **context.of_asset}

        # Once something is made, there is nothing to put off: what comes after it waits here.
        patience = math.inf if values else self._patience
        value, metadata = _tried(once, step.op.retry_policy, retries, patience)
        events.materialised(step.name, step.code_version, step.parents, metadata)
        return value

    def _check(self, step: CheckStep, session: date, values: Mapping[str, Any], events: PartitionEvents) -> str | None:
        """Ask the checks of a step; what the first that blocks complains of, None when none does."""
        complaint = None
        for result in step(self._context_of(step.asset, session, 0), self._inputs(step, session, values)):
            blocking = step.blocking[result.check_name]
            events.checked(result, blocking=blocking)
            if blocking and not result.passed and result.severity is dg.AssetCheckSeverity.ERROR:
                complaint = complaint or f"check {result.check_name} on {step.asset} failed: {result.description}"
        return complaint

    def _context_of(self, asset: str, session: date, retry_number: int) -> _Context:
        key = partitions.key(self._ticker, session)
        return _Context(self._context.resources, self._context.run, dg.AssetKey(asset), key, retry_number)

    def _keeper(self, step: AssetStep) -> ArtefactIOManager:
        return getattr(self._context.resources, step.keeper)

    def _inputs(self, step: _Step, session: date, values: Mapping[str, Any]) -> dict[str, Any]:
        earlier = [asset for asset in step.inputs.values() if asset not in values]
        return {**values, **{asset: self._earlier(asset, session, step) for asset in earlier}}

    def _earlier(self, asset: str, session: date, step: _Step) -> Any:
        """What was made on one of the last ten sessions, loaded once for all sessions that use it."""
        keeper = self._keeper(self._steps.of(asset))
        slot = Slot(asset, self._ticker, session)
        with keeper.halting(step.asset, slot):
            slot = keeper.newest(slot)
            checksum = self._context.resources.store.checksum(*slot)
            known = self._loaded.get(asset)
            if known is None or known[:2] != (slot, checksum):
                known = self._loaded[asset] = (slot, checksum, keeper.load(slot))
            return known[2]

    def _told(self, error: Exception, session: date, step: str) -> str:
        error = _cause(error) if isinstance(error, dg.RetryRequested) else error
        text = " ".join(str(error.description if isinstance(error, dg.Failure) else error).split())
        if isinstance(error, dg.Failure | StockAssetsError):
            return text.removeprefix(f"{self._ticker} {session}: ")
        return f"{step}: {type(error).__name__}: {text}"


def _tried(once: Callable[[int], _T], policy: dg.RetryPolicy | None, retries: int, patience: float) -> _T:
    """What `once`, told the number of retries so far, returns; tried again as Dagster would try the step.

    Raises `PutOffError` before a wait that is longer than `patience` seconds.
    """
    while True:
        try:
            return once(retries)
        except Exception as error:
            most, wait = _again(error, policy)
            if retries >= most:
                raise
            if wait > patience:
                raise PutOffError(wait, retries + 1) from error
        time.sleep(wait)
        retries += 1


def _again(error: Exception, policy: dg.RetryPolicy | None) -> tuple[int, float]:
    """How many retries there are after `error`, and the seconds before the next."""
    if isinstance(error, dg.RetryRequested):
        return error.max_retries, error.seconds_to_wait or 0
    if policy is None or (isinstance(error, dg.Failure) and not error.allow_retries):
        return 0, 0
    return policy.max_retries, policy.delay or 0


def _cause(error: Exception) -> Exception:
    """What lies under an error that only asks for another try."""
    while isinstance(error, PutOffError | dg.RetryRequested) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def timed_out(error: BaseException) -> bool:
    """Whether a `SourceSilentError` or `PutOffError` comes from a source that let us wait until we gave up."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, SourceUnavailableError):
            return seen.timed_out
        seen = seen.__cause__
    return False


def _is_silence(error: Exception) -> bool:
    cause = error.__cause__
    return isinstance(cause, SourceUnavailableError) and not isinstance(cause, ProvisionalPricesError)
