"""Long tables in parts: the same table comes back, parts hold each row once, and the same history is the same bytes."""

import datetime
import hashlib
import itertools
import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stock_assets.core.errors import DamagedArtefactError, SchemaError
from stock_assets.storage import formats, tables

FRIDAY = datetime.date(2024, 3, 8)
WHOSE = {"asset": "clean_prices", "ticker": "TSLA", "as_of": FRIDAY}


def history(start: str = "2021-01-01", end: str = "2024-03-08") -> pd.DataFrame:
    """A row a weekday."""
    index = pd.date_range(start, end, freq="B", name="session", unit="ns")
    numbers = np.random.default_rng(20240308).normal(size=len(index))
    return pd.DataFrame(
        {
            "close": numbers,
            "volume": np.arange(len(index), dtype="int64"),
            "up": numbers > 0,
            "target_session": index,
            "repairs": np.where(numbers > 2, "high_below_close", ""),
        },
        index=index,
    ).astype({"repairs": "str"})


def encode(table: pd.DataFrame, as_of: datetime.date = FRIDAY) -> dict[str, bytes]:
    return tables.encode(table, asset="clean_prices", ticker="TSLA", as_of=as_of, source="yahoo")


def decode(files: dict[str, bytes], **other: object) -> pd.DataFrame:
    return tables.decode(files, **{**WHOSE, **other})  # pyright: ignore[reportArgumentType]


def assert_equal(came: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(came, expected, check_exact=True, check_freq=False)


def test_a_long_table_ends_its_parts_with_years_and_quarters():
    """22 rows before Friday 2024-03-08 it is February: quarter and year before are over, the tail is of 2024."""
    assert list(encode(history())) == [".parquet/2021-01-01.parquet", ".parquet/2024-01-01.parquet"]


@pytest.mark.parametrize(
    ("end", "starts"),
    [
        # The 22nd last weekday, by hand: 2024-08-30 is a Friday, the four weeks before begin on 2024-08-05, 20 rows.
        ("2024-08-30", ["2021-01-01", "2024-01-01", "2024-07-01"]),  # edge 2024-08-01
        ("2024-07-30", ["2021-01-01", "2024-01-01", "2024-07-01"]),  # edge 2024-07-01, the first row of the quarter
        ("2024-07-29", ["2021-01-01", "2024-01-01", "2024-04-01"]),  # edge 2024-06-28
        ("2024-01-30", ["2021-01-01", "2024-01-01"]),  # edge 2024-01-01: year and quarter begin at once
        ("2024-01-29", ["2021-01-01", "2023-01-02", "2023-10-02"]),  # edge 2023-12-29
    ],
)
def test_what_is_over_is_over_22_rows_before_the_last(end: str, starts: list[str]):
    assert list(encode(history(end=end))) == [f".parquet/{start}.parquet" for start in starts]


def test_a_table_shorter_than_a_year_is_one_file():
    whole = history()
    assert list(encode(whole.tail(251))) == [".parquet"]
    assert len(encode(whole.tail(252))) > 1
    assert_equal(decode(encode(whole.tail(251))), whole.tail(251))


def test_one_file_is_what_it_always_was():
    """Those of earlier versions are read, and short ones written, as one file."""
    plain = formats.encode_table(history().tail(10), **WHOSE, source="yahoo")
    assert encode(history().tail(10)) == {".parquet": plain}
    long = formats.encode_table(history(), **WHOSE, source="yahoo")
    assert_equal(decode({".parquet": long}), history())


def test_a_table_of_one_quarter_is_one_part():
    """Bars of another kind: 300 in one quarter."""
    index = pd.date_range("2024-01-01 09:30", periods=300, freq="h", name="session", unit="ns")
    table = pd.DataFrame({"close": np.arange(300.0)}, index=index)
    files = encode(table)
    assert list(files) == [".parquet/2024-01-01.parquet"]
    assert_equal(decode(files), table)


def test_where_its_prices_came_from_comes_back():
    assert decode(encode(history())).attrs == {"source": "yahoo"}


def test_files_of_another_kind_are_passed_over():
    assert_equal(decode(encode(history()) | {".json": b"{}", ".parquetry/x": b""}), history())


def test_rows_out_of_order_stay_one_file():
    """A source may send anything; whether it makes sense is not decided here."""
    table = history().iloc[::-1]
    assert list(encode(table)) == [".parquet"]
    assert_equal(decode(encode(table)), table)


@pytest.mark.parametrize("change", [lambda table: table.tz_localize("UTC"), lambda table: table.rename_axis("date")])
def test_an_index_that_would_not_come_back_is_refused(change):
    with pytest.raises(SchemaError, match="TSLA 2024-03-08: clean_prices: an index"):
        encode(change(history()))


@st.composite
def long_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Sessions with gaps and repetitions, and numbers of all kinds, missing ones among them."""
    start = draw(st.dates(datetime.date(1950, 1, 1), datetime.date(2040, 1, 1)))
    n = draw(st.integers(tables.LONG, 3 * tables.LONG))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = random.choice([0, 1, 1, 1, 3, draw(st.integers(1, 60))], size=n)
    index = (pd.Timestamp(start) + pd.to_timedelta(steps.cumsum(), "D")).as_unit("ns").rename("session")
    numbers = random.normal(size=n)
    numbers[random.random(n) < draw(st.floats(0, 1))] = math.nan
    dates = index.to_series().where(random.random(n) < 0.9).to_numpy()
    return pd.DataFrame(
        {"number": numbers, "text": pd.Series(draw(st.text(max_size=3)), index=range(n), dtype="str").to_numpy()},
        index=index,
    ).assign(text=lambda table: table["text"].astype("str"), date=dates, zero=-0.0, flag=numbers > 0)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(table=long_tables())
def test_any_long_table_comes_back(table: pd.DataFrame):
    back = decode(encode(table))
    assert_equal(back, table)
    assert back["zero"].to_numpy().tobytes() == table["zero"].to_numpy().tobytes()
    assert encode(back) == encode(table)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(table=long_tables())
def test_parts_hold_each_row_once_and_the_last_more_than_what_may_change(table: pd.DataFrame):
    starts = tables.cuts(table)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert len(starts) <= 3
    assert len(table) - starts[-1] >= tables.OPEN
    sessions = [
        formats.from_parquet(data, "a part").column("session").to_pandas().to_numpy() for data in encode(table).values()
    ]
    assert np.array_equal(np.concatenate(sessions), table.index.to_numpy())
    assert all(earlier[-1] < later[0] for earlier, later in itertools.pairwise(sessions)), "no session in two parts"


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(table=long_tables(), more=st.integers(0, 30), data=st.data())
def test_parts_depend_on_their_own_rows_only(table: pd.DataFrame, more: int, data: st.DataObject):
    """What follows changes no part but those that it falls into; nor does what is still changed in the last rows."""
    shorter = table.iloc[: len(table) - more]
    hypothesis.assume(len(shorter) >= tables.LONG)
    changed = shorter.copy()
    rows = data.draw(st.integers(1, tables.OPEN))
    changed.iloc[-rows:, changed.columns.get_loc("number")] = 1.5
    one, other = encode(table), encode(changed, datetime.date(2024, 3, 7))
    edges = [frame.index[-tables.OPEN].to_period("Q") for frame in (table, shorter)]
    same_quarter = edges[0] == edges[1]
    closed_one, closed_other = list(one.items())[:-1], list(other.items())[:-1]
    if same_quarter:
        assert closed_one == closed_other
    elif edges[0].year == edges[1].year and len(closed_other) == 2:
        assert closed_one[0] == closed_other[0], "another quarter of the same year leaves the years before alone"


def test_an_evening_more_writes_its_last_part_only():
    today, tomorrow = encode(history()), encode(history(end="2024-03-11"), datetime.date(2024, 3, 11))
    assert today.keys() == tomorrow.keys()
    first, last = today
    assert today[first] == tomorrow[first]
    assert today[last] != tomorrow[last]
    assert len(today[last]) < len(today[first]) / 5


def test_the_next_session_alone_changes_the_last_part():
    """It tells whose it is: a last part is never that of another session."""
    one, other = encode(history()), encode(history(), datetime.date(2024, 3, 11))
    assert [one[name] == other[name] for name in one] == [True, False]


def test_other_readers_see_one_table(tmp_path):
    folder = tmp_path / "2024-03-08.parquet"
    folder.mkdir()
    for suffix, data in encode(history(end="2024-08-30")).items():
        (folder / suffix.rpartition("/")[-1]).write_bytes(data)
    came = pd.read_parquet(folder)
    assert_equal(came.set_index("session"), history(end="2024-08-30"))
    assert pq.read_table(folder, columns=["close"]).num_rows == len(came)


# Damage


def test_parts_of_another_table_are_refused():
    files = encode(history(end="2024-08-30"))
    first, second, last = files
    other = tables.encode(history(end="2024-08-30"), asset="clean_prices", ticker="STX", as_of=FRIDAY, source="yahoo")
    with pytest.raises(DamagedArtefactError, match="came clean_prices STX yahoo nothing; expected clean_prices TSLA"):
        decode(files | {second: other[second]})
    with pytest.raises(DamagedArtefactError, match="came clean_prices STX 2024-03-08; expected clean_prices TSLA 2024"):
        decode(files | {last: other[last]})
    with pytest.raises(DamagedArtefactError, match="came clean_prices TSLA 2024-03-08; expected raw_prices TSLA 2024"):
        decode(files, asset="raw_prices")
    with pytest.raises(DamagedArtefactError, match="expected clean_prices TSLA 2024-03-11"):
        decode(files, as_of=datetime.date(2024, 3, 11))
    assert hashlib.sha256(files[first]).hexdigest() != hashlib.sha256(other[first]).hexdigest()


def test_a_part_too_few_is_noticed():
    files = encode(history(end="2024-08-30"))
    first, second, last = files
    with pytest.raises(DamagedArtefactError, match=r"TSLA 2024-03-08: clean_prices: 2 parts with \d+ rows; expected"):
        decode({first: files[first], last: files[last]})
    with pytest.raises(DamagedArtefactError, match="came clean_prices TSLA nothing; expected clean_prices TSLA 2024"):
        decode({first: files[first], second: files[second]})


def test_parts_with_other_columns_are_noticed():
    files = encode(history())
    first, last = files
    other = encode(history().drop(columns="up"))
    with pytest.raises(DamagedArtefactError, match="the same columns in each"):
        decode({first: other[first], last: files[last]})


def test_bytes_that_are_no_parquet_are_refused():
    files = encode(history())
    first, last = files
    with pytest.raises(
        DamagedArtefactError, match=rf"TSLA 2024-03-08: clean_prices: {first}: 4 bytes that are no Parq"
    ):
        decode({first: b"PAR1", last: files[last]})


@pytest.mark.parametrize(("files", "came"), [({}, "no file"), ({".json": b"{}"}, ".json")])
def test_no_table_at_all_is_told(files: dict[str, bytes], came: str):
    with pytest.raises(DamagedArtefactError, match=f"TSLA 2024-03-08: clean_prices: came {came}; expected a table"):
        decode(files)
