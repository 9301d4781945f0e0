"""Puts a receiver together: storage, journal, application. Without the libraries of a command line or a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..folder.names import is_sealed
from ..folder.storage import locate
from .app import Parse, Receiver
from .journal import Journal
from .settings import ReceiverSettings
from .storage import SEAL_BYTES, SEAL_SECONDS, open_storage


def build(
    settings: ReceiverSettings,
    routes: Mapping[str, Parse],
    *,
    prefix: str,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Receiver:
    """Return a receiver that writes to a folder.

    Args:
        settings: Folder, token and origins.
        routes: Path to what parses the bodies posted there.
        prefix: What the names of its files begin with.
        seal_seconds: Age at which a local file is sealed.
        seal_bytes: Size at which it is.

    Raises:
        ConnectorError: The folder cannot be written.
    """
    path, options = settings.path, settings.storage_options
    storage = open_storage(path, options, prefix=prefix, seal_seconds=seal_seconds, seal_bytes=seal_bytes)
    location = locate(path, options)
    count = (lambda: sealed_files(Path(location.root))) if location.is_local else None
    return Receiver(Journal(storage), routes, settings.options(), count)


def sealed_files(folder: Path) -> int:
    """Return how many complete files receivers have put into a folder."""
    return sum(is_sealed(file.name) for file in folder.iterdir()) if folder.is_dir() else 0
