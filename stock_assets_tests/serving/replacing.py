"""A writer beside the readers, as a program: puts snapshots into a store again and again, asset by asset as runs do.

python -m stock_assets_tests.serving.replacing LIVE VERSION [VERSION ...]: folders of stores. Each round makes the live
store what the next version is, with pauses between the assets, and tells the round on a line of its own.
"""

import itertools
import sys
import time
from pathlib import Path

from stock_assets.storage import inventory
from stock_assets.storage.artefacts import ArtefactStore

ORDER = ("clean_prices", "model", "evaluation", "predictions")

_BETWEEN_ASSETS, _BETWEEN_ROUNDS = 0.005, 0.15


def main(live: Path, versions: list[Path]) -> None:
    store = ArtefactStore(live)
    for n, version in enumerate(itertools.cycle(ArtefactStore(folder) for folder in versions), start=1):
        for ticker in inventory.tickers(version, "predictions"):
            for session in version.sessions("predictions", ticker):
                for asset in ORDER:
                    if version.has(asset, ticker, session):
                        store.write(asset, ticker, session, version.read(asset, ticker, session))
                        time.sleep(_BETWEEN_ASSETS)
        time.sleep(_BETWEEN_ROUNDS)
        print(n, flush=True)  # noqa: T201 (how the test knows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
