"""The summary for stakeholders: a person's narrative among a forecast, figures and key numbers, as a PDF. What it says
is here; how text is set and pages are filled is in typesetting and paper.

The figures are those of the report, and so is every number: one that the report shows otherwise is an error.
"""

import contextlib
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pandas as pd

from stock_assets.core import errors, sessions
from stock_assets.reporting import alt_texts, figures, html, narrative, paper, summary_contents, tables, wording
from stock_assets.reporting.narrative import Span

if TYPE_CHECKING:
    from fpdf import FPDF

MOST_CHARACTERS = 100_000
MOST_CHARACTERS_OF_A_LINE = 200

_TOP, _BOTTOM = 18.0, 18.0
_BAND = 7.0
_TINTS = {True: ("#e2f3ec", figures.GREEN), False: ("#fdf3dc", figures.ORANGE)}
_ALARM = ("#fbe6dc", figures.RED)
_GAP = 6.0
_HALF = (paper.MEASURE - _GAP) / 2


@dataclass(frozen=True)
class SummaryInputs:
    """What a summary is made from: the results of one ticker after the close of `as_of`, and what a person wrote.

    `report` holds the files of html.render_report, `metrics` and `evaluation` are JSON, `predictions` one row. The
    narrative is Markdown; `title` and `author` may be empty.
    """

    ticker: str
    as_of: datetime.date
    report: Mapping[str, bytes]
    metrics: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    predictions: pd.DataFrame
    narrative: str
    title: str = ""
    author: str = ""

    @property
    def source(self) -> str:
        return self.metrics["source"]

    @property
    def where(self) -> str:
        return f"{self.ticker} {self.as_of}"


def render(inputs: SummaryInputs) -> bytes:
    """The summary as PDF; the same inputs give the same bytes.

    Raises:
        SettingsError: No narrative, or more of it, of the title or of the author than there may be.
        DataError: The inputs are not of one ticker, session and source, or not those that the report was made from.
        SchemaError: A result or the report lacks something that the summary shows.
    """
    blocks = read_narrative(inputs)
    results = _results(inputs)
    pdf = _document(inputs)
    with contextlib.closing(paper.Press(pdf)) as press:
        made = _pages(press, inputs, results, blocks)
        for number, page in enumerate(made, 1):
            pdf.add_page()
            _frame(press, inputs, number, len(made))
            for top, box in page:
                box.draw(_top(inputs) + top)
        return bytes(pdf.output())


def _pages(
    press: paper.Press, inputs: SummaryInputs, results: tables.Results, blocks: list[narrative.Block]
) -> list[paper.Page]:
    """Everything on its page; room that is left is used for more figures."""
    height = paper.HEIGHT - _top(inputs) - _BOTTOM
    opening = [*_heading(press, inputs, results), *_verdict(press, inputs, results), _forecast(press, inputs, results)]
    found = paper.paginate([*opening, *(box for block in blocks for box in press.block(block))], height)
    closing = _closing(press, inputs)
    paper.fill(
        found, [*_key_numbers(press, results), *_pairs(press, inputs, summary_contents.figures(results))], height
    )
    for pair in _pairs(press, inputs, summary_contents.more_figures(results)):
        if not paper.fill_up(found[:-1], pair, height):
            paper.fill_up(found[-1:], pair, height - closing.height - closing.gap)
    paper.fill(found, [closing], height)
    return found


def n_pages(pdf: bytes) -> int:
    """How many pages a summary has."""
    return pdf.count(b"/Type /Page\n")


def read_narrative(inputs: SummaryInputs) -> list[narrative.Block]:
    """The narrative's blocks. Raises `SettingsError` when there is nothing to read, or too much."""
    for name, most in (
        ("narrative", MOST_CHARACTERS),
        ("title", MOST_CHARACTERS_OF_A_LINE),
        ("author", MOST_CHARACTERS_OF_A_LINE),
    ):
        n = len(getattr(inputs, name))
        if n > most:
            raise errors.SettingsError(f"{inputs.where}: the summary's {name} has {n:,} characters; expected {most:,}")
    blocks = narrative.read(inputs.narrative)
    if not any(block.text.strip() for block in blocks):
        raise errors.SettingsError(
            f"{inputs.where}: the summary has no narrative; write one in the Launchpad of summary_job: "
            'ops: {summary: {config: {narrative: "What happened, in **Markdown**."}}}'
        )
    return blocks


class _SameAsReport(tables.Results):
    """Results whose every cell is compared with what the report's page shows under the same key."""

    def __init__(self, documents: Mapping[str, Any], page: bytes, *, ticker: str, as_of: datetime.date) -> None:
        super().__init__(documents, ticker=ticker, as_of=as_of)
        self._shown = _Shown()
        self._shown.feed(page.decode())

    def cell(self, path: str, write: wording.Writer, *, why: str = tables.TOO_SHORT, note: str = "") -> tables.Cell:
        return self._compared(super().cell(path, write, why=why, note=note))

    def session_cell(self, path: str, *, why: str = tables.TOO_SHORT) -> tables.Cell:
        return self._compared(super().session_cell(path, why=why))

    def _compared(self, cell: tables.Cell) -> tables.Cell:
        shown = self._shown.values.get(str(cell.key), cell.value)
        if shown != cell.value:
            raise errors.DataError(
                f"{self._where}: {cell.key} is {cell.value}, and the report was made when it was {shown}; "
                "materialise the report again"
            )
        return cell


class _Shown(HTMLParser):
    """The numbers of a report's page by their keys."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if key := given.get("data-key"):
            self.values[key] = given.get("data-value") or ""


def _results(inputs: SummaryInputs) -> tables.Results:
    """The results by path, once they are known to belong together."""
    if len(inputs.predictions) != 1:
        raise errors.DataError(f"{inputs.where}: predictions has {len(inputs.predictions)} rows; expected one")
    row = inputs.predictions.iloc[0].to_dict()
    prediction = {
        name: f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else value for name, value in row.items()
    }
    documents = {"metrics": inputs.metrics, "evaluation": inputs.evaluation, "prediction": prediction}
    page = _file(inputs, "report.html")
    results = _SameAsReport(documents, page, ticker=inputs.ticker, as_of=inputs.as_of)
    session = inputs.as_of.isoformat()
    for name in documents:
        for what, expected in (("ticker", inputs.ticker), ("source", inputs.source), ("as_of", session)):
            came = results.value(f"{name}.{what}")
            older = (name, what) == ("evaluation", "as_of") and came < expected
            if came != expected and not older:
                raise errors.DataError(f"{inputs.where}: {what} of {name} is {came}; expected {expected}")
    return results


def _file(inputs: SummaryInputs, name: str) -> bytes:
    if name not in inputs.report:
        raise errors.SchemaError(f"{inputs.where}: the summary needs {name} of the report, which has no such file")
    return inputs.report[name]


def _is_simulated(inputs: SummaryInputs) -> bool:
    return inputs.source == html.SIMULATED


def _top(inputs: SummaryInputs) -> float:
    return _TOP + _BAND if _is_simulated(inputs) else _TOP


def _title(inputs: SummaryInputs) -> str:
    return " ".join(inputs.title.split()) or f"{inputs.ticker}: summary"


def _document(inputs: SummaryInputs) -> "FPDF":
    """An empty document; nothing in it tells when or where it was made."""
    from fpdf import FPDF
    from fpdf.prefs import ViewerPreferences

    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(auto=False)
    pdf.alias_nb_pages("")  # "{nb}" in a narrative is no number of pages
    pdf.c_margin = 0.0
    source = "SIMULATED PRICES" if _is_simulated(inputs) else html.SOURCES.get(inputs.source, inputs.source)
    pdf.set_title(_plain(f"{_title(inputs)} - {inputs.where}"))
    pdf.set_subject(f"{inputs.where}, {source}")
    pdf.set_author(_plain(inputs.author) or "stock_assets")
    pdf.set_creator("stock_assets")
    pdf.set_lang("en")
    pdf.set_creation_date(sessions.close_time(inputs.as_of))
    pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
    return pdf


def _plain(text: str) -> str:
    """One line without anything that can't be written."""
    return " ".join(text.split()).encode("utf-8", "replace").decode()


def _frame(press: paper.Press, inputs: SummaryInputs, number: int, total: int) -> None:
    """What stands on every page: whose it is, its number, and in capitals when prices are simulated."""
    pdf = press.pdf
    if _is_simulated(inputs):
        press.ground(figures.RED, 0.0, 0.0, paper.WIDTH, 9.0)
        _line(press, "SIMULATED PRICES - NOT REAL", 10.0, "C", 1.8, "#ffffff", bold=True)
    y = paper.HEIGHT - _BOTTOM + 5.0
    press.rule(y)
    told = f"{inputs.ticker} · {wording.long_session(inputs.as_of)} · not investment advice"
    _line(press, told, paper.SMALL, "L", y + 1.0, figures.MUTED)
    _line(press, f"page {number} of {total}", paper.SMALL, "R", y + 1.0, figures.MUTED)
    pdf.set_text_color(figures.INK)


def _line(
    press: paper.Press, text: str, size: float, align: str, top: float, colour: str, *, bold: bool = False
) -> None:
    spans = (Span(text, bold=bold),)
    free = paper.MEASURE - press.type.width(spans, size)
    x = paper.LEFT + {"L": 0.0, "C": free / 2, "R": free}[align]
    [box] = press.text(spans, size=size, x=x, colour=colour)
    box.draw(top)


def _heading(press: paper.Press, inputs: SummaryInputs, results: tables.Results) -> list[paper.Box]:
    simulated = _is_simulated(inputs)
    source = "SIMULATED" if simulated else html.SOURCES.get(inputs.source, inputs.source)
    close = results.cell("metrics.last_close", wording.price).text
    change = results.cell("metrics.last_return", wording.change).text
    facts = f"{inputs.ticker} · after the close of {wording.long_session(inputs.as_of)}"
    told = f"Closed at {close} ({change}) · prices: {source}"
    told += f" · by {' '.join(inputs.author.split())}" if inputs.author.strip() else ""
    return [
        *press.text((Span(_title(inputs), bold=True),), size=20.0),
        *press.text((Span(facts, bold=True),), size=10.5, gap=0.6),
        *press.text(told, size=paper.BODY, gap=0.4, colour=figures.MUTED),
    ]


def _verdict(press: paper.Press, inputs: SummaryInputs, results: tables.Results) -> list[paper.Box]:
    """The verdict, and what a reader must know before any number."""
    beats = results.value("evaluation.verdict.beats_naive")
    name = "✓ Beats naive" if beats else "≈ No better than naive"
    boxes = [_panel(press, name, results.value("evaluation.verdict.text"), *_TINTS[beats])]
    if results.value("evaluation.suspicious"):
        reason = results.value("evaluation.suspicious_reason")
        boxes.append(_panel(press, "Too good to be true", f"Don't trust these scores: {reason}.", *_ALARM))
    for what, path in (("model", "prediction.model_as_of"), ("evaluation", "evaluation.as_of")):
        made = results.value(path)
        if made < inputs.as_of.isoformat():
            told = f"The {what} is of {wording.long_session(made)}: it knows nothing since."
            boxes.append(_panel(press, f"Older {what}", told, *_TINTS[False]))
    return boxes


def _panel(press: paper.Press, title: str, text: str, ground: str, edge: str) -> paper.Box:
    x, width = paper.LEFT + 4.5, paper.MEASURE - 8.0
    lines = [*press.text((Span(title, bold=True),), size=10.5, x=x, width=width)]
    lines += press.text(text, x=x, width=width, gap=0.4)
    height = sum(line.height + line.gap for line in lines) + 4.4

    def draw(top: float) -> None:
        press.ground(ground, paper.LEFT, top, paper.MEASURE, height)
        press.ground(edge, paper.LEFT, top, 1.4, height)
        paper.stack(lines, top + 2.2)

    return paper.Box(height, draw, 3.2)


def _forecast(press: paper.Press, inputs: SummaryInputs, results: tables.Results) -> paper.Box:
    """The forecast in words on the left, its figure on the right."""
    column = 80.0
    target = wording.long_session(results.value("prediction.target_session"))
    horizon = results.value("evaluation.horizon_sessions")
    span = "next session" if horizon == 1 else f"session {horizon} ahead"
    low, high = (results.cell(f"prediction.interval_{end}", wording.price).text for end in ("low", "high"))
    level = results.cell("prediction.interval_level", wording.short_percent).text
    rose = results.cell("evaluation.classification.realised_up_share", wording.percent).text
    figure = press.picture(
        _file(inputs, "figures/forecast.png"),
        alt_texts.forecast(results),
        paper.LEFT + column + 4.0,
        paper.MEASURE - column - 4.0,
    )
    rows = (
        ("Naive forecast", results.cell("prediction.naive_close", wording.price).text, "the last close"),
        (
            "Chance of a rise",
            results.cell("prediction.probability_up", wording.percent).text,
            f"{rose} of past sessions rose",
        ),
        ("Expected return", results.cell("prediction.expected_return", wording.fine_change).text, "with dividends"),
    )

    def text(spans: narrative.Spans | str, size: float, gap: float, colour: str = figures.INK) -> list[paper.Box]:
        return press.text(spans, size=size, width=column, gap=gap, colour=colour)

    lines = [
        *text((Span(f"Forecast for the {span}", bold=True),), 12.0, 0.0),
        *text(target, paper.BODY, 0.0, figures.MUTED),
        *text((Span(results.cell("prediction.predicted_close", wording.price).text, bold=True),), 24.0, 1.0),
        *text(f"{level} interval: {low} to {high}", 10.5, 0.0),
    ]
    for name, value, note in rows:
        lines += text((Span(f"{name}: "), Span(value, bold=True)), paper.BODY, 1.6)
        lines += text(note, paper.SMALL, 0.0, figures.MUTED)
    height = max(figure.height, sum(line.height + line.gap for line in lines))

    def draw(top: float) -> None:
        paper.stack(lines, top)
        figure.draw(top)

    return paper.Box(height, draw, 4.0)


def _key_numbers(press: paper.Press, results: tables.Results) -> list[paper.Box]:
    money = press.table(summary_contents.money(results), paper.LEFT, _HALF, columns=(24.0, 24.0))
    price = press.table(summary_contents.price(results), paper.LEFT + _HALF + _GAP, _HALF, columns=(24.0,))
    scores = press.table(
        summary_contents.scores(results), paper.LEFT, paper.MEASURE, columns=(26.0, 52.0, 22.0), gap=6.0
    )
    return [scores, paper.beside(money, price)]


def _pairs(
    press: paper.Press, inputs: SummaryInputs, wanted: list[tuple[summary_contents.Figure, summary_contents.Figure]]
) -> list[paper.Box]:
    """Figures of the report, two beside each other."""

    def picture(figure: summary_contents.Figure, x: float) -> paper.Box:
        name, alt, caption = figure
        return press.picture(_file(inputs, f"figures/{name}.png"), alt, x, _HALF, caption)

    return [
        paper.beside(picture(left, paper.LEFT), picture(right, paper.LEFT + _HALF + _GAP)) for left, right in wanted
    ]


def _closing(press: paper.Press, inputs: SummaryInputs) -> paper.Box:
    """What this is and is not."""
    told = (
        "Not investment advice. The numbers and figures were made by a program from past prices, as known after the "
        f"close of {wording.long_session(inputs.as_of)}; the narrative is a person's. Daily prices are almost all "
        "noise: directions are right 51 to 52% of the time at best in published work."
    )
    if _is_simulated(inputs):
        told += " SIMULATED PRICES: nothing here is about the actual company."
    lines = press.text(told, size=paper.SMALL, colour=figures.MUTED)
    return paper.Box(sum(line.height for line in lines), lambda top: paper.stack(lines, top), 5.0)
