"""What a client asks, read strictly: parameters of an address, or a JSON document. Errors are `problems.Problem`.

The forms here are the ones of the OpenAPI document, which is made from the same patterns. Nothing is looked up.
"""

import dataclasses
import datetime
import functools
import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from stock_assets.core import tickers
from stock_assets.serving import problems

# As core.tickers, in either case; blanks around it, which the command line forgives, are no part of an address.
TICKER = r"^\^?[A-Za-z0-9]+([.=\-][A-Za-z0-9]+)*$"
AS_OF = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
PARAMETERS = ("ticker", "as_of", "allow_stale")
LARGEST_JSON = 16 * 1024

_TRUTH = {"true": True, "false": False}
# Longer than any sensible question: such an address is read, but not remembered.
_LONGEST_REMEMBERED = 96


@dataclasses.dataclass(frozen=True)
class Question:
    """A ticker in upper case; `as_of` None asks for the newest forecast, which `allow_stale` accepts however old."""

    ticker: str
    as_of: datetime.date | None = None
    allow_stale: bool = False


def of_address(query: bytes) -> Question:
    """The question in an address, `ticker=TSLA&as_of=2024-03-08`: the part behind `?` as it came."""
    return _remembered(query) if len(query) <= _LONGEST_REMEMBERED else _of_address(query)


def _of_address(query: bytes) -> Question:
    given = parameters(query, PARAMETERS)
    if "ticker" not in given:
        raise malformed("the parameter ticker is missing; expected for example ticker=TSLA")
    as_of = given.get("as_of")
    return Question(
        ticker(given["ticker"]),
        None if as_of is None else date(as_of),
        truth("allow_stale", given.get("allow_stale", "false")),
    )


_remembered = functools.lru_cache(maxsize=4096)(_of_address)


def of_json(body: bytes) -> Question:
    """The question in a JSON document, {"ticker": "TSLA", "as_of": "2024-03-08", "allow_stale": false}."""
    given = _object(body)
    if unknown := sorted(given.keys() - set(PARAMETERS)):
        raise malformed(f"unknown {_names(unknown)} in the JSON object; expected {', '.join(PARAMETERS)}")
    if "ticker" not in given:
        raise malformed('the JSON object has no "ticker"; expected for example {"ticker": "TSLA"}')
    for name, kinds in (("ticker", str), ("as_of", str | None), ("allow_stale", bool)):
        if name in given and not isinstance(given[name], kinds):
            expected = {"ticker": "a string", "as_of": "a string or null", "allow_stale": "true or false"}[name]
            raise malformed(f'"{name}" came as {_kind(given[name])}; expected {expected}')
    as_of = given.get("as_of")
    return Question(ticker(given["ticker"]), None if as_of is None else date(as_of), given.get("allow_stale", False))


def parameters(query: bytes, allowed: Collection[str]) -> Mapping[str, str]:
    """The parameters of an address. A `Problem` for one that is unknown, comes twice, or is no UTF-8."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError as error:
        raise malformed("the parameters can't be read; expected name=value, percent-encoded UTF-8") from error
    found = dict(pairs)
    if unknown := sorted(found.keys() - set(allowed)):
        expected = ", ".join(allowed) or "none"
        raise malformed(f"unknown parameter {_names(unknown)}; expected {expected}")
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise malformed(f"the parameter {_names(twice)} comes more than once; expected once")
    return found


def ticker(text: str) -> str:
    """`text` as an upper-case ticker; a `Problem` when it is none."""
    # fullmatch, as `$` would let a line end pass.
    if len(text) > tickers.MAX_LENGTH or not re.fullmatch(TICKER, text):
        raise malformed(
            f"{text!r:.60} is not a ticker; expected up to {tickers.MAX_LENGTH} letters or digits with single '.', '-' "
            "or '=' between them, such as TSLA, BRK-B or ^GSPC"
        )
    return tickers.check_ticker(text)


def date(text: str) -> datetime.date:
    """`text` as a date; a `Problem` when it is none. Whether the exchange opens on it is another question."""
    try:
        if re.fullmatch(AS_OF, text):
            return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise malformed(f"as_of is {text!r:.60}: there is no such date; expected one such as 2024-03-08") from error
    raise malformed(f"as_of is {text!r:.60}; expected a date such as 2024-03-08 (YYYY-MM-DD)")


def truth(name: str, text: str) -> bool:
    """`text` as a truth value; a `Problem` when it is neither "true" nor "false"."""
    if text not in _TRUTH:
        raise malformed(f"{name} is {text!r:.60}; expected true or false")
    return _TRUTH[text]


def malformed(detail: str) -> problems.Problem:
    """The problem of a request that can't be understood."""
    return problems.Problem(problems.MALFORMED, detail)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise malformed("the JSON is nested too deeply; expected one object of plain values") from error
    except ValueError as error:
        # Also text that is no UTF-8, and whole numbers of more digits than Python reads.
        raise malformed(f'the body is not JSON ({error!s:.120}); expected for example {{"ticker": "TSLA"}}') from error
    if not isinstance(found, dict):
        raise malformed(f'the JSON came as {_kind(found)}; expected an object such as {{"ticker": "TSLA"}}')
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes more than once in an object")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _kind(value: object) -> str:
    kinds = {type(None): "null", bool: "true or false", str: "a string", list: "an array", dict: "an object"}
    return kinds.get(type(value), "a number")


def _names(names: list[str]) -> str:
    shown = ", ".join(f"{name!r:.40}" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
