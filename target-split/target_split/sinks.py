"""What Singer sees: one sink for events, one for members of segments, one for the sizes of cohorts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

from target_split.api.limits import MAX_KEY_LENGTH
from target_split.common.errors import ConnectorError
from target_split.common.record_paths import MappingError, is_empty
from target_split.common.target.checkpoints import Hold
from target_split.common.target.decoding import decode_line
from target_split.common.target.delivery import BatchLine, Origin
from target_split.common.target.services import Services, Stream
from target_split.common.target.sink import Problem, StreamingSink
from target_split.events.batch_files import Job, is_gzip, local_file
from target_split.events.batch_worker import Portion
from target_split.events.batching import Packer
from target_split.events.converter import Converter, Recipe, encode
from target_split.events.event import UnfitError
from target_split.mapping.grammar import Defaults, SegmentMapping, segment_mapping
from target_split.mapping.stream_kind import MEMBER_COLUMNS, MEMBER_STREAM, SIZE_COLUMN, given_for
from target_split.segments.plan import Members

if TYPE_CHECKING:
    from target_split.target import TargetSplit


class SplitSink(StreamingSink):
    """What the sinks share: the mapping of the stream, read when its SCHEMA comes."""

    def __init__(self, stream: Stream, services: Services, target: TargetSplit) -> None:
        """Read the mapping.

        Raises:
            ConnectorError: It is invalid, or a setting that the stream needs is missing.
        """
        super().__init__(stream, services)
        self.target = target
        given = given_for(self.stream_name, target.mappings)
        try:
            self.read_mapping(given, target.defaults)
        except MappingError as error:
            raise ConnectorError(f"Stream '{self.stream_name}': {error}") from None

    def read_mapping(self, given: Any, defaults: Defaults) -> None:
        """Read the stream's entry of `mappings`."""
        raise NotImplementedError

    def note(self, what: str) -> None:
        """Count a record of which something was shortened or left out."""
        self.services.summary.add("records_shortened", 1, what)


class EventSink(SplitSink):
    """Makes records events."""

    def read_mapping(self, given: Any, defaults: Defaults) -> None:
        """Read how records become events, and check what the target needs to send them."""
        target = self.target
        self._recipe = Recipe(
            self.stream_name, self.schema, list(self.key_properties), given, defaults, target.style, target.destination
        )
        self._convert = Converter(self._recipe, self)
        target.prepare_events(self._convert.traffic_types)
        self._packer = target.packers.setdefault(self.stream_name, Packer())

    def take_file(self, url: str, problem: Problem) -> bool:
        """Take a whole batch file if other processes can make its events; return whether they do."""
        path = local_file(url)
        files = None if path is None or self._convert.decode is None else self.target.batch_files
        if path is None or files is None:
            return False
        hold = self.services.checkpoints.begin()
        take = partial(self._take_portion, hold, Packer(), url, problem)
        files.submit(Job(self._recipe, path, is_gzip(path), hold, take))
        return True

    def _take_portion(self, hold: Hold, packer: Packer, url: str, problem: Problem, portion: Portion) -> None:
        """Pack what a worker made of a part of a file. Called from threads, for each file from one."""
        self.target.count_portion(portion)

        def share() -> Hold:
            hold.add()
            return hold

        for event, identity, number in zip_longest(portion.events, portion.ids, portion.numbers):
            self._pack(packer, event, identity, BatchLine(self.stream_name, url, number), share)
        if portion.others:
            convert = Converter(self._recipe, self)  # one that no other thread uses
            for number, line in portion.others:
                record, origin = decode_line(line, number), BatchLine(self.stream_name, url, number)
                if (reason := problem(record)) is not None:
                    self.reject(reason, record)
                elif (made := self._converted(convert, record, origin)) is not None:
                    self._pack(packer, *made, origin, share)
        if portion.is_last:
            self.target.send(packer.close())

    def take_line(self, line: bytes) -> dict[str, Any] | None:
        """Return the columns that are needed of a batch file's line; None where that is not enough."""
        if self._convert.decode is None:
            return None
        try:
            return self._convert.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Make a record an event and pack it."""
        made = self._converted(self._convert, record, origin)
        if made is not None:
            self._pack(self._packer, *made, origin, self.services.checkpoints.begin)

    def _converted(
        self, convert: Converter, record: dict[str, Any], origin: Origin
    ) -> tuple[bytes, bytes | None] | None:
        try:
            return convert(record)
        except UnfitError as error:
            self.reject(str(error), origin)
            return None

    def _pack(
        self, packer: Packer, event: bytes, identity: bytes | None, origin: Origin, begin: Callable[[], Hold]
    ) -> None:
        if not packer.add(event, identity, origin):
            self.target.send(packer.close())
            packer.open(self.stream_name, begin())
            packer.add(event, identity, origin)


class MemberSink(SplitSink):
    """Makes records members of segments."""

    def read_mapping(self, given: Any, defaults: Defaults) -> None:
        """Read how records become members, and check what the target needs to change segments."""
        self._mapping: SegmentMapping = segment_mapping(self.schema, given, defaults)
        self._loader = self.target.prepare_segments(self._mapping.key.named)

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Add a record to its segment's list."""
        mapping = self._mapping
        if mapping.accepts is not None and not mapping.accepts(record):
            self._loader.thin(self.stream_name)
            self.skip("filter")
            return
        group = mapping.group(record)
        if is_empty(group):
            self.reject("no segment", origin)
            return
        members = self._loader.members(
            self.stream_name, str(group), lambda: Members(str(group), mapping.naming(record))
        )
        key, traffic_type = mapping.key(record)
        unfit = None if key is None else self._unfit(members, key, str(traffic_type or "").lower())
        row = hash(encode([record[name] for name in self.key_properties])) if self.key_properties else None
        members.add(None if unfit else key, row, mapping.size(record) if mapping.size else None)
        if unfit:
            super().reject(unfit, origin)
        elif key is None:
            self.skip("no key")

    def _unfit(self, members: Members, key: str, traffic_type: str) -> str | None:
        """Return why a key cannot be in its segment, if it cannot."""
        if len(key) > MAX_KEY_LENGTH:
            return f"a key over {MAX_KEY_LENGTH} characters"
        members.traffic_type = members.traffic_type or traffic_type
        return None if traffic_type == members.traffic_type else "another traffic type than the rest of its segment"

    def reject(self, reason: str, record: Any, status: int | None = None, sent: Any = None) -> None:
        """Keep a record that cannot be a member; what came of its list is not all of it then."""
        self.record_dropped()
        super().reject(reason, record, status, sent)

    def record_dropped(self) -> None:
        """Note that the stream's lists are not complete."""
        self._loader.thin(self.stream_name)

    def activate_version(self, version: int) -> None:  # noqa: ARG002
        """Take it as the sign that all members have come."""
        self._loader.activate(self.stream_name)


class CohortSink(SplitSink):
    """Reads the sizes of cohorts: an empty cohort has no members that could tell of it."""

    def read_mapping(self, given: Any, defaults: Defaults) -> None:  # noqa: ARG002
        """Read what segments are called, as for the members."""
        columns: dict[str, Any] = {name: {} for name in MEMBER_COLUMNS}
        schema = {"properties": columns, "additionalProperties": True}
        self._mapping = segment_mapping(schema, given_for(MEMBER_STREAM, self.target.mappings), defaults)
        self._loader = self.target.prepare_segments(self._mapping.key.named)

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:  # noqa: ARG002
        """Note an empty cohort."""
        if record.get("size") == 0 and record.get("finished") is not False:
            row = {"cohort_id": record["id"], "cohort_name": record.get("name"), SIZE_COLUMN: 0}
            members = Members(str(record["id"]), self._mapping.naming(row), size=0)
            self._loader.note_empty(members)
