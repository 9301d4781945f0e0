"""A folder, and the tap run over it inside the tests' process: as a process would, without its start."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.processes import Result, Workplace
from support.receiver import Run, Write, posted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "impressions"
    path.mkdir()
    return path


@pytest.fixture
def write(folder: Path) -> Write:
    """Write numbered impressions as JSON lines; with `received` as the receiver stores them, 200 to a line."""

    def write_lines(name: str, numbers: Iterable[int], received: int | None = None) -> Path:
        items = [posted(number) for number in numbers]
        if received is None:
            text = "".join(json.dumps(item) + "\n" for item in items)
        else:
            batches = [items[at : at + 200] for at in range(0, len(items), 200)]
            text = "".join(f'{{"received":{received},"batch":{json.dumps(batch)}}}\n' for batch in batches)
        path = folder / name
        path.write_text(text)
        return path

    return write_lines


@pytest.fixture
def run(folder: Path, workplace: Workplace) -> Run:
    """Run the tap over the folder, from a state if one is given; it must end with `code`."""

    def run_tap(state: dict[str, Any] | None = None, *, code: int = 0, **settings: Any) -> Result:
        config = {"path": str(folder), "settle_seconds": 0, **settings}
        result = workplace.run("tap-split-impressions", config, state=state, inside=True)
        assert result.code == code, result.stderr
        return result

    return run_tap


@pytest.fixture
def refusing_store() -> Iterator[str]:
    """A store that answers every request as S3 answers one without permission; yields its URL."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
