"""A web service that says what it runs on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)


@app.get("/")
def hello() -> object:
    """Answer who asks for `/`."""
    return jsonify(hello="world", python=platform.python_version(), flask=version("flask"))


if __name__ == "__main__":
    print("listening on http://0.0.0.0:8000", flush=True)
    serve(app, host="0.0.0.0", port=8000)
