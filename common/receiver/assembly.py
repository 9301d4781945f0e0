"""Puts a receiver together: storage, journal, application. Without the libraries of a command line or a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConnectorError
from ..folder.names import is_sealed
from ..folder.storage import locate
from .app import Options, Parse, Receiver
from .journal import Journal
from .storage import SEAL_BYTES, SEAL_SECONDS, open_storage


def build(  # noqa: PLR0913  # what a receiver consists of
    path: str,
    routes: Mapping[str, Parse],
    options: Options,
    *,
    prefix: str,
    storage_options: Mapping[str, Any] | None = None,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Receiver:
    """Return a receiver that writes to a folder.

    Args:
        path: Folder or URL.
        routes: Path to what parses the bodies posted there.
        options: Token, origins and limits.
        prefix: What the names of its files begin with.
        storage_options: Options of the fsspec file system.
        seal_seconds: Age at which a local file is sealed.
        seal_bytes: Size at which it is.

    Raises:
        ConnectorError: The folder cannot be written.
    """
    storage = open_storage(path, storage_options, prefix=prefix, seal_seconds=seal_seconds, seal_bytes=seal_bytes)
    location = locate(path, storage_options)
    count = (lambda: sealed_files(Path(location.root))) if location.is_local else None
    return Receiver(Journal(storage), routes, options, count)


def sealed_files(folder: Path) -> int:
    """Return how many complete files receivers have put into a folder."""
    return sum(is_sealed(file.name) for file in folder.iterdir()) if folder.is_dir() else 0


def json_object(text: str) -> dict[str, Any]:
    """Return the value of `--storage-options`.

    Raises:
        ConnectorError: It is not a JSON object.
    """
    try:
        value = json.loads(text.strip() or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConnectorError("--storage-options must be a JSON object.")
    return value
