"""The folder of impression files, wherever it lies: listed and opened through fsspec, its errors told in sentences."""

from __future__ import annotations

import io
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.folder.bookmark import File, identity_of

# What to install for a kind of storage that fsspec knows and does not bring along.
EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "az": "azure",
    "adl": "azure",
}

# The receiver's sealed files: complete as soon as they bear this name (they get it by a rename, or are one PUT).
SEALED = re.compile(r"impressions-\d{8}T\d{6}Z-[0-9a-f]+-\d+\.jsonl")
OPEN_SUFFIX = ".open"
LEFT_SECONDS = 3600.0
REJECTS_SUFFIX = ".rejects"

# Split's S3 export puts `_SUCCESS` and `_committed_…` beside its data; programs that copy hide what is not complete yet
# behind a dot. https://developer.harness.io/docs/feature-management-experimentation/integrations/amazon-s3
IGNORED_BEGINNINGS = ("_", ".")
DATA_NAME = re.compile(r"\.(jsonl|ndjson|json|csv)(\.gz)?$|\.parquet\b[^/]*$", re.IGNORECASE)

# Not all of them are OSErrors.
FOREIGN_ERRORS = {
    "botocore.exceptions": "BotoCoreError",
    "aiohttp": "ClientError",
    "gcsfs.retry": "HttpError",
    "azure.core.exceptions": "AzureError",
}

AHEAD_FILES, AHEAD_BYTES = 64, 8 * 1024 * 1024  # of small objects that are fetched together

PIECES, PIECE_BYTES = 16, 64 * 1024  # of a file, evenly spread, which identify its content; up to 1 MB that is all


class Folder:
    """A local folder or a prefix of an object store.

    Args:
        path: A local path or a URL (`s3://bucket/prefix`, `gs://…`, `abfs://…`).
        options: Options of the fsspec file system, such as `{"endpoint_url": …}` for S3.
    """

    def __init__(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        self.path = path
        with in_sentences(path):
            # Listings must be fresh; s3fs and its like would remember an earlier one.
            self.files, self.root = fsspec.core.url_to_fs(path, **{"use_listings_cache": False, **(options or {})})
        self.local = isinstance(self.files, LocalFileSystem)
        self.left_open = 0  # files that a killed receiver left open, as of the last listing
        self._ahead: dict[str, bytes] = {}

    def listing(self) -> list[File]:
        """Return the data files now in the folder and below it.

        Raises:
            ConnectorError: When the folder is not there or may not be read.
        """
        with in_sentences(self.path):
            if self.local and not self.files.isdir(self.root):
                raise ConnectorError(f"Setting 'path': there is no folder {self.path}.")
            # Of itself the local file system would leave out a folder that it may not read.
            found = self.files.find(self.root, detail=True, **({"on_error": "raise"} if self.local else {}))
        files = (self._file(self._below(path), info) for path, info in found.items() if is_data(self._below(path)))
        self.left_open = sum(path.endswith(OPEN_SUFFIX) and is_left(info) for path, info in found.items())
        return [file for file in files if file]

    def _below(self, path: str) -> str:
        return path[len(self.root) :].lstrip("/")

    def full_path(self, file: File) -> str:
        """Return a file's path as the file system wants it."""
        return f"{self.root.rstrip('/')}/{file.path}"

    def _file(self, path: str, info: Mapping[str, Any]) -> File | None:
        size = info["size"] or 0
        if self.local:
            # The change time of the inode: unlike the modification time no program can set it.
            name = Path(info["name"])
            try:
                status, link = name.stat(), name.lstat()
                directory = name.parent.stat().st_ino
            except FileNotFoundError:
                return None  # gone since, or a link to nothing
            arrived = max(status.st_ctime, link.st_ctime)
            return File(path, size, arrived, status.st_mtime, inode=status.st_ino, directory=directory)
        modified = moment(next(info[name] for name in MODIFIED_NAMES if info.get(name) is not None))
        return File(path, size, modified, modified, info.get("ETag") or info.get("md5Hash"))

    def identity(self, file: File) -> bytes:
        """Return what identifies a file's content, as far as it can be had cheaply.

        An object store lists a checksum. Of a local file the size and the content are taken, in pieces if it is large.
        Elsewhere its name, size and time must do.
        """
        if file.content:
            return identity_of(file.size, file.content)
        if not self.local:
            return identity_of(file.path, file.size, file.modified)
        try:
            with Path(self.full_path(file)).open("rb") as stream:
                return identity_of(file.size, *pieces_of(stream, file.size))
        except OSError:
            # Reading it will fail as well, and say why.
            return identity_of(file.path, file.size, file.modified)

    def open(self, file: File) -> IO[bytes]:
        """Open a file for reading bytes."""
        if file.path in self._ahead:
            return io.BytesIO(self._ahead.pop(file.path))
        stream: IO[bytes] = self.files.open(self.full_path(file), "rb")
        return stream

    def fetch_ahead(self, files: Sequence[File]) -> None:
        """Fetch the next small objects together, since each alone costs as long as a large one takes to begin.

        Args:
            files: The files that will be opened next, in that order.
        """
        if self.local or not files or files[0].path in self._ahead:
            return
        sizes = accumulate(file.size for file in files[:AHEAD_FILES])
        paths = [self.full_path(file) for file, size in zip(files, sizes, strict=False) if size <= AHEAD_BYTES]
        if len(paths) > 1:
            answers = self.files.cat(paths, on_error="return")
            # What failed is opened on its own, and fails there.
            self._ahead = {self._below(path): answer for path, answer in answers.items() if isinstance(answer, bytes)}


def pieces_of(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield a file's beginning, its end, and pieces between them; a small file's pieces are all of it."""
    step = max(PIECE_BYTES, math.ceil((size - PIECE_BYTES) / (PIECES - 1)))
    for start in range(0, size, step):
        stream.seek(start)
        yield stream.read(PIECE_BYTES)


# Under which names the file systems give the time of the last change.
MODIFIED_NAMES = ("LastModified", "last_modified", "updated", "mtime", "created", "modified")


def moment(value: Any) -> float:
    """Return a listing's time as seconds since 1970."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)


def is_data(path: str) -> bool:
    """Whether a file's name (its path below the folder) is one the tap reads."""
    parts = path.strip("/").split("/")
    return bool(DATA_NAME.search(parts[-1])) and not any(part.startswith(IGNORED_BEGINNINGS) for part in parts)


def is_left(info: Mapping[str, Any]) -> bool:
    """Whether nobody has written to an open file for so long that no receiver can be at work on it."""
    return time.time() - float(info.get("mtime") or math.inf) > LEFT_SECONDS


def is_sealed(path: str) -> bool:
    """Whether a name is one that the receiver gives only to complete files."""
    return bool(SEALED.fullmatch(path.rpartition("/")[2]))


@contextmanager
def in_sentences(path: str) -> Iterator[None]:
    """Tell failures of the storage as a sentence that names the setting."""
    kind = path.partition("://")[0] if "://" in path else "file"
    try:
        yield
    except ImportError as error:
        extra = EXTRAS.get(kind)
        advice = f"pip install 'tap-split-impressions[{extra}]'" if extra else f"install {error.name or 'its library'}"
        raise ConnectorError(
            f"Setting 'path': reading {kind}:// needs a library that is not installed: {advice}."
        ) from error
    except ValueError as error:
        raise ConnectorError(f"Setting 'path': {path} cannot be opened: {error}.") from error
    except FileNotFoundError as error:
        raise ConnectorError(f"Setting 'path': {path} does not exist.") from error
    except PermissionError as error:
        raise ConnectorError(
            f"Setting 'path': access to {path} is denied. Give these credentials the right to list and read it."
        ) from error
    except storage_errors() as error:
        raise ConnectorError(f"Setting 'path': {path} cannot be reached: {type(error).__name__}.") from error


def storage_errors() -> tuple[type[Exception], ...]:
    """Return the classes of what the storage libraries raise when they give up, as far as these are loaded."""
    loaded = ((sys.modules.get(module), name) for module, name in FOREIGN_ERRORS.items())
    return (OSError, *(getattr(module, name) for module, name in loaded if module))
