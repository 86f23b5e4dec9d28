"""What the model leans on: permutation importance of its features."""

from collections.abc import Mapping

import numpy as np

from stock_assets.reporting import figures
from stock_assets.reporting.charts import axes as shared

MOST = 15
_ROW = 0.24


def largest(features: Mapping[str, Mapping[str, float]]) -> list[tuple[str, float, float]]:
    """(name, mean, deviation) of the 15 features of the largest mean, largest first; equal ones by name."""
    found = [(name, entry["mean"], entry["deviation"]) for name, entry in features.items()]
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))[:MOST]


def importance(features: Mapping[str, Mapping[str, float]], *, label: str, simulated: bool) -> bytes:
    """Mean importance of the 15 largest features as bars, one standard deviation of the repeats as whiskers.

    `features` is name -> `mean`, `deviation`, as in the model card's `permutation_importance`.
    """
    shown = largest(features)
    height = 1.0 + _ROW * len(shown)
    with figures.style():
        figure, (axes,) = figures.new(figures.COLUMN, height, (0.55, height - 0.4), left=1.75, right=0.28)
        places = np.arange(len(shown))
        means = np.array([mean for _, mean, _ in shown])
        spreads = np.array([spread for *_, spread in shown])
        axes.barh(places, means, height=0.62, color=figures.BLUE, alpha=0.55)
        axes.errorbar(means, places, xerr=spreads, fmt="none", ecolor=figures.INK, elinewidth=1, capsize=2)
        axes.axvline(0, color=figures.MUTED, linewidth=0.8)
        axes.set_yticks(places, [name.replace("_", " ") for name, *_ in shown], color=figures.INK)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_locator(shared.few(4, whole=False))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}".replace("-", "−"))
        axes.set_xlabel("What shuffling the feature costs; whiskers: ± 1 standard deviation", loc="right")
        shared.title(figure, label, "what the model leans on")
        return figures.png(figure, simulated=simulated)
