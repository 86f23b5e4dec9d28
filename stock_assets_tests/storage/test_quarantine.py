"""The quarantine: what is kept of a bad answer, what is added to what, and what stays."""

import contextlib
import json
import uuid
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from stock_assets.core import checks, cleaning, errors, schemas, validation
from stock_assets.storage import formats, quarantine
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.quarantine import Problem

FRIDAY = date(2024, 3, 8)
BLOCKED = Problem("raw_prices", "prices_are_positive", "Every price is above zero.", 1, "0 rows", (FRIDAY,))
HALTED = Problem("clean_prices", "with_positive_prices", "TSLA 2024-03-08: 1 bar ...", sessions=(FRIDAY,))


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path if request.param == "folder" else f"memory://{uuid.uuid4().hex}/data")


def bars(close: float = -175.34) -> pd.DataFrame:
    """Two bars of TSLA; the second one's close as given."""
    frame = pd.DataFrame(0.0, index=pd.Index([], name="session"), columns=list(schemas.RAW_PRICES.columns))
    frame = frame.reindex(pd.DatetimeIndex(["2024-03-07", "2024-03-08"], dtype="datetime64[ns]", name="session"))
    frame.loc[:, :] = 0.0
    frame[["open", "high", "low", "close", "adj_close"]] = [
        [174.35, 180.04, 173.7, 178.65, 178.65],
        [181.5, 182.73, 174.7, close, close],
    ]
    frame["volume"] = [102_129_000.0, 85_315_300.0]
    frame.attrs["source"] = "yahoo"
    return frame


def keep(store: ArtefactStore, *problems: Problem, **answer) -> None:
    quarantine.keep(store, ticker="TSLA", session=FRIDAY, source="yahoo", problems=problems, **answer)


def kept(store: ArtefactStore) -> quarantine.Quarantined:
    found = quarantine.load(store, "TSLA", FRIDAY)
    assert found is not None
    return found


def test_nothing_is_there_at_first(store: ArtefactStore):
    assert quarantine.load(store, "TSLA", FRIDAY) is None


def test_a_bad_snapshot_is_kept_as_it_was(store: ArtefactStore):
    keep(store, BLOCKED, snapshot=bars())

    assert kept(store).problems == (BLOCKED,)
    assert (kept(store).source, kept(store).payload) == ("yahoo", None)
    snapshot = kept(store).snapshot
    assert snapshot is not None
    pd.testing.assert_frame_equal(snapshot, bars(), check_freq=False)
    as_raw_prices = formats.encode_table(bars(), asset="raw_prices", ticker="TSLA", as_of=FRIDAY, source="yahoo")
    assert store.read("quarantine", "TSLA", FRIDAY)[".parquet"] == as_raw_prices


def test_an_answer_that_is_no_table_is_kept_byte_for_byte(store: ArtefactStore):
    keep(store, Problem("raw_prices", "MalformedPricesError", "garbage"), payload=b"\xff<html>")

    assert kept(store).payload == b"\xff<html>"
    assert kept(store).snapshot is None
    assert set(store.read("quarantine", "TSLA", FRIDAY)) == {".json", ".payload"}


def test_a_table_that_raw_prices_can_not_be_is_kept_as_text(store: ArtefactStore):
    odd = bars()
    odd.index = pd.DatetimeIndex(odd.index).tz_localize("America/New_York")
    with pytest.raises(errors.SchemaError), work(store, snapshot=odd):
        schemas.validate(odd, schemas.RAW_PRICES, ticker="TSLA", as_of=FRIDAY)

    assert kept(store).snapshot is None
    text = (kept(store).payload or b"").decode()
    assert text.startswith("session,open,high,low,close,adj_close,volume,")
    assert "\n2024-03-08 00:00:00-05:00,181.5,182.73,174.7,-175.34,-175.34,85315300.0," in text


def test_the_reasons_can_be_read_without_this_program(store: ArtefactStore):
    keep(store, BLOCKED, snapshot=bars())

    assert json.loads(store.path("quarantine", "TSLA", FRIDAY, ".json").read_bytes()) == {
        "ticker": "TSLA",
        "as_of": "2024-03-08",
        "source": "yahoo",
        "problems": [
            {
                "asset": "raw_prices",
                "what": "prices_are_positive",
                "message": "Every price is above zero.",
                "observed": 1,
                "expected": "0 rows",
                "sessions": ["2024-03-08"],
            }
        ],
    }


def test_a_later_problem_of_the_same_snapshot_is_added(store: ArtefactStore):
    keep(store, BLOCKED, snapshot=bars())
    keep(store, HALTED, snapshot=bars())
    assert kept(store).problems == (BLOCKED, HALTED)


def test_the_same_again_changes_no_byte(store: ArtefactStore):
    keep(store, BLOCKED, HALTED, snapshot=bars())
    before = store.read("quarantine", "TSLA", FRIDAY)
    keep(store, BLOCKED, snapshot=bars())
    assert store.read("quarantine", "TSLA", FRIDAY) == before


def test_a_problem_found_again_has_its_newest_words(store: ArtefactStore):
    again = Problem("raw_prices", "prices_are_positive", "Every price is above zero.", 2, "0 rows")
    keep(store, BLOCKED, HALTED, snapshot=bars())
    keep(store, again, snapshot=bars())
    assert kept(store).problems == (again, HALTED)


@pytest.mark.parametrize("answer", [{"snapshot": bars(close=-1.0)}, {"payload": b"<html>"}, {}])
def test_another_bad_answer_takes_the_place_of_the_first(store: ArtefactStore, answer: dict):
    keep(store, BLOCKED, snapshot=bars())
    keep(store, HALTED, **answer)

    assert kept(store).problems == (HALTED,)
    assert kept(store).payload == answer.get("payload")
    assert (kept(store).snapshot is None) == ("snapshot" not in answer)


def test_a_damaged_one_is_told_when_read_and_replaced_when_kept_again(store: ArtefactStore):
    keep(store, BLOCKED, snapshot=bars())
    store.path("quarantine", "TSLA", FRIDAY, ".parquet").write_bytes(b"PAR1")
    with pytest.raises(errors.DamagedArtefactError, match=r"TSLA 2024-03-08: quarantine in .* is not what was written"):
        quarantine.load(store, "TSLA", FRIDAY)
    keep(store, HALTED, snapshot=bars())
    assert kept(store).problems == (HALTED,)


def test_without_a_problem_there_is_nothing_to_keep(store: ArtefactStore):
    with pytest.raises(ValueError, match="TSLA 2024-03-08: no problem to keep"):
        keep(store, snapshot=bars())


def work(store: ArtefactStore, **more):
    return quarantine.keeping(store, "clean_prices", ticker="TSLA", session=FRIDAY, source="yahoo", **more)


def test_cleaning_that_halts_leaves_rule_and_sessions(store: ArtefactStore):
    with pytest.raises(errors.BadPricesError) as caught, work(store, snapshot=bars()):
        cleaning.clean_prices(bars(), ticker="TSLA", as_of=FRIDAY)

    [problem] = kept(store).problems
    assert problem == Problem("clean_prices", "with_positive_prices", str(caught.value), sessions=(FRIDAY,))
    assert kept(store).snapshot is not None


def test_a_malformed_answer_leaves_its_payload(store: ArtefactStore):
    with pytest.raises(errors.MalformedPricesError), work(store):
        raise errors.MalformedPricesError("TSLA: no table", payload=b"<html>")

    assert kept(store).payload == b"<html>"
    assert kept(store).problems == (Problem("clean_prices", "MalformedPricesError", "TSLA: no table"),)


def test_work_that_goes_well_or_may_go_well_later_leaves_nothing(store: ArtefactStore):
    with work(store, snapshot=bars()):
        pass
    with contextlib.suppress(errors.SourceUnavailableError), work(store):
        raise errors.SourceUnavailableError("HTTP 503")
    assert quarantine.load(store, "TSLA", FRIDAY) is None


def test_a_quarantine_that_can_not_be_written_does_not_hide_the_error(tmp_path: Path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(errors.MalformedPricesError, match="no table") as caught, work(ArtefactStore(tmp_path / "data")):
        raise errors.MalformedPricesError("no table")
    [note] = caught.value.__notes__
    assert note.startswith("It could not be put into quarantine either: TSLA 2024-03-08: quarantine could not be wri")


def ask(*names: str, frame: pd.DataFrame) -> list[tuple[checks.Check, validation.Finding]]:
    asked = [check for check in checks.RAW if check.name in names]
    assert len(asked) == len(names)
    return validation.ask(asked, frame, ticker="TSLA", as_of=FRIDAY)


def test_checks_that_block_leave_what_they_found(store: ArtefactStore):
    frame = bars().iloc[:1]  # Thursday's alone
    found = ask("last_session_is_present", "sessions_never_decrease", frame=frame)
    quarantine.keep_blocked(store, "raw_prices", found, ticker="TSLA", session=FRIDAY, snapshot=bars())

    [problem] = kept(store).problems
    assert (problem.asset, problem.what) == ("raw_prices", "last_session_is_present")
    assert (problem.observed, problem.sessions) == ("2024-03-07", (date(2024, 3, 7),))
    assert problem.expected == "a last bar with all prices on 2024-03-08"


def test_checks_that_only_warn_leave_nothing(store: ArtefactStore):
    frame = bars(close=200.0)
    found = ask("open_and_close_lie_between_low_and_high", frame=frame)
    assert not found[0][1].passed
    quarantine.keep_blocked(store, "raw_prices", found, ticker="TSLA", session=FRIDAY, snapshot=frame)
    assert quarantine.load(store, "TSLA", FRIDAY) is None


def test_a_measure_that_is_no_number_is_kept_as_text():
    finding = validation.Finding(False, float("nan"), "a number", pd.DataFrame({"case": [1]}))
    problem = quarantine.of_finding("raw_prices", checks.RAW[0], finding)
    assert (problem.observed, problem.sessions) == ("nan", ())
