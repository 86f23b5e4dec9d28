"""The PDF summary: what a reader finds in it, that its numbers are the report's, and that any narrative can be set."""

import dataclasses
import datetime as dt
import hashlib
import io
import os
import pickle
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stock_assets.core import errors
from stock_assets.reporting import html, narrative, summary_pdf, typesetting, wording
from stock_assets.reporting.summary_pdf import SummaryInputs
from stock_assets_tests.place import PATIENCE
from stock_assets_tests.reporting import conftest

PARAGRAPH = (
    "The share **fell for a second week**, on heavier volume than in any week since November. Deliveries were reported "
    "below expectations, and two brokers cut their targets; *neither* explains a fall of this size on its own. See "
    "[the note](https://example.com/note)."
)
NARRATIVE = f"""## What happened

{PARAGRAPH}

> We hold the position.

1. Watch `165.00`.
2. Talk in April.

| Scenario | What we do |
|---|---|
| Recovery | nothing |
| Break | meet |

```
if close < 165:
    meet()
```

## Why

{PARAGRAPH}
"""


def of(inputs: html.ReportInputs, files: dict[str, bytes], **more: Any) -> SummaryInputs:
    given = {
        "ticker": inputs.ticker,
        "as_of": inputs.as_of,
        "report": files,
        "metrics": inputs.metrics,
        "evaluation": inputs.evaluation,
        "predictions": inputs.predictions,
        "narrative": NARRATIVE,
    }
    return SummaryInputs(**given | more)


@pytest.fixture(scope="session")
def given_inputs(inputs: html.ReportInputs, files: dict[str, bytes]) -> SummaryInputs:
    return of(inputs, files, author="Ada Analyst")


@pytest.fixture(scope="session")
def simulated_inputs(simulated_files: dict[str, bytes]) -> SummaryInputs:
    return of(conftest.make_inputs(source="simulated"), simulated_files)


@pytest.fixture(scope="session")
def pdf(given_inputs: SummaryInputs) -> bytes:
    return summary_pdf.render(given_inputs)


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_it_says_whose_it_is_and_what_a_person_wrote(pdf: bytes) -> None:
    text = squeezed("".join(pages(pdf)))
    for told in (
        "DEMO: summary",
        "DEMO · after the close of Friday 8 March 2024",
        "by Ada Analyst",
        "prices: CSV files",
        "No better than naive",
        "Forecast for the next session",
        "Monday 11 March 2024",
        "What happened",
        "The share fell for a second week, on heavier volume",
        "See the note (https://example.com/note).",
        "2.Talk in April.",
        "Recovery",
        "if close < 165:",
    ):
        assert squeezed(told) in text


def test_numbers_are_those_of_the_json(given_inputs: SummaryInputs, pdf: bytes) -> None:
    text = squeezed("".join(pages(pdf)))
    evaluation, row = given_inputs.evaluation, given_inputs.predictions.iloc[0]
    scores, errors_of, traded = evaluation["classification"], evaluation["regression"], evaluation["backtest"]
    level = f"{100 * row['interval_level']:.0f}% interval"
    for told in (
        f"{row['predicted_close']:.2f}",
        f"{level}: {row['interval_low']:.2f} to {row['interval_high']:.2f}",
        f"Naive forecast: {row['naive_close']:.2f}",
        f"Chance of a rise: {100 * row['probability_up']:.1f}%",
        f"Expected return: +{100 * row['expected_return']:.2f}%",
        evaluation["verdict"]["text"],
        f"{evaluation['n_forecasts']:,} forecasts out of sample",
        f"Right directions{100 * scores['accuracy']:.1f}%{100 * scores['majority_accuracy']:.1f}%(more frequent)",
        f"{100 * scores['accuracy_ci95'][0]:.1f}% to {100 * scores['accuracy_ci95'][1]:.1f}%",
        f"Brier score of the probability{scores['brier']:.4f}{scores['brier_naive']:.4f}",
        f"RMSE of the close{errors_of['rmse']:.4f}{errors_of['rmse_naive']:.4f}",
        f"Sharpe ratio{traded['sharpe']:.2f}{traded['buy_and_hold']['sharpe']:.2f}".replace("-", "−"),
        f"Return, 252 sessions{wording.change(given_inputs.metrics['returns']['252'])}",
    ):
        assert squeezed(told) in text


def test_a_number_that_the_report_shows_otherwise_is_an_error(given_inputs: SummaryInputs) -> None:
    """A model that was trained again after the report was made."""
    direction = given_inputs.evaluation["classification"] | {"accuracy": 0.5}
    changed = dataclasses.replace(given_inputs, evaluation={**given_inputs.evaluation, "classification": direction})
    with pytest.raises(
        errors.DataError,
        match=r"DEMO 2024-03-08: evaluation\.classification\.accuracy is 0\.5, and the report was made when it was 0\.",
    ):
        summary_pdf.render(changed)


def test_what_does_not_belong_together_is_refused(given_inputs: SummaryInputs) -> None:
    later = {**given_inputs.evaluation, "as_of": "2024-03-11"}
    with pytest.raises(errors.DataError, match="as_of of evaluation is 2024-03-11; expected 2024-03-08"):
        summary_pdf.render(dataclasses.replace(given_inputs, evaluation=later))
    other = {**given_inputs.metrics, "ticker": "STX"}
    with pytest.raises(errors.DataError, match="DEMO 2024-03-08: ticker of metrics is STX; expected DEMO"):
        summary_pdf.render(dataclasses.replace(given_inputs, metrics=other))
    without = {name: data for name, data in given_inputs.report.items() if name != "figures/price.png"}
    with pytest.raises(errors.SchemaError, match=r"DEMO 2024-03-08: the summary needs figures/price\.png"):
        summary_pdf.render(dataclasses.replace(given_inputs, report=without))


@pytest.mark.parametrize("blank", ["", " \n\t", "#", ">\n\n-", "***"])
def test_without_a_narrative_there_is_none(given_inputs: SummaryInputs, blank: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"DEMO 2024-03-08: .*ops: \{summary: \{config: \{narrative: "):
        summary_pdf.render(dataclasses.replace(given_inputs, narrative=blank))


@pytest.mark.parametrize(("name", "most"), [("narrative", 100_000), ("title", 200), ("author", 200)])
def test_there_is_an_end_to_everything(given_inputs: SummaryInputs, name: str, most: int) -> None:
    with pytest.raises(errors.SettingsError, match=f"the summary's {name} has {most + 1:,} characters; expected"):
        summary_pdf.render(dataclasses.replace(given_inputs, **{name: "x" * (most + 1)}))


@pytest.mark.parametrize("written", [NARRATIVE, "Nothing happened.", NARRATIVE * 2], ids=["usual", "short", "long"])
def test_two_to_four_numbered_pages(given_inputs: SummaryInputs, written: str) -> None:
    made = summary_pdf.render(dataclasses.replace(given_inputs, narrative=written))
    found = pages(made)
    assert 2 <= len(found) <= 4
    assert len(found) == summary_pdf.n_pages(made)
    for number, text in enumerate(found, 1):
        assert f"page {number} of {len(found)}" in text
        assert "DEMO · Friday 8 March 2024 · not investment advice" in text
        assert "SIMULATED" not in text


def test_simulated_prices_are_told_on_every_page(simulated_inputs: SummaryInputs) -> None:
    found = pages(summary_pdf.render(simulated_inputs))
    assert all("SIMULATED PRICES - NOT REAL" in text for text in found)
    assert "prices: SIMULATED" in found[0]


def test_an_older_model_and_suspicious_scores_are_told_first(
    given_inputs: SummaryInputs, inputs: html.ReportInputs
) -> None:
    older = {**inputs.evaluation, "as_of": "2024-03-06", "suspicious": True, "suspicious_reason": "accuracy 71.0%"}
    page = b"<html></html>"  # one that contradicts nothing
    report = {**given_inputs.report, "report.html": page}
    first = squeezed(pages(summary_pdf.render(dataclasses.replace(given_inputs, evaluation=older, report=report)))[0])
    assert squeezed("The evaluation is of Wednesday 6 March 2024: it knows nothing since.") in first
    assert squeezed("Don't trust these scores: accuracy 71.0%.") in first


def fonts(pdf: bytes) -> dict[str, Any]:
    found = {}
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        for font in page["/Resources"]["/Font"].values():
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            found[font.get_object()["/BaseFont"]] = descendant["/FontDescriptor"].get_object()
    return found


def test_fonts_are_inside_and_hold_only_what_is_used(pdf: bytes) -> None:
    found = fonts(pdf)
    assert {re.sub("/MPDFAA\\+", "", name) for name in found} == {
        "DejaVuSansBook",
        "DejaVuSansBold",
        "DejaVuSansOblique",
        "DejaVuSansMonoBook",
    }
    for name, descriptor in found.items():
        assert "+" in name
        # The whole of DejaVu Sans is 757,000 bytes.
        assert 1_000 < len(descriptor["/FontFile2"].get_object().get_data()) < 100_000


def test_what_programs_read_about_it(pdf: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert reader.metadata is not None
    assert reader.metadata.title == "DEMO: summary - DEMO 2024-03-08"
    assert reader.metadata.author == "Ada Analyst"
    # The close of a Friday in winter time.
    assert reader.metadata.creation_date == dt.datetime(2024, 3, 8, 21, 0, tzinfo=dt.UTC)
    assert reader.root_object["/Lang"] == "en"
    assert reader.root_object["/ViewerPreferences"]["/DisplayDocTitle"]


def alternatives(pdf: bytes) -> list[str]:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    tree = reader.root_object["/StructTreeRoot"]["/K"]
    found: list[str] = []

    def walk(element: Any) -> None:
        element = element.get_object()
        if isinstance(element, list):
            for child in element:
                walk(child)
        elif isinstance(element, dict):
            if "/Alt" in element:
                found.append(str(element["/Alt"]))
            if "/K" in element:
                walk(element["/K"])

    walk(tree)
    return found


def test_every_figure_has_its_words(pdf: bytes, given_inputs: SummaryInputs) -> None:
    n_figures = sum(len(page.images) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    told = alternatives(pdf)
    assert len(told) == n_figures >= 4
    assert any(f"{given_inputs.predictions['predicted_close'].iloc[0]:.2f}" in text for text in told)
    assert all(len(text) > 40 for text in told)


MADE_ELSEWHERE = """
import hashlib, pickle, sys
from stock_assets.reporting import summary_pdf
inputs = pickle.load(open(sys.argv[1], "rb"))
print(hashlib.sha256(summary_pdf.render(inputs)).hexdigest())
"""


def test_the_same_bytes_again_and_in_another_process(given_inputs: SummaryInputs, pdf: bytes, tmp_path: Path) -> None:
    hostile = dataclasses.replace(given_inputs, narrative=f"{NARRATIVE}\n\nשלום مرحبا 🚀")
    made = [hashlib.sha256(summary_pdf.render(hostile)).hexdigest() for _ in range(2)]
    assert summary_pdf.render(given_inputs) == pdf
    (tmp_path / "inputs").write_bytes(pickle.dumps(hostile))
    elsewhere = subprocess.run(
        [sys.executable, "-c", MADE_ELSEWHERE, str(tmp_path / "inputs")],
        env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert {*made, elsewhere.stdout.strip()} == {made[0]}


def shown(text: str) -> Counter[str]:
    return Counter(squeezed(text))


HOSTILE = {
    "script": "<script>alert('x')</script> & \"quotes\" 'single' {nb} {{ x }} $y$ \\(z\\) %d",
    "right to left": "שלום עולם 123 (abc)\n\nمرحبا بالعالم *2024*\n\nThe word שלום in between",
    "emoji": "🚀👨‍👩‍👧 中文 𝔘 é",
    "controls": "a\0b\7c\x1bd\x7fe\x85f\u202eevil\u202c\ud800 g\u2028h",
    "a long line": "x" * 50_000,
    "many words": "word " * 10_000,
    "quotes": ">" * 10_000 + "end",
    "lists": "- " * 10_000 + "end",
    "a high row": "|a|b|\n|-|-|\n|" + "cell " * 8_000 + "|y|",
    "many columns": "|a" * 3_000 + "\n" + "|-" * 3_000 + "\n" + "|b" * 3_000,
    "headings": "# x\n" * 2_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_narratives_are_set_whole(given_inputs: SummaryInputs, name: str) -> None:
    given = dataclasses.replace(given_inputs, narrative=HOSTILE[name])
    started = time.process_time()
    made = summary_pdf.render(given)
    assert time.process_time() - started < 5
    found = shown("".join(pages(made)))
    expected = shown("".join(block.text for block in narrative.read(HOSTILE[name])))
    for char, times in expected.items():
        told = char if char in found else typesetting.code_point(char)
        assert all(found[part] >= times for part in told), (char, times)


def test_what_no_font_has_is_told_by_its_code_point(given_inputs: SummaryInputs) -> None:
    text = "".join(pages(summary_pdf.render(dataclasses.replace(given_inputs, narrative=HOSTILE["emoji"]))))
    assert "[U+1F680][U+1F468]" in text
    text = "".join(pages(summary_pdf.render(dataclasses.replace(given_inputs, narrative=HOSTILE["controls"]))))
    assert "a[U+0000]b[U+0007]c[U+001B]d[U+007F]e[U+0085]f[U+202E]evil[U+202C][U+D800] g[U+2028]h" in text


def test_titles_and_authors_may_be_anything(given_inputs: SummaryInputs) -> None:
    given = dataclasses.replace(given_inputs, title="<b>שלום</b>\n(\ud800\0) 🚀", author="O'Hara \\ (é) &amp;")
    reader = pypdf.PdfReader(io.BytesIO(summary_pdf.render(given)))
    assert reader.metadata is not None
    assert str(reader.metadata.title).startswith("<b>שלום</b> (")
    assert reader.metadata.author == "O'Hara \\ (é) &amp;"
    text = reader.pages[0].extract_text()
    assert "O'Hara \\ (é) &amp;" in text
    assert "[U+D800][U+0000]" in text


# Characters whose order pypdf gives back as they were drawn.
LEFT_TO_RIGHT = st.characters(exclude_categories=["Cs", "Cc", "Mn", "Zl", "Zp"], max_codepoint=0x58F)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(LEFT_TO_RIGHT, min_size=1, max_size=400))
def test_any_narrative_is_there_in_its_order(given_inputs: SummaryInputs, written: str) -> None:
    blocks = narrative.read(written)
    given = dataclasses.replace(given_inputs, narrative=written)
    if not any(block.text.strip() for block in blocks):
        with pytest.raises(errors.SettingsError):
            summary_pdf.render(given)
        return
    found = pages(summary_pdf.render(given))
    assert len(found) >= 2
    text = squeezed("".join(found))
    for block in blocks:
        for word in block.text.split():
            letters = re.findall(r"[A-Za-z0-9]{3,}", word)
            assert all(part in text for part in letters)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(), min_size=1, max_size=200), st.text(st.characters(), max_size=30))
def test_any_text_can_be_set(given_inputs: SummaryInputs, written: str, title: str) -> None:
    made = summary_pdf.render(dataclasses.replace(given_inputs, narrative=f"x{written}", title=title))
    assert made.startswith(b"%PDF-")
    assert len(pages(made)) >= 2
