"""Streams that read the folder of setting `path`: their base, `events` and `merged_amplitude_ids`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import ClassVar

from singer_sdk import Tap

from tap_amplitude.common.folder.file import File
from tap_amplitude.export.rows import Row, RowReader
from tap_amplitude.export.windows import beginning
from tap_amplitude.files.changes import values_in
from tap_amplitude.files.events import blocks_of
from tap_amplitude.files.kinds import Kind, hour_of_name
from tap_amplitude.files.scan import Opened, Scan
from tap_amplitude.records.schemas import MERGED_IDS
from tap_amplitude.records.times import parse_time
from tap_amplitude.streams.base import AmplitudeStream, Context, Record, Services
from tap_amplitude.streams.events import EventRowsStream
from tap_amplitude.streams.state import STATE_SECONDS, bookmark_object, bookmark_time


class FolderStream(AmplitudeStream):
    """A stream that reads files of some kinds.

    Its state holds `files`, the bookmark of `common/folder`: no file is skipped, each is read once.

    Attributes:
        kinds: What the files hold.
    """

    kinds: ClassVar[frozenset[Kind]]
    reads_api = False

    def __init__(self, tap: Tap, services: Services) -> None:
        self.selected_by_default = bool(tap.config.get("path"))
        super().__init__(tap, services)
        self._lag: float | None = None

    def scan(self) -> Scan | None:
        """Return the files to read; None, with a warning, without setting `path`."""
        if not self.config.get("path"):
            self.logger.warning("Stream '%s' reads nothing: it reads files. Set 'path' to their folder.", self.name)
            return None
        state = bookmark_object(self.name, self.stream_state, "files")
        return Scan(
            config=self.config,
            state=state,
            kinds=self.kinds,
            wanted=self.wanted,
            spool=self.services.spool,
            logger=self.logger,
        )

    def wanted(self, file: File) -> bool | None:
        """Whether to read a file: True, False for never, None for later."""
        hour = hour_of_name(file.path)
        if hour is None:
            return True
        start = self.config.get("start_date")
        if start and hour < beginning(parse_time(start)):
            return False
        end = self.config.get("end_date")
        return None if end and hour >= beginning(parse_time(end)) else True

    def finish(self, scan: Scan) -> None:
        """Write the last state, and note what could not be read."""
        self.write_state(files=scan.reading.bookmark.to_state())
        self.services.summary.add("files", scan.files)
        self._lag = scan.lag(time.time())
        if scan.damaged:
            self.services.refused.append(self.name)

    def bookmark_lag(self) -> float | None:
        """Return the age of the oldest file that stays unread, in seconds; None when nothing was read."""
        return self._lag


class FileEventsStream(FolderStream, EventRowsStream):
    """Raw events of exported files and of those that the receiver stored."""

    kinds = frozenset({Kind.EVENTS, Kind.RECEIVED})

    def wanted(self, file: File) -> bool | None:
        """Whether to read a file; hours that the Export API has delivered are not read again."""
        delivered = bookmark_time(self.name, self.stream_state, datetime.now(UTC))
        hour = hour_of_name(file.path)
        return False if hour and delivered and hour < delivered else super().wanted(file)

    def rows(self) -> Iterator[list[Row]]:
        """Yield all rows in blocks; the bookmark moves behind a file when the next one is taken."""
        scan = self.scan()
        if scan is None:
            return
        reader, written = RowReader(self._event_types), time.monotonic()
        for opened in scan:
            yield from self._rows_of(opened, reader)
            if time.monotonic() - written > STATE_SECONDS:
                scan.reading.finish(opened.unread)
                self.write_state(files=scan.reading.bookmark.to_state())
                written = time.monotonic()
        self.finish(scan)
        self._warn_if_all_skipped()

    def _rows_of(self, opened: Opened, reader: RowReader) -> Iterator[list[Row]]:
        path, summary = opened.unread.file.path, self.services.summary
        hour = hour_of_name(path) or beginning(datetime.fromtimestamp(opened.unread.file.arrived, UTC))
        with self._reading(hour, lambda: f"Reading {path}: {summary['events']:,} events so far.") as count:
            yield from map(count, blocks_of(opened, reader, hour))


class MergedIdsStream(FolderStream):
    """Which Amplitude ids were merged into which."""

    name = "merged_amplitude_ids"
    fields = MERGED_IDS
    keys = ("amplitude_id", "merged_amplitude_id")
    kinds = frozenset({Kind.MERGED_IDS})

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield the rows of each file."""
        scan = self.scan()
        if scan is None:
            return
        for opened in scan:
            yield from values_in(opened.content)
        self.finish(scan)
