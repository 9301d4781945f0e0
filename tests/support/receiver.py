"""The receiver as a real process, and what Split posts to it."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from support.processes import BIN, Result

TOKEN = "test-token"

Write = Callable[..., Path]  # the fixtures `write` and `run` of the tap's tests
Run = Callable[..., Result]


def posted(number: int, **changes: Any) -> dict[str, Any]:
    """One impression as Split's webhook sends it; its number makes it distinct."""
    return {
        "key": f"user-{number:06}",
        "split": "checkout_redesign",
        "environmentId": "env-prod",
        "environmentName": "Production",
        "treatment": "on",
        "time": 1767261600000 + number,
        "bucketingKey": None,
        "label": "default rule",
        "machineName": "ip-10-2-4-19",
        "machineIp": "10.2.4.19",
        "splitVersionNumber": 1767000000456,
        "sdk": "python",
        "sdkVersion": "10.7.0",
        "properties": None,
        **changes,
    }


def zipped(body: Any) -> bytes:
    """A body as Split sends it: gzip, without a header that says so."""
    return gzip.compress(json.dumps(body).encode(), compresslevel=1, mtime=0)


class Receiver:
    """The running receiver of tap-split-impressions on a free port."""

    program = "tap-split-impressions-webhook"

    def __init__(self, folder: Path | str, *options: str, **process: Any) -> None:
        command = [str(BIN / self.program), "--path", str(folder), "--port", "0", *options]
        self.folder = folder
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  (a pipe that nobody reads would fill up)
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, encoding="utf-8", **{"stderr": self._log, **process}
        )
        self.listening = self.process.stdout.readline()
        found = re.search(r"http://[^,\s]+", self.listening)
        if not found:
            raise RuntimeError(f"the receiver did not start: {self._logged()}")
        self.url = found[0]
        self.http = requests.Session()
        self.said = ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def post(self, body: Any, path: str = "/", **options: Any) -> requests.Response:
        """Post bytes as they are, anything else as gzipped JSON."""
        content = body if isinstance(body, bytes) else zipped(body)
        return self.http.post(self.url + path, data=content, timeout=30, **options)

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        if not self.process.stdout.closed:
            self.process.communicate(timeout=30)
            self.said = self._logged()
            self._log.close()
        self.http.close()
        return self.process.returncode

    def _logged(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        elif not self.process.stdout.closed:
            self.wait()


class AmplitudeReceiver(Receiver):
    """The receiver of tap-amplitude on a free port."""

    program = "tap-amplitude-webhook"


def stored_batches(folder: Path) -> list[list[dict[str, Any]]]:
    """The batches in a folder's sealed files, in no order."""
    return [
        json.loads(line)["batch"]
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]


def numbers_of(result: Result) -> list[int]:
    """The numbers of the impressions that a tap sent, in order."""
    return [int(record["key"].removeprefix("user-")) for record in result.records("impressions")]
