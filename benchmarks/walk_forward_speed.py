"""What our walk-forward costs and is worth beside the one a competent person would write with scikit-learn.

    python -m benchmarks.walk_forward_speed [--repeats N] [--prices DIR] [--tickers TICKER ...] [--rows N] [--refits N]
                                            [--quick]

Both walk over the same rows of features with the same refits, the same purge and the same two threads:

- ours: `walk_forward` with its default settings (few shallow trees, each leaf a hundred sessions);
- plain: RandomForestClassifier and RandomForestRegressor of 300 trees with leaves of at least 20, otherwise as
  scikit-learn comes, refitted on all rows whose target is known.

They take turns in this process, so a machine that is busy for a while is busy for both. The score is the logarithmic
loss of the probability of a rise, row by row on the same rows. Its difference gets a paired interval: a block bootstrap
over sessions, of the mean over the tickers, as tickers share their sessions. Target: at least 5 times faster, at a loss
that is not higher.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from benchmarks import measuring, real_tickers, simulated_markets
from stock_assets.core import backtesting, cleaning, features, inference, losses, modelling
from stock_assets.core.modelling import ModelSettings

LEAST_RATIO = 5.0

_TREES, _LEAF, _SEED = 300, 20, 0
_BOOTSTRAP_SEED = 20200102


@dataclasses.dataclass(frozen=True)
class Pair:
    """One ticker, each side once: wall clock, time of all threads, and the loss on each session."""

    ticker: str
    rows: int
    refits: int
    seconds: tuple[float, float]
    processor_seconds: tuple[float, float]
    log_loss: pd.DataFrame  # columns ours, raw (before calibration), plain, naive; by session


def main() -> None:
    parser = measuring.options("Our walk-forward beside a plain scikit-learn loop.", repeats=1, quick_repeats=1)
    parser.add_argument("--prices", type=Path, metavar="DIR", help="folder of <TICKER>.csv files; default: simulated")
    parser.add_argument("--tickers", nargs="+", metavar="TICKER", help="default: all in the folder; simulated: 3")
    parser.add_argument("--rows", type=int, metavar="N", help="rows of features; default 2500, 900 if quick")
    parser.add_argument("--refits", type=int, metavar="N", help="default 20; 1 if quick")
    arguments = parser.parse_args()
    rows = arguments.rows or (900 if arguments.quick else 2_500)
    refits = arguments.refits or (1 if arguments.quick else 20)
    tables = _tables(arguments.prices, arguments.tickers, rows, quick=arguments.quick)
    settings = ModelSettings()
    measuring.print_header(
        "Our walk-forward beside a plain scikit-learn loop",
        f"work      {len(tables)} tickers, {rows:,} rows x {len(features.feature_columns())} features, {refits} refits",
        f"ours      {settings.hyperparameters()}",
        f"plain     {_TREES} trees, leaves of at least {_LEAF}; {settings.threads} threads each",
    )
    repeats = measuring.repeats(arguments)
    turns = [(ticker, table) for _ in range(repeats) for ticker, table in tables.items()]
    measured = []
    for ticker, table in track(turns, "pairs", console=Console(stderr=True)):
        measured.append(pair := measure(ticker, table, refits))
        # Told at once, as a pair may take minutes and a run may be stopped.
        losses_of_pair = ", ".join(f"{side} {loss:.4f}" for side, loss in pair.log_loss.mean().items())
        print(
            f"{ticker}: ours {pair.seconds[0]:.1f} s, plain {pair.seconds[1]:.1f} s; log loss {losses_of_pair}",
            flush=True,
        )
    print()
    show(measured)


def _tables(prices: Path | None, tickers: list[str] | None, rows: int, *, quick: bool) -> dict[str, pd.DataFrame]:
    """The latest `rows` rows of features of each ticker."""
    if prices is not None:
        cleans = {ticker: real_tickers.clean_prices(prices, ticker) for ticker in real_tickers.tickers(prices, tickers)}
    else:
        numbers = range(1 if quick else 3)
        cases = [simulated_markets.Case("faint", "garch_with_drift", number) for number in numbers]
        as_of = simulated_markets.LAST_SESSION
        length = rows + features.WARM_UP
        cleans = {
            case.ticker: cleaning.clean_prices(
                simulated_markets.simulate(case, length).raw, ticker=case.ticker, as_of=as_of
            )
            for case in cases
        }
    built = {
        ticker: features.build_features(clean, ticker=ticker, as_of=clean.index[-1].date())
        for ticker, clean in cleans.items()
    }
    return {ticker: table.tail(rows) for ticker, table in built.items()}


def measure(ticker: str, table: pd.DataFrame, refits: int) -> Pair:
    """Both walks over one table of features, ours first."""
    import sklearn.ensemble  # noqa: F401  imported before the clock starts: either side would pay for it once

    usual = ModelSettings()
    forecasts = len(table) - usual.min_train - usual.embargo - usual.horizon
    settings = dataclasses.replace(usual, refit_every=math.ceil(forecasts / refits))
    as_of = table.index[-1].date()
    ours, *ours_took = _timed(lambda: backtesting.walk_forward(table, settings, ticker=ticker, as_of=as_of))
    plain, *plain_took = _timed(lambda: plain_walk_forward(table, settings))
    same = ours.index.equals(plain.index) and np.array_equal(ours["up_share"], plain["up_share"])
    if not same:
        measuring.fail(f"{ticker}: the two sides did not forecast the same sessions from the same rows")
    loss, naive = losses.log_losses(ours)
    raw, _ = losses.log_losses(ours.assign(probability_up=ours["raw_probability_up"]))
    log_loss = {"ours": loss, "raw": raw, "plain": losses.log_losses(plain)[0], "naive": naive}
    return Pair(
        ticker,
        len(table),
        ours["train_end"].nunique(),
        (ours_took[0], plain_took[0]),
        (ours_took[1], plain_took[1]),
        pd.DataFrame(log_loss, index=ours.index),
    )


def _timed(work: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def plain_walk_forward(table: pd.DataFrame, settings: ModelSettings) -> pd.DataFrame:
    """The usual loop, with the refits and the training rows of `settings`: forecasts and the share of rises so far."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    names = modelling.feature_names(table)
    values = table[names].to_numpy()
    up = (table["target_return"] > 0).to_numpy()
    known = table["target_return"].notna().to_numpy()
    n_rows = backtesting.trainable(table, settings.embargo)
    enough = [t for t in range(len(table)) if known[: n_rows[t]].sum() >= settings.min_train]
    blocks = []
    for start in range(enough[0], len(table), settings.refit_every):
        seen = np.flatnonzero(known[: n_rows[start]])
        ahead = start + np.flatnonzero(known[start : start + settings.refit_every])
        if not len(ahead):
            continue
        common = {
            "n_estimators": _TREES,
            "min_samples_leaf": _LEAF,
            "random_state": _SEED,
            "n_jobs": settings.threads,
        }
        classifier = RandomForestClassifier(**common).fit(values[seen], up[seen])
        regressor = RandomForestRegressor(**common).fit(values[seen], table["target_return"].to_numpy()[seen])
        blocks.append(
            pd.DataFrame(
                {
                    "probability_up": classifier.predict_proba(values[ahead])[:, list(classifier.classes_).index(True)],
                    "expected_return": regressor.predict(values[ahead]),
                    "up_share": up[seen].mean(),
                    "realised_up": up[ahead],
                },
                index=table.index[ahead],
            )
        )
    return pd.concat(blocks)


def show(measured: list[Pair]) -> None:
    """Times and losses by ticker, and what they come to."""
    rows = []
    for pair in measured:
        loss = pair.log_loss
        low, high = paired_interval([pair])
        rows.append(
            (
                pair.ticker,
                f"{pair.rows:,}",
                str(pair.refits),
                *(f"{seconds:.1f}" for seconds in (*pair.seconds, *pair.processor_seconds)),
                f"{pair.seconds[1] / pair.seconds[0]:.1f}",
                *(f"{loss[side].mean():.4f}" for side in ("ours", "raw", "plain", "naive")),
                f"{low:+.4f} to {high:+.4f}",
            )
        )
    heading = ("ticker", "rows", "refits", "ours s", "plain s", "ours CPU s", "plain CPU s", "times faster")
    measuring.print_table((*heading, "ours", "raw", "plain", "naive", "ours - plain, 95 %"), rows)
    print("ours, raw: logarithmic loss with and without our calibration; naive: that of the share of rises so far\n")
    ratios = [pair.seconds[1] / pair.seconds[0] for pair in measured]
    processor = [pair.processor_seconds[1] / pair.processor_seconds[0] for pair in measured]
    measuring.print_table(
        ("times faster, pair by pair", *measuring.SPREAD),
        [("wall clock", *measuring.spread(ratios, "{:.1f}")), ("processor", *measuring.spread(processor, "{:.1f}"))],
    )
    once = list({pair.ticker: pair for pair in measured}.values())
    difference = pd.concat([pair.log_loss["ours"] - pair.log_loss["plain"] for pair in once], axis=1).mean(axis=1)
    low, high = paired_interval(once)
    raw = statistics.fmean((pair.log_loss["raw"] - pair.log_loss["plain"]).mean() for pair in once)
    test = inference.diebold_mariano(difference.to_numpy(), np.zeros(len(difference)))
    print(f"log loss  ours - plain: {difference.mean():+.5f} ({low:+.5f} to {high:+.5f}), all tickers")
    print(f"          ours before calibration - plain: {raw:+.5f}")
    print(f"          p value of ours being better (Diebold-Mariano): {test.p_value:.2g}")
    fast = statistics.median(ratios) >= LEAST_RATIO
    print(f"target    at least {LEAST_RATIO:g} times faster (median): {measuring.verdict(fast)}")
    print(f"target    log loss not higher: {measuring.verdict(difference.mean() <= 0)}")


def paired_interval(pairs: list[Pair]) -> tuple[float, float]:
    """95 % interval of the mean difference of the log losses, ours less plain, averaged over tickers by session."""
    by_session = pd.concat([pair.log_loss["ours"] - pair.log_loss["plain"] for pair in pairs], axis=1).mean(axis=1)
    return inference.bootstrap_mean_interval(by_session.sort_index().to_numpy(), seed=_BOOTSTRAP_SEED)


if __name__ == "__main__":
    main()
