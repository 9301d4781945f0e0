"""The streams, as Singer sees them."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.bookmark import Bookmark
from tap_split_impressions.common.folder.comparison import compare
from tap_split_impressions.common.folder.folder import Folder
from tap_split_impressions.common.metrics import count
from tap_split_impressions.common.tap.stream import PlainStream
from tap_split_impressions.folder.scan import Run, Selection
from tap_split_impressions.impressions.filters import Filters
from tap_split_impressions.impressions.record import Impression, Shaper
from tap_split_impressions.impressions.times import milliseconds, rfc3339
from tap_split_impressions.streams.admin import names_of

if TYPE_CHECKING:
    from tap_split_impressions.tap import TapSplitImpressions

STATE_ROWS = 10_000
STATE_SECONDS = 5.0


class RecordLine(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message, encoded without the SDK's detours."""

    stream: str
    record: Impression
    time_extracted: str


class ImpressionsStream(PlainStream):
    """The impressions of a folder, in order of arrival. The state is that of `bookmark.py`."""

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
            description="The same for the same impression, whatever its door",
        ),
        th.Property("key", th.StringType, required=True, description="The key that was evaluated"),
        th.Property("bucketing_key", th.StringType, description="The second key, used for bucketing alone"),
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
        th.Property("previous_time", th.DateTimeType, description="When the same key got the same flag before"),
        th.Property("received_at", th.DateTimeType, required=True, description="When the impression arrived"),
    ).to_dict()

    _tap: TapSplitImpressions
    _run: Run | None = None
    _bookmark: Bookmark | None = None
    _source: Generator[list[Impression], Any, Any] | None = None

    def get_replication_key_signpost(self, context: Any = None) -> None:  # noqa: ARG002
        """None: the bookmark does not rest on the replication key, so there is no limit to write into the state."""
        return

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """The bookmark moves with the files, not with single records."""

    def _write_state_message(self) -> None:
        if self._run and self._bookmark:
            newest = rfc3339(self._run.newest) if self._run.newest else None
            earlier = self.stream_state.get("replication_key_value")
            self.stream_state.clear()
            self.stream_state.update(
                replication_key=self.replication_key,
                replication_key_value=max(filter(None, (newest, earlier)), default=None),
                **self._bookmark.to_state(),
            )
            self.state_manager.is_flushed = False
        super()._write_state_message()

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the impressions as dictionaries, for stream maps and selected columns."""
        for impressions in self._source or self._blocks():
            for impression in impressions:
                yield msgspec.structs.asdict(impression)

    def _sync_records(self, context: Any = None, *, write_messages: bool = True) -> Generator[dict[str, Any], Any, Any]:
        if not self._goes_out_unchanged():
            # The SDK leaves `get_records` half-way when a test run ends; the file in work is closed here.
            with closing(self._blocks()) as self._source:
                yield from super()._sync_records(context, write_messages=write_messages)
            return
        encode = msgspec.json.Encoder().encode_lines
        rows, written = 0, time.monotonic()
        with self.get_record_counter() as counter, self.get_sync_timer(), closing(self._blocks()) as blocks:
            for impressions in blocks:
                # The bookmark stands before this block, behind all that was written.
                if rows >= STATE_ROWS or time.monotonic() - written > STATE_SECONDS:
                    self._write_state_message()
                    rows, written = 0, time.monotonic()
                extracted = rfc3339(int(time.time() * 1000))
                lines = [RecordLine(self.name, impression, extracted) for impression in impressions]
                self._tap.output.write_lines(encode(lines))
                counter.increment(len(lines))
                rows += len(lines)
        self._write_state_message()

    def _goes_out_unchanged(self) -> bool:
        """Whether no stream map, flattening, deselected column or limit of a test run changes what goes out."""
        maps = self.stream_maps
        return (
            len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
            and all(self.mask[("properties", name)] for name in self.schema["properties"])
            and self.ABORT_AT_RECORD_COUNT is None
        )

    def _blocks(self) -> Generator[list[Impression], Any, Any]:
        """Yield the impressions of this run in blocks; the state is exact between two blocks."""
        started = time.monotonic()
        self._run = run = self._start()
        try:
            yield from run.blocks()
        finally:
            self._summarise(run, time.monotonic() - started)
        if self._tap.stopping.is_set():
            self._write_state_message()
            raise SystemExit(self._tap.exit_code)

    def _start(self) -> Run:
        config = self.config
        folder = Folder(config["path"], config.get("storage_options"))
        try:
            self._bookmark = Bookmark.from_state(self.stream_state, folder.identity, folder.root)
        except ValueError:
            raise ConnectorError(
                "The state of stream 'impressions' cannot be understood. Give the one that this tap wrote, or none to "
                "read everything (equal impressions have equal impression_id)."
            ) from None
        if (self._bookmark.read_until or 0) > time.time():
            raise ConnectorError(
                "The state says that files were read which arrived later than now. Set this machine's clock right, or "
                "start without state."
            )
        api = self._tap.admin_api
        listing = folder.listing()
        reading = compare(self._bookmark, listing)
        self.logger.info("%d of %d files in %s are new.", len(reading.unread), len(listing), config["path"])
        if reading.is_doubtful:
            self.logger.warning("The state does not fit what is in the folder, so all of it is read, to be sure.")
        return Run(
            folder=folder,
            reading=reading,
            selection=selection_of(config),
            shaper=Shaper(config["traffic_type"], names_of(api) if api else None),
            logger=self.logger,
            settle_seconds=config["settle_seconds"],
            csv_columns=config.get("csv_columns") or {},
            stopping=self._tap.stopping.is_set,
        )

    def _summarise(self, run: Run, seconds: float) -> None:
        counts = run.counts
        count("records_read", counts.read, stream=self.name)
        for metric, reasons in (("records_skipped", counts.skipped), ("records_rejected", counts.rejected)):
            for reason, number in reasons.items():
                count(metric, number, stream=self.name, reason=reason)
        left_out = ", ".join(f"{number} by {reason}" for reason, number in counts.skipped.most_common())
        self.logger.info(
            "Read %d impressions from %d files in %.1f s: "
            "%d sent, %d left out%s, %d not impressions, %d files unreadable.",
            counts.read,
            counts.files,
            seconds,
            counts.sent,
            counts.skipped.total(),
            f" ({left_out})" if left_out else "",
            counts.rejected.total(),
            len(counts.damaged),
        )
        if run.shaper.unreadable_properties:
            self.logger.warning(
                "%d impressions had properties that are no JSON object; these are left empty.",
                run.shaper.unreadable_properties,
            )
        if counts.too_early:
            self.logger.info("%d files were there long before start_date; they were not opened.", counts.too_early)
        if run.reading.same_content:
            self.logger.info("%d files hold the same as another file; each was read once.", run.reading.same_content)

    def log_sync_costs(self) -> None:
        """Fail at the very end, when all else is delivered, if a file could not be read.

        Raises:
            ConnectorError: Naming how many files stay unread.
        """
        super().log_sync_costs()
        if self._run and self._run.counts.damaged:
            raise ConnectorError(
                f"{len(self._run.counts.damaged)} files could not be read (named above); all others were. They stay "
                "unread and are tried again by the next run: repair them, or move them out of the folder."
            )


def selection_of(config: Mapping[str, Any]) -> Selection:
    """Return what the settings select."""
    return Selection(
        Filters(config.get("environments") or (), config.get("flags") or (), config.get("exclude_treatments") or ()),
        milliseconds(config.get("start_date")),
        milliseconds(config.get("end_date")),
    )
