"""Do recent values of an input come from where the model learnt? Population stability index, value by value.

Lives here: the index, and what is usual for it. Which inputs are asked, and from how many on somebody is told, is for
track_record and validation.
"""

from typing import NamedTuple

import numpy as np

BINS = 10
"""Bins of equal share in training, as is usual for the index."""

SHIFTED = 0.25
"""From here on the index is commonly read as a major shift; below 0.1 as none."""

FEWEST_STRETCHES = 16
"""Earlier stretches that are needed to say what is usual: four years of quarters."""


class Stability(NamedTuple):
    """The index of the latest stretch, and the highest of the stretches before it."""

    psi: float
    highest_before: float

    @property
    def shifted(self) -> bool:
        """A major shift that no earlier stretch showed.

        The index alone can't say so. An average over 200 sessions hardly moves in 63 of them, and a month's number
        shows three months of twelve: of 46 features of eight real stocks, 34 were above `SHIFTED` in an ordinary
        quarter.
        """
        return self.psi > SHIFTED and self.psi > self.highest_before


def population_stability(training: np.ndarray, recent: np.ndarray) -> float:
    """PSI = sum over bins of (recent share - training share) * ln(recent share / training share); 0 when they agree.

    Bins are cut at the deciles of `training`; equal deciles count once. Of at most ten different training values each
    is a bin of its own, and whatever else occurs is one more: weekdays and flags are no quantiles. A share of less than
    half a recent value counts as half a recent value, in both, as the logarithm of an empty bin is not defined.

    Without any shift, n recent and m training values of each other independent are expected to give (bins - 1) *
    (1/n + 1/m): 0.15 for 63 and 1,500. Values that move slowly give far more (see `Stability.shifted`).

    Args:
        training: Values of shape (m,), finite, m >= 1.
        recent: Values of shape (n,), finite, n >= 1.

    References: Siddiqi (2006), Credit Risk Scorecards, chapter 8; Yurdakul (2018), Statistical Properties of Population
    Stability Index, for its expectation.

    >>> round(population_stability(np.array([0.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0])), 4)
    0.2747
    """
    training_bins, recent_bins, n_bins = _bins(training, recent)
    shares = np.bincount(training_bins, minlength=n_bins) / len(training)
    return float(_index(shares, np.bincount(recent_bins, minlength=n_bins)[None, :] / len(recent), len(recent))[0])


def stability(training: np.ndarray, values: np.ndarray, *, stretch: int) -> Stability:
    """`population_stability` of the last `stretch` values against `training`, and the highest of those before.

    Earlier stretches are counted back from the last one, side by side; a rest at the start is left out.

    Args:
        training: What the model learnt from, shape (m,), without the last stretch.
        values: All values in order, shape (n,), the last stretch included.
        stretch: Values in a stretch.

    Raises:
        ValueError: Fewer than `FEWEST_STRETCHES` stretches before the last one.
    """
    n_stretches = len(values) // stretch
    if n_stretches <= FEWEST_STRETCHES:
        raise ValueError(
            f"{len(values)} values are {n_stretches} stretches of {stretch}; expected at least {FEWEST_STRETCHES + 1}"
        )
    training_bins, bins, n_bins = _bins(training, values[len(values) - n_stretches * stretch :])
    place = np.repeat(np.arange(n_stretches), stretch)
    counts = np.bincount(place * n_bins + bins, minlength=n_stretches * n_bins).reshape(n_stretches, n_bins)
    shares = np.bincount(training_bins, minlength=n_bins) / len(training)
    found = _index(shares, counts / stretch, stretch)
    return Stability(float(found[-1]), float(found[:-1].max()))


def _index(training: np.ndarray, recent: np.ndarray, n_recent: int) -> np.ndarray:
    """The index of each row of `recent`, shares of shape (rows, bins) of `n_recent` values each."""
    least = 0.5 / n_recent
    expected, came = np.maximum(training, least), np.maximum(recent, least)
    return ((came - expected) * np.log(came / expected)).sum(axis=1)


def _bins(training: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The bin of each value of `training` and of `others`, and how many bins there are."""
    distinct = np.unique(training)
    if len(distinct) > BINS:
        edges = np.unique(np.quantile(training, np.arange(1, BINS) / BINS))
        return (
            np.searchsorted(edges, training, side="right"),
            np.searchsorted(edges, others, side="right"),
            len(edges) + 1,
        )
    at = np.minimum(np.searchsorted(distinct, others), len(distinct) - 1)
    return (
        np.searchsorted(distinct, training),
        np.where(distinct[at] == others, at, len(distinct)),
        len(distinct) + 1,
    )
