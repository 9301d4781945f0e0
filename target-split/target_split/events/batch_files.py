"""BATCH: batch files made into events on all processors."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from target_split.common.errors import ConnectorError
from target_split.common.target.checkpoints import Hold
from target_split.common.target.decoding import GZIP_MAGIC
from target_split.common.target.workers import Workers
from target_split.events.batch_worker import Portion, Task, read_frame
from target_split.events.converter import Recipe

# Worker processes beyond this wait for the requests rather than for a processor.
MAX_WORKERS = 4

# A smaller file is read sooner than a process is started.
SMALLEST_BYTES = 4_000_000
SMALLEST_PACKED_BYTES = SMALLEST_BYTES // 10  # gzip makes of rows a tenth or less

decode_portion = msgspec.msgpack.Decoder(Portion).decode


@dataclass(frozen=True)
class Job:
    """A file on its way.

    Attributes:
        recipe: How its records become events.
        path: The file.
        packed: Whether it is gzip.
        hold: Holds back STATE until all of its events are delivered.
        take: Called with each portion of its events, from a thread.
    """

    recipe: Recipe
    path: Path
    packed: bool
    hold: Hold
    take: Callable[[Portion], None]


def is_gzip(path: Path) -> bool:
    """Whether a file is gzip, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def local_file(url: str) -> Path | None:
    """Return a local file that is worth a worker; None for any other."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file") or parts.netloc:
        return None
    path = Path(parts.path)
    try:
        smallest = SMALLEST_PACKED_BYTES if is_gzip(path) else SMALLEST_BYTES
        return path if path.is_file() and path.stat().st_size >= smallest else None
    except OSError:
        return None  # reading it line by line tells what is wrong


class BatchFiles:
    """Worker processes, and threads that hand files to them and their events on."""

    def __init__(self) -> None:
        count = min(os.cpu_count() or 1, MAX_WORKERS)
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._processes = [start_worker() for _ in range(count)]
        for worker in self._processes:
            self._free.put(worker)
        self._workers: Workers[Job] = Workers(count, self._convert)

    def submit(self, job: Job) -> None:
        """Hand over a file; waits while all workers are busy.

        Raises:
            Exception: What stopped the workers.
        """
        self._workers.submit(self._workers.idlest(), job)

    def raise_failure(self) -> None:
        """Raise what stopped the workers, if something did."""
        self._workers.raise_failure()

    def finish(self) -> None:
        """Wait until all files are read, and end the workers.

        Raises:
            Exception: What stopped the workers.
        """
        self._workers.wait()
        self._workers.close()
        for worker in self._processes:
            worker.communicate()

    def give_up(self) -> None:
        """End the workers at once."""
        for worker in self._processes:
            worker.kill()
        self._workers.abort(ConnectorError("The run was stopped."))
        for worker in self._processes:
            worker.communicate()

    def _convert(self, job: Job) -> None:
        worker = self._free.get()
        assert worker.stdin is not None  # noqa: S101
        assert worker.stdout is not None  # noqa: S101
        task = Task(msgspec.Raw(msgspec.json.encode(job.recipe)), str(job.path), job.packed)
        try:
            worker.stdin.write(msgspec.json.encode(task) + b"\n")
            worker.stdin.flush()
            while True:
                portion = decode_portion(read_frame(worker.stdout))
                if portion.damage:
                    raise ConnectorError(
                        f"Stream '{job.recipe.stream}': a batch file cannot be read ({portion.damage})."
                    )
                job.take(portion)
                if portion.is_last:
                    break
        except (BrokenPipeError, EOFError) as error:
            raise ConnectorError("A process that reads batch files ended unexpectedly.") from error
        self._free.put(worker)
        job.hold.done()


def start_worker() -> subprocess.Popen[bytes]:
    """Start a worker; it ends with this process, whose end closes its input."""
    command = [sys.executable, "-m", "target_split.events.batch_worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
