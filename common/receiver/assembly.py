"""Puts a receiver together: storage, journal, application. Without the libraries of a command line or a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..folder.names import is_sealed
from ..folder.storage import locate
from .app import Parse, Receiver
from .journal import Journal
from .settings import ReceiverSettings
from .storage import SEAL_BYTES, SEAL_SECONDS, open_storage


def build(  # noqa: PLR0913  # each is an option of the receivers' commands
    connector: str,
    routes: Mapping[str, Parse],
    prefix: str,
    path: str | None = None,
    *,
    token: str | None = None,
    allow_origin: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Receiver:
    """Return a receiver that writes to a folder. Settings that are not given come from the environment.

    Args:
        connector: Name of the connector, which its environment variables begin with; see `ReceiverSettings`.
        routes: Path to what parses the bodies posted there.
        prefix: What the names of its files begin with.
        path: Folder or URL to write to.
        token: What senders must show; empty lets everybody in.
        allow_origin: Origins of web pages that may send; `*` allows all.
        storage_options: Options of the fsspec file system.
        seal_seconds: Age at which a local file goes to the tap; 0 seals after each commit.
        seal_bytes: Size at which it does.

    Raises:
        ConnectorError: There is no path, or the folder cannot be written.
    """
    settings = ReceiverSettings.of_environment(
        connector, path=path, token=token, allow_origin=allow_origin, storage_options=storage_options
    )
    path, options = settings.path, settings.storage_options
    storage = open_storage(path, options, prefix=prefix, seal_seconds=seal_seconds, seal_bytes=seal_bytes)
    location = locate(path, options)
    count = (lambda: sealed_files(Path(location.root))) if location.is_local else None
    return Receiver(Journal(storage), routes, settings.options(), count)


def sealed_files(folder: Path) -> int:
    """Return how many complete files receivers have put into a folder."""
    return sum(is_sealed(file.name) for file in folder.iterdir()) if folder.is_dir() else 0
