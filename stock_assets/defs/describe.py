"""What an artefact tells about itself in the Dagster UI: rows, columns, a preview, numbers to plot over time."""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import DataFrameSchema

_PREVIEW_ROWS = 5
_PREVIEW_COLUMNS = 13


def table(frame: "pd.DataFrame", schema: "DataFrameSchema") -> dict[str, Any]:
    """Row count, column types with their descriptions, the last rows, and where the prices came from."""
    return {
        "dagster/row_count": len(frame),
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=str(name),
                    type=str(column.dtype),
                    description=column.description,
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                )
                for name, column in schema.columns.items()
            ]
        ),
        "last rows": preview(frame.tail(_PREVIEW_ROWS)),
        "source": source(frame.attrs["source"]),
    }


def preview(frame: "pd.DataFrame") -> dg.TableMetadataValue:
    """The frame as a table of readable texts and numbers; wide ones are cut to their first columns."""
    shown = frame.iloc[:, :_PREVIEW_COLUMNS]
    if shown.index.name:
        shown = shown.reset_index()
    records = [
        dg.TableRecord({str(name): _readable(value) for name, value in row.items()}) for row in shown.to_dict("records")
    ]
    columns = [dg.TableColumn(str(name), "string") for name in shown.columns]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def source(name: str) -> str:
    """The price source, loud when it is not the market."""
    return "SIMULATED PRICES, NOT REAL" if name == "simulated" else name


def _readable(value: Any) -> str:
    if hasattr(value, "date"):
        return value.date().isoformat() if value == value else ""  # noqa: PLR0124: NaT is the date that isn't itself
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
