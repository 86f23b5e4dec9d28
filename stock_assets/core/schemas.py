"""What each table must look like: columns, types, units, ranges. One pandera schema a table.

Every table is a frame indexed by `session` (naive midnight, nanoseconds, increasing), except `predictions`, which is
one row under a plain index. The descriptions here are the ones people read in the Dagster UI.
Cleaning rules and market plausibility do not live here (see cleaning, validation).
"""

from collections.abc import Mapping

import pandas as pd
import pandera.pandas as pa

from stock_assets.core.errors import SchemaError

SESSION_DTYPE = "datetime64[ns]"


def _session_index(*, unique: bool) -> pa.Index:
    return pa.Index(
        SESSION_DTYPE,
        name="session",
        unique=unique,
        checks=pa.Check(lambda index: index.is_monotonic_increasing, element_wise=False, name="in_order"),
        description="Trading session (exchange XNYS) as a naive date",
    )


def _number(description: str, *checks: pa.Check, nullable: bool = False) -> pa.Column:
    return pa.Column("float64", checks=list(checks), nullable=nullable, description=description)


def _table(name: str, description: str, columns: Mapping[str, pa.Column], *, unique: bool = True) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        dict(columns),
        index=_session_index(unique=unique),
        strict=True,
        ordered=True,
        name=name,
        description=description,
    )


def _present(description: str, nullable: bool = False) -> pa.Column:
    return _number(description, nullable=nullable)


RAW_PRICES = _table(
    "raw_prices",
    "Bars as the source served them on the evening of the snapshot's session. Not judged yet: only the types hold.",
    {
        "open": _present("First trade, adjusted for splits up to the snapshot, in the quote currency", True),
        "high": _present("Highest trade, same basis", True),
        "low": _present("Lowest trade, same basis", True),
        "close": _present("Last trade, same basis", True),
        "adj_close": _present("The source's own split- and dividend-adjusted close", True),
        "volume": _present("Shares traded, in shares of the snapshot's basis", True),
        "dividends": _present("Cash a share that goes ex on this session, adjusted for splits; 0 when none"),
        "capital_gains": _present("Capital gains a share that a fund pays out, like dividends; 0 when none"),
        "stock_splits": _present("New shares for one old share from this session on; 0 when none"),
    },
    # A source may send a bar twice; whether that is harmless is for cleaning to say.
    unique=False,
)

_POSITIVE = pa.Check.gt(0)
_NOT_NEGATIVE = pa.Check.ge(0)

CLEAN_PRICES = _table(
    "clean_prices",
    "One validated row a session, adjusted by us for dividends, with every repair flagged.",
    {
        "open": _number("Open, adjusted for splits up to the snapshot, in the quote currency", _POSITIVE),
        "high": _number("High, same basis", _POSITIVE),
        "low": _number("Low, same basis", _POSITIVE),
        "close": _number("Close, same basis", _POSITIVE),
        "volume": pa.Column("int64", _NOT_NEGATIVE, description="Shares traded, same basis"),
        "dividend": _number(
            "Cash a share that goes ex on this session, a fund's capital gains included; 0: none", _NOT_NEGATIVE
        ),
        "split_ratio": _number("New shares for one old share from this session on; 1 when none", _POSITIVE),
        "adjusted_open": _number("Open times the dividend factor", _POSITIVE),
        "adjusted_high": _number("High times the dividend factor", _POSITIVE),
        "adjusted_low": _number("Low times the dividend factor", _POSITIVE),
        "adjusted_close": _number("Close times the dividend factor; the last row equals close", _POSITIVE),
        "total_return": _number("(close + dividend) / previous close - 1; missing on the first row", nullable=True),
        "repairs": pa.Column(pa.String, description="Repairs made to this row, comma-separated; empty when untouched"),
    },
)

BACKTEST = _table(
    "backtest",
    "Out-of-sample forecasts of a walk-forward: what a model fitted only on earlier rows said after each session.",
    {
        "target_session": pa.Column(SESSION_DTYPE, description="Session whose close the forecast is about"),
        "train_end": pa.Column(SESSION_DTYPE, description="Last session whose outcome the fitted model had seen"),
        "close": _number("Close of the session the forecast was made on: also the naive forecast", _POSITIVE),
        "volatility": _number("Standard deviation of the last 21 daily total returns, per session", _POSITIVE),
        "raw_probability_up": _number(
            "Probability of a rise as the classifier gave it, before calibration", pa.Check.in_range(0, 1)
        ),
        "probability_up": _number(
            "Forecast probability that the target return is above zero, calibrated on earlier forecasts",
            pa.Check.in_range(0, 1),
        ),
        "expected_return": _number("Forecast total return from this close to the target close"),
        "mean_return": _number("Prevailing mean of the training targets: a naive forecast"),
        "up_share": _number("Share of rising targets in training: a naive probability", pa.Check.in_range(0, 1)),
        "realised_return": _number("Total return that followed"),
        "realised_close": _number("Close of the target session, in the snapshot's basis", _POSITIVE),
        "realised_up": pa.Column("bool", description="Whether the realised return was above zero"),
        "open_return": _number(
            "Total return from the next session's open to the open after the target session; missing when not known",
            nullable=True,
        ),
    },
)

PREDICTIONS = pa.DataFrameSchema(
    {
        "ticker": pa.Column(pa.String, description="Ticker"),
        "as_of": pa.Column(SESSION_DTYPE, description="Session after whose close the forecast was made"),
        "target_session": pa.Column(SESSION_DTYPE, description="Session whose close is forecast"),
        "probability_up": _number("Probability that the target return is above zero", pa.Check.in_range(0, 1)),
        "expected_return": _number("Forecast total return to the target close"),
        "predicted_close": _number("Close times one plus the expected return", _POSITIVE),
        "interval_low": _number("Lower end of the prediction interval of the close", _POSITIVE),
        "interval_high": _number("Upper end of the prediction interval of the close", _POSITIVE),
        "interval_level": _number("Nominal coverage of the interval", pa.Check.in_range(0, 1)),
        "naive_close": _number("Naive forecast: the last close", _POSITIVE),
        "model_as_of": pa.Column(SESSION_DTYPE, description="Session up to which the model was trained"),
        "beats_naive": pa.Column("bool", description="Whether the model's backtest beat the naive forecasts"),
        "source": pa.Column(pa.String, description="Where the prices came from"),
    },
    strict=True,
    ordered=True,
    name="predictions",
    description="The forecast for the next session, one row.",
)

TRACK_RECORD = _table(
    "track_record",
    "The forecasts that were made on earlier sessions, beside what happened, as known on the snapshot's session.",
    {
        "target_session": pa.Column(SESSION_DTYPE, description="Session whose close was forecast"),
        "model_as_of": pa.Column(SESSION_DTYPE, description="Session up to which the model was trained"),
        "probability_up": _number("Forecast probability that the target return is above zero", pa.Check.in_range(0, 1)),
        "naive_probability_up": _number(
            "Share of rises known by then: a naive probability; missing when none was known",
            pa.Check.in_range(0, 1),
            nullable=True,
        ),
        "expected_return": _number("Forecast total return to the target close"),
        "predicted_close": _number("Forecast close, in the shares of the evening it was made", _POSITIVE),
        "interval_low": _number("Lower end of the interval of the close, same basis", _POSITIVE),
        "interval_high": _number("Upper end of the interval of the close, same basis", _POSITIVE),
        "interval_level": _number("Nominal coverage of the interval", pa.Check.in_range(0, 1)),
        "naive_close": _number("Naive forecast: the close of the session, same basis", _POSITIVE),
        "beats_naive": pa.Column("bool", description="What the verdict said then"),
        "split_factor": _number("Product of the splits since the forecast; 1 when there was none", _POSITIVE),
        "realised_return": _number("Total return that followed; missing when not known", nullable=True),
        "realised_close": _number(
            "Close of the target session, in the shares of the forecast; missing when not known",
            _POSITIVE,
            nullable=True,
        ),
        "checksum": pa.Column(pa.String, description="Checksum of the predictions artefact the forecast is from"),
    },
)


def features_schema(descriptions: Mapping[str, str], targets: Mapping[str, str]) -> pa.DataFrameSchema:
    """Schema of the `features` table.

    `descriptions` names the feature columns, which are never missing; `targets` the columns known only later, which
    are missing on the last rows. `close` and `volatility` ride along for the backtest and are no features.
    """
    columns = {name: _number(text) for name, text in descriptions.items()}
    columns["close"] = _number("Close of the session; carried along, not a feature", _POSITIVE)
    columns["volatility"] = _number("Standard deviation of the last 21 daily total returns; carried along", _POSITIVE)
    columns["target_session"] = pa.Column(SESSION_DTYPE, description="Session at whose close the target is known")
    columns |= {name: _number(text, nullable=True) for name, text in targets.items()}
    return _table("features", "Point-in-time features of each session, and what followed.", columns)


def validate(frame: pd.DataFrame, schema: pa.DataFrameSchema, *, ticker: str, as_of: object) -> pd.DataFrame:
    """`frame` unchanged, or a `SchemaError` that names ticker, session, table, what came and what was expected."""
    try:
        return schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        shown = "; ".join(
            f"{case.column or 'table'}: {case.check} (came: {case.failure_case}"
            + (f" at {case.index})" if case.index is not None else ")")
            for case in cases.head(3).itertuples()
        )
        more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
        raise SchemaError(f"{ticker} {as_of}: {schema.name} does not have the expected form: {shown}{more}") from errors
