"""Where a route may lead: this machine only."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

S3 = frozenset({"s3", "s3a"})


def check_url(url: str) -> None:
    """Raise `ValueError` for a URL that is not `http` to a loopback address."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        raise ValueError("the URL must start with http:// and name this machine (localhost, 127.0.0.1, ::1)")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, told without a name lookup."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Folder:
    """A local folder, or a bucket behind a loopback endpoint; `ValueError` for any other path."""

    def __init__(self, path: str, storage_options: dict[str, Any]) -> None:
        scheme = urlsplit(path).scheme if "://" in path else "file"
        if scheme in S3:
            client = storage_options.get("client_kwargs") or {}
            check_url(str(storage_options.get("endpoint_url") or client.get("endpoint_url") or ""))
        elif scheme not in {"file", "local"}:
            raise ValueError("the path must be a local folder, or s3:// with a loopback endpoint_url")
        try:
            self._files, self._root = fsspec.core.url_to_fs(path, **storage_options)
        except ImportError:
            raise ValueError("s3:// needs s3fs: pip install 's3fs'") from None

    def write(self, name: str, content: bytes) -> None:
        """Write one object; readers see all of it or nothing."""
        target = f"{self._root.rstrip('/')}/{name}"
        if not isinstance(self._files, LocalFileSystem):
            self._files.pipe_file(target, content)
            return
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.tmp")
        partial.write_bytes(content)
        partial.replace(path)
