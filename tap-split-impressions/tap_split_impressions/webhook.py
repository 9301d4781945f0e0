"""The receiver's ASGI application, for any ASGI server.

    TAP_SPLIT_IMPRESSIONS_PATH=/var/lib/impressions uvicorn --factory tap_split_impressions.webhook:create_app

Split sends a batch again once, 300 ms after any answer but 200, and then gives it up, so whatever can be stored is.
https://developer.harness.io/docs/feature-management-experimentation/api/webhook/impressions
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.receiver.app import Options, Receiver
from tap_split_impressions.common.receiver.assembly import build, json_object
from tap_split_impressions.common.receiver.storage import SEAL_BYTES, SEAL_SECONDS
from tap_split_impressions.receiver.payloads import lines_of

NAME = "tap-split-impressions"
FILE_PREFIX = "impressions"
VARIABLES = "TAP_SPLIT_IMPRESSIONS"


@dataclass
class Settings:
    """The receiver's settings.

    Attributes:
        path: Folder or URL to write to (`TAP_SPLIT_IMPRESSIONS_PATH`, the same variable as the tap's setting `path`).
        token: What senders must show (`TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN`); empty lets everybody in.
        allow_origin: Origins of web pages that may send (`TAP_SPLIT_IMPRESSIONS_ALLOW_ORIGIN`, separated by blanks).
        storage_options: Options of the fsspec file system (`TAP_SPLIT_IMPRESSIONS_STORAGE_OPTIONS`, as JSON).
    """

    path: str
    token: str
    allow_origin: tuple[str, ...]
    storage_options: Mapping[str, Any]

    @classmethod
    def of_environment(
        cls,
        path: str | None = None,
        token: str | None = None,
        allow_origin: Sequence[str] = (),
        storage_options: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Return the settings; what is not given comes from the environment.

        Raises:
            ConnectorError: There is no path, or the storage options are not valid.
        """
        path = (path or os.environ.get(f"{VARIABLES}_PATH", "")).strip()
        if not path:
            raise ConnectorError(f"No folder to write to: give --path, or set {VARIABLES}_PATH.")
        if token is None:
            token = os.environ.get(f"{VARIABLES}_WEBHOOK_TOKEN", "")
        if storage_options is None:
            storage_options = json_object(os.environ.get(f"{VARIABLES}_STORAGE_OPTIONS", ""))
        origins = tuple(allow_origin) or tuple(os.environ.get(f"{VARIABLES}_ALLOW_ORIGIN", "").split())
        return cls(path, token.strip(), origins, storage_options)

    def options(self) -> Options:
        """Return the receiver's options."""
        return Options(NAME, self.token, self.allow_origin)


def create_app(  # noqa: PLR0913  # each is an option of the command
    path: str | None = None,
    *,
    token: str | None = None,
    allow_origin: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Receiver:
    """Return the application; settings that are not given come from the environment, see `Settings`.

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
    settings = Settings.of_environment(path, token, allow_origin, storage_options)
    return build(
        settings.path,
        {"/": lines_of},
        settings.options(),
        prefix=FILE_PREFIX,
        storage_options=settings.storage_options,
        seal_seconds=seal_seconds,
        seal_bytes=seal_bytes,
    )
