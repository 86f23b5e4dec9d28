"""What prices and the source's adjusted close say about a payment, measured: for rules of cleaning and for predicates.

Arrays in, arrays out. What follows from the evidence is decided in cleaning.distributions, cleaning.splits and
validation.events.
"""

import numpy as np

WINDOW = 30
"""Sessions on either side of a session that its usual move is taken from: a quarter in all, so one spell of volatility.

A usual move is a thing of the time: STX moved by 1 % a session in 2017 and by 4 % in March 2020.
"""

SMALLEST_USUAL_MOVE = 0.005
"""No usual move is taken to be smaller: of a price that hardly moves, nobody knows by how much it would if it did."""

TAIL_DEGREES_OF_FREEDOM = 3.0
"""Of Student's t, the law assumed for what a market does on its own: tails of daily returns fall with about the cube.

(Gopikrishnan et al., 1999, Phys. Rev. E 60, 5305.) So a move of ten times the usual is no proof of anything on its
own: it weighs 7 nats, where a normal law would say 50.
"""

_MEDIAN_OF_ABSOLUTE_T = 0.7649

DECISIVE = 5.0
"""Nats (natural units of log odds) from which the price is taken to have decided: 150 to 1.

Asked for nothing paid against what was recorded, the 650 dividends of 16 real files weigh at most 1.8 (KO 2017-11-30;
2.9 the one of 2012-03-13, which stood there doubled), 10,000 of 300 simulated histories 2.1. Payments that were a
hundred times too large weigh 5 and more each, the phantom of KME.MI 12.7.
"""

TELLING = 3.0
"""The same where a habit of the source, known from elsewhere, says so already: 20 to 1.

Three funds whose capital gains were counted twice weigh 3.7 (one distribution), 4.8 and 48.
"""

CONTRARY = -2.0
"""Nats below which the price contradicts a repair that others speak for: 1 to 7."""

SOURCE_TOLERANCE = 0.02
"""How near, relatively, an amount must be to what the source's adjusted close implies to be the amount it was made of.

Amounts are given in 3 or 4 decimals, of 5 cents often; what competes with them is 100 times or at least 1.5 times it.
"""

_ADJ_CLOSE_PRECISION = 2e-5
"""How exact, as a share of the price, an implied amount can be: adjusted closes come in 6 significant digits."""


def implied_payments(close: np.ndarray, adj_close: np.ndarray) -> np.ndarray:
    """What the source must have taken each session to pay, from its own adjusted close; shape of `close`.

    The adjustment of dividend_factors (see adjusting) solved for the amount, with q = adj_close / close:

        payment(s) = close(s - 1) * (1 - q(s - 1) / q(s))

    NaN on the first row, and where either adjusted close is missing, infinite or zero. Sessions without a payment
    come out as about 0, not exactly.
    """
    quotient = np.where(np.isfinite(adj_close) & (adj_close != 0), adj_close, np.nan) / close
    payments = np.full(len(close), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        payments[1:] = close[:-1] * (1 - quotient[:-1] / quotient[1:])
    return np.where(np.isfinite(payments), payments, np.nan)


def implied(payments: np.ndarray, amounts: np.ndarray, close_before: np.ndarray) -> np.ndarray:
    """Where `payments`, as implied by the source, are `amounts`: bool, one an item. False where too small to tell."""
    precision = _ADJ_CLOSE_PRECISION * close_before
    near = np.abs(payments - amounts) <= SOURCE_TOLERANCE * np.abs(amounts) + precision
    return near & (np.abs(amounts) > 4 * precision)


def usual_moves(close: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Scale of the returns around each of `rows` (positions): what a session moves the price by, as a share of it.

    The median of the absolute returns within `WINDOW` sessions, its own left out, over that of Student's t of scale 1.
    Sessions that don't move the price don't count, as often there was no trade; at least `SMALLEST_USUAL_MOVE`.
    """
    moves = np.full(max(len(close), 1) + 2 * WINDOW, np.nan)
    moves[WINDOW + 1 : WINDOW + len(close)] = np.abs(close[1:] / close[:-1] - 1)
    moves[moves == 0] = np.nan
    windows = np.lib.stride_tricks.sliding_window_view(moves, 2 * WINDOW + 1)[rows]
    # Missing ones sort last: the median of the others is then a matter of counting them.
    around = np.sort(np.delete(windows, WINDOW, axis=1), axis=1)
    counted = np.isfinite(around).sum(axis=1)
    median = around[np.arange(len(rows)), np.maximum(counted - 1, 0) // 2]
    return np.fmax(median / _MEDIAN_OF_ABSOLUTE_T, SMALLEST_USUAL_MOVE)


def price_speaks_for(
    instead: np.ndarray,
    recorded: np.ndarray,
    close: np.ndarray,
    rows: np.ndarray,
    *,
    traded: np.ndarray | None = None,
) -> np.ndarray:
    """How much likelier the moves of the price on `rows` (positions, not 0) make one payment than another, in nats.

    A share that goes ex falls by what it pays, on top of what the market does on its own. With r the return of the
    session, c the close before, z(x) = (r + x / c) / usual move and t the density of Student's t:

        log t(z(instead)) - log t(z(recorded))

    so positive when the price speaks for `instead`. 0 where the price did not move: mostly nobody traded; but not
    where `traded` (bool, one an item of `rows`) says that somebody did.
    """
    before = close[rows - 1]
    moved = close[rows] / before - 1
    scale = usual_moves(close, rows)
    degrees = TAIL_DEGREES_OF_FREEDOM

    def log_density(paid: np.ndarray) -> np.ndarray:
        return -(degrees + 1) / 2 * np.log1p(((moved + paid / before) / scale) ** 2 / degrees)

    silent = (moved == 0) & (True if traded is None else ~traded)
    return np.where(silent, 0.0, log_density(instead) - log_density(recorded))
