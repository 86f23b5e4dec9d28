"""Materialise one asset, alone in this process, and say what that took.

    python -m benchmarks.one_asset TICKER DATE DATA_DIR ASSET OUTPUT_DIR [--prices DIR]

Its inputs come from DATA_DIR, its files go to OUTPUT_DIR. Libraries are loaded before the clock starts: a run loads
them once, whichever asset is first. Prints JSON; see `asset_costs`.
"""

import gc
import json
import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks import bare_pipeline, phases
from stock_assets.core.track_record import TrackRecord
from stock_assets.storage import models
from stock_assets.storage.artefacts import ArtefactStore
from stock_assets.storage.snapshots import Snapshot


class Peak:
    """How far the process's resident memory rises above what it was when this was made.

    Linux can forget its highest mark, so that an earlier peak (an import's) hides nothing. Elsewhere it can't: then
    a rise that stays below the earlier peak counts as 0.
    """

    def __init__(self) -> None:
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self.exact = False
        else:
            self.exact = True
        self._start = _status("VmRSS") if self.exact else _highest()

    def rise(self) -> int:
        """Bytes."""
        return max(0, (_status("VmHWM") if self.exact else _highest()) - self._start)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ValueError(f"/proc/self/status tells no {field}")


def _highest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = bare_pipeline.parser()
    parser.add_argument("asset", choices=bare_pipeline.ASSETS)
    parser.add_argument("output_dir")
    arguments = parser.parse_args()
    asset = arguments.asset
    work = bare_pipeline.work_on(arguments.ticker, arguments.session, arguments.prices, arguments.output_dir)
    store, output = ArtefactStore(arguments.data_dir), work.store
    phases.import_libraries()

    peak = Peak()
    watch = phases.Stopwatch()
    inputs = {name: _load(store, work, name) for name in bare_pipeline.inputs_of(asset)}
    watch.lap("load")
    value = bare_pipeline.ASSETS[asset](work, **inputs)
    watch.lap("make")
    output.write(asset, work.ticker, work.session, bare_pipeline.encode(work, asset, value))
    watch.lap("store")
    print(json.dumps({**watch.seconds, "peak": peak.rise(), "exact": peak.exact}))


def _load(store: ArtefactStore, work: bare_pipeline.Work, asset: str) -> Any:
    """An input as the graph's IO managers load it, checksums verified."""
    if asset == "model":
        return models.decode_model(store.read(asset, work.ticker, work.session), **work.about)
    snapshot = Snapshot(store, work.ticker, work.session)
    if asset == "track_record":
        return TrackRecord(snapshot.table(asset), snapshot.document(asset))
    return snapshot.document(asset) if asset in ("price_metrics", "evaluation") else snapshot.table(asset)


if __name__ == "__main__":
    main()
