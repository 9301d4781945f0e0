"""BATCH: exported files to batch files, on all processors."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple, Self
from uuid import uuid4
from zipfile import ZipInfo

import msgspec

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.sdk_private import BatchConfig
from tap_amplitude.export.archive import Archive
from tap_amplitude.export.batch_worker import LENGTH_BYTES, Result, Task, remove_files
from tap_amplitude.records.times import rfc3339

MAX_WORKERS = 8
# A smaller exported file is not worth being decompressed by all workers.
DIVIDED_BYTES = 1 << 20


class Job(NamedTuple):
    """A task, and the compressed file it is about."""

    task: Task
    compressed: Iterable[bytes]


class BatchWorkers:
    """Worker processes, as many as there are processors. Leave the context to end them.

    Args:
        config: Where to write, and how.
        stream: Name of the stream, for the names of the files.
        event_types: The setting.
    """

    def __init__(self, config: BatchConfig, stream: str, event_types: dict[str, Any]) -> None:
        self._config = config
        self._event_types = event_types
        self._name = f"{config.storage.prefix or ''}{stream}-{uuid4()}"
        self._numbers = count(1)
        self._count = min(os.cpu_count() or 1, MAX_WORKERS)
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="batch")
        self._results: deque[Future[Result]] = deque()

    def __enter__(self) -> Self:
        event_types = msgspec.json.encode(self._event_types).decode()
        command = [sys.executable, "-m", "tap_amplitude.export.batch_worker", event_types]
        for _ in range(self._count):
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # this interpreter
            self._workers.append(worker)
            self._free.put(worker)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.terminate()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.communicate()
        for future in self._results:
            if not future.cancelled() and not future.exception():
                remove_files(future.result().urls, self._config.storage.params)

    def hours(self, archive: Archive) -> Iterator[tuple[datetime, Iterator[Result]]]:
        """Turn the files of an archive into batch files at the same time; yield each hour with its results, in order.

        Raises:
            ConnectorError: A file could not be turned into batch files; nothing of it is left.
        """
        hours = []
        for hour, entries in archive.entries():
            jobs = [job for entry in entries for job in self._jobs(archive, hour, entry)]
            self._results.extend(self._threads.submit(self._do, job) for job in jobs)
            hours.append((hour, len(jobs)))
        for hour, jobs_of_hour in hours:
            yield hour, (self._next_result() for _ in range(jobs_of_hour))

    def _next_result(self) -> Result:
        result = self._results[0].result()
        self._results.popleft()
        if result.failure:
            raise ConnectorError(f"No batch files of {result.failure}.")
        return result

    def _jobs(self, archive: Archive, hour: datetime, entry: ZipInfo) -> Iterator[Job]:
        """Yield the job that an exported file is, or several when the others would have nothing to do meanwhile."""
        storage = self._config.storage
        share = archive.compressed_bytes / (2 * self._count)
        parts = self._count if entry.compress_size > max(share, DIVIDED_BYTES) else 1
        for part in range(parts):
            task = Task(
                name=entry.filename,
                export_hour=rfc3339(hour),
                url=storage.get_url(f"{self._name}-{next(self._numbers)}"),
                options=storage.params,
                compress=self._config.encoding.compression == "gzip",
                batch_size=self._config.batch_size,
                part=part,
                parts=parts,
            )
            yield Job(task, archive.compressed(entry))

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
    for chunk in job.compressed:
        worker.stdin.write(len(chunk).to_bytes(LENGTH_BYTES, "big"))
        worker.stdin.write(chunk)
    worker.stdin.write(bytes(LENGTH_BYTES))
    worker.stdin.flush()
    return msgspec.json.decode(worker.stdout.readline(), type=Result)
