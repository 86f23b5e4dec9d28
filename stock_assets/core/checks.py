"""Which predicates of `validation` are asked of which table, and whether a failure stops the graph.

- **Raw prices**: a check blocks only where cleaning could never make the snapshot usable. Anything else warns: cleaning
  repairs it and flags the row, or halts with the details.
- **Clean prices**: what must hold blocks; what is only suspicious warns.
- **Features**: a check blocks where a model would learn, or forecast, from something wrong.
- **Backtest** and **evaluation**: a check blocks where the scores can't mean anything; scores that are only too good
  warn.
- **Track record**: what only says that a model is on new ground warns.

No pandas here: Dagster's checks are declared from these lists when definitions load.
"""

from typing import NamedTuple


class Check(NamedTuple):
    """A predicate of `validation` by name, what it says for people, and whether failing stops what is downstream.

    `why`: the reason why it stops the graph, or only warns.
    """

    name: str
    description: str
    blocking: bool
    why: str = ""


_LAST = "The last bar is that of the partition's session, with all its prices."
_POSITIVE = "Every price is above zero."
_HIGH_LOW = "High is not below low."
_WITHIN = "Open and close lie between low and high."
_COMPLETE = "No session of the exchange is missing between the first row and the last."
_CLEANING_DECIDES = "Cleaning repairs what it can with certainty, and halts on the rest."

RAW = (
    Check(
        "has_raw_schema",
        "Columns, types and index are those of raw prices.",
        blocking=True,
        why="Cleaning can't read anything else.",
    ),
    Check(
        "sessions_never_decrease",
        "Bars are in order, and none is later than the partition's session.",
        blocking=True,
        why="A later bar is look-ahead, and bars that are mixed up may be in the wrong place. A bar may come twice.",
    ),
    Check(
        "last_session_is_present",
        _LAST,
        blocking=True,
        why="A forecast would start from an older close, and no cleaning can make up a bar.",
    ),
    Check("prices_are_positive", _POSITIVE, blocking=False, why=_CLEANING_DECIDES),
    Check("high_is_at_least_low", _HIGH_LOW, blocking=False, why=_CLEANING_DECIDES),
    Check("open_and_close_lie_between_low_and_high", _WITHIN, blocking=False, why=_CLEANING_DECIDES),
    Check(
        "sessions_are_complete",
        _COMPLETE,
        blocking=False,
        why="Sources do lose single bars; the return after one spans the gap, so nothing is wrong, only less exact.",
    ),
)

# Asked of raw prices and the ticker's most recent earlier snapshot together.
RAW_BESIDE_EARLIER = (
    Check(
        "history_is_unrevised",
        "The source says the same of the past as on the session before.",
        blocking=False,
        why="Most revisions are corrections; whether this one is can only a person say.",
    ),
)

CLEAN = (
    Check(
        "has_clean_schema",
        "Columns, types, ranges and index are those of clean prices.",
        blocking=True,
        why="Everything downstream relies on them.",
    ),
    Check(
        "sessions_increase",
        "One row a session, in order, none later than the partition's session.",
        blocking=True,
        why="Returns and windows are made from row to row, and a later row is look-ahead.",
    ),
    Check(
        "last_session_is_present",
        _LAST,
        blocking=True,
        why="A forecast would start from an older close.",
    ),
    Check("prices_are_positive", _POSITIVE, blocking=True, why="No return can be made of another price."),
    Check("high_is_at_least_low", _HIGH_LOW, blocking=True, why="No market makes such a bar."),
    Check("open_and_close_lie_between_low_and_high", _WITHIN, blocking=True, why="No market makes such a bar."),
    Check(
        "sessions_are_complete",
        _COMPLETE,
        blocking=False,
        why="A return that spans a gap is true; but a person should know of the gap.",
    ),
    Check(
        "volume_is_seldom_zero",
        "Bars without volume are rare in the last year.",
        blocking=False,
        why="Sources write 0 where they do not know, and thin stocks have such sessions; prices hold all the same.",
    ),
    Check(
        "prices_are_not_stale",
        "Bars do not repeat the bar before, nor the same close for long.",
        blocking=False,
        why="A halted stock looks like a source that carries an old price on; only a person can tell.",
    ),
    Check(
        "prices_do_not_spike",
        "No price leaves its neighbours far behind and is back at once.",
        blocking=False,
        why="Most such prices are wrong ticks, but flash crashes were real.",
    ),
    Check(
        "no_jump_looks_like_a_split",
        "No lasting jump of the price looks like a split that nobody recorded.",
        blocking=False,
        why="A true crash must not halt a ticker; a person has to look for a split.",
    ),
    Check(
        "small_splits_are_in_the_prices",
        "No recorded split left its jump in the close.",
        blocking=False,
        why="Spin-offs are recorded as small splits, and the market's own move may look the same.",
    ),
    Check(
        "large_dividends_show_in_the_price",
        "Where much was paid out, the price fell by it.",
        blocking=False,
        why="The price says that the amount is wrong, but not what it was.",
    ),
    Check(
        "no_split_comes_again_soon",
        "No split follows another by the same ratio within a week.",
        blocking=False,
        why="Most likely one split recorded twice; prices and returns hold all the same.",
    ),
    Check(
        "dividends_are_in_the_prices_unit",
        "No dividends look like a hundredth of what they should be.",
        blocking=False,
        why="Tiny amounts are odd, and the price can only make it likely that they are wrong.",
    ),
    Check(
        "no_bar_is_repaired",
        "No row is flagged with a repair.",
        blocking=False,
        why="A repaired row is right; but a person should know of every repair.",
    ),
)

# Asked of clean and raw prices together.
CLEAN_BESIDE_RAW = (
    Check(
        "adjusted_close_agrees_with_source",
        "Our adjusted close agrees with the source's own.",
        blocking=False,
        why="It is the source that disagrees with itself: its dividends are not those in its adjusted close.",
    ),
    Check(
        "no_dividend_comes_again_soon",
        "No dividend follows soon after another of about the same amount.",
        blocking=False,
        why="Mostly one payment recorded twice, but boards do bring payments forward.",
    ),
    Check(
        "no_regular_dividend_stands_out",
        "No regular dividend is off from its neighbours by 100 or by the ratio of a later split.",
        blocking=False,
        why="Cleaning divides it when the digits prove it; otherwise a board may have paid more for once.",
    ),
    Check(
        "capital_gains_are_counted_once",
        "No capital gains of a fund are added to a dividend that may hold them already.",
        blocking=False,
        why="Whether a source adds them is a habit that the price does not always show.",
    ),
)

# The order of rows is part of the schema, so it is not asked of them again.
FEATURES = (
    Check(
        "has_features_schema",
        "Columns, types, ranges and index are those of the features.",
        blocking=True,
        why="A model finds its columns by name and its rows by order.",
    ),
    Check(
        "last_session_has_features",
        "The last row is that of the partition's session.",
        blocking=True,
        why="The forecast is made from the last row: it would be that of another session.",
    ),
    Check(
        "features_are_finite",
        "Every feature of every row is a number.",
        blocking=True,
        why="A forest can't learn from an infinity, and must not learn from a gap that was filled.",
    ),
    Check(
        "no_target_lies_ahead",
        "No row knows a target of its own session or of one that has not been.",
        blocking=True,
        why="That is look-ahead: every score would be too good to be true.",
    ),
    Check(
        "targets_are_what_followed",
        "The target of each row is the return of the rows that followed.",
        blocking=True,
        why="A model would learn to forecast something that never happened.",
    ),
    Check(
        "sessions_are_complete",
        _COMPLETE,
        blocking=False,
        why="Sessions after which the price stood still are left out, which is right; but a person should know.",
    ),
    Check(
        "features_vary",
        "No feature is the same on every row of the last year.",
        blocking=False,
        why="A feature that stands still teaches nothing and harms nothing; but what it is made of may be wrong.",
    ),
    Check(
        "last_row_is_plausible",
        "No feature of the last row is far beyond everything it was before.",
        blocking=False,
        why="Records are set in crashes too, and those are what a forecast is wanted for.",
    ),
)

# Asked of features and clean prices together.
FEATURES_BESIDE_CLEAN = (
    Check(
        "features_do_not_look_ahead",
        "Made again from histories that end earlier, every feature has the same bits.",
        blocking=True,
        why="A feature that later prices change was made of them: every score would be too good to be true.",
    ),
)

# Asked of the features that the backtest walked over, and the settings it walked with.
BACKTEST = (
    Check(
        "shuffled_labels_give_no_skill",
        "A walk-forward on the outcomes of other times shows no skill.",
        blocking=True,
        why="Skill where there is nothing to know was peeked at: no verdict may be built on it. Luck alone stops fewer "
        "than one session in a hundred thousand.",
    ),
)

EVALUATION = (
    Check(
        "skill_is_plausible",
        "Accuracy and R2 are not beyond what markets allow.",
        blocking=False,
        why="Such scores are a leak of the future until proven otherwise, and whoever looks for it needs the report, "
        "which says so on top; a few lucky forecasts may look the same.",
    ),
)

# Asked of the summary of the track record.
TRACK_RECORD = (
    Check(
        "inputs_are_stable",
        "The features of the last quarter are not unlike every quarter that the model learnt from.",
        blocking=False,
        why="Markets do change, and then a forecast is wanted most; but it rests on little, or the prices are wrong.",
    ),
)

ASKED: dict[str, tuple[Check, ...]] = {
    "raw_prices": (*RAW, *RAW_BESIDE_EARLIER),
    "clean_prices": (*CLEAN, *CLEAN_BESIDE_RAW),
    "features": (*FEATURES, *FEATURES_BESIDE_CLEAN),
    "backtest": BACKTEST,
    "evaluation": EVALUATION,
    "track_record": TRACK_RECORD,
}
"""All checks of each asset that has any."""
