"""What a ticker may look like. Light on purpose: definitions and the command line import it before pandas."""

import re

from stock_assets.core.errors import InvalidTickerError

# Yahoo's symbols: BRK-B, BF.B, ^GSPC, EURUSD=X, 0700.HK. Everything in here is safe in a path and in a partition key.
_TICKER = re.compile(r"\^?[A-Z0-9]+([.=-][A-Z0-9]+)*")
MAX_LENGTH = 15


def check_ticker(text: object) -> str:
    """`text` as an upper-case ticker.

    Raises `InvalidTickerError` for anything that is not letters, digits and single inner `.`, `-`, `=`, with an
    optional leading `^`, of at most 15 characters.
    """
    # ASCII before upper case: "ß".upper() is "SS", another company.
    ticker = text.strip().upper() if isinstance(text, str) and text.isascii() else ""
    if len(ticker) > MAX_LENGTH or not _TICKER.fullmatch(ticker):
        raise InvalidTickerError(
            f"{text!r:.60} is not a ticker; expected up to {MAX_LENGTH} letters or digits with single '.', '-' or '=' "
            "between them, such as TSLA, BRK-B or ^GSPC"
        )
    return ticker
