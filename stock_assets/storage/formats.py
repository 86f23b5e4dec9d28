"""Bytes of tables (Parquet) and documents (JSON). Pure: no path, no store, no clock.

The same content gives the same bytes, in a new process too. A file says whose it is: asset, ticker and session are kept
inside and verified on the way back, so that a file in the wrong place is an error and not somebody else's data.
Models have bytes of their own kind (see models), a long table is cut into parts (see tables); where bytes go is for
artefacts.
"""

import datetime
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stock_assets.core.errors import DamagedArtefactError, SchemaError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Keys of Parquet's own metadata.
ASSET, TICKER, AS_OF, SOURCE = "asset", "ticker", "as_of", "source"
NOTHING = "nothing"

_INDEX = "session"


def encode_table(frame: "pd.DataFrame", *, asset: str, ticker: str, as_of: datetime.date, source: str) -> bytes:
    """`frame` as Parquet, with asset, ticker, session and source in the file's metadata.

    The index is `session` (datetime64[ns]) or a plain 0..n-1. Columns are float64, int64, bool, datetime64[ns] or text;
    NaN, NaT and missing text are stored as nulls. No pandas metadata: any Parquet reader sees the same table, and
    pandas 2 and 3 read the same values.

    Raises `SchemaError` for any other index, column name or type, since it would not come back as it was.
    """
    return to_parquet(
        to_arrow(frame, f"{ticker} {as_of}: {asset}"),
        {ASSET: asset, TICKER: ticker, AS_OF: as_of.isoformat(), SOURCE: source},
    )


def decode_table(data: bytes, *, asset: str, ticker: str, as_of: datetime.date) -> "pd.DataFrame":
    """The frame that `encode_table` was given; `frame.attrs["source"]` says where its prices came from.

    Raises `DamagedArtefactError` when the bytes are no such table, or another asset's, ticker's or session's.
    """
    who = f"{ticker} {as_of}: {asset}"
    table = from_parquet(data, who)
    verify(who, told(table, ASSET, TICKER, AS_OF), {ASSET: asset, TICKER: ticker, AS_OF: as_of.isoformat()})
    return to_frame(table, who)


def to_arrow(frame: "pd.DataFrame", who: str) -> "pa.Table":
    """As `encode_table` writes it, index first. Raises `SchemaError`, which begins with `who`."""
    import pyarrow as pa

    return pa.table(_arrays(frame, who))


def to_parquet(table: "pa.Table", metadata: Mapping[str, str]) -> bytes:
    """The file of a table, or of a slice of one: its rows and the metadata alone make the bytes.

    Dictionaries are for text: there are hardly two prices alike, and looking for them takes half of the time. No ranges
    of columns either, as nobody skips parts of a table of this size. Snappy, since zstd makes a seventh less of it, but
    takes 15 microseconds to begin with each column, which of a short part is nearly all the time it takes to read it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        sink,
        compression="snappy",
        version="2.6",
        use_dictionary=texts,  # pyright: ignore[reportArgumentType] (names of columns are taken too)
        write_statistics=False,
    )
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes, who: str) -> "pa.Table":
    """The table of a file. Raises `DamagedArtefactError`, which begins with `who`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedArtefactError(f"{who}: {len(data):,} bytes that are no Parquet table: {error}") from error


def to_frame(table: "pa.Table", who: str) -> "pd.DataFrame":
    """The frame, with `attrs["source"]`. Raises `DamagedArtefactError`, which begins with `who`, without a source."""
    source = told(table, SOURCE)[SOURCE]
    if source == NOTHING:
        raise DamagedArtefactError(f"{who}: the table does not say where its prices came from; expected a source")
    frame = table.to_pandas(ignore_metadata=True, use_threads=False)
    if _INDEX in frame.columns:
        frame = frame.set_index(_INDEX)
    frame.attrs["source"] = source
    return frame


def told(table: "pa.Table", *keys: str) -> dict[str, str]:
    """What a table's metadata says under each key; `NOTHING` where it says nothing."""
    metadata = table.schema.metadata or {}
    return {key: metadata.get(key.encode(), NOTHING.encode()).decode() for key in keys}


def verify(who: str, came: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Whose file it is. Raises `DamagedArtefactError`, which begins with `who`."""
    if came != expected:
        raise DamagedArtefactError(
            f"{who}: the file is another one's: came {' '.join(map(str, came.values()))}; "
            f"expected {' '.join(expected.values())}"
        )


def encode_json(document: Mapping[str, Any]) -> bytes:
    """`document` as UTF-8 JSON: keys in the order given, two spaces a level, dates as ISO text.

    Raises `SchemaError`, naming the place, for NaN and infinities (say null for what is not defined) and for anything
    that is not text, a plain number, a bool, null, a date, a list or a mapping with text keys.
    """
    plain = _plain(document, ())
    return (json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def decode_json(data: bytes, *, asset: str, ticker: str, as_of: datetime.date) -> dict[str, Any]:
    """The document, whose `ticker` and `as_of` must be the ones asked for.

    Raises `DamagedArtefactError` when the bytes are no JSON object, or another ticker's or session's.
    """
    who = f"{ticker} {as_of}: {asset}"
    try:
        document = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise DamagedArtefactError(f"{who}: {len(data):,} bytes that are no JSON: {error}") from error
    if not isinstance(document, dict):
        raise DamagedArtefactError(f"{who}: JSON that is a {type(document).__name__}; expected an object")
    came = {key: document.get(key, "nothing") for key in ("ticker", "as_of")}
    verify(who, came, {"ticker": ticker, "as_of": as_of.isoformat()})
    return document


def _arrays(frame: "pd.DataFrame", who: str) -> dict[str, "pa.Array"]:
    import pandas as pd

    odd = [name for name in frame.columns if not isinstance(name, str) or name == _INDEX]
    if odd or not frame.columns.is_unique:
        raise SchemaError(
            f"{who}: columns named {odd or list(frame.columns)}; expected different texts, not {_INDEX!r}"
        )
    series: dict[str, Any] = {name: frame[name] for name in frame.columns}
    if frame.index.name == _INDEX:
        series = {_INDEX: frame.index.to_series()} | series
        if series[_INDEX].dtype != "datetime64[ns]" or series[_INDEX].hasnans:
            raise SchemaError(
                f"{who}: an index {_INDEX!r} of {frame.index.dtype}; expected datetime64[ns], none missing"
            )
    elif not frame.index.equals(pd.RangeIndex(len(frame))) or frame.index.name is not None:
        raise SchemaError(f"{who}: an index {frame.index.name!r}; expected {_INDEX!r}, or plain row numbers from 0")
    return {name: _array(column, f"{who}: column {name!r}") for name, column in series.items()}


def _array(column: "pd.Series", what: str) -> "pa.Array":
    import pandas as pd
    import pyarrow as pa

    types = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "datetime64[ns]": pa.timestamp("ns")}
    is_text = isinstance(column.dtype, pd.StringDtype) or column.dtype == object
    wanted = pa.string() if is_text else types.get(str(column.dtype))
    if wanted is None:
        raise SchemaError(f"{what} of {column.dtype}; expected {', '.join(types)} or text")
    try:
        array = pa.Array.from_pandas(column, type=wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(f"{what} of objects that are no text: {error}") from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _plain(value: Any, place: tuple[str, ...]) -> Any:
    """`value` in JSON's own types. Subclasses (numpy's float64) and numpy scalars are refused: authors convert."""
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is datetime.date:
        return value.isoformat()
    if isinstance(value, Mapping) and all(type(key) is str for key in value):
        return {key: _plain(item, (*place, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*place, str(n))) for n, item in enumerate(value)]
    raise SchemaError(
        f"{'.'.join(place) or 'document'} is {value!r} ({type(value).__name__}); expected text, a finite number, "
        "true or false, null, a date, a list, or a mapping with text keys"
    )
