"""Puts a receiver together: settings, storage, journal, application. It loads no command line and no server."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConnectorError
from ..folder.file import is_sealed
from ..folder.storage import locate
from .app import Options, Parse, Receiver
from .files import LocalFiles, ObjectFiles, Storage
from .journal import Journal

SEAL_SECONDS = 60.0
SEAL_BYTES = 64 * 1024 * 1024


class ReceiverSettings(NamedTuple):
    """The settings of a receiver.

    Attributes:
        path: Folder or URL to write to.
        storage_options: Options of the fsspec file system.
        options: Token and origins.
    """

    path: str
    storage_options: Mapping[str, Any]
    options: Options


def settings_of(
    connector: str,
    *,
    path: str | None = None,
    token: str | None = None,
    allow_origin: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
) -> ReceiverSettings:
    """Return the settings of a connector's receiver. What is not given comes from the environment.

    Args:
        connector: Name of the connector, which the variables begin with: `TAP_AMPLITUDE_PATH`.
        path: Folder or URL to write to (`…_PATH`, the same variable as the tap's setting `path`).
        token: What senders must show (`…_WEBHOOK_TOKEN`); empty lets everybody in.
        allow_origin: Origins of web pages that may send (`…_ALLOW_ORIGIN`, separated by blanks); `*` allows all.
        storage_options: Options of the fsspec file system (`…_STORAGE_OPTIONS`, as JSON).

    Raises:
        ConnectorError: There is no path, or the storage options are not valid.
    """
    variables = variables_of(connector)
    path = (path or os.environ.get(f"{variables}_PATH", "")).strip()
    if not path:
        raise ConnectorError(f"No folder to write to: give --path, or set {variables}_PATH.")
    if token is None:
        token = os.environ.get(f"{variables}_WEBHOOK_TOKEN", "")
    if storage_options is None:
        storage_options = json_object(os.environ.get(f"{variables}_STORAGE_OPTIONS", ""))
    origins = tuple(allow_origin) or tuple(os.environ.get(f"{variables}_ALLOW_ORIGIN", "").split())
    return ReceiverSettings(path, storage_options, Options(connector, token.strip(), origins))


def variables_of(connector: str) -> str:
    """Return what the names of a connector's environment variables begin with, such as `TAP_AMPLITUDE`."""
    return connector.upper().replace("-", "_")


def json_object(text: str) -> dict[str, Any]:
    """Return the object that `--storage-options` holds as JSON.

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


def open_storage(
    path: str,
    options: Mapping[str, Any] | None = None,
    *,
    prefix: str,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Storage:
    """Return the storage for a local folder (created if missing) or a prefix of an object store; see `build`.

    Raises:
        ConnectorError: The folder cannot be written.
    """
    location = locate(path, options)
    if not location.is_local:
        return ObjectFiles(location.files, location.root, prefix)
    try:
        return LocalFiles(Path(location.root), prefix, max_bytes=seal_bytes, max_seconds=seal_seconds)
    except OSError as error:
        raise ConnectorError(f"{path} cannot be written: {error.strerror or type(error).__name__}.") from error


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
        connector: Name of the connector, which its environment variables begin with; see `settings_of`.
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
    path, storage_options, options = settings_of(
        connector, path=path, token=token, allow_origin=allow_origin, storage_options=storage_options
    )
    storage = open_storage(path, storage_options, prefix=prefix, seal_seconds=seal_seconds, seal_bytes=seal_bytes)
    location = locate(path, storage_options)
    count = (lambda: sealed_files(Path(location.root))) if location.is_local else None
    return Receiver(Journal(storage), routes, options, count)


def sealed_files(folder: Path) -> int:
    """Return how many complete files receivers have put into a folder."""
    return sum(is_sealed(file.name) for file in folder.iterdir()) if folder.is_dir() else 0
