"""A Flask route that returns a constant, on the server that forecasts are served with: what an answer costs at least.

`python -m benchmarks.bare_route LOGS BYTES`: prints the URL it listens on, and answers /predict with BYTES of JSON
until it is told to stop.
"""

import json
import sys
from pathlib import Path

import flask

from benchmarks import measuring
from stock_assets.commands import serve
from stock_assets.serving import processes

WORKERS = 2


def make_app(size: int) -> flask.Flask:
    """The application, with an answer of `size` bytes."""
    app = flask.Flask(__name__, static_folder=None)
    text = json.dumps({"text": ""})
    text = json.dumps({"text": "x" * (size - len(text))})
    if len(text) != size:
        measuring.fail(f"an answer of {size} bytes is too short to be JSON")

    @app.get("/predict")
    def predict() -> flask.Response:
        return flask.Response(text, content_type="application/json")

    return app


def main() -> None:
    """Serve until stopped."""
    logs, size = Path(sys.argv[1]), int(sys.argv[2])
    listener = serve.listen("127.0.0.1", 0)
    print(f"bare on {serve.address(listener)};", flush=True)
    processes.serve(lambda: make_app(size), listener, logs, WORKERS)


if __name__ == "__main__":
    main()
