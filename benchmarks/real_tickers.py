"""What the default model is worth on a folder of real prices: scores beside their baselines, one row a ticker.

    python -m benchmarks.real_tickers --prices DIR [--tickers TICKER ...] [--session DATE] [--markdown] [--quick]

DIR holds `<TICKER>.csv` files as for the source csv. Each ticker goes through the functions of the graph with the
default settings, up to the last session of its file or to DATE. Every column is out of sample; beside each score stands
what a forecaster without a model gets on the same rows.
"""

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track

from benchmarks import measuring
from stock_assets.core import adjusting, backtesting, cleaning, evaluation, features, modelling, sessions
from stock_assets.sources.csv_files import CsvSource

_QUICK_BARS = 1_100


def main() -> None:
    parser = argparse.ArgumentParser(description="The default model beside its baselines on real prices.")
    parser.add_argument("--prices", type=Path, required=True, metavar="DIR", help="folder of <TICKER>.csv files")
    parser.add_argument("--tickers", nargs="+", metavar="TICKER", help="default: all in the folder")
    parser.add_argument("--session", type=sessions.to_session, metavar="DATE", help="default: the last of each file")
    parser.add_argument("--markdown", action="store_true", help="a table for a README, without the header")
    parser.add_argument(
        "--quick", action="store_true", help=f"only the first {_QUICK_BARS:,} bars: does it run at all?"
    )
    arguments = parser.parse_args()
    names = tickers(arguments.prices, arguments.tickers)
    if not names:
        measuring.fail(f"{arguments.prices} holds no .csv file")
    evaluations = [
        judge(arguments.prices, ticker, arguments.session, first_bars=_QUICK_BARS if arguments.quick else None)
        for ticker in track(names, "tickers", console=Console(stderr=True))
    ]
    rows = [row(one) for one in evaluations]
    if arguments.markdown:
        print(markdown(HEADING, rows))
        return
    settings = modelling.ModelSettings().hyperparameters()
    measuring.print_header("Scores beside baselines, out of sample", f"settings  {json.dumps(dict(settings))}")
    measuring.print_table(HEADING, rows)
    print(
        "accuracy beside always saying the more frequent direction; Brier, log loss beside the share of rises so far;"
    )
    print(
        "R2 over the mean so far; p of the verdict's claims on direction and return, before corrections; Sharpe after"
    )
    print("costs beside buying and holding; coverage of intervals that should hold 90 %")
    found = sum(one["verdict"]["beats_naive"] for one in evaluations)
    print(
        f"beats naive: {found} of {len(evaluations)}; too good to be true: {sum(o['suspicious'] for o in evaluations)}"
    )


def tickers(folder: Path, wanted: list[str] | None) -> list[str]:
    """Those `wanted`, or all in the folder in order of the alphabet."""
    return wanted or sorted(path.stem for path in folder.glob("*.csv"))


def clean_prices(
    folder: Path, ticker: str, session: datetime.date | None = None, *, first_bars: int | None = None
) -> pd.DataFrame:
    """The `clean_prices` of a file up to `session`, to the end of the file without one; its `first_bars` only."""
    bars = CsvSource(folder).fetch(ticker, session or sessions.LAST_SESSION).bars
    if session is None:
        session = bars.index[: first_bars or len(bars)][-1].date()
    return cleaning.clean_prices(adjusting.as_served_on(bars, session), ticker=ticker, as_of=session)


def judge(
    folder: Path, ticker: str, session: datetime.date | None = None, *, first_bars: int | None = None
) -> dict[str, Any]:
    """The `evaluation` of a file's ticker as of `session`, by the default settings."""
    clean = clean_prices(folder, ticker, session, first_bars=first_bars)
    about = {"ticker": ticker, "as_of": clean.index[-1].date()}
    built = features.build_features(clean, **about)
    settings = modelling.ModelSettings()
    backtest = backtesting.walk_forward(built, settings, **about)
    return evaluation.evaluate(
        backtest, source=CsvSource.name, horizon=settings.horizon, calibrated_by=settings.calibration, **about
    )


HEADING = (
    "ticker",
    "as of",
    "forecasts",
    "accuracy / majority",
    "AUC",
    "Brier / naive",
    "log loss / naive",
    "R2",
    "p direction",
    "p return",
    "Sharpe / hold",
    "coverage",
    "beats naive",
)


def row(one: dict[str, Any]) -> tuple[str, ...]:
    """An `evaluation` under `HEADING`."""
    scores, strategy = one["classification"], one["backtest"]
    p_values = {claim["name"]: claim["p_value"] for claim in one["verdict"]["test"]["claims"]}
    return (
        one["ticker"],
        one["as_of"],
        f"{one['n_forecasts']:,}",
        f"{scores['accuracy']:.1%} / {scores['majority_accuracy']:.1%}",
        _number(scores["roc_auc"], ".3f"),
        f"{scores['brier']:.4f} / {scores['brier_naive']:.4f}",
        f"{scores['log_loss']:.4f} / {scores['log_loss_naive']:.4f}",
        _number(one["regression"]["r2_oos"], "+.2%"),
        f"{p_values['direction']:.2f}",
        f"{p_values['return']:.2f}",
        f"{_number(strategy['sharpe'], '.2f')} / {_number(strategy['buy_and_hold']['sharpe'], '.2f')}",
        _number(one["interval"]["coverage"], ".1%"),
        ("yes" if one["verdict"]["beats_naive"] else "no") + (", too good" if one["suspicious"] else ""),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def markdown(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown: the first column to the left, the others to the right."""
    rule = ("---", *("---:" for _ in heading[1:]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heading, rule, *rows))


if __name__ == "__main__":
    main()
