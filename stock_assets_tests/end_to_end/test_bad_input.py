"""What a person is told when something is wrong: one line, and nothing that was there before is touched.

Most commands run in this process, which is quicker; they are the same from the words on.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.definitions import build_defs
from stock_assets.settings import Settings
from stock_assets_tests import stored
from stock_assets_tests.end_to_end.conftest import SESSION, Here, Run
from stock_assets_tests.place import PATIENCE, PROGRAM, Done, Place, files

NEXT = "2020-07-01"
RUN = ("run", "STX", "--source", "csv", "--as-of")
CSV_COLUMNS = "Date, Open, High, Low, Close, Adj Close, Volume"


def assert_one_line(done: Done, code: int, *parts: str) -> None:
    """It ended with `code` and one line of error that has the `parts`; failures may be counted on a line below."""
    assert done.code == code, done
    [error] = done.errors
    for part in parts:
        assert part in error
    others = [line for line in done.err.splitlines() if line != error]
    assert all(" failed: " in line or "met a passing fault" in line for line in others)
    assert "Traceback" not in done.err + done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "NVDA"], "NVDA is not on the watchlist"),
        (["run", "../../etc"], "'../../etc' is not a ticker; expected up to 15 letters or digits"),
        (["run", "TSLA;rm"], "'TSLA;rm' is not a ticker"),
        (["run", ""], "'' is not a ticker"),
        ([*RUN, "2020-07-04"], "2020-07-04, a Saturday, is not a session of XNYS: the nearest are 2020-07-02"),
        ([*RUN, "2020-07-03"], "2020-07-03, a Friday, is not a session of XNYS"),  # Independence Day, observed
        ([*RUN, "2049-06-30"], "2049-06-30: prices are final from 2049-06-30 22:00 UTC on, and it is"),
        ([*RUN, "2019-12-31"], "session 2019-12-31 is before the first one of the grid, 2020-01-02"),
        ([*RUN, "yesterday"], "'yesterday' is not a session: expected a date such as 2020-12-11 (YYYY-MM-DD)"),
        ([*RUN, "2020-02-30"], "'2020-02-30' is not a session: there is no such date"),
        ([*RUN], "Option '--as-of' requires an argument"),
        (["run", "--source", "bloomberg"], "'bloomberg' is not one of 'auto', 'yahoo', 'csv', 'simulated'"),
        (["run", "--bogus"], "No such option '--bogus'; see: stock-assets run --help"),
        (["runn"], "No such command 'runn'"),
        (["export", "STX"], "Missing option '--to'; see: stock-assets export --help"),
        (["export", "NVDA", "--to", "out"], "NVDA is not on the watchlist"),
        (["export", "STX", "--to", "watchlist.yaml"], "'watchlist.yaml' is a file"),
        (["export", "STX", "--to", "out", "--as-of", "2020-07-04"], "2020-07-04, a Saturday, is not a session"),
        (["ui", "--port", "70000"], "70000 is not in the range 1<=x<=65535"),
        (["watchlist", "add"], "Missing argument 'TICKER [TICKER ...]'"),
        (["watchlist", "add", "tsla"], "TSLA is on the watchlist"),
        (["watchlist", "remove", "NVDA"], "NVDA is not on the watchlist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_told_before_anything_starts(here: Here, words: list[str], told: str) -> None:
    assert_one_line(here(*words), 2, told)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("STOCK_ASSETS_SOURCE", "bloomberg", "STOCK_ASSETS_SOURCE is 'bloomberg'; expected one of yahoo, csv"),
        ("STOCK_ASSETS_PRICES_DIR", "", "source csv reads STOCK_ASSETS_PRICES_DIR: it is not set; expected a folder"),
        ("STOCK_ASSETS_PRICES_DIR", "nowhere", "nowhere is no folder that can be read; expected a folder of <TICKER>"),
        ("STOCK_ASSETS_PRICES_DIR", "watchlist.yaml", "watchlist.yaml is no folder that can be read"),
        ("STOCK_ASSETS_FIRST_SESSION", "1929-10-24", "is 1929-10-24; expected a date from 1960 to 2049"),
        ("STOCK_ASSETS_WATCHLIST", "nowhere.yaml", "nowhere.yaml does not exist; set STOCK_ASSETS_WATCHLIST or create"),
        ("STOCK_ASSETS_DATA_DIR", "gopher://x", "the data folder 'gopher://x' can't be used: Unsupported filesystem"),
        ("STOCK_ASSETS_LOG_DIR", "watchlist.yaml", "watchlist.yaml can't be used: File exists; expected a folder"),
        ("STOCK_ASSETS_RETRY_DELAY", "soon", "STOCK_ASSETS_RETRY_DELAY is 'soon'; expected a number of seconds"),
        ("DAGSTER_HOME", "watchlist.yaml", "watchlist.yaml can't be used: [Errno 17] File exists"),
        ("DAGSTER_HOME", "/dev/null/home", "/dev/null/home can't be used: [Errno 20] Not a directory"),
    ],
)
def test_a_bad_setting_is_named(here: Here, variable: str, value: str, told: str) -> None:
    assert_one_line(here(*RUN, NEXT, **{variable: value}), 2, variable if "data folder" not in told else "", told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tickers: [TSLA", "isn't valid YAML: line "),
        ("tickers: [TSLA, tsla]", "line 1, entry 2: the watchlist names TSLA twice; expected once"),
        ("- TSLA", "expected a list under 'tickers'"),
        ("tickers: [TSLA, ../x]", "entry 2: '../x' is not a ticker"),
    ],
)
def test_a_bad_watchlist_is_named_with_its_entry(here: Here, text: str, told: str) -> None:
    here.watchlist.write_text(text)
    for words in ([*RUN, NEXT], ["watchlist", "list"], ["watchlist", "add", "NVDA"], ["export", "STX", "--to", "out"]):
        assert_one_line(here(*words), 2, f"watchlist {here.watchlist}", told)
    assert here.watchlist.read_text() == text


def replaced(line: int, old: str, new: str) -> Callable[[str], str]:
    """A change of one line (1 is the header) of a CSV file."""

    def change(text: str) -> str:
        lines = text.splitlines()
        assert old in lines[line - 1]
        lines[line - 1] = lines[line - 1].replace(old, new, 1)
        return "\n".join(lines) + "\n"

    return change


def second_cell(new: str) -> Callable[[str], str]:
    """`Open` of the hundredth bar."""

    def change(text: str) -> str:
        lines = text.splitlines()
        cells = lines[100].split(",")
        cells[1] = new
        lines[100] = ",".join(cells)
        return "\n".join(lines) + "\n"

    return change


def another_close_for_one_session(text: str) -> str:
    cells = text.splitlines()[100].split(",")
    cells[4] = "12345"
    return text + ",".join(cells) + "\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: "", f"STX.csv: the file is empty; expected the columns {CSV_COLUMNS}"),
        (lambda text: text.splitlines()[0] + "\n", "no prices up to this session;"),
        (replaced(1, "Close,", "Last,"), "STX.csv, line 1: the header lacks Close; came: Date, Open, High, Low, Last"),
        (second_cell("abc"), "STX.csv, line 101: column Open: came 'abc'; expected a number, or nothing"),
        (second_cell("-1"), "1 bar with a price that is not positive: 2016-05-25 (open -1"),
        (another_close_for_one_session, "2 bars given twice with different values: 2016-05-25"),
        (lambda text: text.replace(f"\n{NEXT}", "\n2016-01-02"), f"expected a last bar with all prices on {NEXT}"),
        (
            lambda text: text.replace("2016-", "2016/"),
            "column Date: came '2016/01-04'; expected a date like 2024-03-08",
        ),
    ],
    ids=["empty", "no rows", "no Close", "garbage", "negative", "conflict", "no last session", "dates"],
)
def test_bad_prices_stop_their_partition_and_name_the_place(
    here: Here, change: Callable[[str], str], told: str
) -> None:
    here.stx.write_text(change(here.stx.read_text()))
    done = here(*RUN, NEXT)
    assert_one_line(done, 1, f"STX {NEXT}: ", told)
    assert done.err.splitlines()[-1].startswith("1 of 1 failed: STX; details in ")
    assert not (here.data / "features" / "STX" / f"{NEXT}.parquet").exists()


def test_a_file_that_is_no_text(here: Here) -> None:
    here.stx.write_bytes(b"\xff\xfe")
    assert_one_line(here(*RUN, NEXT), 1, f"STX {NEXT}: {here.stx}: byte 0 is not UTF-8; expected a UTF-8 text file")


def test_a_missing_file_is_told_beside_what_is_there(here: Here) -> None:
    here.stx.unlink()
    assert_one_line(here(*RUN, NEXT), 1, f"STX {NEXT}: no file {here.stx}; tickers in that folder: TSLA")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can't be read even by root")
def test_a_file_that_the_system_can_not_read_now_is_tried_four_times(here: Here) -> None:
    here.stx.unlink()
    here.stx.symlink_to("/proc/self/mem")
    done = here(*RUN, NEXT)
    assert_one_line(done, 1, f"STX {NEXT}: {here.stx} can't be read now: Input/output error")
    assert done.err.count("STX: raw_prices met a passing fault, trying again") == 3


def test_before_the_listing(here: Here) -> None:
    done = here("run", "STX", "--source", "csv", "--as-of", "2015-12-31", STOCK_ASSETS_FIRST_SESSION="2015-12-01")
    assert_one_line(done, 1, f"STX 2015-12-31: no prices up to this session; the first session in {here.stx} is 2016-")


def test_too_little_history(here: Here) -> None:
    done = here("run", "STX", "--source", "csv", "--as-of", "2017-12-29", STOCK_ASSETS_FIRST_SESSION="2015-12-01")
    assert_one_line(done, 1, "STX 2017-12-29: ", "sessions have features", "expected at least 753")


@pytest.mark.parametrize("place", ["watchlist.yaml", "/dev/null/data"])
def test_a_data_folder_that_can_not_be_written(here: Here, place: str) -> None:
    done = here(*RUN, NEXT, STOCK_ASSETS_DATA_DIR=place)
    assert_one_line(done, 1, f"STX {NEXT}: ", f"/{place}/raw_prices/STX".replace("//", "/"), ": Not a directory")


@pytest.mark.parametrize("content", ["telemetry: [", "no_such_thing: 1"])
def test_a_dagster_home_with_a_bad_configuration(here: Here, tmp_path: Path, content: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text(content)
    done = here(*RUN, NEXT, DAGSTER_HOME=str(tmp_path / "home"))
    assert_one_line(done, 2, f"DAGSTER_HOME {tmp_path / 'home'} can't be used: ", "dagster.yaml")
    assert len(done.err) < 600


def test_a_dagster_home_with_a_damaged_database(here: Here, tmp_path: Path) -> None:
    (tmp_path / "home" / "history").mkdir(parents=True)
    (tmp_path / "home" / "history" / "runs.db").write_bytes(b"no database")
    done = here(*RUN, NEXT, DAGSTER_HOME=str(tmp_path / "home"))
    assert_one_line(done, 2, f"DAGSTER_HOME {tmp_path / 'home'} can't be used: ", "file is not a database")


def test_prices_of_another_source_are_not_replaced(here: Here) -> None:
    done = here("run", "--source", "simulated", "--as-of", SESSION)
    assert done.code == 1
    assert done.errors == [
        f"error: {ticker} {SESSION}: {here.data} holds prices from csv; expected simulated; choose another "
        "STOCK_ASSETS_DATA_DIR, or replace them with --force"
        for ticker in ("TSLA", "STX")
    ]


def test_export_of_what_is_not_there(here: Here, tmp_path: Path) -> None:
    done = here("export", "STX", "--as-of", NEXT, "--to", "out")
    assert_one_line(
        done, 1, f"STX {NEXT}: no report in {here.data}; make one with: stock-assets run STX --as-of {NEXT}"
    )
    done = here("export", "STX", "--as-of", SESSION, "--to", "out", "--source", "simulated")
    assert_one_line(done, 1, f"STX {SESSION}: {here.data} holds prices from csv; expected simulated")
    assert not (tmp_path / "out").exists()


def test_export_to_a_place_that_can_not_be_written(here: Here, tmp_path: Path) -> None:
    done = here("export", "STX", "--to", "watchlist.yaml/out")
    assert_one_line(done, 1, f"STX {SESSION}: watchlist.yaml/out/stx_raw_data.csv can't be written: Not a directory")


@pytest.fixture
def damaged(csv_run: Run, tmp_path: Path) -> Place:
    """A copy of the shared run in which the features of STX were cut short on the disk."""
    place = Place(tmp_path / "damaged", csv_run.place.settings)
    shutil.copytree(csv_run.place.data, place.data)
    os.truncate(stored.file_of(place.data / "features" / "STX" / f"{SESSION}.parquet"), 100)
    return place


def test_a_damaged_artefact_is_never_used(damaged: Place, here: Here, csv_run: Run) -> None:
    """By an export, and by Dagster when only what is downstream is materialised."""
    told = [f"STX {SESSION}: features in {damaged.data / 'features' / 'STX'} is not what was written", "came 100 bytes"]
    remedy = f"materialise features for STX, session {SESSION}, again"
    done = here("export", "STX", "--to", "out", STOCK_ASSETS_DATA_DIR=str(damaged.data))
    assert_one_line(done, 1, *told, remedy)

    defs = build_defs(Settings.from_environment(damaged.variables).with_source("csv"))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("training_job").execute_in_process(
            partition_key=f"{SESSION}|STX", instance=instance, raise_on_error=False
        )
        failures = {event.step_key: event.step_failure_data for event in result.all_events if event.is_step_failure}
    assert set(failures) == {"model", "backtest"}
    for failure in failures.values():
        assert failure.user_failure_data is not None
        for part in (*told, remedy):
            assert part in str(failure.user_failure_data.description)
    # What lies further down is neither replaced nor removed.
    [evaluation] = [
        name for name in files(damaged.data) if name.startswith("evaluation/STX/") and name.endswith("json")
    ]
    assert damaged.files()[evaluation] == csv_run.place.files()[evaluation]


def test_run_mends_a_damaged_artefact(damaged: Place, here: Here, csv_run: Run) -> None:
    done = here(*RUN, SESSION, STOCK_ASSETS_DATA_DIR=str(damaged.data))
    assert (done.code, done.err) == (0, "")
    assert "STX  done in" in done.out
    assert damaged.files() == csv_run.place.files()


def test_ctrl_c_stops_the_whole_run_and_leaves_nothing_half_written(csv_run: Run, tmp_path: Path) -> None:
    place = Place(tmp_path, csv_run.place.settings)
    process = subprocess.Popen(
        [str(PROGRAM), "run", "--source", "csv", "--as-of", SESSION],
        cwd=tmp_path,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not list(place.data.glob("clean_prices/TSLA/*.sha256")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err.strip() == "stopped; what was finished is stored"
    assert out == f"Session {SESSION}, source csv, TSLA, STX\n"
    stored = place.files()
    assert not [name for name in stored if "/STX/" in name or name.endswith(".tmp")]
    # The finished ones are whole, and the same as those of a run that nobody stopped.
    sealed = {name.removesuffix(".sha256") for name in stored if name.endswith(".sha256")}
    expected = csv_run.place.files()
    assert f"clean_prices/TSLA/{SESSION}" in sealed
    assert {name: content for name, content in stored.items() if Path(name).suffix == ".sha256"} == {
        name: expected[name] for name in stored if Path(name).suffix == ".sha256"
    }
