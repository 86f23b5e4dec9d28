"""Same content, same bytes, in new processes with other hash seeds and other garbage in memory. And cheap imports."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import datetime, hashlib
import numpy as np, pandas as pd
from stock_assets.core import estimators
from stock_assets.core.model_settings import ESTIMATORS, ModelSettings
from stock_assets.core.modelling import Model
from stock_assets.storage import formats, models

rng = np.random.default_rng(20240308)
values = rng.normal(size=(400, 4))
index = pd.date_range("2022-08-01", periods=400, freq="B", name="session", unit="ns")
frame = pd.DataFrame(values, index=index, columns=list("abcd")).assign(volume=1, up=values[:, 0] > 0, repairs="é")
target = datetime.date(2024, 3, 8)
table = formats.encode_table(frame, asset="features", ticker="TSLA", as_of=target, source="yahoo")
document = formats.encode_json({name: float(value) for name, value in zip("abcd", values[0])})
for data in (table, document):
    print(hashlib.sha256(data).hexdigest())
for estimator in ESTIMATORS:
    settings = ModelSettings(estimator=estimator)
    fitted = estimators.fit(values, values[:, 1], frame["up"].to_numpy(), settings)
    card = {"ticker": "TSLA", "as_of": "2024-03-08", "attempts": list(fitted.attempts)}
    for data in models.encode_model(Model(fitted.classifier, fitted.regressor, card)).values():
        print(hashlib.sha256(data).hexdigest())
"""


def test_new_processes_write_the_same_bytes():
    # MALLOC_PERTURB_ is glibc's: it fills fresh memory, so that what is never initialised differs.
    settings = (
        {"PYTHONHASHSEED": "1", "MALLOC_PERTURB_": "90", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "2", "MALLOC_PERTURB_": "165", "OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"},
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, env=os.environ | extra, text=True, stdout=subprocess.PIPE
        )
        for extra in settings
    ]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs[0]) == 2 + 4 * 2  # table and document; file and card of each kind of model
    assert outputs[0] == outputs[1]


def test_importing_the_room_imports_nothing_heavy():
    program = (
        "import sys\n"
        "import stock_assets.storage.artefacts, stock_assets.storage.formats, stock_assets.storage.models\n"
        "stock_assets.storage.artefacts.ArtefactStore('data').sessions('raw_prices', 'TSLA')\n"
        "heavy = {'pandas', 'numpy', 'pyarrow', 'sklearn', 'skops', 'fsspec', 'upath', 'dagster'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
