"""An impression listener for Split's Python SDK that writes the folder itself, without a receiver.

    from tap_split_impressions.listener import FolderListener
    factory = get_factory(key, config={"impressionListener": FolderListener("/var/lib/impressions")})

https://developer.harness.io/docs/feature-management-experimentation/sdks-and-infrastructure/server-side-sdks/python-sdk
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from tap_split_impressions.common.lenient_json import whole
from tap_split_impressions.common.receiver.assembly import SEAL_SECONDS, open_storage
from tap_split_impressions.common.receiver.files import Storage
from tap_split_impressions.impressions.item import Item
from tap_split_impressions.receiver.payloads import LINE_ITEMS, stored_lines
from tap_split_impressions.webhook import FILE_PREFIX

logger = logging.getLogger("tap-split-impressions.listener")

WAITING_IMPRESSIONS = 100_000  # about 50 MB
WRITE_SECONDS = 1.0
CLOSE_SECONDS = 10.0


class FolderListener:
    """Stores every impression of the SDK. `log_impression` only puts it into a queue and never waits.

    A process that is killed loses what its last second brought. When the storage fails for so long that the queue is
    full, new impressions are dropped, which is counted and logged: the application comes first.

    Args:
        path: Folder or URL, as the tap's setting `path`.
        environment_id: The SDK does not tell the environment. Given the id that Split shows, an impression has the same
            `impression_id` as by webhook.
        environment_name: The environment's name.
        storage_options: Options of the fsspec file system.
        seal_seconds: How soon files go to the tap.

    Attributes:
        dropped: How many impressions found the queue full, or could not be written.
    """

    def __init__(
        self,
        path: str,
        *,
        environment_id: str | None = None,
        environment_name: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        seal_seconds: float = SEAL_SECONDS,
    ) -> None:
        self._target = path, storage_options, seal_seconds
        self._environment = (environment_id, environment_name)
        self._waiting: deque[tuple[Any, Mapping[str, Any]]] = deque()
        self._batch: list[bytes] = []  # what is being written; it stays here when that fails
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._process: int | None = None
        self._thread: threading.Thread | None = None
        self.dropped = 0
        atexit.register(self.close)

    def log_impression(self, data: Mapping[str, Any]) -> None:
        """Queue what the SDK passes: `impression` (a named tuple), `sdk-language-version`, `instance-id`."""
        if self._process != os.getpid():
            self._start()
        if len(self._waiting) >= WAITING_IMPRESSIONS:
            self.dropped += 1
            return
        self._waiting.append((data["impression"], data))

    def close(self) -> None:
        """Store what waits and seal the file. Also called when the interpreter ends."""
        if self._thread is not None and self._process == os.getpid():
            self._stopped.set()
            self._thread.join(CLOSE_SECONDS)

    def _start(self) -> None:
        """Start the writing thread, at the first impression and again in a forked process, where no thread lives on."""
        with self._lock:
            if self._process == os.getpid():
                return
            if self._process is not None:
                # The parent writes what waited before the fork.
                self._waiting.clear()
                self._batch.clear()
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, name="impression-listener", daemon=True)
            self._process = os.getpid()
            self._thread.start()

    def _run(self) -> None:
        path, options, seal_seconds = self._target
        storage: Storage | None = None
        reported = 0
        while True:
            stopping = self._stopped.wait(WRITE_SECONDS)
            try:
                storage = storage or open_storage(path, options, prefix=FILE_PREFIX, seal_seconds=seal_seconds)
                self._write(storage)
                storage.tick()
                if stopping:
                    storage.close()
            except Exception as error:  # noqa: BLE001  (nothing may end this thread but the end of the process)
                what_next = "the listener is closed" if stopping else "trying again"
                logger.warning("Impressions cannot be stored (%s); %s.", type(error).__name__, what_next)
                self.dropped += len(self._waiting) + len(self._batch) if stopping else 0
            if self.dropped > reported:
                logger.error(
                    "%d impressions were dropped: the storage is too slow or fails, or they cannot be written.",
                    self.dropped - reported,
                )
                reported = self.dropped
            if stopping:
                return

    def _write(self, storage: Storage) -> None:
        while self._waiting or self._batch:
            while self._waiting and len(self._batch) < LINE_ITEMS:
                self._take(*self._waiting.popleft())
            if self._batch:
                storage.commit(stored_lines(self._batch, time.time_ns() // 1_000_000), b"")
                self._batch.clear()

    def _take(self, impression: Any, data: Mapping[str, Any]) -> None:
        """Put an impression into the batch; one that cannot be written must not hold up those behind it."""
        try:
            self._batch.append(msgspec.json.encode(self._item(impression, data)))
        except Exception as error:  # noqa: BLE001  (it is not ours)
            logger.error("An impression cannot be written (%s).", type(error).__name__)
            self.dropped += 1

    def _item(self, impression: Any, data: Mapping[str, Any]) -> Item:
        environment_id, environment_name = self._environment
        return Item(
            key=whole(str(impression.matching_key)),
            split=impression.feature_name,
            treatment=impression.treatment,
            time=impression.time,
            bucketing_key=whole(str(impression.bucketing_key)) if impression.bucketing_key is not None else None,
            label=impression.label,
            version=impression.change_number,
            environment_id=environment_id,
            environment_name=environment_name,
            sdk_version=data.get("sdk-language-version"),
            machine_name=data.get("instance-id"),
            properties=getattr(impression, "properties", None),
            attributes=plain(data.get("attributes")),
            previous_time=impression.previous_time,
        )


def plain(attributes: Any) -> Any:
    """Return what the application passed to `get_treatment`, with values that JSON does not know as texts."""
    if not isinstance(attributes, Mapping):
        return None
    return {str(name): msgspec.to_builtins(value, enc_hook=str) for name, value in attributes.items()}
