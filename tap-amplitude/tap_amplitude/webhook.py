"""The receiver's ASGI application, for any ASGI server.

    TAP_AMPLITUDE_PATH=/var/lib/amplitude uvicorn --factory tap_amplitude.webhook:create_app

It takes cohort changes and streamed events at the same address. Amplitude counts an answer after one or two seconds as
a failure and sends again: https://amplitude.com/docs/data/destination-catalog/cohort-webhooks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tap_amplitude.common.receiver.app import Receiver
from tap_amplitude.common.receiver.assembly import build
from tap_amplitude.common.receiver.settings import ReceiverSettings
from tap_amplitude.common.receiver.storage import SEAL_BYTES, SEAL_SECONDS
from tap_amplitude.files.kinds import FILE_PREFIX
from tap_amplitude.receiver.payloads import lines_of

NAME = "tap-amplitude"
# The address of Amplitude's destinations may be the host alone, or this path below it.
PATHS = ("/", "/amplitude")


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
        ConnectorError: There is no path, or the folder cannot be written.
    """
    settings = ReceiverSettings.of_environment(
        NAME, path=path, token=token, allow_origin=allow_origin, storage_options=storage_options
    )
    routes = dict.fromkeys(PATHS, lines_of)
    return build(settings, routes, prefix=FILE_PREFIX, seal_seconds=seal_seconds, seal_bytes=seal_bytes)
