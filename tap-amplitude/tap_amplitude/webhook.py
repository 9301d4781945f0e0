"""The receiver's ASGI application, for any ASGI server.

    TAP_AMPLITUDE_PATH=/var/lib/amplitude uvicorn --factory tap_amplitude.webhook:create_app

It takes cohort changes and streamed events at the same address. Amplitude counts an answer after one or two seconds as
a failure and sends again: https://amplitude.com/docs/data/destination-catalog/cohort-webhooks
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.receiver.app import Options, Receiver
from tap_amplitude.common.receiver.server import build, json_object
from tap_amplitude.common.receiver.storage import SEAL_BYTES, SEAL_SECONDS
from tap_amplitude.files.kinds import FILE_PREFIX
from tap_amplitude.receiver.payloads import lines_of

NAME = "tap-amplitude"
VARIABLES = "TAP_AMPLITUDE"
# The address of Amplitude's destinations may be the host alone, or this path below it.
PATHS = ("/", "/amplitude")


def create_app(
    path: str | None = None,
    *,
    token: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Receiver:
    """Return the application; what is not given comes from the environment.

    Args:
        path: Folder or URL to write to (`TAP_AMPLITUDE_PATH`).
        token: What senders must show (`TAP_AMPLITUDE_WEBHOOK_TOKEN`); empty lets everybody in.
        storage_options: Options of the fsspec file system (`TAP_AMPLITUDE_STORAGE_OPTIONS`, as JSON).
        seal_seconds: Age at which a local file goes to the tap; 0 seals after each commit.
        seal_bytes: Size at which it does.

    Raises:
        ConnectorError: There is no path, or the folder cannot be written.
    """
    path = (path or os.environ.get(f"{VARIABLES}_PATH", "")).strip()
    if not path:
        raise ConnectorError(f"No folder to write to: give --path, or set {VARIABLES}_PATH.")
    token = os.environ.get(f"{VARIABLES}_WEBHOOK_TOKEN", "") if token is None else token
    if storage_options is None:
        storage_options = json_object(os.environ.get(f"{VARIABLES}_STORAGE_OPTIONS", ""))
    return build(
        path,
        dict.fromkeys(PATHS, lines_of),
        Options(NAME, token.strip()),
        prefix=FILE_PREFIX,
        storage_options=storage_options,
        seal_seconds=seal_seconds,
        seal_bytes=seal_bytes,
    )
