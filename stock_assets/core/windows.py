"""Trailing windows and recursive means over arrays: the same bits whatever came before the window or comes after it.

`pandas.rolling` gives no such promise: it adds what enters a window and subtracts what leaves it, so that an outlier
stays in the last digits for ever; and before pandas 3 its skew and kurt centre the whole column first, so that later
rows change earlier values (7e-6 seen). Running sums have the first fault too.

So every window is put together here from blocks: the sums of two blocks side by side make those of a longer one, for
all rows of a column at once, and 21 rows are blocks of 16, 4 and 1. Each value is thus made of the rows of its own
window, always in the same order; the work grows with the logarithm of the window, a longer window is made of shorter
ones that are asked for as well; and rounding errors grow with that logarithm too.

Time runs along the last axis: several columns of one length may be folded at once, with the same bits.
What indicators are made of these (features), and statistics for people (metrics), do not live here.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_State = tuple[Floats, ...]
_Merge = Callable[[_State, _State, int, int], _State]
"""merge(left, right, n_left, n_right): the state of a block from those of its two parts and their numbers of rows."""

_NEGLIGIBLE = 1e-20


# --- Windows -------------------------------------------------------------------------------------------------------


def rolling_means(values: Floats, windows: Sequence[int]) -> list[Floats]:
    """Mean of the last rows, an array for each of `windows`; NaN until there are as many, and while one is NaN."""
    sums = _folded((values,), _add, windows)
    return [_after_the_start(total / window, values.shape[-1]) for (total,), window in zip(sums, windows, strict=True)]


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` values; NaN as in `rolling_means`."""
    return rolling_means(values, [window])[0]


def rolling_max(values: Floats, window: int) -> Floats:
    """Largest of the last `window` values; NaN as in `rolling_means`."""
    ((largest,),) = _folded((values,), _larger, [window])
    return _after_the_start(largest, values.shape[-1])


def rolling_moments(values: Floats, windows: Sequence[int], order: int = 2) -> list[list[Floats]]:
    """Mean and central moments of the last rows: for each of `windows` [mean, second moment, ... up to `order` <= 4].

    The k-th moment is the mean of (value - mean)^k, exactly 0 when all are the same. NaN as in `rolling_means`.
    Moments of two blocks give those of both together without the squares' cancellation: Pebay (2008), "Formulas for
    robust, one-pass parallel computation of covariances and arbitrary-order statistical moments", Sandia report
    SAND2008-6212.
    """
    nothing = np.zeros(values.shape)
    found = _folded((values, *[nothing] * (order - 1)), _join_moments, windows)
    return [
        [_after_the_start(part, values.shape[-1]) for part in (mean, *(total / window for total in totals))]
        for (mean, *totals), window in zip(found, windows, strict=True)
    ]


def sample_deviation(second_moment: Floats, window: int) -> Floats:
    """Standard deviation with n - 1 of `window` values, from their second central moment."""
    return np.sqrt(second_moment * (window / (window - 1)))


def _folded(rows: _State, merge: _Merge, windows: Sequence[int]) -> list[_State]:
    """The state of every full window, for each of `windows`; the i-th value is that of rows i to i + window - 1."""
    n_rows = rows[0].shape[-1]
    blocks = {1: rows}
    size = 1
    while 2 * size <= min(*windows, n_rows):
        blocks[2 * size] = merge(_cut(blocks[size], 0, -size), _cut(blocks[size], size, None), size, size)
        size *= 2
    for window in sorted(windows):
        blocks[window] = _window(blocks, merge, window, n_rows)
    return [blocks[window] for window in windows]


def _window(blocks: Mapping[int, _State], merge: _Merge, window: int, n_rows: int) -> _State:
    """The state of windows made of the largest of `blocks` first, the rest of smaller ones."""
    count = max(n_rows - window + 1, 0)
    first, *others = _summands(window, sorted(blocks, reverse=True))
    folded = _cut(blocks[first], 0, count)
    n = first
    for size in others:
        folded = merge(folded, _cut(blocks[size], n, n + count), n, size)
        n += size
    return folded


def _summands(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` as a sum of `sizes`, which fall and end with 1: as many of the first as fit, then of the next."""
    found = []
    for size in sizes:
        found += [size] * (total // size)
        total %= size
    return found


def _cut(state: _State, start: int, stop: int | None) -> _State:
    return tuple([part[..., start:stop] for part in state])


def _after_the_start(folded: Floats, n_rows: int) -> Floats:
    """The values of full windows under their last row; missing before."""
    out = np.empty((*folded.shape[:-1], n_rows))
    start = n_rows - folded.shape[-1]
    out[..., :start] = np.nan
    out[..., start:] = folded
    return out


def _add(left: _State, right: _State, _n_left: int, _n_right: int) -> _State:
    return (left[0] + right[0],)


def _larger(left: _State, right: _State, _n_left: int, _n_right: int) -> _State:
    return (np.maximum(left[0], right[0]),)


def _join_moments(left: _State, right: _State, a: int, b: int) -> _State:
    """Mean and sums of powers of deviations of two blocks of `a` and `b` rows together (Pebay 2008, section 2)."""
    n = a + b
    apart = right[0] - left[0]
    squared = apart * apart
    joined = [left[0] + apart * (b / n), left[1] + right[1] + squared * (a * b / n)]
    if len(left) > 2:
        third = apart * squared * (a * b * (a - b) / n**2) + apart * (right[1] * (3 * a / n) - left[1] * (3 * b / n))
        joined.append(left[2] + right[2] + third)
    if len(left) > 3:
        fourth = squared * squared * (a * b * (a * a - a * b + b * b) / n**3)
        fourth += squared * (right[1] * (6 * a * a / n**2) + left[1] * (6 * b * b / n**2))
        fourth += apart * (right[2] * (4 * a / n) - left[2] * (4 * b / n))
        joined.append(left[3] + right[3] + fourth)
    return tuple(joined)


# --- Recursive means -----------------------------------------------------------------------------------------------


def exponential_mean(values: Floats, span: int) -> Floats:
    """Exponential moving average with weight 2 / (span + 1), begun with the mean of the first `span` values.

    NaN before; only leading values may be missing. Reference: Appel (2005).
    """
    return _recursive_mean(values, span, 2 / (span + 1))


def wilder_mean(values: Floats, window: int) -> Floats:
    """Wilder's smoothing: weight 1 / window, begun with the mean of the first `window` values (Wilder 1978)."""
    return _recursive_mean(values, window, 1 / window)


def _recursive_mean(values: Floats, window: int, weight: float) -> Floats:
    """mean[t] = (1 - weight) * mean[t-1] + weight * values[t], begun with the mean of the first `window` values.

    Unrolled, mean[t] is a sum of all values up to t, each with (1 - weight)^age. It is put together like a window: from
    the 1, 2, 4, 8 ... latest rows, each time adding as many older ones, until what is older weighs nothing.
    """
    starts = np.isnan(values).sum(axis=-1)
    if starts.min() != starts.max():
        return np.array([_recursive_mean(row, window, weight) for row in values])
    out = np.full(values.shape, np.nan)
    start = int(starts.max())
    seed = start + window - 1
    if seed < values.shape[-1]:
        terms = values[..., seed:] * weight
        terms[..., 0] = rolling_mean(values[..., start : seed + 1], window)[..., -1]
        size, decay = 1, 1 - weight
        while size < terms.shape[-1] and decay > _NEGLIGIBLE:
            terms[..., size:] += terms[..., :-size] * decay
            size, decay = 2 * size, decay * decay
        out[..., seed:] = terms
    return out


# --- Rows ----------------------------------------------------------------------------------------------------------


def lagged(values: Floats, n: int) -> Floats:
    """The values `n` rows earlier; NaN on the first `n`."""
    return _after_the_start(values[..., : max(values.shape[-1] - n, 0)], values.shape[-1])


def ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    """`numerator / denominator`, and `otherwise` where the denominator is 0; NaN stays NaN."""
    zero = denominator == 0
    if not zero.any():
        return numerator / denominator
    return np.where(zero, otherwise, numerator / np.where(zero, 1.0, denominator))


def rows_since(flags: NDArray[np.bool_], cap: int) -> Floats:
    """Rows since the last flagged one, 0 on it, never more than `cap`.

    The cap also stands for "never": a table that starts later than the last event then gives the same value as one
    that starts earlier, once `cap` rows have passed.
    """
    rows = np.arange(flags.shape[-1], dtype=np.float64)
    last = np.maximum.accumulate(np.where(flags, rows, -cap), axis=-1)
    return np.minimum(rows - last, cap)
