"""BATCH: rows to files of JSON lines, each complete before its name goes out."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import fsspec
import msgspec

from tap_amplitude.common.compression import FASTEST_LEVEL, compressor
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.sdk_private import BatchConfig
from tap_amplitude.export.rows import Row


class BatchFile:
    """A file in the making.

    Attributes:
        room: How many more rows it takes.
    """

    def __init__(self, url: str, config: BatchConfig) -> None:
        self.url = url
        self.room = config.batch_size
        self._files, self._path = fsspec.core.url_to_fs(url, **config.storage.params)
        self._files.makedirs(self._path.rpartition("/")[0], exist_ok=True)
        # File systems are shared in a process: a transaction that others left open must not hold the file back.
        self._file: Any = self._files.open(self._path, "wb", autocommit=True)
        self._compressor = compressor(FASTEST_LEVEL) if config.encoding.compression == "gzip" else None
        self._encoder = msgspec.json.Encoder()

    def write(self, rows: list[Row]) -> None:
        """Write rows, no more than there is room for."""
        lines = self._encoder.encode_lines(rows)
        self._file.write(self._compressor.compress(lines) if self._compressor else lines)
        self.room -= len(rows)

    def close(self) -> None:
        """Complete it."""
        if self._compressor:
            self._file.write(self._compressor.flush())
        self._file.close()

    def remove(self) -> None:
        """Remove it, complete or not."""
        with suppress(Exception):  # what is still to be written may be what failed
            self._file.close()
        with suppress(FileNotFoundError):
            self._files.rm(self._path)


class BatchFiles:
    """Writes the batch files of a run."""

    def __init__(self, config: BatchConfig, stream: str) -> None:
        self._config = config
        self._name = f"{config.storage.prefix or ''}{stream}-{uuid4()}"
        self._suffix = ".jsonl.gz" if config.encoding.compression == "gzip" else ".jsonl"
        self._count = 0

    def written(self, blocks: Iterable[list[Row]]) -> Generator[str, None, None]:
        """Write rows; yield the URL of each file once it is complete. One that does not get there is removed.

        Raises:
            ConnectorError: They cannot be written.
        """
        file: BatchFile | None = None
        try:
            for rows in blocks:
                start = 0
                while start < len(rows):
                    with self._storage():
                        file = file or self._next()
                        part = rows[start : start + file.room]
                        file.write(part)
                        if not file.room:
                            file.close()
                    start += len(part)
                    if not file.room:
                        done, file = file, None
                        yield done.url
            if file:
                with self._storage():
                    file.close()
                done, file = file, None
                yield done.url
        finally:
            if file:
                file.remove()

    def _next(self) -> BatchFile:
        self._count += 1
        return BatchFile(self._config.storage.get_url(f"{self._name}-{self._count}{self._suffix}"), self._config)

    @contextmanager
    def _storage(self) -> Generator[None, None, None]:
        """Turn whatever a storage raises, each has exceptions of its own, into a sentence."""
        try:
            yield
        except Exception as error:
            root = self._config.storage.root
            raise ConnectorError(
                f"Batch files cannot be written to {root} ({type(error).__name__}: {error})."
            ) from error
