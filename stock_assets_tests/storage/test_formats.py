"""Tables and documents: exact round trips, equal bytes, and files that know whose they are."""

import datetime
import io
import json
import math

import hypothesis
import hypothesis.extra.numpy as st_numpy
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_assets.core.errors import DamagedArtefactError, SchemaError
from stock_assets.storage import formats

FRIDAY = datetime.date(2024, 3, 8)
WHOSE = {"asset": "clean_prices", "ticker": "TSLA", "as_of": FRIDAY}


def sessions(*texts: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(texts, name="session").as_unit("ns")


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "close": [178.65, 175.34],
            "total_return": [math.nan, -0.018527847746991313],
            "volume": np.array([119_660_800, 85_315_300], dtype="int64"),
            "up": [True, False],
            "target_session": sessions("2024-03-08", "2024-03-11"),
            "repairs": ["", "high_below_close, añadido"],
        },
        index=sessions("2024-03-07", "2024-03-08"),
    )


def round_trip(table: pd.DataFrame) -> pd.DataFrame:
    return formats.decode_table(formats.encode_table(table, **WHOSE, source="yahoo"), **WHOSE)


# Tables


def test_a_table_comes_back_as_it_was():
    back = round_trip(frame())
    pd.testing.assert_frame_equal(back, frame(), check_exact=True, check_freq=False)
    assert back.index.dtype == "datetime64[ns]"
    assert back.index.name == "session"
    assert back.attrs == {"source": "yahoo"}


def test_one_row_under_a_plain_index_comes_back():
    row = frame().reset_index(drop=True).head(1)
    pd.testing.assert_frame_equal(round_trip(row), row, check_exact=True)


def test_an_empty_table_comes_back():
    pd.testing.assert_frame_equal(round_trip(frame().head(0)), frame().head(0), check_exact=True, check_freq=False)


def test_what_comes_back_can_be_changed():
    back = round_trip(frame())
    for name in back.columns:
        back.loc[back.index[0], name] = back[name].iloc[1]
        back[name].to_numpy(copy=True)[0] = back[name].iloc[1]
    assert back["close"].tolist() == [175.34, 175.34]


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    days = st.dates(datetime.date(1960, 1, 4), datetime.date(2050, 12, 30)).map(pd.Timestamp)
    index = sorted(draw(st.lists(days, unique=True, max_size=8)))
    n = len(index)
    dates = [
        pd.NaT if missing else day
        for day, missing in draw(st.lists(st.tuples(days, st.booleans()), min_size=n, max_size=n))
    ]
    return pd.DataFrame(
        {
            "number": draw(st_numpy.arrays("float64", n)),
            "count": draw(st_numpy.arrays("int64", n)),
            "flag": draw(st_numpy.arrays("bool", n)),
            "date": pd.DatetimeIndex(dates).as_unit("ns"),
            "text": pd.Series(draw(st.lists(st.text(), min_size=n, max_size=n)), dtype="str", index=index or None),
        },
        index=pd.DatetimeIndex(index, name="session").as_unit("ns"),
    )


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(table=tables())
def test_any_table_comes_back_bit_by_bit(table: pd.DataFrame):
    back = round_trip(table)
    pd.testing.assert_frame_equal(back, table, check_exact=True, check_freq=False)
    numbers, came = table["number"].to_numpy(), back["number"].to_numpy()
    assert came[~np.isnan(came)].tobytes() == numbers[~np.isnan(numbers)].tobytes(), "-0.0 is not 0.0"
    assert formats.encode_table(back, **WHOSE, source="yahoo") == formats.encode_table(table, **WHOSE, source="yahoo")


def test_text_is_stored_alike_whatever_pandas_calls_it():
    as_objects, as_text = frame().astype({"repairs": object}), frame().astype({"repairs": "string"})
    plain = formats.encode_table(frame(), **WHOSE, source="yahoo")
    assert formats.encode_table(as_objects, **WHOSE, source="yahoo") == plain
    assert formats.encode_table(as_text, **WHOSE, source="yahoo") == plain


def test_attributes_and_memory_layout_change_no_byte():
    table = frame()
    plain = formats.encode_table(table, **WHOSE, source="yahoo")
    table.attrs["fetched"] = "2024-03-08T22:00:01Z"
    pieces = pd.concat([table.iloc[:1], table.iloc[1:]])
    assert formats.encode_table(table, **WHOSE, source="yahoo") == plain
    assert formats.encode_table(pieces, **WHOSE, source="yahoo") == plain


def test_any_parquet_reader_sees_a_plain_table():
    schema = pq.read_schema(io.BytesIO(formats.encode_table(frame(), **WHOSE, source="yahoo")))
    assert schema.types == [
        pa.timestamp("ns"),
        pa.float64(),
        pa.float64(),
        pa.int64(),
        pa.bool_(),
        pa.timestamp("ns"),
        pa.string(),
    ]
    assert schema.names[0] == "session"
    assert schema.metadata == {
        b"asset": b"clean_prices",
        b"ticker": b"TSLA",
        b"as_of": b"2024-03-08",
        b"source": b"yahoo",
    }


@pytest.mark.parametrize(
    ("other", "came"),
    [
        ({"asset": "raw_prices"}, "came clean_prices TSLA 2024-03-08; expected raw_prices TSLA 2024-03-08"),
        ({"ticker": "STX"}, "came clean_prices TSLA 2024-03-08; expected clean_prices STX 2024-03-08"),
        (
            {"as_of": datetime.date(2024, 3, 11)},
            "came clean_prices TSLA 2024-03-08; expected clean_prices TSLA 2024-03-11",
        ),
    ],
)
def test_a_table_in_the_wrong_place_is_refused(other: dict, came: str):
    data = formats.encode_table(frame(), **WHOSE, source="yahoo")
    with pytest.raises(DamagedArtefactError) as caught:
        formats.decode_table(data, **(WHOSE | other))
    assert came in str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 4, 100, -1])
def test_bytes_that_are_no_parquet_are_refused(cut: int):
    data = formats.encode_table(frame(), **WHOSE, source="yahoo")[:cut]
    with pytest.raises(DamagedArtefactError, match=r"TSLA 2024-03-08: clean_prices: [\d,]+ bytes that are no Parquet"):
        formats.decode_table(data, **WHOSE)


def test_a_parquet_file_of_somebody_else_is_refused():
    buffer = io.BytesIO()
    frame().to_parquet(buffer)
    with pytest.raises(
        DamagedArtefactError, match="came nothing nothing nothing; expected clean_prices TSLA 2024-03-08"
    ):
        formats.decode_table(buffer.getvalue(), **WHOSE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.rename_axis("date"), "an index 'date'; expected 'session'"),
        (lambda table: table.reset_index(drop=True).iloc[1:], "an index None; expected 'session'"),
        (lambda table: table.tz_localize("UTC"), r"of datetime64\[ns, UTC\]; expected datetime64\[ns\]"),
        (lambda table: table.set_index(table.index.as_unit("us")), r"of datetime64\[us\]; expected datetime64\[ns\]"),
        (lambda table: table.astype({"close": "float32"}), "column 'close' of float32; expected float64"),
        (lambda table: table.astype({"volume": "Int64"}), "column 'volume' of Int64; expected float64"),
        (lambda table: table.astype({"repairs": "category"}), "column 'repairs' of category"),
        (lambda table: table.assign(repairs=[1, "a"]), "column 'repairs' of objects that are no text"),
        (lambda table: table.assign(repairs=[{}, []]), "column 'repairs' of objects that are no text"),
        (lambda table: table.rename(columns={"close": 1}), r"columns named \[1\]"),
        (lambda table: table.rename(columns={"close": "session"}), r"columns named \['session'\]"),
        (lambda table: table.rename(columns={"close": "up"}), "expected different texts"),
    ],
)
def test_a_table_that_would_not_come_back_is_refused(change, message: str):
    with pytest.raises(SchemaError, match=f"TSLA 2024-03-08: clean_prices: .*{message}"):
        formats.encode_table(change(frame()), **WHOSE, source="yahoo")


# Documents


def test_json_is_written_for_people_in_the_order_given():
    document = {
        "ticker": "TSLA",
        "as_of": FRIDAY,
        "returns": {"5": 0.1, "1": None},
        "note": "año",
        "sessions": (1, True),
    }
    assert formats.encode_json(document).decode() == (
        "{\n"
        '  "ticker": "TSLA",\n'
        '  "as_of": "2024-03-08",\n'
        '  "returns": {\n'
        '    "5": 0.1,\n'
        '    "1": null\n'
        "  },\n"
        '  "note": "año",\n'
        '  "sessions": [\n'
        "    1,\n"
        "    true\n"
        "  ]\n"
        "}\n"
    )


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@hypothesis.given(body=documents)
def test_any_document_comes_back(body):
    document = {"ticker": "TSLA", "as_of": "2024-03-08", "body": body}
    back = formats.decode_json(formats.encode_json(document), asset="evaluation", ticker="TSLA", as_of=FRIDAY)
    assert back == document
    assert list(back) == list(document)


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (math.nan, "nan (float)"),
        (-math.inf, "-inf (float)"),
        (np.float64(0.5), "(float64)"),
        (np.int64(1), "(int64)"),
        (np.bool_(True), "(bool"),
        (pd.Timestamp("2024-03-08"), "(Timestamp)"),
        ({1: "a"}, "(dict)"),
        (b"a", "(bytes)"),
    ],
)
def test_what_json_can_not_hold_is_refused_with_its_place(value, came: str):
    with pytest.raises(SchemaError) as caught:
        formats.encode_json({"classification": {"roc_auc": [0.5, value]}})
    assert str(caught.value).startswith("classification.roc_auc.1 is ")
    assert came in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes that are no JSON"),
        (b'{"ticker": "TSLA"', "17 bytes that are no JSON"),
        (b"\xff\xfe", "2 bytes that are no JSON"),
        (b"[]", "JSON that is a list; expected an object"),
        (b"{}", "came nothing nothing; expected TSLA 2024-03-08"),
        (b'{"ticker": "STX", "as_of": "2024-03-08"}', "came STX 2024-03-08; expected TSLA 2024-03-08"),
        (b'{"ticker": "TSLA", "as_of": "2024-03-11"}', "came TSLA 2024-03-11; expected TSLA 2024-03-08"),
    ],
)
def test_json_of_somebody_else_is_refused(data: bytes, message: str):
    with pytest.raises(DamagedArtefactError, match=f"TSLA 2024-03-08: evaluation: .*{message}"):
        formats.decode_json(data, asset="evaluation", ticker="TSLA", as_of=FRIDAY)


def test_json_has_no_extension_of_the_standard():
    data = formats.encode_json({"ticker": "TSLA", "as_of": "2024-03-08", "x": 1e308})
    json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
