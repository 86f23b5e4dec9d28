"""The page that shows how everything goes: what stands where, and that each number is the value it was made from."""

import dataclasses
import datetime as dt
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from stock_assets.core import freshness
from stock_assets.core.errors import DataError
from stock_assets.reporting import monitor_page
from stock_assets.reporting.monitor_page import Alert, Delivery, Durations, Fact, Record
from stock_assets_tests.reporting import monitors
from stock_assets_tests.reporting.monitors import FRIDAY, MONDAY, NOW, at, monitor, problem, ticker

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


class Read(HTMLParser):
    """The page's text by section, its cells by key, and every element with its attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {"": []}
        self.values: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self._section, self._style = "", False
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.elements.append((tag, found))
        self._style = tag == "style"
        if tag == "section":
            self._section = found["id"]
            self.sections[self._section] = []
        if "data-key" in found:
            self.values[found["data-key"]] = found["data-value"]

    def handle_endtag(self, tag):
        self._style = False
        if tag == "section":
            self._section = ""

    def handle_data(self, data):
        if not self._style and data.strip():
            self.sections[self._section].append(" ".join(data.split()))

    def text(self, section: str) -> str:
        return " ".join(self.sections[section])


def read(**changes: Any) -> Read:
    return Read(monitor_page.render(monitor(**changes)))


def test_every_number_is_the_value_it_was_made_from():
    made = monitor()
    values = monitor_page.documents(made)
    shown = {key: json.loads(value) for key, value in Read(monitor_page.render(made)).values.items()}
    assert shown == {key: values[key] for key in shown}
    # What was made but is not known yet, and the count of forecasts made, stand nowhere.
    assert values.keys() - shown.keys() == {f"{name}.record.made" for name in ("TSLA", "STX")}


def test_values_by_hand():
    values = monitor_page.documents(monitor())
    assert values["TSLA.record.accuracy"] == 33 / 63
    assert values["STX.record.coverage"] == 10 / 11
    assert (values["durations.model.last"], values["durations.model.median"]) == (99.0, 97.5)
    assert values["durations.model.longest"] == 101.0


def test_the_same_bytes():
    assert monitor_page.render(monitor()) == monitor_page.render(monitor())


def test_it_asks_nobody_for_anything():
    page = read()
    assert not [tag for tag, _ in page.elements if tag in ("script", "img", "iframe", "object", "form")]
    addresses = [found[name] for _, found in page.elements for name in ("src", "href") if name in found]
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_sections_can_be_reached():
    page = read()
    links = {found["href"][1:] for tag, found in page.elements if tag == "a"}
    assert links == {found["id"] for tag, found in page.elements if tag == "section"}


@pytest.mark.parametrize(
    ("problems", "told"),
    [
        ((), "Nothing is wrong; 2 of 2 tickers up to date"),
        ((problem(),), "1 error; 2 of 2 tickers up to date"),
        (
            (problem(severity="warn"), problem(), problem(severity="warn")),
            "1 error, 2 warnings; 2 of 2 tickers up to date",
        ),
    ],
)
def test_the_summary_is_one_line(problems, told):
    made = monitor(problems=problems, tickers=(ticker(), ticker("STX")))
    assert monitor_page.summary(made) == told


def test_a_ticker_that_is_due_is_not_late():
    before = dt.datetime(2024, 3, 11, 23, tzinfo=dt.UTC)
    due = ticker(fresh=freshness.freshness(before, FRIDAY))
    page = read(tickers=(due,), problems=())
    assert "Due soon" in page.text("tickers")
    assert monitor_page.summary(monitor(tickers=(due,), problems=())) == "Nothing is wrong; 1 of 1 ticker up to date"


class TestProblems:
    def test_errors_stand_before_warnings_and_the_latest_first(self):
        old, new = problem(ticker="AAA", opened=at(1, 2)), problem(ticker="BBB", opened=at(11, 2))
        text = read(problems=(problem(ticker="CCC", severity="warn", opened=at(12, 2)), old, new)).text("wrong")
        assert text.index("BBB:") < text.index("AAA:") < text.index("CCC:")

    def test_what_came_and_what_was_expected(self):
        text = read(problems=(problem(),)).text("wrong")
        assert "STX: high_is_at_least_low of clean_prices fails" in text
        assert "Sessions 2024-03-08 to 2024-03-11 , since 2024-03-08 22:12 UTC, 3 days ago" in text
        assert "Came 1 Expected 0 rows whose high is below their low" in text

    def test_what_was_told_holds_both(self):
        text = read(problems=(problem(told="came 1; expected 0 rows"),)).text("wrong")
        assert "came 1; expected 0 rows" in text
        assert "Came" not in text

    @pytest.mark.parametrize(
        ("changes", "title"),
        [
            ({"kind": "run_failed", "asset": "model", "check": ""}, "STX: model fails"),
            ({"kind": "run_failed", "asset": "", "check": ""}, "STX: A run fails"),
            ({"kind": "data_late", "asset": "", "check": ""}, "STX: No data yet"),
            ({"kind": "model_expired", "asset": "", "check": ""}, "STX: The model has expired"),
            (
                {"kind": "model_expired", "asset": "", "check": "", "severity": "warn"},
                "STX: The model is about to expire",
            ),
            ({"kind": "data_late", "ticker": ""}, "All tickers: No data yet"),
        ],
    )
    def test_every_kind_has_words(self, changes, title):
        assert title in read(problems=(problem(**changes),)).text("wrong")

    @pytest.mark.parametrize(
        ("opened", "told"),
        [
            (at(12, 6, 1), "less than an hour ago"),
            (at(12, 5), "1 hour ago"),
            (at(10, 7), "47 hours ago"),
            (at(9, 6), "3 days ago"),
        ],
    )
    def test_since_when(self, opened, told):
        assert told in read(problems=(problem(opened=opened),)).text("wrong")

    def test_nothing(self):
        made = {"problems": (), "tickers": (ticker(),)}
        assert "Nothing is wrong" in read(**made).text("wrong")

    def test_silence_is_no_proof_when_something_is_late(self):
        made = {"problems": (), "tickers": (ticker(), monitors.LATE)}
        assert "Nothing was reported, but STX is late" in read(**made).text("wrong")
        assert monitor_page.summary(monitor(**made)) == "Nothing was reported; 1 of 2 tickers up to date"

    def test_a_long_story_is_cut(self):
        text = read(problems=(problem(told="word " * 1000),)).text("wrong")
        assert len(text) < 700
        assert "…" in text


class TestTickers:
    def test_one_that_is_late_says_what_was_due_and_what_is_there(self):
        text = read(tickers=(monitors.LATE,)).text("tickers")
        assert "Late" in text
        assert "2024-03-11 was due 2024-03-12 02:00 UTC; newest: 2024-03-07" in text
        assert "STX 2024-03-11: clean_prices: 1 bar can't be repaired" in text

    def test_one_of_which_nothing_is_known(self):
        text = read(tickers=(monitors.NEW,)).text("tickers")
        for told in ("nothing is there yet", "None on record", "none yet", "no forecast is old enough yet"):
            assert told in text

    def test_forecasts_of_which_none_is_old_enough(self):
        text = read(tickers=(ticker(record=Record(1, 0, 0, 0)),)).text("tickers")
        assert "no forecast is old enough yet" in text
        assert "178.12" in text

    def test_scores_that_too_few_can_not_tell(self):
        page = read(tickers=(ticker(record=Record(3, 2, 1, 2)),))
        assert page.values["TSLA.record.brier"] == "null"
        assert "1 of 2" in page.text("tickers")

    def test_the_order_is_that_of_the_watchlist(self):
        rows = [found["data-ticker"] for _, found in read().elements if "data-ticker" in found]
        assert rows == ["TSLA", "STX", "NVDA"]

    def test_simulated_prices_are_told_loudly(self):
        invented = ticker(forecast=monitors.forecast(source="simulated"))
        assert "SIMULATED PRICES - not real" in read(tickers=(invented,)).text("")
        both = read(tickers=(invented, monitors.LATE))
        assert "SIMULATED PRICES - not real: TSLA" in both.text("")
        assert "SIMULATED PRICES" not in read().text("")

    def test_no_ticker(self):
        assert "No ticker is followed" in read(tickers=()).text("tickers")

    def test_a_number_that_is_none(self):
        with pytest.raises(DataError, match="nan"):
            read(tickers=(ticker(forecast=monitors.forecast(predicted_close=math.nan)),))


class TestDurations:
    def paths(self, *seconds: float) -> list[str]:
        page = read(durations=(Durations("model", seconds),))
        return [found["d"] for tag, found in page.elements if tag == "path"][1:]

    def test_a_line_begins_at_zero_and_ends_on_the_right(self):
        line, end = self.paths(10.0, 5.0, 0.0)
        assert line == "M3 3L160 20L317 37"
        assert end == "M317 37h0"

    def test_a_single_run_is_a_dot(self):
        assert self.paths(4.0) == ["M317 3", "M317 3h0"]

    def test_steps_that_took_no_time(self):
        assert self.paths(0.0, 0.0)[0] == "M3 37L317 37"

    def test_the_latest_sixty(self):
        line, _ = self.paths(*([100.0] + [1.0] * monitor_page.MOST_POINTS))
        assert len(re.findall(r"[ML]", line)) == monitor_page.MOST_POINTS
        assert set(re.findall(r" (\d+)", line)) == {"3"}

    def test_in_words_too(self):
        page = read(durations=(Durations("model", (83.4, 2.5)),))
        [told] = [found["aria-label"] for tag, found in page.elements if tag == "svg"]
        assert told == "Seconds of the last 2 runs of model: from 1 min 23 s to 2.50 s, at most 1 min 23 s."

    def test_none(self):
        assert "No run is on record yet" in read(durations=()).text("durations")


class TestAlerts:
    def one(self, **changes: Any) -> str:
        return read(alerts=(Alert(at(12, 2), "opened", "warn", "NVDA: late", (Delivery(**changes),)),)).text("alerts")

    def test_how_each_went(self):
        assert "log: told 2024-03-12 02:01 UTC" in self.one(receiver="log", attempts=1, delivered=at(12, 2, 1))
        assert "email: waits not tried yet" in self.one(receiver="email", attempts=0)
        assert "webhook: waits tried 3 times: refused" in self.one(receiver="webhook", attempts=3, error="refused")
        given_up = self.one(receiver="webhook", attempts=1, error="400", given_up=True)
        assert "webhook: given up tried 1 time: 400" in given_up

    def test_a_recovery_is_no_error(self):
        text = read(alerts=(Alert(NOW, "recovered", "error", "TSLA is well"),)).text("alerts")
        assert "Recovered" in text
        assert "Error" not in text

    def test_none(self):
        assert "No alert was sent yet" in read(alerts=()).text("alerts")


@pytest.mark.parametrize(
    ("size", "told"),
    [(999, "999 bytes"), (1_500, "1.5 kB"), (1_234_567, "1.2 MB"), (5_000_000_000, "5.0 GB"), (None, "–")],
)
def test_sizes(size, told):
    assert told in read(facts=(Fact("Size", size, "bytes"),)).text("facts")


def test_hostile_text_is_text():
    made = monitor(
        problems=(problem(ticker=HOSTILE, told=HOSTILE),),
        tickers=(dataclasses.replace(monitors.LATE, ticker=HOSTILE, name=HOSTILE),),
        durations=(Durations(HOSTILE, (1.0,)),),
        alerts=(Alert(NOW, "opened", "error", HOSTILE, (Delivery(HOSTILE, 1, error=HOSTILE),)),),
        facts=(Fact(HOSTILE, HOSTILE), Fact("n" + HOSTILE, 1)),
    )
    page = Read(monitor_page.render(made))
    assert not [tag for tag, _ in page.elements if tag in ("script", "img")]
    assert page.text("wrong").count(HOSTILE) == 2
    assert MONDAY.isoformat() in page.text("wrong")
