"""The sandbox and the receiver, on free ports of the loopback, for as long as the demo needs them."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

from demo.processes import BIN, DemoError, await_answer, running


class Sandbox:
    def __init__(self, url: str) -> None:
        self.url = url

    def store(self, path: str, body: Any) -> None:
        requests.post(f"{self.url}/_sandbox{path}", json=body, timeout=60).raise_for_status()

    def holds(self, path: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/_sandbox{path}", timeout=60)
        answer.raise_for_status()
        lines = answer.headers.get("Content-Type", "").startswith("application/x-ndjson")
        return [json.loads(line) for line in answer.text.split("\n") if line] if lines else list(answer.json())


@contextmanager
def sandbox(data: Path, log: Path, uploaded_before: timedelta) -> Iterator[Sandbox]:
    """Run the sandbox, its data in a folder; what arrives counts as uploaded some time before."""
    port = free_port()
    offset = f"--upload-time-offset=-{int(uploaded_before.total_seconds())}"
    with running(
        [BIN / "split-amplitude-sandbox", "serve", "--port", str(port), "--data", data, offset], log
    ) as process:
        service = Sandbox(f"http://127.0.0.1:{port}")
        await_answer(f"{service.url}/_sandbox/faults", process, "sandbox", log)
        yield service


@contextmanager
def receiver(folder: Path, log: Path) -> Iterator[str]:
    """Run the receiver over the folder that the tap reads; yield its URL."""
    port = free_port()
    command: list[str | Path] = [BIN / "tap-split-impressions-webhook", "--path", folder, "--port", str(port)]
    with running(command, log) as process:
        await_answer(f"http://127.0.0.1:{port}/health", process, "receiver", log)
        yield f"http://127.0.0.1:{port}"


def post(url: str, batches: Iterable[list[dict[str, Any]]]) -> None:
    """Post batches as Split's webhook does: gzipped JSON arrays, without a header that says so.

    Raises:
        DemoError: A batch was not accepted.
    """
    with requests.Session() as session:
        for batch in batches:
            body = gzip.compress(json.dumps(batch).encode())
            answer = session.post(url, body, headers={"Content-Type": "application/json"}, timeout=30)
            if answer.status_code != 200:
                raise DemoError(f"The receiver answered {answer.status_code}.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
