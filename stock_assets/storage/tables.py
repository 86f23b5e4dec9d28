"""How a table is laid out in files: a short one is one file, a long one a folder of parts in order of time. Pure.

    .parquet                        fewer than `LONG` rows, or not in order of time
    .parquet/2010-01-04.parquet     years that are over
    .parquet/2024-01-02.parquet     quarters of this year that are over
    .parquet/2024-07-01.parquet     what may still change, and today's row

A part is called after its first session. Where it ends is for the calendar, not for the session that the table is of:
so on the next evening the first parts have the same rows, the same bytes, and need not be stored again (see folders).
Only the last part tells the session and how many rows there are in all. pandas, polars and DuckDB read such a folder as
one table.

The bytes of each file are for formats; what was measured, and why three parts, is told in docs/storage.md.
"""

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stock_assets.core.errors import DamagedArtefactError
from stock_assets.storage import formats

if TYPE_CHECKING:
    import pandas as pd

SUFFIX = ".parquet"

LONG = 252
"""Rows, a year of sessions. What a shorter table would save is less than what its files cost."""

OPEN = 22
"""So many last rows are never in a part that is over: targets of up to 20 sessions ahead are still filled in there."""

_ROWS = "rows"


def encode(frame: "pd.DataFrame", *, asset: str, ticker: str, as_of: datetime.date, source: str) -> dict[str, bytes]:
    """The files of `frame`, suffix -> bytes. Raises `SchemaError` as `formats.encode_table`."""
    starts = cuts(frame)
    if not starts:
        return {SUFFIX: formats.encode_table(frame, asset=asset, ticker=ticker, as_of=as_of, source=source)}
    table = formats.to_arrow(frame, f"{ticker} {as_of}: {asset}")
    history = {formats.ASSET: asset, formats.TICKER: ticker, formats.SOURCE: source}
    last = history | {formats.AS_OF: as_of.isoformat(), _ROWS: str(len(frame))}
    return {
        f"{SUFFIX}/{frame.index[start]:%Y-%m-%d}{SUFFIX}": formats.to_parquet(
            table.slice(start, end - start), history if end < len(frame) else last
        )
        for start, end in zip(starts, [*starts[1:], len(frame)], strict=True)
    }


def decode(files: Mapping[str, bytes], *, asset: str, ticker: str, as_of: datetime.date) -> "pd.DataFrame":
    """The frame that `encode` was given; `frame.attrs["source"]` says where its prices came from.

    `files` may hold others than the table's. Raises `DamagedArtefactError` when they hold no whole table, or another
    asset's, ticker's or session's.
    """
    import pyarrow as pa

    if SUFFIX in files:
        return formats.decode_table(files[SUFFIX], asset=asset, ticker=ticker, as_of=as_of)
    who = f"{ticker} {as_of}: {asset}"
    parts = [
        formats.from_parquet(files[suffix], f"{who}: {suffix}")
        for suffix in sorted(files)
        if suffix.startswith(f"{SUFFIX}/")
    ]
    if not parts:
        raise DamagedArtefactError(f"{who}: came {', '.join(sorted(files)) or 'no file'}; expected a table, {SUFFIX}")
    *earlier, last = parts
    whose = {formats.ASSET: asset, formats.TICKER: ticker}
    formats.verify(who, formats.told(last, *whose, formats.AS_OF), whose | {formats.AS_OF: as_of.isoformat()})
    source = formats.told(last, formats.SOURCE)
    for part in earlier:
        expected = whose | source | {formats.AS_OF: formats.NOTHING}
        formats.verify(who, formats.told(part, *expected), expected)
    rows, expected_rows = str(sum(part.num_rows for part in parts)), formats.told(last, _ROWS)[_ROWS]
    if rows != expected_rows or any(not part.schema.equals(last.schema) for part in earlier):
        raise DamagedArtefactError(
            f"{who}: {len(parts)} parts with {rows} rows; expected {expected_rows} rows, and the same columns in each"
        )
    whole = pa.concat_tables([part.replace_schema_metadata(last.schema.metadata) for part in parts])
    return formats.to_frame(whole, who)


def cuts(frame: "pd.DataFrame") -> list[int]:
    """The row at which each part begins, the first of them 0; none for a table that stays one file.

    Three parts at most: up to the year of the row that is `OPEN` rows before the end, up to its quarter, and the rest.
    """
    index = frame.index
    if len(frame) < LONG or index.dtype != "datetime64[ns]" or not index.is_monotonic_increasing:
        return []
    edge = index[-OPEN]
    quarter = edge.to_period("Q").start_time
    starts = index.searchsorted([quarter.replace(month=1), quarter])
    return sorted({0, *starts.tolist()})
