"""Invented tickers of which the truth is known: markets that nobody can forecast, and markets with a planted signal.

A market is a whole history of bars, so that everything from cleaning to the verdict runs on it as on real prices, and
beside it what a forecaster who knows the law of the market would say after each session.

Noise. The mean and the probability of a rise are the same on every session, whatever happened before, while volatility
may come in spells, jump and have fat tails. That needs care: with a constant drift and a changing volatility a rise is
likelier in calm times, which is a true signal, if a tiny one. Where volatility can be foreseen, the direction is
therefore drawn first and its size afterwards (`_direction_first`). Two classes are no pure noise, and say so by their
`mean` and `probability_up`: `drift_changes`, where the drift itself moves between eras (a baseline of the whole past is
then out of date), and `faint/garch_with_drift`, the tiny signal named above.

Planted. mean(t + 1) = drift + b * volatility(t + 1) * g(t), with g of about unit variance, made of what is known after
session t, and b such that the signal is the wanted share of the variance. The noise is Student's t.

Prices are not rounded to cents: after a rounded close that did not move, "no rise" is likelier in calm times.
"""

import datetime
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from stock_assets.core import adjusting, sessions
from stock_assets.sources import base

RECIPE = 1
"""Part of every seed. Raise it when a law changes, so that results of the old one are not taken for results of it."""

LAST_SESSION = datetime.date(2024, 3, 8)

_SESSIONS_A_YEAR = 252
_SESSIONS_A_QUARTER = 63
_LARGEST_SIZE = 10.0
"""Sizes of a move, in usual ones, are cut here: beyond, cleaning would ask whether the bar is right at all."""

_TAIL = 5.0
"""Degrees of freedom of the noise around planted signals, scaled to unit variance."""

_FISHER_INFORMATION = (_TAIL + 1) / (_TAIL + 3) * _TAIL / (_TAIL - 2)
"""About the location of Student's t of unit variance: 1.25, where the normal law has 1."""

Floats = np.ndarray


@dataclass(frozen=True)
class Case:
    """One ticker to simulate: `noise/garch/7`, `faint/garch_with_drift/7`, or `planted/momentum/0.01/7`.

    `strength` is the share of the variance of returns that the planted signal is, 0 without one.
    """

    kind: str
    form: str
    number: int
    strength: float = 0.0

    @property
    def name(self) -> str:
        strength = (f"{self.strength:g}",) if self.kind == "planted" else ()
        return "/".join((self.kind, self.form, *strength, str(self.number)))

    @property
    def ticker(self) -> str:
        return "SIM" + hashlib.sha256(self.name.encode()).hexdigest()[:6].upper()


@dataclass(frozen=True, eq=False)
class Market:
    """The bars of a ticker as served on their last session, and the truth about what follows each of them.

    Columns of `truth`, by the session after whose close it could be known: `mean` of the next return, `probability_up`
    of a rise, `score` and `information` of the oracle (see `score`; both 0 without a planted signal).
    """

    raw: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True, eq=False)
class _Path:
    """What happened on each session (n,): its return, drawn with this mean, chance of a rise and volatility."""

    returns: Floats
    mean: Floats
    probability_up: Floats
    volatility: Floats
    heavy: Floats
    score: Floats
    information: Floats


def simulate(case: Case, n_sessions: int) -> Market:
    """The market of `case` over the `n_sessions` sessions up to `LAST_SESSION`; the same case is the same market."""
    seed = hashlib.sha256(f"{RECIPE} {n_sessions} {case.name}".encode()).digest()
    # RandomState, not Generator: its streams are frozen, so a new numpy gives the same prices.
    random = np.random.RandomState(np.frombuffer(seed, dtype="<u4"))
    path = _planted(random, n_sessions, case) if case.kind == "planted" else _UNPLANTED[case.form](random, n_sessions)
    raw = _bars(random, path)
    foreseen = {name: getattr(path, name)[1:] for name in ("mean", "probability_up", "score", "information")}
    return Market(raw, pd.DataFrame(foreseen, index=raw.index[:-1]))


# --- Noise ---------------------------------------------------------------------------------------------------------


def _path(
    random: np.random.RandomState,
    *,
    returns: Floats,
    mean: float | Floats,
    probability_up: float | Floats,
    volatility: float | Floats,
) -> _Path:
    n = len(returns)
    spread = (np.broadcast_to(np.asarray(value, dtype="float64"), n) for value in (mean, probability_up, volatility))
    return _Path(returns, *spread, _signs(random, n), np.zeros(n), np.zeros(n))


def _signs(random: np.random.RandomState, n: int) -> Floats:
    return np.where(random.uniform(size=n) < 0.5, 1.0, -1.0)


def _drift(random: np.random.RandomState) -> float:
    """Mean return a session: 0 to 15 % a year."""
    return random.uniform(0.0, 0.15) / _SESSIONS_A_YEAR


def _volatility(random: np.random.RandomState) -> float:
    """Usual deviation of a session's return: 15 to 45 % a year."""
    return random.uniform(0.15, 0.45) / math.sqrt(_SESSIONS_A_YEAR)


def _unit_t(random: np.random.RandomState, degrees: float, n: int) -> Floats:
    return random.standard_t(degrees, n) * math.sqrt((degrees - 2) / degrees)


def _below(x: float | Floats, degrees: float = _TAIL) -> Floats:
    """Distribution function of Student's t of unit variance."""
    return special.stdtr(degrees, np.asarray(x) * math.sqrt(degrees / (degrees - 2)))


def _random_walk(random: np.random.RandomState, n: int) -> _Path:
    drift, volatility = _drift(random), _volatility(random)
    returns = drift + volatility * random.normal(size=n)
    up = special.ndtr(drift / volatility)
    return _path(random, returns=returns, mean=drift, probability_up=up, volatility=volatility)


def _student_t(random: np.random.RandomState, n: int) -> _Path:
    drift, volatility, degrees = _drift(random), _volatility(random), random.uniform(3.0, 6.0)
    noise = np.clip(_unit_t(random, degrees, n), -_LARGEST_SIZE, _LARGEST_SIZE)
    up = _below(drift / volatility, degrees)
    return _path(random, returns=drift + volatility * noise, mean=drift, probability_up=up, volatility=volatility)


def _jumps(random: np.random.RandomState, n: int) -> _Path:
    """About two and a half jumps a year, each four usual moves large."""
    drift, volatility, chance, jump = _drift(random), _volatility(random), 0.01, 4.0
    size = np.where(random.uniform(size=n) < chance, math.hypot(1, jump), 1.0)
    returns = drift + volatility * size * random.normal(size=n)
    calm, jumping = special.ndtr(drift / volatility), special.ndtr(drift / volatility / math.hypot(1, jump))
    up = (1 - chance) * calm + chance * jumping
    return _path(random, returns=returns, mean=drift, probability_up=up, volatility=volatility)


@dataclass(frozen=True, eq=False)
class _Directions:
    """Direction and size of each session's move, drawn so that volatility tells nothing about the direction.

    With s the volatility, X a size of unit mean square, Y an exponential of mean one, p the chance of a rise, m the
    mean:

        rise:  s X / (2 p) + m Y / p          fall:  -s X / (2 (1 - p))

    The mean is s E[X] / 2 - s E[X] / 2 + m = m and the chance p, whatever s is.
    """

    p: float
    mean: float
    up: np.ndarray
    size: Floats
    extra: Floats

    @classmethod
    def draw(cls, random: np.random.RandomState, n: int) -> "_Directions":
        p = random.uniform(0.50, 0.535)
        size = np.minimum(np.abs(_unit_t(random, _TAIL, n)), _LARGEST_SIZE)
        return cls(p, _drift(random), random.uniform(size=n) < p, size, random.standard_exponential(n))

    def move(self, t: int, volatility: float) -> float:
        if self.up[t]:
            return volatility * self.size[t] / (2 * self.p) + self.mean * self.extra[t] / self.p
        return -volatility * self.size[t] / (2 * (1 - self.p))


def _garch_volatility(random: np.random.RandomState, move: Callable[[int, float], float], n: int) -> tuple[list, list]:
    """GARCH(1, 1): v(t+1) = w + a e(t)^2 + b v(t), a + b from 0.95 to 0.99, e the move of a session.

    `move(t, volatility)` gives e. A spell is at most four times as volatile as usual.
    """
    usual = _volatility(random) ** 2
    a = random.uniform(0.05, 0.12)
    b = random.uniform(0.95, 0.99) - a
    variance, surprises, volatility = usual, [], []
    for t in range(n):
        volatility.append(math.sqrt(variance))
        surprises.append(move(t, volatility[-1]))
        variance = min(usual * (1 - a - b) + a * surprises[-1] ** 2 + b * variance, 16 * usual)
    return surprises, volatility


def _garch(random: np.random.RandomState, n: int) -> _Path:
    directions = _Directions.draw(random, n)
    returns, volatility = _garch_volatility(random, directions.move, n)
    return _path(
        random,
        returns=np.array(returns),
        mean=directions.mean,
        probability_up=directions.p,
        volatility=np.array(volatility),
    )


def _garch_with_drift(random: np.random.RandomState, n: int) -> _Path:
    """The textbook's GARCH: symmetric around a constant drift, so that a rise is a little likelier in calm times."""
    drift, noise = _drift(random), np.clip(_unit_t(random, _TAIL, n), -_LARGEST_SIZE, _LARGEST_SIZE)
    surprises, volatility = _garch_volatility(random, lambda t, scale: scale * noise[t], n)
    up = _below(drift / np.array(volatility))
    return _path(
        random, returns=drift + np.array(surprises), mean=drift, probability_up=up, volatility=np.array(volatility)
    )


def _spells(random: np.random.RandomState, n: int, mean_length: float) -> np.ndarray:
    """False and True in turn, for spells of random (geometric) length."""
    return np.cumsum(random.uniform(size=n) < 1 / mean_length) % 2 == 1


def _volatility_regimes(random: np.random.RandomState, n: int) -> _Path:
    """Calm and stressed, a Markov chain with spells of 60 sessions; stressed is 2 to 3 times as volatile."""
    directions = _Directions.draw(random, n)
    stressed = _spells(random, n, 60.0)
    volatility = _volatility(random) * np.where(stressed, random.uniform(2.0, 3.0), 1.0) / 1.5
    returns = np.array([directions.move(t, volatility[t]) for t in range(n)])
    return _path(random, returns=returns, mean=directions.mean, probability_up=directions.p, volatility=volatility)


def _drift_changes(random: np.random.RandomState, n: int) -> _Path:
    """Eras of two years on average, each with a drift of its own from -10 to +30 % a year."""
    volatility = _volatility(random)
    era = np.cumsum(random.uniform(size=n) < 1 / (2 * _SESSIONS_A_YEAR))
    drift = random.uniform(-0.10, 0.30, era[-1] + 1)[era] / _SESSIONS_A_YEAR
    returns = drift + volatility * random.normal(size=n)
    up = special.ndtr(drift / volatility)
    return _path(random, returns=returns, mean=drift, probability_up=up, volatility=volatility)


NOISE = ("random_walk", "student_t", "garch", "jumps", "volatility_regimes", "drift_changes")
FAINT = ("garch_with_drift",)

_UNPLANTED: dict[str, Callable[[np.random.RandomState, int], _Path]] = {
    "random_walk": _random_walk,
    "student_t": _student_t,
    "garch": _garch,
    "jumps": _jumps,
    "volatility_regimes": _volatility_regimes,
    "drift_changes": _drift_changes,
    "garch_with_drift": _garch_with_drift,
}


# --- Planted signals -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _State:
    """What is known after a session: its last five returns in usual ones (the latest last, cut at 3), and more."""

    moves: list[float]
    stressed: bool
    heavy: float


_FALL = 1.0
_FALL_CHANCE = float(_below(-_FALL))

FORMS: dict[str, tuple[bool, Callable[[_State], float]]] = {
    "reversal": (True, lambda known: -known.moves[-1]),
    "momentum": (True, lambda known: sum(known.moves) / math.sqrt(5)),
    "rebound": (
        False,
        lambda known: ((known.moves[-1] < -_FALL) - _FALL_CHANCE) / math.sqrt(_FALL_CHANCE * (1 - _FALL_CHANCE)),
    ),
    "volatility_flip": (False, lambda known: known.moves[-1] if known.stressed else -known.moves[-1]),
    "volume_flip": (False, lambda known: known.moves[-1] * known.heavy),
}
"""Signals by name: linear in a feature or not, and g.

reversal: the last return (return_1), turned; momentum: the mean of the last five (mean_return_5); rebound: a rise after
a fall of more than one usual move, else nothing (threshold); volatility_flip: the last return goes on in stressed
spells and turns in calm ones; volume_flip: it goes on after heavy volume and turns after light (interaction).
"""


def _planted(random: np.random.RandomState, n: int, case: Case) -> _Path:
    _, signal = FORMS[case.form]
    b = math.sqrt(case.strength / (1 - case.strength))
    drift = _drift(random)
    stressed = _spells(random, n, 80.0)
    # A session's volatility is that of the spell in which the session before it ended, so it is known beforehand.
    in_spell = np.where(np.append(stressed[:1], stressed[:-1]), 1.5, 0.6)
    volatility = _volatility(random) * (in_spell if case.form == "volatility_flip" else np.ones(n))
    noise = np.clip(_unit_t(random, _TAIL, n), -_LARGEST_SIZE, _LARGEST_SIZE)
    heavy = _signs(random, n)
    moves, g, shifts = [0.0] * 5, 0.0, []
    for t in range(n):
        shifts.append(g)
        moves = [*moves[1:], min(3.0, max(-3.0, b * g + noise[t]))]
        g = signal(_State(moves, bool(stressed[t]), heavy[t]))
    shift = np.array(shifts)
    mean = drift + b * volatility * shift
    return _Path(
        returns=mean + volatility * noise,
        mean=mean,
        probability_up=_below(mean / volatility),
        volatility=volatility,
        heavy=heavy,
        score=score(b * shift + noise, shift),
        information=_FISHER_INFORMATION * shift**2,
    )


def score(surprise: Floats, g: Floats) -> Floats:
    """Derivative of the log likelihood by b at b = 0, a session each: g * (d + 1) e / (d - 2 + e^2).

    e is the `surprise`, the return less its drift, in deviations; d the degrees of freedom. The sum over sessions over
    the root of the sum of the information, 1.25 g^2, is standard normal without a signal, and no test is more powerful
    against weak ones (Rao's score test; Cox & Hinkley 1974, Theoretical Statistics, 4.8).
    """
    return g * (_TAIL + 1) * surprise / (_TAIL - 2 + surprise**2)


# --- Bars ----------------------------------------------------------------------------------------------------------


def _bars(random: np.random.RandomState, path: _Path) -> pd.DataFrame:
    """Bars with these total returns. Open, range and volume tell of their own session only; half pay dividends."""
    n = len(path.returns)
    index = sessions.sessions_between(sessions.previous_session(LAST_SESSION, n - 1), LAST_SESSION)
    surprise = path.returns - path.mean
    payout = np.zeros(n)
    if random.uniform() < 0.5:
        payout[int(random.randint(1, _SESSIONS_A_QUARTER)) :: _SESSIONS_A_QUARTER] = random.uniform(0.002, 0.01)
    close = random.uniform(15.0, 150.0) * np.cumprod(1 + path.returns - payout)
    before = np.append(close[0] / (1 + path.returns[0] - payout[0]), close[:-1])
    opening = before * (1 + 0.4 * surprise + 0.3 * path.volatility * random.normal(size=n) - payout)
    above, below = 0.5 * path.volatility * np.abs(random.normal(size=(2, n)))
    attention = random.normal(0, 0.15, n) + 0.4 * path.heavy + 0.25 * np.abs(surprise) / path.volatility
    paid = pd.Series(payout * before, index=index)
    return base.raw_frame(
        index,
        {
            "open": opening,
            "high": np.maximum(opening, close) * (1 + above),
            "low": np.minimum(opening, close) * (1 - below),
            "close": close,
            "adj_close": close * adjusting.dividend_factors(pd.Series(close, index=index), paid).to_numpy(),
            "volume": np.round(random.uniform(2e6, 4e7) * np.exp(attention)),
            "dividends": paid.to_numpy(),
            "stock_splits": np.zeros(n),
        },
    )
