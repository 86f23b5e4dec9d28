"""Facts about the forecasts that are served: which one, whole or not at all, and at what cost."""

import datetime as dt
import itertools
import os
import threading
import uuid
from collections import Counter
from pathlib import Path

import pytest

from stock_assets.core import schemas
from stock_assets.core.errors import (
    ArtefactError,
    DamagedArtefactError,
    InvalidTickerError,
    MissingArtefactError,
    ModelExpiredError,
    NotASessionError,
    NotWholeError,
)
from stock_assets.serving import forecast, forecasts, reading
from stock_assets.serving.forecasts import Forecasts
from stock_assets.storage import inventory
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets_tests.place import PATIENCE
from stock_assets_tests.serving import stores
from stock_assets_tests.serving.stores import SESSION, later
from stock_assets_tests.stored import file_of

MODEL_AS_OF = later(-2)
NEEDED = ("clean_prices", "model", "evaluation", "predictions")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CountingStore(ArtefactStore):
    """Counts what is asked of it."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.calls: Counter[str] = Counter()

    def read(self, asset, ticker, session, *, suffixes=None):
        self.calls[f"read {asset}"] += 1
        return super().read(asset, ticker, session, suffixes=suffixes)

    def sealed(self, asset, ticker, session):
        self.calls["sealed"] += 1
        return super().sealed(asset, ticker, session)

    def sessions(self, asset, ticker):
        self.calls["sessions"] += 1
        return super().sessions(asset, ticker)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(small_store: ArtefactStore, clock: Clock) -> Forecasts:
    return Forecasts(small_store, monotonic=clock)


def put(store: ArtefactStore, session: dt.date, version: int, only=stores.ASSETS, *, own_model: bool = False) -> None:
    model_as_of = session if own_model else MODEL_AS_OF
    made = stores.snapshot("TSLA", session, model_as_of=model_as_of, version=version)
    stores.write(store, "TSLA", session, made, only)


def spoil(path: Path) -> bytes:
    """Turn a byte in the middle over; what the file held before."""
    before = path.read_bytes()
    middle = len(before) // 2
    path.write_bytes(before[:middle] + bytes([before[middle] ^ 0xFF]) + before[middle + 1 :])
    return before


# The row and what it is told with


def test_the_columns_are_those_of_the_artefact() -> None:
    assert list(forecast.TYPES) == list(schemas.PREDICTIONS.columns)


def test_the_newest_forecast_is_the_stored_row_as_plain_values(served: Forecasts, small_store: ArtefactStore) -> None:
    found = served.newest("TSLA")
    [stored] = stores.table(small_store, "predictions", "TSLA", SESSION).to_dict("records")
    assert list(found.row) == list(stored)
    assert {name: type(value) for name, value in found.row.items()} == dict(forecast.TYPES)
    for name, value in stored.items():
        assert found.row[name] == (value.date() if hasattr(value, "date") else value)
    assert (found.ticker, found.as_of, found.target_session) == ("TSLA", dt.date(2024, 3, 8), dt.date(2024, 3, 11))
    assert (found.model_as_of, found.source, found.is_simulated) == (dt.date(2024, 3, 6), "csv", False)
    assert (found.horizon_sessions, found.warnings) == (1, ())
    assert found.verdict == "No better than the naive forecasts (version 0)."


def test_checksums_are_those_of_the_artefacts(served: Forecasts, small_store: ArtefactStore) -> None:
    for as_of in (MODEL_AS_OF, later(-1), SESSION):
        found = served.of("TSLA", as_of)
        assert found.forecast_checksum == small_store.checksum("predictions", "TSLA", as_of)
        assert found.data_checksum == small_store.checksum("clean_prices", "TSLA", as_of)
        assert found.model_checksum == small_store.checksum("model", "TSLA", MODEL_AS_OF)


def test_a_row_can_not_be_changed(served: Forecasts) -> None:
    with pytest.raises(TypeError):
        served.newest("TSLA").row["predicted_close"] = 1.0  # type: ignore[index]


def test_simulated_prices_are_told(tmp_path: Path) -> None:
    found = Forecasts(stores.small_store(tmp_path, ["TSLA"], source="simulated")).newest("TSLA")
    assert found.is_simulated
    assert found.warnings == ("simulated prices, not real ones: the forecast says nothing about any company",)


def test_a_ticker_is_found_in_either_case(served: Forecasts) -> None:
    assert served.newest("tsla") is served.newest(" TSLA ") is served.newest("TSLA")


# What is not there


@pytest.mark.parametrize("ask", [Forecasts.newest, Forecasts.known])
def test_no_ticker_at_all(served: Forecasts, ask) -> None:
    with pytest.raises(InvalidTickerError, match=r"'\.\./etc' is not a ticker"):
        ask(served, "../etc")


def test_a_ticker_without_forecasts(served: Forecasts) -> None:
    assert not served.known("AAPL")
    with pytest.raises(MissingArtefactError, match="AAPL: there is no forecast; materialise predictions of AAPL"):
        served.newest("AAPL")
    with pytest.raises(MissingArtefactError, match="AAPL"):
        served.of("AAPL", SESSION)


def test_nothing_is_held_of_tickers_that_are_not_there(served: Forecasts) -> None:
    for n in range(50):
        with pytest.raises(MissingArtefactError):
            served.newest(f"T{n}")
    served.newest("TSLA")
    assert list(served._lines) == ["TSLA"]


def test_a_session_without_a_forecast(served: Forecasts) -> None:
    with pytest.raises(MissingArtefactError, match="TSLA 2024-03-05: there is no predictions"):
        served.of("TSLA", later(-3))
    with pytest.raises(MissingArtefactError, match="TSLA 2024-03-11: there is no predictions"):
        served.of("TSLA", later(1))
    with pytest.raises(NotASessionError, match="2024-03-09, a Saturday"):
        served.of("TSLA", dt.date(2024, 3, 9))


# What it costs


def test_within_the_refresh_the_store_is_not_touched(small_store: ArtefactStore, clock: Clock) -> None:
    store = CountingStore(Path(str(small_store.base)))
    served = Forecasts(store, refresh_seconds=1.0, monotonic=clock)
    found = served.newest("TSLA"), served.of("TSLA", later(-1)), served.of("TSLA", SESSION)
    store.calls.clear()
    clock.now += 0.99
    assert (served.newest("TSLA"), served.of("TSLA", later(-1)), served.of("TSLA", SESSION)) == found
    assert not store.calls


def test_after_it_seals_are_read_and_nothing_else(small_store: ArtefactStore, clock: Clock) -> None:
    store = CountingStore(Path(str(small_store.base)))
    served = Forecasts(store, monotonic=clock)
    found = served.newest("TSLA"), served.of("TSLA", later(-1))
    store.calls.clear()
    clock.now += 1
    assert served.newest("TSLA") is found[0]
    assert served.of("TSLA", later(-1)) is found[1]
    # Predictions, clean_prices, model and evaluation; listed are predictions, and models and evaluations to choose of.
    assert store.calls == {"sealed": 8, "sessions": 5}


def test_a_model_is_decoded_once(served: Forecasts, monkeypatch: pytest.MonkeyPatch) -> None:
    from stock_assets.storage import models

    decoded = []
    decode = models.decode_model
    monkeypatch.setattr(models, "decode_model", lambda *args, **more: decoded.append(more) or decode(*args, **more))
    served.newest("TSLA")
    model, evaluation, checksum = served.model_for("TSLA", SESSION)
    again, _, _ = served.model_for("tsla", later(-1))
    assert again is model
    assert model.card["as_of"] == evaluation["as_of"] == str(MODEL_AS_OF)
    assert checksum == served.newest("TSLA").model_checksum
    assert decoded == [{"ticker": "TSLA", "as_of": MODEL_AS_OF}]


def test_so_many_models_are_held_and_no_more(served: Forecasts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MODELS_HELD", 1)
    first, _, _ = served.model_for("TSLA", SESSION)
    served.model_for("STX", SESSION)
    assert served.model_for("TSLA", SESSION)[0] is not first


def test_so_much_of_the_past_is_held_and_no_more(served: Forecasts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "PAST_HELD", 1)
    first = served.of("TSLA", later(-1))
    assert served.of("TSLA", later(-1)) is first
    served.of("TSLA", later(-2))
    again = served.of("TSLA", later(-1))
    assert again is not first
    assert again == first


def test_no_model_of_the_last_ten_sessions(served: Forecasts) -> None:
    with pytest.raises(ModelExpiredError, match="TSLA 2024-03-20: there is no model from the last 10 sessions"):
        served.model_for("TSLA", later(8))


# A newer one


def test_a_session_that_lands_is_told_after_the_refresh(
    served: Forecasts, small_store: ArtefactStore, clock: Clock
) -> None:
    assert served.newest("TSLA").as_of == SESSION
    put(small_store, later(1), 0)
    clock.now += 0.5
    assert served.newest("TSLA").as_of == SESSION
    clock.now += 0.5
    assert served.newest("TSLA").as_of == later(1)
    assert served.of("TSLA", SESSION).data_checksum == small_store.checksum("clean_prices", "TSLA", SESSION)
    assert served.troubles() == {}


def test_a_session_made_again_is_told_after_the_refresh(
    served: Forecasts, small_store: ArtefactStore, clock: Clock
) -> None:
    before = served.newest("TSLA"), served.of("TSLA", later(-1))
    for session in (MODEL_AS_OF, later(-1), SESSION):
        put(small_store, session, 1)
    clock.now += 1
    after = served.newest("TSLA"), served.of("TSLA", later(-1))
    for one, other in zip(before, after, strict=True):
        assert one.as_of == other.as_of
        assert not {one.forecast_checksum, one.model_checksum, one.data_checksum} & {
            other.forecast_checksum,
            other.model_checksum,
            other.data_checksum,
        }


def test_while_one_thread_reads_the_newer_the_others_are_told_the_former(
    small_store: ArtefactStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Forecasts(small_store, monotonic=clock)
    former = served.newest("TSLA")
    put(small_store, later(1), 0)
    clock.now += 1
    reads, goes_on = threading.Event(), threading.Event()
    whole = reading.Reader.whole

    def slowly(self, ticker, session):
        reads.set()
        assert goes_on.wait(PATIENCE)
        return whole(self, ticker, session)

    monkeypatch.setattr(reading.Reader, "whole", slowly)
    found = []
    reader = threading.Thread(target=lambda: found.append(served.newest("TSLA")))
    reader.start()
    assert reads.wait(PATIENCE)
    assert served.newest("TSLA") is former
    goes_on.set()
    reader.join(PATIENCE)
    assert found[0].as_of == later(1)
    assert served.newest("TSLA") is found[0]


def test_what_is_replaced_while_it_is_read_is_read_again(
    one_store: ArtefactStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, versions = reading.Reader.whole, iter([1])

    def and_then_replaced(self, ticker, session):
        found = whole(self, ticker, session)
        for version in versions:
            put(one_store, SESSION, version, own_model=True)
        return found

    monkeypatch.setattr(reading.Reader, "whole", and_then_replaced)
    found = Forecasts(one_store, monotonic=clock).newest("TSLA")
    assert found.forecast_checksum == one_store.checksum("predictions", "TSLA", SESSION)
    assert found.model_checksum == one_store.checksum("model", "TSLA", SESSION)


def test_what_never_stands_still_is_not_told(
    one_store: ArtefactStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, versions = reading.Reader.whole, itertools.cycle([1, 2])

    def and_then_replaced(self, ticker, session):
        found = whole(self, ticker, session)
        put(one_store, SESSION, next(versions), own_model=True)
        return found

    monkeypatch.setattr(reading.Reader, "whole", and_then_replaced)
    monkeypatch.setattr(forecasts, "_PAUSE_SECONDS", 0)
    with pytest.raises(NotWholeError, match="TSLA 2024-03-08: the snapshot is being replaced at this moment"):
        Forecasts(one_store, monotonic=clock).newest("TSLA")


# Not whole

SOME = [those for n in (1, 2, 3) for those in itertools.combinations(NEEDED, n)]


@pytest.mark.parametrize("replaced", SOME, ids="+".join)
def test_artefacts_of_two_versions_are_no_snapshot(one_store: ArtefactStore, clock: Clock, replaced) -> None:
    served = Forecasts(one_store, monotonic=clock)
    before = served.newest("TSLA")
    put(one_store, SESSION, 1, replaced, own_model=True)
    clock.now += 1
    assert served.newest("TSLA") is before
    assert served.of("TSLA", SESSION) is before
    told = served.troubles()["TSLA"]
    assert "TSLA 2024-03-08: the stored forecast is not what the stored prices, model and evaluation give: " in told
    assert "materialise predictions of TSLA, session 2024-03-08, again" in told
    with pytest.raises(NotWholeError, match="is not what the stored prices, model and evaluation give"):
        Forecasts(one_store).newest("TSLA")
    put(one_store, SESSION, 1, own_model=True)
    assert served.newest("TSLA") is before  # the refresh has not passed
    clock.now += 1
    after = served.newest("TSLA")
    assert after.forecast_checksum == one_store.checksum("predictions", "TSLA", SESSION) != before.forecast_checksum
    assert served.troubles() == {}


FILES = {
    "clean_prices": ".parquet",
    "predictions": ".parquet",
    "model": ".skops",
    "evaluation": ".json",
}


@pytest.mark.parametrize("asset", FILES)
@pytest.mark.parametrize("damage", ["spoilt", "file gone", "seal gone", "seal spoilt"])
def test_damage_is_told_and_the_former_forecast_too(
    one_store: ArtefactStore, clock: Clock, asset: str, damage: str
) -> None:
    served = Forecasts(one_store, monotonic=clock)
    before = served.newest("TSLA")
    place = Path(str(one_store.path(asset, "TSLA", SESSION, FILES[asset])))
    path = place.with_suffix(".sha256") if "seal" in damage else file_of(place)
    content = spoil(path)
    if "gone" in damage:
        path.unlink()
    clock.now += 1
    assert served.newest("TSLA") is before
    assert "TSLA 2024-03-08" in served.troubles()["TSLA"]
    assert str(one_store.base) not in served.troubles()["TSLA"]
    assert served.of("TSLA", SESSION) is before
    if (asset, damage) == ("predictions", "seal gone"):
        with pytest.raises(MissingArtefactError):
            Forecasts(one_store).newest("TSLA")
    else:
        with pytest.raises(NotWholeError, match="TSLA 2024-03-08"):
            Forecasts(one_store).newest("TSLA")
    path.write_bytes(content)
    clock.now += 1
    assert served.newest("TSLA").forecast_checksum == before.forecast_checksum
    assert served.troubles() == {}


def test_without_one_held_the_newest_whole_one_is_told(small_store: ArtefactStore, clock: Clock) -> None:
    spoil(file_of(Path(str(small_store.path("clean_prices", "TSLA", SESSION, ".parquet")))))
    served = Forecasts(small_store, monotonic=clock)
    assert served.newest("TSLA").as_of == later(-1)
    assert (
        "TSLA 2024-03-08: clean_prices in <data>/clean_prices/TSLA is not what was written"
        in (served.troubles()["TSLA"])
    )
    assert served.of("TSLA", later(-1)).as_of == later(-1)
    with pytest.raises(NotWholeError, match="TSLA 2024-03-08"):
        served.of("TSLA", SESSION)
    assert served.newest("STX").as_of == SESSION
    put(small_store, SESSION, 0)
    clock.now += 1
    assert served.newest("TSLA").as_of == SESSION
    assert served.troubles() == {}


def test_trouble_that_passed_is_no_longer_told_though_nobody_asked(small_store: ArtefactStore, clock: Clock) -> None:
    served = Forecasts(small_store, monotonic=clock)
    served.newest("TSLA")
    path = Path(str(small_store.path("model", "TSLA", MODEL_AS_OF, ".skops")))
    content = spoil(path)
    clock.now += 1
    served.newest("TSLA")
    assert served.troubles().keys() == {"TSLA"}
    path.write_bytes(content)
    clock.now += 1
    assert served.troubles() == {}


def test_what_can_not_be_read_is_read_again_ever_more_seldom(
    one_store: ArtefactStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(Path(str(one_store.path("model", "TSLA", SESSION, ".skops"))))
    tried = []
    whole = reading.Reader.whole
    monkeypatch.setattr(reading.Reader, "whole", lambda *args: tried.append(clock.now) or whole(*args))
    served = Forecasts(one_store, refresh_seconds=1, monotonic=clock)
    for _ in range(200):
        with pytest.raises(NotWholeError):
            served.newest("TSLA")
        clock.now += 1
    # After 1, 2, 4 ... 32 seconds, and then once a minute.
    assert [moment - 100 for moment in tried] == [0, 1, 3, 7, 15, 31, 63, 123, 183]


def test_a_store_that_can_not_be_listed(small_store: ArtefactStore, clock: Clock) -> None:
    served = Forecasts(small_store, monotonic=clock)
    before = served.newest("TSLA")
    folder = Path(str(small_store.base)) / "predictions"
    hidden = folder.rename(folder.with_name("hidden"))
    folder.write_text("no folder")
    (hidden / "TSLA").rename(hidden / "GONE")
    clock.now += 1
    assert served.newest("TSLA") is before
    assert "TSLA: the folder <data>/predictions/TSLA of predictions can't be listed" in served.troubles()["TSLA"]
    with pytest.raises(ArtefactError):
        Forecasts(small_store).newest("TSLA")


def test_an_evaluation_of_an_earlier_form_is_no_crash(one_store: ArtefactStore) -> None:
    one_store.write("evaluation", "TSLA", SESSION, {".json": b'{"ticker": "TSLA", "as_of": "2024-03-08"}'})
    with pytest.raises(NotWholeError, match="no forecast can be made of its prices, model and evaluation: KeyError"):
        Forecasts(one_store).newest("TSLA")


def test_a_row_of_another_form_is_refused(one_store: ArtefactStore) -> None:
    table = stores.table(one_store, "predictions", "TSLA", SESSION)
    for changed, what in (
        (table.assign(probability_up=float("nan")), "probability_up is nan; expected a float"),
        (table.drop(columns="source"), r"1 row\(s\) of .*; expected one of"),
        (table.assign(ticker="STX"), "the row is about STX 2024-03-08; expected TSLA 2024-03-08"),
    ):
        with pytest.raises(DamagedArtefactError, match=what):
            forecast.plain_row(changed, ticker="TSLA", as_of=SESSION)


# Deleted


def test_a_forecast_that_was_deleted_is_not_told_any_more(
    served: Forecasts, small_store: ArtefactStore, clock: Clock
) -> None:
    served.newest("TSLA")
    inventory.delete(small_store, "predictions", "TSLA", SESSION)
    clock.now += 1
    assert served.newest("TSLA").as_of == later(-1)
    for session in (later(-1), MODEL_AS_OF):
        inventory.delete(small_store, "predictions", "TSLA", session)
    clock.now += 1
    with pytest.raises(MissingArtefactError):
        served.newest("TSLA")
    assert not served.known("TSLA")
    assert served.troubles() == {}


# The past


@pytest.mark.parametrize("asset", ["clean_prices", "model", "evaluation"])
def test_of_the_past_a_row_is_told_without_what_it_was_made_with(
    small_store: ArtefactStore, clock: Clock, asset: str
) -> None:
    inventory.delete(small_store, asset, "TSLA", MODEL_AS_OF)
    served = Forecasts(small_store, monotonic=clock)
    found = served.of("TSLA", MODEL_AS_OF)
    assert found.forecast_checksum == small_store.checksum("predictions", "TSLA", MODEL_AS_OF)
    assert (found.model_checksum, found.data_checksum, found.horizon_sessions) == (None, None, 1)
    assert found.warnings == (f"not verified, as what it was made with is no longer stored: {asset}",)
    assert found.verdict.startswith("When the forecast was made, its model did not beat the naive forecasts")


@pytest.mark.parametrize("replaced", [("clean_prices",), ("model",), ("evaluation",), ("model", "evaluation")])
def test_of_the_past_no_checksum_of_another_version_is_told(
    small_store: ArtefactStore, clock: Clock, replaced: tuple[str, ...]
) -> None:
    held = Forecasts(small_store, monotonic=clock)
    before = held.of("TSLA", MODEL_AS_OF)
    put(small_store, MODEL_AS_OF, 1, replaced)
    found = Forecasts(small_store, monotonic=clock).of("TSLA", MODEL_AS_OF)
    assert (found.model_checksum, found.data_checksum) == (None, None)
    assert found.warnings == ("not verified, as its prices, its model or its evaluation were made again since",)
    assert found.row == before.row
    # Whoever knew what it was made with still knows.
    clock.now += 1
    assert held.of("TSLA", MODEL_AS_OF) is before


def test_of_the_past_the_order_of_writing_is_proof_enough(
    small_store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_again = []
    whole = reading.Reader.whole
    monkeypatch.setattr(reading.Reader, "whole", lambda *args: made_again.append(args[2]) or whole(*args))
    row, clean = (
        file_of(Path(str(small_store.path(asset, "TSLA", later(-1), ".parquet"))))
        for asset in ("predictions", "clean_prices")
    )
    written = row.stat().st_mtime_ns
    os.utime(row, ns=(written, written + 10**9))
    in_order = Forecasts(small_store).of("TSLA", later(-1))
    assert made_again == [SESSION]  # the newest
    # Copied in any order, or all in one moment: only making it again tells.
    os.utime(clean, ns=(written, written + 10**9))
    assert Forecasts(small_store).of("TSLA", later(-1)) == in_order
    assert made_again == [SESSION, SESSION, later(-1)]


def test_the_next_evenings_links_are_no_reason_to_read_again(small_store: ArtefactStore) -> None:
    """A part that both have gets another name: its own bytes, and when they were written, are what they were."""
    clean = Path(str(small_store.path("clean_prices", "TSLA", later(-1), ".parquet")))
    shared = min(clean.iterdir())
    reader = reading.Reader(small_store)
    before = reader.marks("TSLA", later(-1)), shared.stat()
    (clean.parent / "another").hardlink_to(shared)
    assert shared.stat().st_nlink == before[1].st_nlink + 1
    assert shared.stat().st_ctime_ns > before[1].st_ctime_ns
    assert reader.marks("TSLA", later(-1)) == before[0]
    file_of(clean).touch()
    assert reader.marks("TSLA", later(-1)) != before[0]


def test_of_the_past_damage_is_an_error(small_store: ArtefactStore, clock: Clock) -> None:
    path = Path(str(small_store.path("predictions", "TSLA", later(-1), ".parquet")))
    content = spoil(path)
    served = Forecasts(small_store, monotonic=clock)
    with pytest.raises(DamagedArtefactError, match="TSLA 2024-03-07"):
        served.of("TSLA", later(-1))
    assert served.newest("TSLA").as_of == SESSION
    path.write_bytes(content)
    assert served.of("TSLA", later(-1)).as_of == later(-1)


def test_of_the_past_a_forecast_that_is_being_replaced(
    small_store: ArtefactStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "_PAUSE_SECONDS", 0)
    held = Forecasts(small_store, monotonic=clock)
    before = held.of("TSLA", later(-1))
    Path(str(small_store.path("predictions", "TSLA", later(-1), ".parquet"))).with_suffix(".sha256").unlink()
    clock.now += 1
    assert held.of("TSLA", later(-1)) is before
    with pytest.raises(NotWholeError, match="TSLA 2024-03-07: the forecast is being replaced; ask later"):
        Forecasts(small_store).of("TSLA", later(-1))


# A store that is no folder: nothing tells of its files but seals


def test_of_an_object_store(clock: Clock) -> None:
    store = ArtefactStore(f"memory://{uuid.uuid4().hex}/data")
    for session in (MODEL_AS_OF, later(-1), SESSION):
        put(store, session, 0)
    served = Forecasts(store, monotonic=clock)
    before = served.newest("TSLA"), served.of("TSLA", later(-1))
    for found in before:
        assert found.forecast_checksum == store.checksum("predictions", "TSLA", found.as_of)
        assert found.data_checksum == store.checksum("clean_prices", "TSLA", found.as_of)
        assert found.model_checksum == store.checksum("model", "TSLA", MODEL_AS_OF)
    put(store, MODEL_AS_OF, 1)
    put(store, SESSION, 1, ["clean_prices"])
    clock.now += 1
    assert (served.newest("TSLA"), served.of("TSLA", later(-1))) == before
    assert "is not what the stored prices, model and evaluation give" in served.troubles()["TSLA"]
    put(store, SESSION, 1)
    clock.now += 1
    assert served.newest("TSLA").forecast_checksum == store.checksum("predictions", "TSLA", SESSION)
    inventory.delete(store, "predictions", "TSLA", SESSION)
    clock.now += 1
    # The session before has the row of version 0 and the model of version 1; the one before that is whole again.
    assert served.newest("TSLA").as_of == MODEL_AS_OF
    assert "TSLA 2024-03-07: the stored forecast is not what" in served.troubles()["TSLA"]
    assert served.newest_sessions() == {"TSLA": later(-1)}


# Listings


def test_tickers_and_their_newest_sessions(small_store: ArtefactStore, clock: Clock) -> None:
    (Path(str(small_store.base)) / "predictions" / "not a ticker").mkdir()
    (Path(str(small_store.base)) / "predictions" / "EMPTY").mkdir()
    served = Forecasts(small_store, monotonic=clock)
    assert served.newest_sessions() == {"STX": SESSION, "TSLA": SESSION}
    assert served.tickers() == ["STX", "TSLA"]
    assert served.known("stx")
    put(small_store, later(1), 0)
    clock.now += 4
    assert served.newest_sessions()["TSLA"] == SESSION
    clock.now += 1
    assert served.newest_sessions() == {"STX": SESSION, "TSLA": later(1)}


def test_an_empty_store(tmp_path: Path) -> None:
    served = Forecasts(ArtefactStore(tmp_path / "nothing"))
    assert served.newest_sessions() == {}
    assert served.tickers() == []
    assert not served.known("TSLA")
