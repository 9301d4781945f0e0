"""Stream `events`: every exported event, hour by hour of its upload, each hour once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from singer_sdk.mapper import SameRecordTransform

from tap_amplitude.api.client import Download
from tap_amplitude.api.errors import NotFoundError, PassingError, TooLargeError
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.sdk_private import BaseBatchFileEncoding, BatchConfig
from tap_amplitude.export.archive import Archive, DamagedArchiveError
from tap_amplitude.export.batch_files import BatchWorkers
from tap_amplitude.export.prefetch import Ahead
from tap_amplitude.export.records import Row, read_block
from tap_amplitude.export.times import parse_time, rfc3339
from tap_amplitude.export.windows import Plan, Window, beginning, newest_end, step_at
from tap_amplitude.streams.base import AmplitudeStream, Context, Record
from tap_amplitude.streams.schemas import EVENTS
from tap_amplitude.streams.state import bookmark_time

REPLICATION_KEY = "export_hour"
# An hour with more unreadable rows than this, and than this share of its rows, is not Amplitude's data any more.
FORGIVEN_ROWS, FORGIVEN_SHARE = 10, 0.01
# So is an hour of which half is unreadable, when that is more than a single row.
HOPELESS_SHARE = 0.5


class EventMessage(msgspec.Struct, gc=False):
    """A RECORD message that msgspec encodes with its row, without a dictionary."""

    record: Row
    time_extracted: str
    type: str = "RECORD"
    stream: str = "events"


class EventsStream(AmplitudeStream):
    """Raw events of the Export API.

    The bookmark is the first hour not completely emitted, so that a clean run reads nothing twice and a crash costs at
    most the open hour. Source: https://amplitude.com/docs/apis/analytics/export
    """

    name = "events"
    fields = EVENTS
    keys = ("uuid",)
    replication_key = REPLICATION_KEY

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield records as dictionaries, for the SDK's own way of syncing."""
        for rows in self.rows():
            for row in rows:
                yield msgspec.to_builtins(row)

    def post_process(self, row: Record, context: Context = None) -> Record | None:  # noqa: ARG002
        """Return the record as it is: it was cleaned when it was decoded."""
        return row

    def sync_records(self, context: Context, *, write_messages: bool) -> Iterable[Record]:
        """Emit records the direct way when nothing is to be mapped, left out or counted one by one."""
        if self._passes_unchanged and write_messages:
            self._write_rows()
        else:
            # Past the base's way, which would count the rows a second time.
            yield from super(AmplitudeStream, self)._sync_records(context, write_messages=write_messages)

    def rows(self) -> Iterator[list[Row]]:
        """Yield all rows in blocks, and move the bookmark after each hour whose rows were taken."""
        for window, archive in self._archives(Archive.verify):
            for hour, blocks in archive.hours():
                with self._reading(window, hour) as report:
                    for block in blocks:
                        rows = read_block(block, rfc3339(hour))
                        report(len(rows.good), rows.nulled, rows.unreadable)
                        yield rows.good

    def _write_rows(self) -> None:
        """Write records many at a time, without the SDK's message object, copy and flush for each."""
        writer = self.tap.message_writer
        with self.get_record_counter() as counter, self.get_sync_timer():
            for rows in self.rows():
                now = rfc3339(datetime.now(UTC))
                writer.write_records([EventMessage(row, now) for row in rows])
                counter.increment(len(rows))

    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:
        """Return how to write batch files; None when records have to be changed one by one."""
        return super(AmplitudeStream, self).get_batch_config(config) if self._passes_unchanged else None

    def get_batches(
        self,
        batch_config: BatchConfig,
        context: Context = None,  # noqa: ARG002
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        """Write batch files; yield them as they are done, and move the bookmark behind those of an hour."""
        self.write_state()  # the SDK writes the state after each BATCH, when it has changed: it must know the first one
        with BatchWorkers(batch_config, self.name) as workers, self.get_record_counter() as counter:
            for window, archive in self._archives(Archive.verify_transfer):
                for hour, results in workers.hours(archive):
                    with self._reading(window, hour) as report:
                        for result in results:
                            report(result.rows, result.nulled, result.unreadable)
                            counter.increment(result.rows)
                            if result.urls:
                                yield batch_config.encoding, result.urls

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

    def _archives(self, verify: Callable[[Archive], None]) -> Iterator[tuple[Window, Archive]]:
        """Yield the archives of all windows that hold events, and move the bookmark behind each window."""
        start, end = self._span()
        plan, parallel = Plan(start, end, self.config["window_hours"]), self.config["max_parallel_windows"]
        for window, archive in Ahead(plan, partial(self._fetch, verify), parallel, self._say_waiting):
            if archive is None:
                self.tap.summary.add("empty_windows")
            else:
                with closing(archive):
                    yield window, archive
            self._move_bookmark(window.end)

    @contextmanager
    def _reading(self, window: Window, hour: datetime) -> Iterator[Callable[[int, int, list[bytes]], None]]:
        """Give a function that takes the report of each part of an hour; end the hour and move the bookmark behind it.

        Raises:
            ConnectorError: More than a small share of the hour's rows cannot be read.
        """
        summary = self.tap.summary
        good, bad = 0, 0

        def report(count: int, nulled: int, unreadable: list[bytes]) -> None:
            nonlocal good, bad
            good, bad = good + count, bad + len(unreadable)
            summary.add("events", count)
            summary.add("values_nulled", nulled)
            if unreadable:
                self._keep_aside(hour, unreadable)
            summary.progress(self.logger, lambda: self._progress(window, hour))

        yield report
        require_mostly_readable(hour, good, bad)
        summary.add("hours")
        self._move_bookmark(hour + step_at(hour))

    # Where to begin and end, and the bookmark

    def _span(self) -> tuple[datetime, datetime]:
        """Return the first hour to read, and the end of the last."""
        now = datetime.now(UTC)
        start = self.tap.start_of(self.name, bookmark_time(self.name, self.stream_state, now))
        self._bookmark = beginning(start)
        end = newest_end(now, self.config["lag_hours"])
        if text := self.config.get("end_date"):
            end = min(end, beginning(parse_time(text)))
        if self._bookmark >= end:
            self.logger.info("Nothing to read yet: the newest complete hour ends at %s.", end)
        return self._bookmark - timedelta(hours=self.config["lookback_hours"]), end

    def _move_bookmark(self, hour: datetime) -> None:
        """Remember that everything before this hour was emitted, and say so in a STATE message."""
        self._bookmark = max(self._bookmark, hour)
        self.write_state(replication_key=REPLICATION_KEY, replication_key_value=self._bookmark.isoformat())

    def _write_starting_replication_value(self, context: Context) -> None:
        """Do nothing: the bookmark alone says where to begin."""

    def _increment_stream_state(self, latest_record: Record, *, context: Context = None) -> None:
        """Do nothing: no single record moves the bookmark, a complete hour does."""

    # Archives

    def _fetch(self, verify: Callable[[Archive], None], window: Window) -> Archive | None:
        """Return the verified archive of a window, None when it holds no events. Runs in threads."""
        keep = partial(self._spool, window, verify)
        return self.tap.client.patiently(lambda: self._fetch_once(window, keep))

    def _fetch_once(self, window: Window, keep: Callable[[Download], Archive]) -> Archive | None:
        try:
            return self.tap.client.export(window, keep)
        except NotFoundError:
            return None
        except TooLargeError as error:
            if error.may_pass and not window.halves():
                raise PassingError(str(error)) from error
            raise

    def _spool(self, window: Window, verify: Callable[[Archive], None], download: Download) -> Archive:
        with self.tap.spool.file() as file:
            self.tap.spool.write(file, download)
            try:
                archive = Archive(file, window)
                verify(archive)
            except DamagedArchiveError as error:
                raise PassingError(f"The archive of {window} is damaged: {error}.") from error
            return archive

    def _keep_aside(self, hour: datetime, lines: list[bytes]) -> None:
        path = self.tap.spool.keep_aside(lines)
        if not self.tap.summary["records_skipped"]:
            self.logger.warning("The hour %s holds rows that cannot be read; such rows are kept in %s.", hour, path)
        self.tap.summary.add("records_skipped", len(lines))

    # Progress

    def _progress(self, window: Window, hour: datetime) -> str:
        count, seconds = self.tap.summary["events"], self.tap.summary.seconds
        return f"Window {window}, hour {hour:%Y-%m-%d %H:%M}: {count:,} events so far, {count / seconds:,.0f} a second."

    def _say_waiting(self, window: Window) -> None:
        self.tap.summary.progress(
            self.logger,
            lambda: f"Waiting for the archive of {window}; {self.tap.summary['bytes_received'] / 1e6:,.1f} MB so far.",
        )


def require_mostly_readable(hour: datetime, good: int, unreadable: int) -> None:
    """Stop when more than a small share of an hour cannot be read; its hour is read again in the next run.

    Raises:
        ConnectorError: It is so.
    """
    share = unreadable / max(good + unreadable, 1)
    if (unreadable > FORGIVEN_ROWS and share > FORGIVEN_SHARE) or (unreadable > 1 and share > HOPELESS_SHARE):
        raise ConnectorError(
            f"{unreadable:,} of {good + unreadable:,} rows of the hour {hour:%Y-%m-%d %H:%M} UTC cannot be read. They"
            " are kept aside (the path is in the log); look at them before you run again."
        )
