"""The stream `impressions`: its schema, its state, and how its records are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any

import msgspec
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.bookmark import Bookmark
from tap_split_impressions.common.folder.comparison import compare
from tap_split_impressions.common.folder.folder import Folder
from tap_split_impressions.common.metrics import gauge
from tap_split_impressions.common.tap.tap import PlainStream
from tap_split_impressions.common.timestamps import rfc3339
from tap_split_impressions.common.words import counted
from tap_split_impressions.folder.readers import CsvOptions
from tap_split_impressions.folder.readers.csv_export import DEFAULT_ENCODING
from tap_split_impressions.folder.scan import Scan
from tap_split_impressions.impressions.filters import Filters
from tap_split_impressions.impressions.item import time_of
from tap_split_impressions.impressions.record import Impression, Shaper
from tap_split_impressions.streams.admin import names_of
from tap_split_impressions.streams.mapping import Mapper
from tap_split_impressions.streams.services import Services
from tap_split_impressions.streams.summary import lag_seconds, remarks

STATE_ROWS = 10_000
STATE_SECONDS = 5.0
STATE_SHARE = 50  # a state is written at most every so many times as long as writing one takes


class ImpressionsStream(PlainStream):
    """The impressions of a folder, in order of arrival. The state is that of `common/folder/bookmark.py`."""

    name = "impressions"
    primary_keys = ("impression_id",)
    replication_key = "received_at"
    # The records are made to fit the schema; checking each again would cost more than making it.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    schema = th.PropertiesList(
        th.Property(
            "impression_id",
            th.StringType,
            required=True,
            description="The same for the same impression, whatever its source",
        ),
        th.Property("key", th.StringType, required=True, description="The key that was evaluated"),
        th.Property("bucketing_key", th.StringType, description="The second key, used for bucketing only"),
        th.Property("split", th.StringType, required=True, description="The feature flag"),
        th.Property("treatment", th.StringType, required=True, description="The treatment given"),
        th.Property("label", th.StringType, description="The targeting rule that matched"),
        th.Property("time", th.DateTimeType, required=True, description="When the SDK evaluated"),
        th.Property("split_version_number", th.IntegerType, description="The version of the flag's definition"),
        th.Property("environment_id", th.StringType),
        th.Property("environment_name", th.StringType),
        th.Property("traffic_type", th.StringType, description="What kind of key it is"),
        th.Property("sdk", th.StringType),
        th.Property("sdk_version", th.StringType),
        th.Property("machine_name", th.StringType),
        th.Property("machine_ip", th.StringType),
        th.Property(
            "properties", th.ObjectType(additional_properties=True), description="The impression's own properties"
        ),
        th.Property(
            "attributes",
            th.ObjectType(additional_properties=True),
            description="What the application passed to getTreatment; only SDK listeners tell it",
        ),
        th.Property("previous_time", th.DateTimeType, description="When the same key got the same flag before"),
        th.Property("received_at", th.DateTimeType, required=True, description="When the impression arrived"),
    ).to_dict()

    _scan: Scan | None = None
    _bookmark: Bookmark | None = None
    _source: Generator[list[Impression], Any, Any] | None = None

    def __init__(self, tap: Tap, services: Services) -> None:
        super().__init__(tap)
        self._services = services

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """Return None: the bookmark does not rest on the replication key, so the state needs no limit for it."""
        return

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Do nothing: the bookmark moves with the files, not with single records."""

    def _write_state_message(self) -> None:
        if self._scan and self._bookmark:
            newest = rfc3339(self._scan.newest) if self._scan.newest else None
            earlier = self.stream_state.get("replication_key_value")
            self.stream_state.clear()
            self.stream_state.update(
                replication_key=self.replication_key,
                replication_key_value=max(filter(None, (newest, earlier)), default=None),
                **self._bookmark.to_state(),
            )
            self.state_manager.is_flushed = False
        super()._write_state_message()

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Yield the impressions as dictionaries."""
        for impressions in self._source or self._blocks():
            for impression in impressions:
                yield msgspec.structs.asdict(impression)

    def _sync_records(self, context: Any = None, *, write_messages: bool = True) -> Generator[dict[str, Any], Any, Any]:
        if self.ABORT_AT_RECORD_COUNT is not None:
            # The SDK leaves `get_records` half-way when a test run ends; the open file is closed here.
            with closing(self._blocks()) as self._source:
                yield from super()._sync_records(context, write_messages=write_messages)
            return
        with self.get_record_counter() as counter, self.get_sync_timer(), closing(self._blocks()) as blocks:
            self._write_blocks(blocks, counter.increment)
        self._write_state_message()

    def _write_blocks(self, blocks: Iterable[list[Impression]], count: Callable[[int], object]) -> None:
        mapper, writer = Mapper.of_stream(self), self._services.writer
        rows, due = 0, time.monotonic() + STATE_SECONDS
        for impressions in blocks:
            # The bookmark stands before this block, behind all that was written.
            started = time.monotonic()
            if rows >= STATE_ROWS or started > due:
                self._write_state_message()
                now = time.monotonic()
                rows, due = 0, now + max(STATE_SECONDS, STATE_SHARE * (now - started))
            extracted = rfc3339(int(time.time() * 1000))
            if mapper:
                writer.write_lines(mapper.lines(impressions, extracted))
            else:
                writer.write_records(self.name, impressions, extracted)
            count(len(impressions))
            rows += len(impressions)

    def _blocks(self) -> Generator[list[Impression], Any, Any]:
        """Yield the impressions of this run in blocks; the state is exact between two blocks."""
        self._scan = scan = self._start()
        try:
            yield from scan.blocks()
        finally:
            gauge("bookmark_lag_seconds", lag_seconds(scan), stream=self.name)
            for remark in remarks(scan, self._services.summary):
                self._services.summary.note(remark)
        if self._services.stopping.is_set():
            self.logger.info("Stopping after the current block.")
            self._write_state_message()
            self._services.end_if_stopping()

    def _start(self) -> Scan:
        config = self.config
        folder = Folder(config["path"], config.get("storage_options"), config.get("ignore") or ())
        self._bookmark = bookmark_of(self.stream_state, folder)
        listing = folder.listing()
        reading = compare(self._bookmark, listing)
        self.logger.info("%d of %d files in %s are new.", len(reading.unread), len(listing), config["path"])
        if reading.is_doubtful:
            self.logger.warning("The state does not match the content of the folder, so all files are read again.")
        api = self._services.admin_api
        return Scan(
            folder=folder,
            reading=reading,
            filters=Filters(*(config.get(name) or () for name in ("environments", "flags", "exclude_treatments"))),
            start=time_of(config.get("start_date")),
            end=time_of(config.get("end_date")),
            shaper=Shaper(config["traffic_type"], names_of(api) if api else None),
            summary=self._services.summary,
            stream=self.name,
            logger=self.logger,
            settle_seconds=config["settle_seconds"],
            csv_options=CsvOptions(config.get("csv_columns") or {}, config.get("csv_encoding") or DEFAULT_ENCODING),
            is_stopping=self._services.stopping.is_set,
        )

    def log_sync_costs(self) -> None:
        """Fail at the very end, when all else is delivered, if a file could not be read.

        Raises:
            ConnectorError: Naming how many files stay unread.
        """
        super().log_sync_costs()
        if self._scan and self._scan.damaged:
            raise ConnectorError(
                f"{counted(self._scan.damaged, 'file')} could not be read (named above); all others were. What could "
                "not stays unread and is tried again by the next run: repair it, move it out of the folder, or name it "
                "in the setting 'ignore'."
            )


def bookmark_of(state: dict[str, Any], folder: Folder) -> Bookmark:
    """Return the bookmark of a stream's state.

    Raises:
        ConnectorError: It is not a state of this stream, or lies in the future.
    """
    try:
        bookmark = Bookmark.from_state(state, folder.identity, folder.root)
    except ValueError:
        raise ConnectorError(
            "The state of stream 'impressions' cannot be understood. Use the one that this tap wrote, or none to "
            "read everything (the same impression keeps its impression_id)."
        ) from None
    if (bookmark.read_until or 0) > time.time():
        raise ConnectorError(
            "The state says that files were read which arrived later than now. Correct this machine's clock, or run "
            "without state."
        )
    return bookmark
