"""Opens the folder for writing, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.folder.folder import Folder
from tap_split_impressions.receiver.files import LocalSegments, ObjectSegments, Storage

SEAL_SECONDS = 60.0
SEAL_BYTES = 64 * 1024 * 1024


def open_storage(
    path: str,
    options: Mapping[str, Any] | None = None,
    *,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Storage:
    """Return the storage for a local folder (made if need be) or a prefix of an object store.

    Args:
        path: As the tap's setting `path`.
        options: Options of the fsspec file system.
        seal_seconds: A local file of this age is sealed; 0 seals after each commit.
        seal_bytes: A local file of this size is sealed.

    Raises:
        ConnectorError: When it cannot be written.
    """
    if not path:
        raise ConnectorError("No folder to write to: give --path, or set TAP_SPLIT_IMPRESSIONS_PATH.")
    folder = Folder(path, options)
    if not folder.local:
        return ObjectSegments(folder.files, folder.root)
    try:
        return LocalSegments(Path(folder.root), max_bytes=seal_bytes, max_seconds=seal_seconds)
    except OSError as error:
        raise ConnectorError(f"{path} cannot be written: {error.strerror or type(error).__name__}.") from error
