"""The receiver's ASGI application, for any ASGI server.

    TAP_SPLIT_IMPRESSIONS_PATH=/var/lib/impressions uvicorn --factory tap_split_impressions.webhook:create_app

Split sends a batch again once, 300 ms after any answer but 200, and then gives it up, so whatever can be stored is.
https://developer.harness.io/docs/feature-management-experimentation/api/webhook/impressions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tap_split_impressions.common.receiver.app import Receiver
from tap_split_impressions.common.receiver.assembly import build
from tap_split_impressions.common.receiver.settings import ReceiverSettings
from tap_split_impressions.common.receiver.storage import SEAL_BYTES, SEAL_SECONDS
from tap_split_impressions.receiver.payloads import lines_of

NAME = "tap-split-impressions"
FILE_PREFIX = "impressions"


def create_app(  # noqa: PLR0913  # each is an option of the command
    path: str | None = None,
    *,
    token: str | None = None,
    allow_origin: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Receiver:
    """Return the application; settings that are not given come from the environment, see `ReceiverSettings`.

    Args:
        path: Folder or URL to write to.
        token: What senders must show; empty lets everybody in.
        allow_origin: Origins of web pages that may send; `*` allows all.
        storage_options: Options of the fsspec file system.
        seal_seconds: Age at which a local file goes to the tap; 0 seals after each commit.
        seal_bytes: Size at which it does.

    Raises:
        ConnectorError: The folder cannot be written.
    """
    settings = ReceiverSettings.of_environment(
        NAME, path=path, token=token, allow_origin=allow_origin, storage_options=storage_options
    )
    return build(settings, {"/": lines_of}, prefix=FILE_PREFIX, seal_seconds=seal_seconds, seal_bytes=seal_bytes)
