"""`predict`: the stored forecasts at a terminal, and files of questions, without a server."""

import datetime as dt
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stock_assets import cli
from stock_assets.commands import predict
from stock_assets.core.errors import ArtefactError, QuestionsError, SettingsError
from stock_assets.serving import answers
from stock_assets.serving.forecasts import Forecasts
from stock_assets.settings import Settings
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.full_disk import no_file_beyond
from stock_assets_tests.place import PATIENCE, PROGRAM, Done, Place
from stock_assets_tests.serving import stores

FRIDAY, THURSDAY = dt.date(2024, 3, 8), dt.date(2024, 3, 7)
SATURDAY = dt.datetime(2024, 3, 9, 12, tzinfo=dt.UTC)
TUESDAY = dt.datetime(2024, 3, 12, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """TSLA and STX on Thursday and Friday, of the source csv."""
    place = Place(tmp_path_factory.mktemp("predict"))
    stores.small_store(place.data, sessions=[THURSDAY, FRIDAY])
    return place


@pytest.fixture
def run(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`stock-assets` with some words, in this process."""
    for name, value in place.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STOCK_ASSETS_SOURCE", raising=False)

    def ran(*words: str) -> Done:
        monkeypatch.setattr("sys.argv", ["stock-assets", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return ran


def settings(data: Path | None = None, **more: str) -> Settings:
    folder = {} if data is None else {"STOCK_ASSETS_DATA_DIR": str(data)}
    return Settings.from_environment(folder | more)


def test_lines_for_people_say_how_far_a_forecast_goes(run, place: Place) -> None:
    row = Forecasts(ArtefactStore(place.data)).newest("TSLA").row
    done = run("predict", "tsla", "TSLA", "--allow-stale")
    assert (done.code, done.err) == (0, "")
    head, forecast, verdict, model, *warnings = done.out.splitlines()
    assert head == "TSLA  after the close of 2024-03-08, source csv"
    assert forecast == (
        f"  forecast  2024-03-11: close {row['predicted_close']:,.2f} (90% interval {row['interval_low']:,.2f} to "
        f"{row['interval_high']:,.2f}), chance of a rise {row['probability_up']:.0%}; naive: {row['naive_close']:,.2f}"
    )
    assert verdict == "  verdict   No better than the naive forecasts (version 0)."
    assert model == "  model     of 2024-03-07"
    assert [line.split(":")[0] for line in warnings] == ["  warning   stale", "  warning   expired"]


def test_json_is_what_the_server_answers_one_line_a_ticker(run, place: Place) -> None:
    before = dt.datetime.now(dt.UTC)
    done = run("predict", "TSLA", "STX", "--as-of", "2024-03-07", "--json")
    assert (done.code, done.err) == (0, "")
    told = [json.loads(line) for line in done.out.splitlines()]
    forecasts = Forecasts(ArtefactStore(place.data))
    forecast = forecasts.of("TSLA", THURSDAY)
    # A deadline may pass meanwhile.
    standings = [answers.standing(forecast, now, dt.timedelta(hours=4)) for now in (before, dt.datetime.now(dt.UTC))]
    assert told[0] in [answers.as_json(forecast, standing) for standing in standings]
    assert [(one["ticker"], one["as_of"]) for one in told] == [("TSLA", "2024-03-07"), ("STX", "2024-03-07")]


def test_a_ticker_that_fails_holds_up_no_other(run) -> None:
    done = run("predict", "AAPL", "STX", "--as-of", "2024-03-08")
    assert done.code == 1
    assert [error.split(";")[0] for error in done.errors] == ["error: AAPL: there is no forecast"]
    assert done.out.startswith("STX  after the close of 2024-03-08, source csv\n")


def test_a_forecast_that_is_late_is_refused_unless_it_is_asked_for(run) -> None:
    done = run("predict", "STX")
    assert (done.code, done.out) == (1, "")
    [error] = done.errors
    assert error.startswith("error: STX: stale: the forecast was made after the close of 2024-03-08; that of ")
    assert error.endswith("; see it all the same with --allow-stale, or --as-of 2024-03-08")


def test_before_its_deadline_it_is_not_refused(place: Place) -> None:
    assert predict.Teller(settings(place.data), None, now=SATURDAY).tell("STX").standing.reasons == ()
    with pytest.raises(QuestionsError, match=r"STX: stale: .* that of 2024-03-11 had to be there by 2024-03-12 02:00"):
        predict.Teller(settings(place.data), None, now=TUESDAY).tell("STX")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "nothing to predict: give a TICKER, or --input and --output"),
        (["TSLA", "--output", "x.csv"], "nothing to predict"),
        (["--input", "README.md"], "--input goes with --output, and without TICKER, --as-of and --json"),
        (["TSLA", "--input", "README.md", "--output", "x.csv"], "--input goes with --output"),
        (["--input", "nowhere.csv", "--output", "x.csv"], "File 'nowhere.csv' does not exist"),
        (["../../etc"], "'../../etc' is not a ticker"),
        (["TSLA", "--as-of", "2024-03-09"], "2024-03-09, a Saturday, is not a session"),
    ],
)
def test_wrong_usage(run, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(predict.__file__).parents[2])
    done = run("predict", *words)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_source_asked_for_is_the_source_told(run, tmp_path: Path) -> None:
    done = run("predict", "TSLA", "--as-of", "2024-03-08", "--source", "yahoo")
    assert (done.code, done.out) == (1, "")
    assert done.errors[0].endswith("holds forecasts from csv; expected yahoo")
    (tmp_path / "q.csv").write_text("ticker,as_of\nTSLA,2024-03-08\n")
    done = run("predict", "--input", tmp_path / "q.csv", "--output", tmp_path / "p.csv", "--source", "yahoo")
    assert (done.code, done.out) == (1, "")
    assert [path.name for path in tmp_path.iterdir()] == ["q.csv"]


def test_without_a_source_it_is_the_folder_with_the_newest_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stock_assets.settings.project_root", lambda: tmp_path)
    stores.small_store(tmp_path / "data" / "csv", ["TSLA"], [FRIDAY], trained=[FRIDAY])
    stores.small_store(tmp_path / "data" / "simulated", ["TSLA"], [THURSDAY], source="simulated", trained=[THURSDAY])
    stores.small_store(tmp_path / "data" / "simulated", ["STX"], [stores.later(1)], source="simulated")

    def source(*tickers: str) -> str:
        teller = predict.Teller(settings(), None, tickers, now=SATURDAY)
        return teller.tell((*tickers, "TSLA")[0], allow_stale=True).forecast.source

    assert source("TSLA") == "csv"
    assert source("STX") == "simulated"
    assert source() == "simulated"  # the newest of all
    asked = predict.Teller(settings(), "simulated", ["TSLA"], now=SATURDAY).tell("TSLA", THURSDAY)
    assert (asked.forecast.source, asked.is_simulated) == ("simulated", True)


def test_simulated_prices_are_told_loudly(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.small_store(tmp_path / "data", ["TSLA"], source="simulated")
    monkeypatch.setenv("STOCK_ASSETS_DATA_DIR", str(tmp_path / "data"))
    assert "SIMULATED PRICES, NOT REAL ONES" in run("predict", "TSLA", "--as-of", "2024-03-08").out
    (tmp_path / "q.csv").write_text("ticker,as_of\nTSLA,2024-03-08\n")
    done = run("predict", "--input", tmp_path / "q.csv", "--output", tmp_path / "p.csv")
    assert (done.code, "SIMULATED PRICES, NOT REAL ONES" in done.out) == (0, True)


def test_a_file_of_questions_gives_a_file_of_forecasts(run, tmp_path: Path) -> None:
    questions, output = tmp_path / "q.csv", tmp_path / "new" / "p.csv"
    questions.write_bytes(b"\xef\xbb\xbfTicker;As of\r\nTSLA;2024-03-08\r\n=1+1;\r\nSTX;2024-03-07\r\n")
    done = run("predict", "--input", questions, "--output", output)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{output}: forecasts: 2; rows with an error instead: 1\n"
    header, first, bad, last = output.read_text().splitlines()
    assert header.startswith("row,ticker,as_of,")
    assert (first[:17], last[:16]) == ("2,TSLA,2024-03-08", "4,STX,2024-03-07")
    assert bad.startswith("3,'=1+1,,")


def test_no_forecast_on_any_row_is_a_failure_that_leaves_the_reasons(run, tmp_path: Path) -> None:
    questions, output = tmp_path / "q.csv", tmp_path / "p.csv"
    questions.write_text("ticker\nTSLA\nAAPL\n")
    done = run("predict", "--input", questions, "--output", output)
    assert (done.code, done.out) == (1, f"{output}: forecasts: 0; rows with an error instead: 2\n")
    assert "TSLA: stale: " in output.read_text()
    assert run("predict", "--input", questions, "--output", output, "--allow-stale").code == 0


def test_a_history_needs_its_ticker(run, place: Place, tmp_path: Path) -> None:
    raw = place.snapshot("TSLA", "2024-03-08").table("raw_prices")
    questions, output = tmp_path / "tsla.csv", tmp_path / "p.csv"
    raw.rename(columns=str.title).rename_axis("Date").to_csv(questions)
    done = run("predict", "--input", questions, "--output", output)
    assert (done.code, output.exists()) == (1, False)
    assert "whose prices are these" in done.errors[0]
    done = run("predict", "--input", questions, "--output", output, "--ticker", "TSLA")
    assert (done.code, done.out) == (0, f"{output}: forecasts: 1\n")
    assert ",2024-03-08,2024-03-11," in output.read_text()


def test_what_must_not_be_replaced_is_not(run, tmp_path: Path) -> None:
    questions = tmp_path / "q.csv"
    questions.write_text("ticker\nTSLA\n")
    (tmp_path / "link.csv").symlink_to(questions)
    os.mkfifo(tmp_path / "pipe")
    for output, told in (
        ("q.csv", "holds the questions"),
        ("link.csv", "holds the questions"),
        ("pipe", "no plain file"),
    ):
        done = run("predict", "--input", questions, "--output", tmp_path / output)
        assert (done.code, done.out) == (2, "")
        assert told in done.err
    assert questions.read_text() == "ticker\nTSLA\n"


def test_a_full_disk_leaves_the_former_output(place: Place, tmp_path: Path) -> None:
    questions, output = tmp_path / "q.csv", tmp_path / "p.csv"
    questions.write_text("ticker\n" + "TSLA\n" * 20_000)
    output.write_text("former\n")
    teller = predict.Teller(settings(place.data), None, now=SATURDAY)
    with no_file_beyond(1_000_000), pytest.raises(ArtefactError, match=r"p.csv can't be written: .*what it was before"):
        teller.answer(questions, output, None)
    assert output.read_text() == "former\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "q.csv"]


def test_questions_that_cannot_be_read(place: Place, tmp_path: Path) -> None:
    teller = predict.Teller(settings(place.data), None, now=SATURDAY)
    with pytest.raises(SettingsError, match="can't be read: Is a directory; expected a CSV file"):
        teller.answer(tmp_path, tmp_path / "p.csv", None)


def test_progress_goes_from_the_first_row_to_the_last(place: Place, tmp_path: Path) -> None:
    questions = tmp_path / "q.csv"
    questions.write_text("ticker\n" + "TSLA\n" * 5000)
    told: list[tuple[int, int]] = []
    outcome = predict.Teller(settings(place.data), None, now=SATURDAY).answer(
        questions, tmp_path / "p.csv", None, progress=lambda given, rows: told.append((given, rows))
    )
    assert told == [(0, 5000), (2000, 5000), (4000, 5000), (5000, 5000)]
    assert outcome == predict.Outcome(predicted=5000, failed=0, is_simulated=False)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_an_interruption_leaves_the_former_output(place: Place, tmp_path: Path, how: signal.Signals) -> None:
    questions, output = tmp_path / "q.csv", tmp_path / "p.csv"
    questions.write_text("ticker,as_of\n" + "TSLA,2024-03-08\n" * 3_000_000)
    output.write_text("former\n")
    process = subprocess.Popen(
        [PROGRAM, "predict", "--input", questions, "--output", output],
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.poll() is None and not any(path.stat().st_size for path in tmp_path.glob(".p.csv.*")):
            time.sleep(0.01)
        process.send_signal(how)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, out) == (130 if how == signal.SIGINT else -signal.SIGKILL, "")
    assert output.read_text() == "former\n"
    if how == signal.SIGINT:
        assert err.strip().startswith("stopped")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "q.csv"]
