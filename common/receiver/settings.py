"""A receiver's settings. What is not given comes from the environment. Without the libraries of a command line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConnectorError
from .app import Options


@dataclass(frozen=True)
class ReceiverSettings:
    """The settings of a receiver.

    Attributes:
        connector: Name of the connector, which the variables begin with: `TAP_AMPLITUDE_PATH`.
        path: Folder or URL to write to (`…_PATH`, the same variable as the tap's setting `path`).
        token: What senders must show (`…_WEBHOOK_TOKEN`); empty lets everybody in.
        allow_origin: Origins of web pages that may send (`…_ALLOW_ORIGIN`, separated by blanks); `*` allows all.
        storage_options: Options of the fsspec file system (`…_STORAGE_OPTIONS`, as JSON).
    """

    connector: str
    path: str
    token: str
    allow_origin: tuple[str, ...]
    storage_options: Mapping[str, Any]

    @classmethod
    def of_environment(
        cls,
        connector: str,
        *,
        path: str | None = None,
        token: str | None = None,
        allow_origin: Sequence[str] = (),
        storage_options: Mapping[str, Any] | None = None,
    ) -> ReceiverSettings:
        """Return the settings; what is not given comes from the environment.

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
        return cls(connector, path, token.strip(), origins, storage_options)

    def options(self) -> Options:
        """Return the receiver's options."""
        return Options(self.connector, self.token, self.allow_origin)


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
