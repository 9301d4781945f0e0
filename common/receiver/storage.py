"""Opens a folder for writing, local or in an object store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConnectorError
from ..folder.storage import locate
from .files import LocalFiles, ObjectFiles, Storage

SEAL_SECONDS = 60.0
SEAL_BYTES = 64 * 1024 * 1024


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
