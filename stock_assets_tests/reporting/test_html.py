"""The page: every number is the one it was made from, and it needs, runs and asks for nothing."""

import copy
import dataclasses
import datetime
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stock_assets.core import errors
from stock_assets.reporting import html, pictures, tables, wording
from stock_assets.reporting import inputs as inputs_of_reports
from stock_assets_tests.reporting.conftest import forecasting, make_inputs, record_of
from stock_assets_tests.reporting.page import Page

FIGURES = {
    "price": (552, 504),
    "history": (552, 504),
    "returns": (552, 348),
    "months": (552, 329),
    "drawdown": (552, 348),
    "volatility": (552, 348),
    "distribution": (552, 408),
    "forecast": (552, 384),
    "confusion_matrix": (552, 432),
    "calibration": (552, 432),
    "coverage": (552, 384),
    "equity": (552, 384),
    "importance": (552, 235),
}
CRISP = 2


def leaves(document: Any, path: str) -> dict[str, Any]:
    """Every value in a JSON document by its dotted path."""
    if isinstance(document, dict):
        children = document.items()
    elif isinstance(document, list):
        children = enumerate(document)
    else:
        return {path: document}
    return {key: value for name, child in children for key, value in leaves(child, f"{path}.{name}").items()}


def changed(inputs: html.ReportInputs, document: str, path: str, value: Any) -> html.ReportInputs:
    """`inputs` with another value at `path` of a document of theirs."""
    fresh = copy.deepcopy(getattr(inputs, document))
    *parents, last = path.split(".")
    place = fresh
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    return dataclasses.replace(inputs, **{document: fresh})


def text_of(files: dict[str, bytes]) -> str:
    return read(files["report.html"])


def read(page: bytes) -> str:
    return re.sub(r"\s+", " ", Page(page).all("body")[0].text)


@pytest.fixture(scope="module")
def drawn(inputs: html.ReportInputs) -> list[pictures.Picture]:
    return pictures.draw(inputs)


# --- Numbers ---


def test_every_number_on_the_page_is_the_one_in_the_results(inputs: html.ReportInputs, files: dict[str, bytes]) -> None:
    facts: dict[str, Any] = {}
    for name, document in inputs_of_reports.documents(inputs).items():
        facts |= leaves(document, name)
    numbers = Page(files["report.html"]).numbers()
    assert len(numbers) > 120
    for number in numbers:
        key, shown = str(number.attributes["data-key"]), number.attributes["data-value"]
        fact = facts[key]
        assert shown == ("null" if fact is None else fact if isinstance(fact, str) else repr(fact)), key


def test_digits_shown_are_those_of_the_number(files: dict[str, bytes]) -> None:
    """What a person reads, turned back into a number, is the raw value to within half its last digit."""
    checked = 0
    for element in Page(files["report.html"]).numbers():
        raw = str(element.attributes["data-value"])
        shown = re.match(r"[+−]?[\d,]+(\.\d+)?%?", element.text)
        if raw == "null" or re.fullmatch(r"\d{4}-\d\d-\d\d", raw) or element.text.startswith("<"):
            continue
        assert shown, element
        written = shown[0].replace(",", "").replace("−", "-")
        unit = 0.01 if written.endswith("%") else 1.0
        decimals = len(written.rstrip("%").partition(".")[2])
        assert float(written.rstrip("%")) * unit == pytest.approx(float(raw), abs=0.5001 * unit * 10**-decimals)
        checked += 1
    assert checked > 100


@pytest.mark.parametrize(
    "path",
    [
        *(f"classification.{name}" for name in ("accuracy", "balanced_accuracy", "roc_auc", "brier", "log_loss")),
        *(f"classification.{name}" for name in ("majority_accuracy", "brier_naive", "log_loss_naive", "p_value")),
        *("classification.accuracy_ci95.0", "classification.accuracy_ci95.1"),
        *(f"regression.{name}" for name in ("rmse", "mae", "mape", "rmse_naive", "mae_naive", "mape_naive")),
        *(f"regression.{name}" for name in ("r2_oos", "r2_oos_zero", "rmse_return", "rmse_return_zero")),
        *(f"regression.{name}" for name in ("rmse_return_mean", "dm_statistic", "dm_p_value")),
        *(f"backtest.{name}" for name in ("annual_return", "annual_volatility", "sharpe", "deflated_sharpe")),
        *(f"backtest.{name}" for name in ("max_drawdown", "turnover", "cost_bps")),
        *(f"backtest.buy_and_hold.{name}" for name in ("annual_return", "sharpe", "max_drawdown", "turnover")),
        *(f"interval.{name}" for name in ("level", "scaled_quantile", "coverage", "n")),
        *(f"strategies.{name}.sharpe" for name in ("close_long_flat", "close_long_short")),
        *(f"strategies.{name}.deflated_sharpe" for name in ("next_open_long_flat", "next_open_long_short")),
        *(f"strategies.{name}_long_flat.buy_and_hold.annual_return" for name in ("close", "next_open")),
        *(f"by_volatility.0.{name}" for name in ("volatility_from", "volatility_to", "n", "accuracy", "coverage")),
        *(
            "by_year.0.year",
            "by_year.0.coverage",
            "by_year.0.accuracy",
            "by_year.0.brier",
            "n_forecasts",
            "first_forecast",
        ),
    ],
)
def test_every_score_of_the_contract_is_shown(path: str, files: dict[str, bytes]) -> None:
    keys = {element.attributes["data-key"] for element in Page(files["report.html"]).numbers()}
    assert f"evaluation.{path}" in keys


def test_every_metric_is_shown(inputs: html.ReportInputs, files: dict[str, bytes]) -> None:
    keys = {element.attributes["data-key"] for element in Page(files["report.html"]).numbers()}
    assert set(leaves(inputs.metrics, "metrics")) - keys == {"metrics.ticker", "metrics.source"}


@pytest.mark.parametrize(
    "path",
    [
        *(f"card.{name}" for name in ("n_train", "train_start", "train_end", "last_session", "seed")),
        *("card.hyperparameters.parameters.n_estimators", "card.in_sample.brier", "card.holdout.brier"),
        *("card.holdout.brier_naive", "card.attempts.0.attempt"),
        *("card.permutation_importance.features.rsi_14.deviation", "card.permutation_importance.n_repeats"),
        *("quality.n_bars", "quality.missing.n", "quality.missing.sessions.1", "quality.left_out.sessions.0"),
        *("quality.repairs.0.sessions", "quality.revisions.n", "quality.revisions.rows.1.before"),
        *("months.years.0.months.0", "months.years.0.total"),
    ],
)
def test_model_card_data_and_months_are_shown(path: str, files: dict[str, bytes]) -> None:
    assert path in {element.attributes["data-key"] for element in Page(files["report.html"]).numbers()}


def test_checksums_versions_and_settings_without_a_number_are_shown(
    inputs: html.ReportInputs, files: dict[str, bytes]
) -> None:
    shown = [element.text for element in Page(files["report.html"]).all("td")]
    card = inputs.card
    for text in (card["snapshot_sha256"], card["fingerprint"], inputs.quality["checksum"], *card["libraries"].values()):
        assert text in shown
    rows = {element.text for element in Page(files["report.html"]).all("tr")}
    assert "windownone" in rows
    assert "max featuressqrt" in rows


def test_the_strategy_in_force_is_named_among_the_four(
    inputs: html.ReportInputs, files: dict[str, bytes], drawn: list[pictures.Picture]
) -> None:
    assert "Long or in cash, at the closeThe one shown above" in text_of(files)
    short = changed(
        changed(inputs, "evaluation", "backtest.short", True), "evaluation", "backtest.execution", "next_open"
    )
    assert "Long or short, at the next openThe one shown above" in read(html.render_page(short, drawn))


WHY = "12 rows held out; expected at least 30"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"measures": "", "n_repeats": 10, "n_rows": 12, "features": None, "why": WHY}, WHY),
        (None, "its card holds no permutation importance"),
    ],
)
def test_a_model_without_importance_has_no_figure_of_it_and_says_why(
    inputs: html.ReportInputs, drawn: list[pictures.Picture], found: dict[str, Any] | None, told: str
) -> None:
    card = {name: value for name, value in inputs.card.items() if name != "permutation_importance"}
    without = dataclasses.replace(inputs, card=card | ({} if found is None else {"permutation_importance": found}))
    shown = [picture for picture in drawn if picture.name != "importance"]
    assert f"What the model leans on is not known: {told}." in read(html.render_page(without, shown))
    assert pictures.features_of_importance(inputs_of_reports.results(without)) == {}


def test_a_model_without_a_holdout_says_why(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    page = Page(html.render_page(changed(inputs, "card", "holdout", None), drawn))
    (cell,) = (e for e in page.numbers() if e.attributes["data-key"] == "card.holdout.brier")
    assert cell.text == "–not defined: the rows before those held out saw only one direction"


def test_revisions_are_told_or_why_not(
    inputs: html.ReportInputs, files: dict[str, bytes], drawn: list[pictures.Picture]
) -> None:
    assert "4 values differ from what the source told after the close of 2024-03-07." in text_of(files)
    none = {"compared_with": "2024-03-07", "n": 0, "why": None, "explanation": None, "rows": []}
    first = {"compared_with": None, "n": None, "why": "no earlier snapshot", "explanation": None, "rows": []}
    split = inputs.quality["revisions"] | {"explanation": "as a split of 4 would do"}
    same, unknown, explained = (
        read(html.render_page(changed(inputs, "quality", "revisions", it), drawn)) for it in (none, first, split)
    )
    assert "4 values differ from what the source told after the close of 2024-03-07: as a split of 4" in explained
    assert "The source tells the past as it did after the close of 2024-03-07." in same
    assert "Not compared: no earlier snapshot." in unknown


def test_whole_data_says_that_nothing_is_missing(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    whole = changed(inputs, "quality", "missing", {"n": 0, "sessions": []})
    whole = changed(changed(whole, "quality", "left_out", {"n": 0, "sessions": []}), "quality", "repairs", [])
    text = read(html.render_page(whole, drawn))
    for told in ("No session between the first and the last is missing.", "No bar was left out.", "No session needed"):
        assert told in text


def test_the_track_record_is_shown_beside_naive(files: dict[str, bytes]) -> None:
    text = text_of(files)
    assert "13 forecasts were made before this one" in text
    assert "Directions right" in text


def test_a_record_of_nothing_says_so(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    none = record_of(inputs.clean, ticker=inputs.ticker, source=inputs.source, n=0)
    page = read(html.render_page(dataclasses.replace(inputs, track_record=none), drawn))
    assert "No forecast is old enough yet: 0 were made before this one" in page


def test_a_score_of_too_few_says_why(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    few = record_of(inputs.clean, ticker=inputs.ticker, source=inputs.source, n=4)
    page = read(html.render_page(dataclasses.replace(inputs, track_record=few), drawn))
    assert "not defined: the outcome of 4 forecast(s) is known; expected at least 10" in page


def test_a_long_history_shows_the_latest_years_in_the_figure_and_all_in_the_table(
    inputs: html.ReportInputs, files: dict[str, bytes], drawn: list[pictures.Picture]
) -> None:
    assert "The latest 12 of" not in text_of(files)
    days = pd.bdate_range(end=inputs.clean.index[-1], periods=len(inputs.clean), freq="12B", name="session")
    long = dataclasses.replace(inputs, clean=inputs.clean.set_index(days.as_unit("ns")))
    page = html.render_page(long, drawn)
    n_years = inputs.as_of.year - days[0].year + 1
    assert f"The latest 12 of {n_years} years; the table below has them all." in read(page)
    keys = {element.attributes["data-key"] for element in Page(page).numbers()}
    assert f"months.years.{n_years - 1}.total" in keys


def test_undefined_is_a_dash_that_says_why(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    short = changed(inputs, "metrics", "returns.252", None)
    short = changed(short, "metrics", "moving_averages.200", {"value": None, "distance": None})
    short = changed(short, "metrics", "sharpe", None)
    page = Page(html.render_page(short, drawn))
    found = {element.attributes["data-key"]: element for element in page.numbers()}
    for key in ("metrics.returns.252", "metrics.moving_averages.200.value", "metrics.sharpe"):
        assert found[key].text == "–not defined: history too short"
        assert found[key].attributes["data-value"] == "null"


def test_undefined_in_a_wide_table_says_why_where_it_is_pointed_at_or_read_aloud(
    inputs: html.ReportInputs, drawn: list[pictures.Picture]
) -> None:
    page = Page(html.render_page(changed(inputs, "evaluation", "by_year.0.r2_oos", None), drawn))
    (cell,) = (element for element in page.numbers() if element.attributes["data-key"] == "evaluation.by_year.0.r2_oos")
    (dash,) = (element for element in page.all("abbr") if cell in element.parents)
    assert dash.attributes["title"] == "not defined: history too short"
    seen, heard = (element for element in page.all("span") if dash in element.parents)
    assert (seen.text, seen.attributes["aria-hidden"]) == ("–", "true")
    assert heard.text == dash.attributes["title"]


def test_undefined_score_says_the_evaluations_own_reason(
    inputs: html.ReportInputs, drawn: list[pictures.Picture]
) -> None:
    one_sided = changed(inputs, "evaluation", "classification.roc_auc", None)
    one_sided.evaluation["reasons"] = {"classification.roc_auc": "only one direction occurred"}
    page = Page(html.render_page(one_sided, drawn))
    (cell,) = (e for e in page.numbers() if e.attributes["data-key"] == "evaluation.classification.roc_auc")
    assert cell.text == "–not defined: only one direction occurred"


def test_no_page_says_nan_or_none(inputs: html.ReportInputs, files: dict[str, bytes]) -> None:
    assert not re.search(r"\b(nan|None|NaT|null|inf)\b", text_of(files))
    short = make_inputs(n=150)
    assert short.metrics["returns"]["252"] is None
    assert not re.search(r"\b(nan|None|NaT|null|inf)\b", text_of(html.render_report(short)))


def test_number_that_is_not_finite_is_an_error(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    with pytest.raises(errors.DataError, match="nan"):
        html.render_page(changed(inputs, "metrics", "sharpe", float("nan")), drawn)


def test_missing_score_is_named(inputs: html.ReportInputs, drawn: list[pictures.Picture]) -> None:
    lacking = dataclasses.replace(inputs, evaluation=copy.deepcopy(inputs.evaluation))
    del lacking.evaluation["classification"]["brier"]
    with pytest.raises(errors.SchemaError, match=r"DEMO 2024-03-08: .*evaluation\.classification\.brier"):
        html.render_page(lacking, drawn)


# --- What comes first ---


def test_verdict_and_forecast_come_before_everything_else(inputs: html.ReportInputs, files: dict[str, bytes]) -> None:
    text = text_of(files)
    order = ["No better than naive", inputs.evaluation["verdict"]["text"], "Predicted close", "Scores beside"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "Forecast for the next session: Monday 11 March 2024" in text
    assert "90% interval" in text


def test_model_that_beats_naive_looks_different(
    inputs: html.ReportInputs, files: dict[str, bytes], drawn: list[pictures.Picture]
) -> None:
    winner = html.render_page(changed(inputs, "evaluation", "verdict.beats_naive", True), drawn)
    assert "✓ Beats naive" in read(winner)
    assert "✓ Beats naive" not in text_of(files)
    verdicts = [e for e in Page(winner).all("div") if "verdict" in str(e.attributes.get("class"))]
    assert [element.attributes["class"] for element in verdicts] == ["verdict beats"]


def test_scores_too_good_are_warned_about(
    inputs: html.ReportInputs, files: dict[str, bytes], drawn: list[pictures.Picture]
) -> None:
    assert "Too good to be true" not in text_of(files)
    leak = changed(inputs, "evaluation", "suspicious", True)
    leak.evaluation["suspicious_reason"] = "an accuracy of 71.0% is above 56%"
    assert "Too good to be true. Don't trust these scores: an accuracy of 71.0% is above 56%." in read(
        html.render_page(leak, drawn)
    )


def test_older_model_and_evaluation_are_told(
    inputs: html.ReportInputs, files: dict[str, bytes], drawn: list[pictures.Picture]
) -> None:
    assert "Older" not in text_of(files)
    older = forecasting(inputs, model_as_of=pd.Timestamp("2024-03-07"))
    older = changed(older, "evaluation", "as_of", "2024-03-01")
    text = read(html.render_page(older, drawn))
    assert "The model is of Thursday 7 March 2024, 1 session before this report" in text
    assert "The evaluation is of Friday 1 March 2024, 5 sessions before this report" in text


def test_simulated_prices_are_called_so_in_capitals(files: dict[str, bytes], simulated_files: dict[str, bytes]) -> None:
    assert text_of(simulated_files).count("SIMULATED PRICES - not real") == 2
    assert "SIMULATED" in Page(simulated_files["report.html"]).all("title")[0].text
    assert "SIMULATED" not in text_of(files)


def test_every_figure_of_simulated_prices_carries_a_watermark(
    files: dict[str, bytes], simulated_files: dict[str, bytes]
) -> None:
    assert all(files[f"figures/{name}.png"] != simulated_files[f"figures/{name}.png"] for name in FIGURES)


# --- The page as a thing ---


def test_files_are_the_page_and_its_figures(files: dict[str, bytes]) -> None:
    assert set(files) == {"report.html", *(f"figures/{name}.png" for name in FIGURES)}


@pytest.mark.parametrize(("name", "size"), FIGURES.items())
def test_figure_is_a_png_of_its_size_without_metadata(
    name: str, size: tuple[int, int], files: dict[str, bytes]
) -> None:
    content = files[f"figures/{name}.png"]
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")) == pytest.approx(
        [CRISP * length for length in size], abs=1
    )
    assert not re.search(rb"tEXt|iTXt|zTXt|tIME", content)


def test_page_is_below_one_and_a_half_megabytes(simulated_files: dict[str, bytes]) -> None:
    """Thirteen years of real prices make 0.7 million; pictures of forty years are hardly larger."""
    assert len(simulated_files["report.html"]) < 1_000_000


def test_page_asks_for_nothing(files: dict[str, bytes]) -> None:
    page = Page(files["report.html"])
    for element in page.elements:
        for name in ("src", "href"):
            address = element.attributes.get(name) or ""
            assert not address or address.startswith(("#", "data:")), address
        assert not {name for name in element.attributes if name.startswith("on") or name == "srcset"}
    assert not page.all("script")
    assert "url(" not in page.all("style")[0].text
    assert "@import" not in page.all("style")[0].text
    policy = [e for e in page.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in str(policy[0].attributes["content"])


def test_links_inside_the_page_lead_somewhere(files: dict[str, bytes]) -> None:
    page = Page(files["report.html"])
    idents = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(idents) == len(set(idents))
    named = {str(e.attributes["aria-labelledby"]) for e in page.elements if "aria-labelledby" in e.attributes}
    linked = {str(element.attributes["href"])[1:] for element in page.all("a")}
    assert (named | linked) <= set(idents)


def test_page_can_be_read_without_eyes(files: dict[str, bytes]) -> None:
    page = Page(files["report.html"])
    assert page.all("html")[0].attributes["lang"] == "en"
    assert all(len(page.all(tag)) == 1 for tag in ("h1", "header", "nav", "main", "footer"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(element.attributes.get("scope") in {"col", "row"} for element in page.all("th"))
    alts = [str(element.attributes["alt"]) for element in page.all("img")]
    assert len(alts) == len(set(alts)) == len(FIGURES)
    for alt in alts:
        assert len(alt) > 40, alt
        assert re.search(r"\d", alt), alt


def test_hostile_text_is_only_text() -> None:
    hostile = make_inputs(ticker="<script>alert('$x^2$')</script>", n=200)
    hostile.evaluation["verdict"]["text"] = '"><img src=http://evil.example onerror=alert(1)>'
    page = Page(html.render_report(hostile)["report.html"])
    assert not page.all("script")
    assert page.all("h1")[0].text == "<script>alert('$x^2$')</script>"
    assert len(page.all("img")) == len(FIGURES)
    assert all(str(element.attributes["src"]).startswith("data:") for element in page.all("img"))


# --- Never mixed, never from later ---


@pytest.mark.parametrize(
    ("document", "path", "value", "message"),
    [
        ("metrics", "ticker", "OTHER", "ticker of metrics is OTHER; expected DEMO"),
        ("evaluation", "ticker", "OTHER", "ticker of evaluation is OTHER; expected DEMO"),
        ("metrics", "as_of", "2024-03-07", "as_of of metrics is 2024-03-07; expected 2024-03-08"),
        ("card", "ticker", "OTHER", "ticker of card is OTHER; expected DEMO"),
        ("card", "as_of", "2024-03-11", "model card reaches to 2024-03-11; expected nothing after 2024-03-08"),
        ("quality", "as_of", "2024-03-07", "as_of of quality is 2024-03-07; expected 2024-03-08"),
        ("evaluation", "source", "simulated", "source of evaluation is simulated; expected csv"),
        ("evaluation", "as_of", "2024-03-11", "evaluation reaches to 2024-03-11; expected nothing after 2024-03-08"),
    ],
)
def test_results_of_something_else_are_refused(
    inputs: html.ReportInputs, document: str, path: str, value: str, message: str
) -> None:
    with pytest.raises(errors.DataError, match=f"^DEMO 2024-03-08: {message}$"):
        pictures.draw(changed(inputs, document, path, value))


def test_forecasts_that_know_what_came_later_are_refused(inputs: html.ReportInputs) -> None:
    later = inputs.backtest.copy()
    later.loc[later.index[-1], "target_session"] = pd.Timestamp("2024-03-11")
    with pytest.raises(errors.DataError, match="backtest reaches to 2024-03-11"):
        pictures.draw(dataclasses.replace(inputs, backtest=later))


# --- The same bytes ---

DIGEST = """
import hashlib
from stock_assets.reporting import html
from stock_assets_tests.reporting.conftest import make_inputs
files = html.render_report(make_inputs(source="simulated"))
print(hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest())
"""


def test_another_process_makes_the_same_bytes(simulated_files: dict[str, bytes], tmp_path: Path) -> None:
    """With another hash seed, time zone and a matplotlibrc of the person's own."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsavefig.dpi: 30\ntimezone: Asia/Tokyo\n")
    environment = os.environ | {
        "PYTHONHASHSEED": "4711",
        "TZ": "Asia/Tokyo",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
    }
    ran = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    content = b"".join(name.encode() + simulated_files[name] for name in sorted(simulated_files))
    assert ran.stdout.strip() == hashlib.sha256(content).hexdigest()


def test_rendering_changes_no_input_and_no_global_style(inputs: html.ReportInputs) -> None:
    import matplotlib

    before = copy.deepcopy(inputs), dict(matplotlib.rcParams)
    html.render_report(inputs)
    pd.testing.assert_frame_equal(inputs.clean, before[0].clean)
    pd.testing.assert_frame_equal(inputs.backtest, before[0].backtest)
    assert inputs.metrics == before[0].metrics
    assert inputs.evaluation == before[0].evaluation
    assert dict(matplotlib.rcParams) == before[1]


# --- Words ---


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (wording.percent, 0.12345, "12.3%"),
        (wording.change, 0.12345, "+12.3%"),
        (wording.change, -0.12345, "−12.3%"),
        (wording.change, 12.5, "+1,250.0%"),
        (wording.change, 0.0, "0.0%"),
        (wording.change, -0.0000001, "0.0%"),
        (wording.fine_change, -0.00057, "−0.06%"),
        (wording.finest_percent, 0.013374, "1.337%"),
        (wording.short_percent, 0.9, "90%"),
        (wording.short_percent, 0.975, "97.5%"),
        (wording.price, 1234.5, "1,234.50"),
        (wording.count, 45_795_451, "45,795,451"),
        (wording.score, 0.24991, "0.2499"),
        (wording.p_value, 0.0004, "< 0.001"),
        (wording.p_value, 0.0432, "0.043"),
        (wording.plain, 2024, "2024"),
        (wording.plain, 5.0, "5"),
        (wording.plain, 2.5, "2.50"),
        (wording.price, None, "–"),
        (wording.p_value, None, "–"),
        (wording.short_percent, None, "–"),
        (wording.plain, None, "–"),
    ],
)
def test_number_is_written(write: wording.Writer, value: float | None, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.nan])
def test_nan_is_not_written(value: float) -> None:
    with pytest.raises(errors.DataError, match="finite"):
        wording.percent(value)


def test_session_is_written_without_the_machine_s_language() -> None:
    assert wording.session(datetime.date(2024, 3, 8)) == "2024-03-08"
    assert wording.session(pd.Timestamp("2024-03-08")) == "2024-03-08"
    assert wording.session(None) == "–"
    assert wording.long_session("2024-03-08") == "Friday 8 March 2024"


@pytest.mark.parametrize(
    ("model", "naive", "lower", "verdict"),
    [
        (0.2496, 0.2501, True, "better"),
        (0.2501, 0.2496, True, "worse"),
        (0.2496, 0.2501, False, "worse"),
        (0.25001, 0.25002, True, "equal"),
        (None, 0.25, True, ""),
    ],
)
def test_scores_are_compared_by_the_digits_shown(model: float | None, naive: float, lower: bool, verdict: str) -> None:
    results = tables.Results(
        {"evaluation": {"reasons": {}, "a": model, "b": naive}}, ticker="DEMO", as_of=datetime.date(2024, 3, 8)
    )
    *_, judged = results.compared("evaluation.a", "evaluation.b", wording.score, lower=lower, note="")
    assert judged.text == verdict
