"""A web service that says what it runs on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)


@app.get("/")
def hello() -> object:
    return jsonify(hello="from an image that nobody built in a container", flask=version("flask"), python=platform.python_version())


if __name__ == "__main__":
    print("listening on http://0.0.0.0:8000", flush=True)
    serve(app, host="0.0.0.0", port=8000)
