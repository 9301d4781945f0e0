"""Local and remote file systems through fsspec, with their failures as messages that name the setting."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..errors import ConnectorError

# The distribution that brings a protocol which fsspec knows but does not include.
LIBRARIES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "adl": "adlfs",
}

# Not all of them are OSErrors.
FOREIGN_ERRORS = {
    "botocore.exceptions": "BotoCoreError",
    "aiohttp": "ClientError",
    "gcsfs.retry": "HttpError",
    "azure.core.exceptions": "AzureError",
}


class Location(NamedTuple):
    """A folder in a file system.

    Attributes:
        files: The fsspec file system.
        root: The folder as that file system writes it, without a protocol.
        is_local: Whether it is on this machine's disks.
    """

    files: Any
    root: str
    is_local: bool


def locate(path: str, options: Mapping[str, Any] | None = None) -> Location:
    """Return the file system of a local path or a URL (`s3://bucket/prefix`, `gs://…`, `abfs://…`).

    The options are those of the fsspec file system, such as `{"endpoint_url": …}` for S3.

    Raises:
        ConnectorError: The protocol is unknown, its library is missing, or an option is invalid.
    """
    with storage_failures(path):
        # s3fs and the like would otherwise answer from an earlier listing.
        files, root = fsspec.core.url_to_fs(path, **{"use_listings_cache": False, **(options or {})})
    return Location(files, root, isinstance(files, LocalFileSystem))


@contextmanager
def storage_failures(path: str) -> Iterator[None]:
    """Raise failures of the storage as a ConnectorError that names the setting `path`."""
    protocol = path.partition("://")[0] if "://" in path else "file"
    try:
        yield
    except ImportError as error:
        library = LIBRARIES.get(protocol) or error.name or "its library"
        raise ConnectorError(
            f"Setting 'path': {protocol}:// needs a library that is not installed: pip install {library}."
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
    """Return the exception classes of the storage libraries that are loaded, OSError included."""
    loaded = ((sys.modules.get(module), name) for module, name in FOREIGN_ERRORS.items())
    return (OSError, *(getattr(module, name) for module, name in loaded if module))
