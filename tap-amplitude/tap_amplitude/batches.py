"""BATCH: exported files to batch files, on all processors."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple
from uuid import uuid4

import msgspec
from singer_sdk.helpers._batch import BatchConfig
from typing_extensions import Self

from tap_amplitude.archive import Archive
from tap_amplitude.batch_worker import LENGTH_BYTES, Result, Task
from tap_amplitude.command import ConnectorError
from tap_amplitude.times import rfc3339

MAX_WORKERS = 8


class Job(NamedTuple):
    """A task, and the packed file it is about."""

    task: Task
    packed: Iterable[bytes]


class BatchWorkers:
    """Worker processes, as many as there are processors. Leave the context to end them.

    Args:
        config: Where to write, and how.
        stream: Name of the stream, for the names of the files.
    """

    def __init__(self, config: BatchConfig, stream: str) -> None:
        self._config = config
        self._name = f"{config.storage.prefix or ''}{stream}-{uuid4()}"
        self._numbers = count(1)
        self._count = min(os.cpu_count() or 1, MAX_WORKERS)
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="batch")

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tap_amplitude.batch_worker"]
        for _ in range(self._count):
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
            self._workers.append(worker)
            self._free.put(worker)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for worker in self._workers:
                worker.terminate()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.communicate()

    def results(self, archive: Archive) -> Iterator[Result]:
        """Turn the files of an archive into batch files at the same time; yield the results in order.

        Raises:
            ConnectorError: A worker ended.
        """
        return self._threads.map(self._do, self._jobs(archive))

    def _jobs(self, archive: Archive) -> Iterator[Job]:
        storage = self._config.storage
        for hour, entries in archive.entries():
            for entry in entries:
                task = Task(
                    export_hour=rfc3339(hour),
                    url=storage.get_url(f"{self._name}-{next(self._numbers)}"),
                    options=storage.params,
                    packed=self._config.encoding.compression == "gzip",
                    batch_size=self._config.batch_size,
                )
                yield Job(task, archive.packed(entry))

    def _do(self, job: Job) -> Result:
        worker = self._free.get()
        try:
            return exchange(worker, job)
        except (BrokenPipeError, msgspec.DecodeError) as error:
            raise ConnectorError("A process that writes batch files ended; its message stands above.") from error
        finally:
            self._free.put(worker)


def exchange(worker: subprocess.Popen[bytes], job: Job) -> Result:
    """Give a worker a job and return its result."""
    if worker.stdin is None or worker.stdout is None:
        raise BrokenPipeError
    worker.stdin.write(msgspec.json.encode(job.task) + b"\n")
    for chunk in job.packed:
        worker.stdin.write(len(chunk).to_bytes(LENGTH_BYTES, "big"))
        worker.stdin.write(chunk)
    worker.stdin.write(bytes(LENGTH_BYTES))
    worker.stdin.flush()
    return msgspec.json.decode(worker.stdout.readline(), type=Result)
