"""A backfill in a process of its own that is killed as soon as it has stored an artefact: see test_backfill.

python -m stock_assets_tests.defs.killed_backfill FOLDER FIRST LAST ASSET SESSION
"""

import datetime as dt
import os
import signal
import sys
from pathlib import Path
from typing import Any

from stock_assets.commands import home
from stock_assets.storage.artefacts import ArtefactStore, Seal
from stock_assets_tests.defs.graph import Graph


def main() -> None:
    folder, first, last, asset, session = sys.argv[1:]
    write = ArtefactStore.write

    def last_write(store: ArtefactStore, *slot: Any) -> Seal:
        seal = write(store, *slot)
        if (slot[0], slot[2]) == (asset, dt.date.fromisoformat(session)):
            os.kill(os.getpid(), signal.SIGKILL)
        return seal

    ArtefactStore.write = last_write  # type: ignore[method-assign]
    with home.instance(Path(folder) / "home") as instance:
        Graph(Path(folder), instance).backfill(first, last)


if __name__ == "__main__":
    main()
