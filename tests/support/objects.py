"""An object store: moto's S3 server, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import s3fs
from moto.server import ThreadedMotoServer


class Store:
    """A running S3 server with one bucket."""

    bucket = "impressions"

    def __init__(self, url: str) -> None:
        self.options: dict[str, Any] = {
            "key": "test-access-key",
            "secret": "test-secret-key",
            "endpoint_url": url,
        }
        # An instance of its own: the tap in the same process must not see what this one remembers.
        self.files = s3fs.S3FileSystem(**self.options, skip_instance_cache=True, use_listings_cache=False)
        self.url = url

    def empty(self) -> None:
        if self.files.exists(self.bucket):
            self.files.rm(self.bucket, recursive=True)
        self.files.mkdir(self.bucket)

    def put(self, path: str, content: bytes) -> None:
        self.files.pipe_file(f"{self.bucket}/{path}", content)

    def names(self) -> list[str]:
        return [path.removeprefix(f"{self.bucket}/") for path in self.files.find(self.bucket)]


@contextmanager
def running_store() -> Iterator[Store]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Store(f"http://{host}:{port}")
    finally:
        server.stop()
