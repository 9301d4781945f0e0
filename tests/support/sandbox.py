"""The sandbox as a real process on a free port of the loopback, and what it holds."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import requests

from support.processes import BIN
from support.waiting import await_true


class Sandbox:
    """A running sandbox. Every method is one real HTTP request to it."""

    def __init__(self, *options: str, data: Path | None = None) -> None:
        command = [str(BIN / "split-amplitude-sandbox"), "serve", "--port", "0", *options]
        self.process = subprocess.Popen(
            command + (["--data", str(data)] if data else []),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout
        found = re.search(r"http://\S+:(\d+)", self.process.stdout.readline())
        if not found:
            raise RuntimeError(f"the sandbox ended with code {self.process.wait()}")
        self.url, self.port = found[0], int(found[1])
        self.http = requests.Session()

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)
        self.http.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's own API (below /_sandbox); return the decoded answer."""
        answer = self.http.request(method, f"{self.url}/_sandbox{path}", json=body, timeout=60)
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("application/x-ndjson"):
            return [json.loads(line) for line in answer.content.split(b"\n") if line]
        return answer.json()

    def reset(self) -> None:
        """Forget all data, faults and requests; the seeded workspace comes back."""
        self.call("DELETE", "")

    def plan(self, **fault: Any) -> None:
        """Plan a fault, such as `path="/batch", status=500, times=2`."""
        self.call("POST", "/faults", [fault])

    def faults(self) -> list[dict[str, Any]]:
        return self.call("GET", "/faults")

    def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        """Requests received (method, path, status, bytes, …) in order, those below /_sandbox left out."""
        return [r for r in self.call("GET", "/requests") if path is None or r["path"] == path]

    def await_requests(
        self, count: int = 1, path: str | None = None, sender: subprocess.Popen[str] | None = None
    ) -> None:
        """Wait until so many requests have come (their answers may be still to come), or their sender has ended."""
        await_true(lambda: len(self.requests(path)) >= count or (sender is not None and sender.poll() is not None))

    def amplitude_events(self) -> list[dict[str, Any]]:
        return self.call("GET", "/amplitude/events")

    def amplitude_users(self) -> list[dict[str, Any]]:
        return self.call("GET", "/amplitude/users")

    def amplitude_identifications(self) -> list[dict[str, Any]]:
        return self.call("GET", "/amplitude/identifications")

    def split_events(self) -> list[dict[str, Any]]:
        return self.call("GET", "/split/events")

    def split_segments(self) -> list[dict[str, Any]]:
        return self.call("GET", "/split/segments")

    def put_export_rows(self, rows: list[dict[str, Any]]) -> None:
        """Store rows as the Export API will return them; `server_upload_time` says in which hour."""
        self.call("POST", "/amplitude/export-rows", rows)

    def put_export_entries(self, entries: dict[str, str]) -> None:
        """Let each archive of the Export API hold further entries, name -> content."""
        self.call("POST", "/amplitude/export-entries", entries)

    def put_cohort(self, **cohort: Any) -> None:
        self.call("POST", "/amplitude/cohorts", [cohort])
