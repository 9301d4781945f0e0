"""A filter between a tap and a target: what comes as records goes on in batch files, as from a tap that writes them.

Usage: records-to-batches FOLDER. Only `events` of tap-amplitude come in batch files by themselves.
"""

from __future__ import annotations

import gzip
import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

RECORDS_PER_FILE = 5_000
ENCODING = {"format": "jsonl", "compression": "gzip"}


class Batcher:
    """Gathers the records of a stream, and hands them over before anything else goes on.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._numbers = count(len(list(folder.iterdir())))
        self._stream = ""
        self._records: list[Any] = []

    def take(self, line: str) -> None:
        """Take a message."""
        message = json.loads(line)
        if message["type"] != "RECORD":
            self.flush()
            print(line, end="", flush=True)
            return
        if message["stream"] != self._stream or len(self._records) == RECORDS_PER_FILE:
            self.flush()
        self._stream = message["stream"]
        self._records.append(message["record"])

    def flush(self) -> None:
        """Hand over what is gathered."""
        if not self._records:
            return
        file = self._folder / f"{self._stream}-{next(self._numbers)}.jsonl.gz"
        file.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in self._records).encode(), 1))
        self._records.clear()
        message = {"type": "BATCH", "stream": self._stream, "encoding": ENCODING, "manifest": [file.as_uri()]}
        print(json.dumps(message), flush=True)


def main() -> None:
    """Filter standard input; what a tap that was killed left behind goes on, too."""
    batcher = Batcher(Path(sys.argv[1]))
    try:
        for line in sys.stdin:
            if line.endswith("\n"):
                batcher.take(line)
        batcher.flush()
    except BrokenPipeError:  # the target has ended
        sys.exit(1)
