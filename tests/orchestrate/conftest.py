"""What the tests of the DAGs share."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

# Airflow puts the folder of the DAGs on the path, too.
sys.path.insert(0, str(Path(__file__).parents[2] / "orchestrate" / "dags"))


@pytest.fixture
def alerts() -> Iterator[HTTPServer]:
    """A webhook that keeps what is posted to it, in `posted`."""

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        server.posted = []
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()
