"""A sensor's work in processes that are killed: takes runs and sends alerts until it is done, again from the start each
time. No test lives here.

`python -m stock_assets_tests.monitoring.killed_senders DATABASE_URL WEBHOOK` reads a minute a line, starts a process
that works from that minute on, and writes its id; on the next line another. Forks: imports take longer than the work.
"""

import os
import sys

from stock_assets.monitoring import outbox
from stock_assets.monitoring.database import open_database
from stock_assets.monitoring.receivers import Webhook
from stock_assets_tests.monitoring.alerting import UI, after, run, take

TICKERS = [f"T{n:02}" for n in range(40)]


def work(url: str, hook: str, minute: float) -> None:
    """Every ticker fails at a step of its own session, so that each is a message of its own; half of them recover."""
    database = open_database(url)
    to = [Webhook(hook)]
    for n, ticker in enumerate(TICKERS):
        session = after(-n * 24 * 60).date()
        take(database, run(ticker, n, session, fails="503"), now=after(minute))
        if n % 2:
            take(database, run(ticker, n + 0.5, session), now=after(minute))
        outbox.send_due(database, to, after(minute + 1), ui_url=UI, limit=3)
        minute += 0.1
    # So far that whatever waited, for a sender that was killed too, is due.
    for step in range(200):
        outbox.send_due(database, to, after(minute + step), ui_url=UI, limit=3)
    database.close()


def main() -> None:
    """A process a line, one after the other."""
    url, hook = sys.argv[1:]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(url, hook, float(line))
            os._exit(0)
        print(child, flush=True)  # noqa: T201
        os.waitpid(child, 0)
        print("over", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
