"""Can the verdict be believed? How often it claims skill on noise, and how strong a signal must be for it to be found.

    python -m benchmarks.verdict_calibration [--to DIR] [--cases N] [--planted N] [--workers N] [--keep] [--show]
                                             [--quick]

Hundreds of simulated tickers (`simulated_markets`) go through the functions of the graph with the default settings:
clean_prices, build_features, walk_forward, evaluate. On noise, "beats naive" may come out in at most 5 % of them. On
planted signals the verdict stands beside an oracle that knows the form of the signal and the law of the noise, and
tests its strength on the same out-of-sample rows (one-sided score test at 5 %). No procedure that has to learn the form
from the same prices can reach it; how near ours comes is what is asked.

Takes about 10 s of one core a ticker. May be stopped and started again at any time: each ticker is a line in
DIR/results-FINGERPRINT.jsonl, and those that are there aren't computed again. The fingerprint is that of the settings,
the features and the recipe of the markets, so results of different settings never mix. Each start adds a line with the
checksum of the code, and the tables say when there is more than one. `--keep` also stores each backtest in
DIR/backtests-FINGERPRINT: when the results are moved away, what was kept is judged again in no time, for example by a
changed verdict. `--show` only shows what there is.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import math
import multiprocessing
import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from scipy import special

from benchmarks import measuring, simulated_markets
from stock_assets import core
from stock_assets.core import backtesting, cleaning, errors, evaluation, features, losses, modelling, verdict
from stock_assets.storage import formats

N_SESSIONS = 2_752
"""Leaves 2,500 rows of features, ten years."""

QUICK_SESSIONS = 1_100
"""Leaves one fit and some hundred forecasts."""

STRENGTHS = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
"""Planted shares of the variance. What the literature finds in daily returns of single stocks is below the first."""

MOST_FALSE_CLAIMS = 0.05
ORACLE_POWER = 0.95
LEAST_FOUND = 0.80
"""Share of the signals to be found where the oracle finds `ORACLE_POWER` of them."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How every ticker is treated: part of each result."""

    settings: modelling.ModelSettings
    n_sessions: int
    kept: Path | None

    def described(self) -> dict[str, Any]:
        """All that a result depends on besides code and libraries."""
        return {
            "model": dict(self.settings.hyperparameters()),
            "sessions": self.n_sessions,
            "features": features.feature_columns(),
            "recipe": simulated_markets.RECIPE,
        }

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.described(), sort_keys=True).encode()).hexdigest()[:12]


def main() -> None:
    arguments = _options().parse_args()
    plan = Plan(modelling.ModelSettings(threads=1), QUICK_SESSIONS if arguments.quick else N_SESSIONS, None)
    arguments.to.mkdir(parents=True, exist_ok=True)
    if arguments.keep:
        plan = dataclasses.replace(plan, kept=arguments.to / f"backtests-{plan.fingerprint()}")
    results = arguments.to / f"results-{plan.fingerprint()}.jsonl"
    if not arguments.show:
        noise = _first(arguments.cases, 7 if arguments.quick else 420)
        wanted = cases(
            noise=noise,
            faint=noise // 14,
            planted=_first(arguments.planted, 1 if arguments.quick else 20),
            strengths=STRENGTHS[-1:] if arguments.quick else STRENGTHS,
        )
        run(wanted, plan, results, workers=arguments.workers)
    done = read(results)
    if not done:
        measuring.fail(f"{results} holds no result yet")
    picture = arguments.to / f"verdict-{plan.fingerprint()}.png"
    show(done, results)
    draw(done, picture)
    print(f"picture   {picture}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="How often the verdict is wrong on noise, and what it finds.")
    parser.add_argument(
        "--to", type=Path, default=Path("data/verdict_calibration"), metavar="DIR", help="for all files"
    )
    parser.add_argument("--cases", type=int, metavar="N", help="tickers of noise; default 420, and a faint one for 14")
    parser.add_argument("--planted", type=int, metavar="N", help="tickers for each signal and strength; default 20")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes, one core each; default 1")
    parser.add_argument("--keep", action="store_true", help="store the backtests, and judge stored ones again")
    parser.add_argument("--show", action="store_true", help="compute nothing, show the results so far")
    parser.add_argument("--quick", action="store_true", help="few tickers, short histories: does it run at all?")
    return parser


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def cases(
    *, noise: int, faint: int, planted: int, strengths: Sequence[float] = STRENGTHS
) -> list[simulated_markets.Case]:
    """`noise` tickers over all classes in turn, `faint` ones, and `planted` for each form and strength, in turn too."""
    kinds = {"noise": (simulated_markets.NOISE, noise), "faint": (simulated_markets.FAINT, faint)}
    listed = [
        simulated_markets.Case(kind, forms[i % len(forms)], i // len(forms))
        for kind, (forms, n) in kinds.items()
        for i in range(n)
    ]
    return listed + [
        simulated_markets.Case("planted", form, number, strength)
        for number in range(planted)
        for strength in strengths
        for form in simulated_markets.FORMS
    ]


# --- Results -------------------------------------------------------------------------------------------------------


def run(wanted: Sequence[simulated_markets.Case], plan: Plan, results: Path, *, workers: int) -> None:
    """Append a line to `results` for each case that has none there."""
    done = {result["case"] for result in read(results)}
    missing = [case for case in wanted if case.name not in done]
    if not missing:
        return
    _append(
        results,
        {
            "plan": plan.described(),
            "code": _code(),
            "libraries": {name: metadata.version(name) for name in ("numpy", "pandas", "scikit-learn")},
        },
    )
    console = Console(stderr=True)
    for result in track(_judged(missing, plan, workers), "tickers", total=len(missing), console=console):
        _append(results, result)


def _append(results: Path, line: dict[str, Any]) -> None:
    with results.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # a process that was killed left half a line
        file.write(json.dumps(line).encode() + b"\n")


def read(results: Path) -> list[dict[str, Any]]:
    """The results in a file, without the lines about plan and code; none when there is no file."""
    return [line for line in _lines(results) if "case" in line]


def _lines(results: Path) -> list[dict[str, Any]]:
    lines = []
    for line in results.read_text().splitlines() if results.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):  # half a line, left by a process that was killed
            lines.append(json.loads(line))
    return lines


def _code() -> str:
    """Checksum of core: of all that makes forecasts and judges them, and some more."""
    digest = hashlib.sha256()
    for folder in core.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _judged(missing: Sequence[simulated_markets.Case], plan: Plan, workers: int) -> Iterator[dict[str, Any]]:
    if workers == 1:
        yield from (judge(case, plan) for case in missing)
        return
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        for future in concurrent.futures.as_completed([pool.submit(judge, case, plan) for case in missing]):
            yield future.result()


def judge(case: simulated_markets.Case, plan: Plan) -> dict[str, Any]:
    """The result of one ticker: verdict, claims, scores, and what the oracle says. JSON can hold it.

    A history that is refused on purpose gives a result that says why, as `refused`.
    """
    market = simulated_markets.simulate(case, plan.n_sessions)
    about = {"ticker": case.ticker, "as_of": simulated_markets.LAST_SESSION}
    named = {"case": case.name, **dataclasses.asdict(case)}
    try:
        backtest = _backtest(case, market, plan)
        evaluated = evaluation.evaluate(
            backtest,
            source="simulated",
            horizon=plan.settings.horizon,
            calibrated_by=plan.settings.calibration,
            **about,
        )
    except errors.StockAssetsError as error:
        return {**named, "refused": str(error)}
    claims = {claim["name"]: claim for claim in evaluated["verdict"]["test"]["claims"]}
    return {
        **named,
        "n": len(backtest),
        "test": evaluated["verdict"]["test"]["name"],
        "beats_naive": evaluated["verdict"]["beats_naive"],
        "suspicious": evaluated["suspicious"],
        "claims": {
            name: {key: claim[key] for key in ("statistic", "p_value", "p_value_holm", "better")}
            for name, claim in claims.items()
        },
        "classification": {
            key: evaluated["classification"][key]
            for key in (
                "accuracy",
                "majority_accuracy",
                "brier",
                "brier_naive",
                "log_loss",
                "log_loss_naive",
                "p_value",
            )
        },
        "r2_oos": evaluated["regression"]["r2_oos"],
        "sharpe": evaluated["backtest"]["sharpe"],
        "deflated_sharpe": evaluated["backtest"]["deflated_sharpe"],
        **_oracle(case, market.truth.loc[backtest.index], backtest),
    }


def _backtest(case: simulated_markets.Case, market: simulated_markets.Market, plan: Plan) -> pd.DataFrame:
    kept = plan.kept and plan.kept / f"{case.name}.parquet"
    about = {"ticker": case.ticker, "as_of": simulated_markets.LAST_SESSION}
    if kept and kept.exists():
        return formats.decode_table(kept.read_bytes(), asset="backtest", **about)
    clean = cleaning.clean_prices(market.raw, **about)
    backtest = backtesting.walk_forward(features.build_features(clean, **about), plan.settings, **about)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(formats.encode_table(backtest, asset="backtest", source="simulated", **about))
    return backtest


def _oracle(case: simulated_markets.Case, truth: pd.DataFrame, backtest: pd.DataFrame) -> dict[str, Any]:
    """What whoever knows the law would say on these rows.

    `best_r2` and `best_brier`: the share of the naive loss that the true mean and the true probability save, in
    expectation. Never quite 0, as the naive forecasts are estimates. `oracle_z`: the score test's statistic, standard
    normal without a signal. `oracle_power`: how often it is expected to find this one.
    """
    _, naive_brier = losses.brier_losses(backtest)
    _, naive_squared, naive_name = losses.return_losses(backtest)
    naive_mean = 0.0 if naive_name == "zero" else backtest["mean_return"]
    said = {
        "best_r2": float(((truth["mean"] - naive_mean) ** 2).mean() / naive_squared.mean()),
        "best_brier": float(((truth["probability_up"] - backtest["up_share"]) ** 2).mean() / naive_brier.mean()),
    }
    if case.kind != "planted":
        return said
    b = math.sqrt(case.strength / (1 - case.strength))
    root = math.sqrt(truth["information"].sum())
    return {
        **said,
        "signal_r2": float(truth["mean"].var() / backtest["realised_return"].var()),
        "oracle_z": float(truth["score"].sum() / root),
        "oracle_power": float(special.ndtr(b * root - _CRITICAL)),
    }


_CRITICAL = statistics.NormalDist().inv_cdf(1 - verdict.LEVEL)


# --- What they add up to -------------------------------------------------------------------------------------------


def exact_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of Clopper & Pearson (1934), Biometrika 26, for a share of which k of n were seen.

    Covers the true share with at least `level`. With none of n the upper end is 1 - ((1 - level) / 2)^(1/n).
    """
    tail = (1 - level) / 2
    low = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def crossing(x: Sequence[float], y: Sequence[float], level: float) -> float | None:
    """Where y, linear in log x between its points, first comes up to `level`; None when it never does."""
    for (x0, y0), (x1, y1) in zip(zip(x, y, strict=True), list(zip(x, y, strict=True))[1:], strict=False):
        if y0 < level <= y1:
            return math.exp(math.log(x0) + (level - y0) / (y1 - y0) * (math.log(x1) - math.log(x0)))
    return None


def show(done: Sequence[dict[str, Any]], results: Path) -> None:
    """All tables."""
    lines = [line for line in _lines(results) if "plan" in line]
    codes = sorted({line["code"] for line in lines})
    measuring.print_header(
        "Is the verdict calibrated?",
        f"results   {results}, {len(done):,} tickers, {lines[-1]['plan']['sessions']:,} sessions each",
        f"code      {', '.join(codes)}" + (" : MIXED, not all by the same code" if len(codes) > 1 else ""),
    )
    refused = [result for result in done if "refused" in result]
    for result in refused:
        print(f"refused   {result['case']}: {result['refused']}")
    judged = pd.DataFrame([_flat(result) for result in done if "refused" not in result])
    if judged.empty:
        return
    print(f"test      {'; MIXED with: '.join(sorted(set(judged['test'])))}\n")
    noise = judged[judged["kind"] == "noise"]
    rows = [_noise_row(form, rows) for form in simulated_markets.NOISE if len(rows := noise[noise["form"] == form])]
    if len(noise):
        rows.append(_noise_row("all noise", noise))
    rows += [
        _noise_row(f"({form})", rows) for form in simulated_markets.FAINT if len(rows := judged[judged["form"] == form])
    ]
    if rows:
        heading = ("no signal", "tickers", "beats naive", "share", "95 % interval", "direction", "return", "t dir.")
        measuring.print_table((*heading, "t ret.", "too good", "best Brier", "best R2"), rows)
        print("direction, return: single claims before Holm's correction; t: mean and deviation of their statistics")
        print("best: share of the naive loss that knowing the law itself would save; in brackets: a true, tiny signal")
    if len(noise):
        share = noise["beats_naive"].mean()
        print(
            f"target    at most {MOST_FALSE_CLAIMS:.0%} of all noise: {measuring.verdict(share <= MOST_FALSE_CLAIMS)}\n"
        )
    planted = judged[judged["kind"] == "planted"]
    if len(planted):
        _show_planted(planted)


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    claims = {
        f"{name}_{key}": claim[key] for name, claim in result["claims"].items() for key in ("statistic", "p_value")
    }
    return {key: value for key, value in result.items() if not isinstance(value, dict)} | claims


def _share(found: Iterable[bool]) -> tuple[str, str, str]:
    listed = list(found)
    low, high = exact_interval(sum(listed), len(listed))
    return str(sum(listed)), f"{sum(listed) / len(listed):.1%}", f"{low:.1%} to {high:.1%}"


def _noise_row(name: str, rows: pd.DataFrame) -> tuple[str, ...]:
    return (
        name,
        f"{len(rows):,}",
        *_share(rows["beats_naive"]),
        *(f"{(rows[f'{claim}_p_value'] <= verdict.LEVEL).mean():.1%}" for claim in ("direction", "return")),
        *(_mean_and_deviation(rows[f"{claim}_statistic"].dropna()) for claim in ("direction", "return")),
        f"{rows['suspicious'].mean():.1%}",
        f"{rows['best_brier'].mean():.3%}",
        f"{rows['best_r2'].mean():.3%}",
    )


def _mean_and_deviation(values: pd.Series) -> str:
    return f"{values.mean():+.2f} ({values.std(ddof=0):.2f})"


def detection(planted: pd.DataFrame) -> pd.DataFrame:
    """By form and strength: tickers `n`, share `found` by the verdict and by the `oracle`, its expected `power`."""
    oracle = planted.assign(oracle=planted["oracle_z"] > _CRITICAL)
    found = oracle.groupby(["form", "strength"], sort=True)
    return found.agg(
        n=("beats_naive", "size"),
        k=("beats_naive", "sum"),
        found=("beats_naive", "mean"),
        oracle=("oracle", "mean"),
        power=("oracle_power", "mean"),
        signal_r2=("signal_r2", "mean"),
    )


def _show_planted(planted: pd.DataFrame) -> None:
    table = detection(planted)
    rows, summary, at_power = [], [], []
    for form, (linear, _) in simulated_markets.FORMS.items():
        if form not in table.index.get_level_values("form"):
            continue
        curve = table.loc[form]
        for strength, point in curve.iterrows():
            low, high = exact_interval(int(point["k"]), int(point["n"]))
            rows.append(
                (
                    f"{form}{'' if linear else ' *'}",
                    f"{strength:.2%}",
                    f"{point['signal_r2']:.2%}",
                    f"{int(point['n'])}",
                    f"{point['found']:.0%}",
                    f"{low:.0%} to {high:.0%}",
                    f"{point['oracle']:.0%}",
                    f"{point['power']:.0%}",
                )
            )
        strengths = [float(strength) for strength in curve.index]
        needed = crossing(strengths, curve["power"].tolist(), ORACLE_POWER)
        ours = crossing(strengths, curve["found"].tolist(), LEAST_FOUND)
        there = None if needed is None else float(np.interp(math.log(needed), np.log(strengths), curve["found"]))
        if there is not None:
            at_power.append(there)
        summary.append(
            (
                f"{form}{'' if linear else ' *'}",
                "-" if needed is None else f"{needed:.2%}",
                "-" if there is None else f"{there:.0%}",
                f"not up to {strengths[-1]:.0%}" if ours is None else f"{ours:.2%}",
                "-" if ours is None or needed is None else f"{ours / needed:.1f} x",
            )
        )
    measuring.print_table(
        ("signal", "strength", "realised", "tickers", "found", "95 % interval", "oracle", "expected"), rows
    )
    print("strength: planted share of the variance of returns; *: not linear in any feature\n")
    measuring.print_table(
        ("signal", f"oracle at {ORACLE_POWER:.0%}", "ours there", f"ours at {LEAST_FOUND:.0%}", "needs"), summary
    )
    if at_power:
        mean = statistics.fmean(at_power)
        print(
            f"aim       {LEAST_FOUND:.0%} found where the oracle finds {ORACLE_POWER:.0%}: {mean:.0%}, "
            f"{measuring.verdict(mean >= LEAST_FOUND)}"
        )


def draw(done: Sequence[dict[str, Any]], path: Path) -> None:
    """False claims by class with exact intervals, and shares found by strength beside the oracle's, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    judged = pd.DataFrame([_flat(result) for result in done if "refused" not in result])
    figure = Figure(figsize=(13, 5), dpi=100)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    noise = judged[judged["kind"] == "noise"]
    groups = [(form, rows) for form, rows in noise.groupby("form")] + ([("all noise", noise)] if len(noise) else [])
    for place, (_, rows) in enumerate(groups):
        k, n = int(rows["beats_naive"].sum()), len(rows)
        low, high = exact_interval(k, n)
        left.plot([100 * low, 100 * high], [place, place], color="tab:gray")
        left.plot(100 * k / n, place, "o", color="tab:blue")
    left.set_yticks(range(len(groups)), [f"{form} ({len(rows)})" for form, rows in groups])
    left.axvline(100 * MOST_FALSE_CLAIMS, color="tab:red", linestyle="--", label="most wanted")
    left.set(title="Noise: claims of skill, with exact 95 % intervals", xlabel="% of the tickers")
    left.set_xlim(left=-1)
    left.legend(loc="upper right")
    if (judged["kind"] == "planted").any():
        table = detection(judged[judged["kind"] == "planted"])
        for number, form in enumerate(form for form in simulated_markets.FORMS if form in table.index):
            curve, color = table.loc[form], f"C{number}"
            percent = 100 * curve.index.to_numpy(dtype="float64")
            right.plot(percent, 100 * curve["found"], "o-", color=color, label=f"{form} ({int(curve['n'].sum())})")
            right.plot(percent, 100 * curve["power"], "--", color=color, linewidth=1)
        right.set_xscale("log")
        right.set_xticks(100 * np.array(STRENGTHS), [f"{100 * strength:g}" for strength in STRENGTHS])
        right.minorticks_off()
        right.axhline(100 * LEAST_FOUND, color="tab:gray", linewidth=0.5)
        right.legend()
    right.set(
        title="Planted signals found: verdict (dots), oracle (dashed)",
        xlabel="signal, % of the variance of returns (R2)",
        ylabel="% of the tickers",
        ylim=(-3, 103),
    )
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    main()
