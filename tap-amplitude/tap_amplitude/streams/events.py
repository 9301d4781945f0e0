"""Stream `events`: every exported event, hour by hour of its upload, each hour once."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from singer_sdk.mapper import SameRecordTransform

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.sdk_private import BaseBatchFileEncoding, BatchConfig
from tap_amplitude.export.archive import Archive
from tap_amplitude.export.batch_files import BatchFiles
from tap_amplitude.export.download import Downloader
from tap_amplitude.export.event_types import EventTypeFilter
from tap_amplitude.export.prefetch import Prefetch
from tap_amplitude.export.rows import Row, RowReader, Rows
from tap_amplitude.export.windows import Plan, Window, beginning, newest_end, step_at
from tap_amplitude.records.schemas import EVENTS
from tap_amplitude.records.times import parse_time, rfc3339
from tap_amplitude.streams.base import AmplitudeStream, Context, Record
from tap_amplitude.streams.state import STATE_SECONDS, bookmark_time, start_of

REPLICATION_KEY = "export_hour"
# An hour with more unreadable rows than this, and than this share of its rows, is not Amplitude's data any more.
TOLERATED_ROWS, TOLERATED_SHARE = 10, 0.01
# Neither is an hour of which half is unreadable, when that is more than a single row.
HOPELESS_SHARE = 0.5


class EventRowsStream(AmplitudeStream):
    """Events, wherever their rows come from."""

    name = "events"
    fields = EVENTS
    keys = ("uuid",)
    replication_key = REPLICATION_KEY
    _quarantined = False

    @abstractmethod
    def rows(self) -> Iterator[list[Row]]:
        """Yield all rows in blocks, and move the bookmark behind those that were taken."""

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield records as dictionaries, for the SDK's own way of syncing."""
        for rows in self.rows():
            for row in rows:
                yield msgspec.to_builtins(row)

    def post_process(self, row: Record, context: Context = None) -> Record | None:
        """Return the record as it is: it was cleaned when it was decoded."""
        return row

    def sync_records(self, context: Context, *, write_messages: bool) -> Iterable[Record]:
        """Emit records the direct way when nothing is to be mapped, left out or counted one by one."""
        if self._passes_unchanged and write_messages:
            self._write_rows()
        else:
            # Past the base's way, which would count the rows a second time.
            yield from super(AmplitudeStream, self)._sync_records(context, write_messages=write_messages)

    def _write_rows(self) -> None:
        """Write records many at a time, without the SDK's message object, copy and flush for each."""
        writer = self.services.writer
        with self.get_record_counter() as counter, self.get_sync_timer():
            for rows in self.rows():
                writer.write_records(self.name, rows, rfc3339(datetime.now(UTC)))
                counter.increment(len(rows))

    @property
    def _passes_unchanged(self) -> bool:
        """Whether records go out as they are: nothing deselected, mapped, flattened, or limited (`--test`)."""
        maps = self.stream_maps
        return (
            self.ABORT_AT_RECORD_COUNT is None
            and self._stream_version is None
            and len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
            and all(self.mask.values())
        )

    @property
    def _event_types(self) -> EventTypeFilter | None:
        setting = self.config.get("event_types")
        return EventTypeFilter(setting) if setting else None

    @contextmanager
    def _reading(self, hour: datetime, progress: Callable[[], str]) -> Iterator[Callable[[Rows], list[Row]]]:
        """Give a function that counts what was read of an hour and returns its records.

        Raises:
            ConnectorError: At the end: more than a small share of the rows cannot be read.
        """
        summary = self.services.summary
        readable = unreadable = 0

        def count(rows: Rows) -> list[Row]:
            nonlocal readable, unreadable
            readable += len(rows.good) + rows.skipped
            unreadable += len(rows.unreadable)
            summary.add("events", len(rows.good))
            if rows.nulled:
                summary.add("values_nulled", rows.nulled, stream=self.name)
            if rows.skipped:
                summary.add("records_skipped", rows.skipped, reason="event_types", stream=self.name)
            if rows.unreadable:
                self._quarantine(hour, rows.unreadable)
            summary.progress(progress)
            return rows.good

        yield count
        require_mostly_readable(hour, readable, unreadable)

    def _quarantine(self, hour: datetime, lines: list[bytes]) -> None:
        path = self.services.spool.quarantine(lines)
        if not self._quarantined:
            self._quarantined = True
            self.logger.warning("Hour %s holds rows that cannot be read; they are quarantined in %s.", hour, path)
        self.services.summary.add("records_skipped", len(lines), reason="unreadable", stream=self.name)

    def _warn_if_all_skipped(self) -> None:
        summary = self.services.summary
        skipped = summary.counts().get(("records_skipped", "event_types"))
        if skipped and not summary["events"]:
            self.logger.warning(
                "Setting 'event_types' let none of %s events through. The bookmark passes them: to read them, correct"
                " the setting and run from an earlier state.",
                f"{skipped:,}",
            )


class EventsStream(EventRowsStream):
    """Raw events of the Export API.

    The bookmark is the first hour not completely emitted, so that a clean run reads nothing twice and a crash costs at
    most the open hour. Source: https://amplitude.com/docs/apis/analytics/export
    """

    _state_waits = False

    def rows(self) -> Iterator[list[Row]]:
        """Yield all rows in blocks, and move the bookmark after each hour whose rows were taken."""
        for blocks in self._hours():
            yield from blocks

    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:
        """Return how to write batch files; None when records have to be changed one by one."""
        return super(AmplitudeStream, self).get_batch_config(config) if self._passes_unchanged else None

    def get_batches(
        self,
        batch_config: BatchConfig,
        context: Context = None,
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        """Write batch files; yield each as it is complete, so that the target begins with the first one."""
        self.write_state()  # the SDK writes the state after each BATCH, when it has changed: it must know the first one
        files = BatchFiles(batch_config, self.name)
        with self.get_record_counter() as counter:
            for blocks in self._hours():
                with closing(files.written(counted(blocks, counter.increment))) as urls:
                    for url in urls:
                        yield batch_config.encoding, [url]

    def _hours(self) -> Iterator[Iterator[list[Row]]]:
        """Yield the rows of each hour in blocks, and move the bookmark after each hour whose rows were taken."""
        reader = RowReader(self._event_types)
        for window, archive in self._archives():
            for hour, blocks in archive.hours():
                with self._reading(hour, partial(self._progress, window, hour)) as count:
                    export_hour = rfc3339(hour)
                    yield (count(reader.read(block, export_hour)) for block in blocks)
                self.services.summary.add("hours")
                self._move_bookmark(hour + step_at(hour))
        self._warn_if_all_skipped()

    def _archives(self) -> Iterator[tuple[Window, Archive]]:
        """Yield the archives of all windows that hold events, and move the bookmark behind each window."""
        try:
            for window, archive in self._windows():
                if archive is None:
                    self._pass_empty(window)
                    continue
                self._write_waiting_state()
                if archive.foreign:
                    self.logger.warning(
                        "Skipped what holds no events in the archive of %s: %s.", window, archive.foreign
                    )
                with closing(archive):
                    yield window, archive
                self._move_bookmark(window.end)
        finally:
            self._write_waiting_state()

    def _windows(self) -> Prefetch:
        """Return all windows in order, with their archives; None stands for one without events."""
        services = self.services
        start, end = self._span()
        plan, parallel = Plan(start, end, self.config["window_hours"]), self.config["max_parallel_windows"]
        return Prefetch(plan, Downloader(services.client, services.spool).archive, parallel, self._log_waiting)

    # Where to begin and end, and the bookmark

    def _span(self) -> tuple[datetime, datetime]:
        """Return the first hour to read, and the end of the last."""
        now = datetime.now(UTC)
        start = start_of(self.name, self.config, bookmark_time(self.name, self.stream_state, now))
        self._bookmark = beginning(start)
        self._state_written = time.monotonic()
        end = newest_end(now, self.config["lag_hours"])
        if text := self.config.get("end_date"):
            end = min(end, beginning(parse_time(text)))
        if self._bookmark >= end:
            self.logger.info("Nothing to read yet: the newest complete hour ends at %s.", end)
        return self._bookmark - timedelta(hours=self.config["lookback_hours"]), end

    def _pass_empty(self, window: Window) -> None:
        """Move the bookmark behind a window without events; several of them share a STATE message."""
        self.services.summary.add("empty_windows")
        self._bookmark = max(self._bookmark, window.end)
        self._state_waits = True
        if time.monotonic() - self._state_written >= STATE_SECONDS:
            self._write_waiting_state()

    def _write_waiting_state(self) -> None:
        """Write the STATE message of windows without events unless that is done."""
        if self._state_waits:
            self._move_bookmark(self._bookmark)

    def _move_bookmark(self, hour: datetime) -> None:
        """Record that everything before this hour was emitted, and write a STATE message."""
        self._bookmark = max(self._bookmark, hour)
        self._state_waits, self._state_written = False, time.monotonic()
        self.write_state(replication_key=REPLICATION_KEY, replication_key_value=self._bookmark.isoformat())

    # Messages

    def _progress(self, window: Window, hour: datetime) -> str:
        count, seconds = self.services.summary["events"], self.services.summary.seconds
        return f"Window {window}, hour {hour:%Y-%m-%d %H:%M}: {count:,} events so far, {count / seconds:,.0f} a second."

    def _log_waiting(self, window: Window) -> None:
        received = self.services.summary["bytes_received"] / 1e6
        self.services.summary.progress(lambda: f"Waiting for the archive of {window}; {received:,.1f} MB so far.")


def counted(blocks: Iterable[list[Row]], count: Callable[[int], object]) -> Iterator[list[Row]]:
    """Yield blocks of rows; count the rows."""
    for rows in blocks:
        count(len(rows))
        yield rows


def require_mostly_readable(hour: datetime, good: int, unreadable: int) -> None:
    """Stop when more than a small share of an hour cannot be read; its hour is read again in the next run.

    Raises:
        ConnectorError: It is so.
    """
    share = unreadable / max(good + unreadable, 1)
    if (unreadable > TOLERATED_ROWS and share > TOLERATED_SHARE) or (unreadable > 1 and share > HOPELESS_SHARE):
        raise ConnectorError(
            f"{unreadable:,} of {good + unreadable:,} rows of hour {hour:%Y-%m-%d %H:%M} UTC cannot be read. They are"
            " quarantined (the path is in the log): look at them before you run again."
        )
