"""How an artefact tells about itself in the Dagster UI: source and pictures first, numbers to plot, tables to look at.

Numbers are told with six significant digits, as many as a person reads; files hold every digit. Which numbers each
asset tells is in asset_metadata.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import datetime

    import pandas as pd
    from pandera.pandas import DataFrameSchema

_SIMULATED = "SIMULATED PRICES, NOT REAL"
_SESSIONS = 3
_COLUMNS = 20
_DIGITS = 5
_EVENTS = {"dividends": 0, "capital_gains": 0, "stock_splits": 0, "dividend": 0, "split_ratio": 1, "repairs": ""}
_LARGE = (dg.TableMetadataValue, dg.TableSchema, dg.JsonMetadataValue)


def tell(context: dg.AssetExecutionContext, told: Mapping[str, Any]) -> None:
    """Say `told` of the artefact that `context` is about to make.

    What is about an output stands first in the UI, but Dagster keeps it in two events of which one is kept twice; what
    is about the asset only in the latter. So tables, schemas and JSON, which are large, are said of the asset.
    """
    large = {name: value for name, value in told.items() if isinstance(value, _LARGE)}
    context.add_output_metadata({name: value for name, value in told.items() if name not in large})
    context.add_asset_metadata(large)


def table(
    frame: "pd.DataFrame",
    schema: "DataFrameSchema",
    facts: Mapping[str, Any],
    pictures: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Source, row count, columns with their descriptions, `facts` about the table by name, and its last rows.

    `facts` that are `None` or NaN are left out: a number that isn't defined is not told. `pictures`: name -> data URI.
    """
    return {
        "source": source(frame.attrs["source"]),
        **_shown(pictures),
        "dagster/row_count": len(frame),
        "dagster/column_schema": _columns(schema),
        **_told(facts),
        "last rows": last_rows(frame),
    }


def document(
    name: str,
    content: Mapping[str, Any],
    facts: Mapping[str, Any],
    pictures: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Source, `facts` about the document (see `table`), and all of it as JSON under `name`."""
    return {**headed(content["source"], facts, pictures), name: dg.MetadataValue.json(dict(content))}


def headed(origin: str, facts: Mapping[str, Any], pictures: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Source, pictures and facts of an artefact that is told in no other way; see `table`."""
    return {"source": source(origin), **_shown(pictures), **_told(facts)}


def _shown(pictures: Mapping[str, str]) -> dict[str, dg.MarkdownMetadataValue]:
    return {name: dg.MetadataValue.md(f"![{name}](<{address}>)") for name, address in pictures.items()}


def revisions(
    raw: "pd.DataFrame", earlier: "pd.DataFrame | str", *, ticker: str, as_of: "datetime.date"
) -> dict[str, Any]:
    """What the source says differently of the past: how many values, and the first of them as a table.

    `earlier` as `storage.snapshots.Snapshot.earlier_table` gives it. Empty where nothing could be compared.
    """
    from stock_assets.core import validation

    found = validation.history_is_unrevised(raw, earlier, ticker=ticker, as_of=as_of)
    if isinstance(found.observed, str):
        return {}
    return {"revisions": found.observed} | ({"revised values": preview(found.offending)} if found.observed else {})


def source(name: str) -> str:
    """The price source, loud when it is not the market."""
    return _SIMULATED if name == "simulated" else name


def plain_source(told: str) -> str:
    """The name of the price source that `source` told."""
    return "simulated" if told == _SIMULATED else told


def preview(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """All of a small frame, one line a row, with digits enough to see why a row was picked.

    Columns of events are left out where there was none in any row: the dialog of a failed check has no room for them.
    """
    idle = [name for name, nothing in _EVENTS.items() if name in frame and (frame[name] == nothing).all()]
    shown = frame.drop(columns=idle)
    shown = shown.reset_index() if shown.index.name else shown
    lines = [[_text(value, digits=10) for value in row] for row in shown.itertuples(index=False, name=None)]
    return _text_table([str(name) for name in shown.columns], lines)


def candidates(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """The candidates of a search, a line each: their settings, scores with standard errors, and which was chosen."""
    settings = [
        {**row["configuration"]["parameters"], "window": row["configuration"]["window"] or "all"} for row in rows
    ]
    lines = [
        [
            row["configuration"]["estimator"],
            ", ".join(f"{name} {value}" for name, value in differing.items()),
            _text(row["log_loss"]),
            _text(row["gain"]),
            _text(row["standard_error"]),
            _text(row["sharpe"]),
            "chosen" if row["chosen"] else "in force" if row["in_force"] else "",
        ]
        for row, differing in zip(rows, settings, strict=True)
    ]
    headings = ["estimator", "settings", "log loss", "gain over naive", "standard error", "Sharpe ratio", "is"]
    return _text_table(headings, lines)


def lines(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """A small table of numbers, to four digits so that many columns fit, and words; what is None is empty."""
    return _text_table(headings, [["" if value is None else _text(value, digits=4) for value in row] for row in rows])


def last_rows(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """The last rows of a wide frame on their side, one line a column: what fits into a page without scrolling."""
    last = frame.tail(_SESSIONS)
    headings = [_text(session) for session in last.index] if last.index.name else ["value"] * len(last)
    lines = [[str(name), *map(_text, last[name].tolist())] for name in last.columns[:_COLUMNS]]
    if len(last.columns) > _COLUMNS:
        lines.append([f"... and {len(last.columns) - _COLUMNS} more columns", *[""] * len(last)])
    return _text_table(["column", *headings], lines)


def _text_table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(headings, line, strict=True))) for line in lines],
        schema=dg.TableSchema([dg.TableColumn(heading, "string") for heading in headings]),
    )


def _columns(schema: "DataFrameSchema") -> dg.TableSchema:
    described = {} if schema.index is None else {schema.index.name: schema.index}
    described |= schema.columns
    return dg.TableSchema(
        [
            dg.TableColumn(
                name=str(name),
                # pandas names the library behind its strings, which depends on the version: string[pyarrow].
                type="string" if str(column.dtype).startswith("str") else str(column.dtype),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in described.items()
        ]
    )


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) for name, value in facts.items() if value is not None and not _is_nan(value)}


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _is_nan(value: Any) -> bool:
    # NaN has no place in JSON: the UI could not read the whole event.
    return isinstance(value, float) and math.isnan(value)


def _text(value: Any, digits: int = _DIGITS) -> str:
    # NaN and NaT are the values that aren't themselves.
    if value is None or value != value:
        return "missing"
    if isinstance(value, str | bool):
        return str(value)
    if hasattr(value, "date"):
        return value.date().isoformat()
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.{digits}g}"
