"""What Singer sees: one sink for events, one for members of segments, one for the sizes of cohorts."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import ConnectorError
from .events import EventMaker, Style, UnfitError
from .lean import Decode, lean_decoder
from .ledger import EventIds
from .limits import MAX_KEY_LENGTH
from .mapping import Defaults, SegmentMapping, event_mapping, segment_mapping, traffic_types_named
from .names import event_type_rule
from .packing import Packer
from .paths import MappingError, is_empty
from .segments import Members
from .streaming import StreamingSink
from .streams import MEMBER_COLUMNS, MEMBER_STREAM, SIZE_COLUMN, given_for

if TYPE_CHECKING:
    from .target import TargetSplit

encode = msgspec.json.Encoder(enc_hook=str).encode


class SplitSink(StreamingSink):
    """What the sinks share: the mapping of the stream, read when its SCHEMA comes."""

    target: TargetSplit

    def __init__(self, target: TargetSplit, *args: Any, **kwargs: Any) -> None:
        """Read the mapping.

        Raises:
            ConnectorError: It cannot be meant, or a setting that the stream needs is missing.
        """
        super().__init__(target, *args, **kwargs)
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
        self.target.summary.add("records_shortened", 1, what)

    def skip(self, why: str) -> None:
        """Count a record that is left out."""
        self.target.summary.add("records_skipped", 1, why)


class EventSink(SplitSink):
    """Makes records events."""

    def read_mapping(self, given: Any, defaults: Defaults) -> None:
        """Read how records become events, and check what the target needs to send them."""
        target = self.target
        mapping = event_mapping(self.schema, given, defaults)
        target.prepare_events(traffic_types_named(given, defaults))
        self._accepts = mapping.accepts
        self._event_id = mapping.event_id
        style = Style(
            event_type_rule(self.config["max_name_length"]),
            self.config["event_type_prefix"],
            target.event_environment,
            self.config["arrays"] == "join",
        )
        self._make = EventMaker(mapping, style, self.note)
        self._keys = list(self.key_properties)
        self._ids = None
        if target.config.get("ledger_path"):
            if self._event_id is None and not self.key_properties:
                raise MappingError(
                    "it has no key properties, so the ledger cannot tell its events apart. Name what does by "
                    "'event_id' in 'mappings', or run without 'ledger_path'."
                )
            self._ids = EventIds(target.destination, self.stream_name)
        self._packer = target.packers.setdefault(self.stream_name, Packer())
        self._decode = self._lean_decoder(mapping.columns)

    def _lean_decoder(self, columns: Collection[str] | None) -> Decode | None:
        if columns is None or not self.validate_schema:
            return None
        return lean_decoder(self.schema, columns, self.key_properties)

    def take_line(self, line: bytes, number: int) -> None:
        """Take a line of a batch file: only the columns that are needed, where that is enough."""
        if self._decode is None:
            super().take_line(line, number)
            return
        try:
            record = self._decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            super().take_line(line, number)  # it tells what is wrong, if anything is
        else:
            self.process_record(record, {})

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Make a record an event and pack it."""
        if self._accepts is not None and not self._accepts(record):
            self.skip("filter")
            return
        try:
            event = self._make(record)
            identity = None if self._ids is None or event is None else self._ids.of(self._identity(record))
        except UnfitError as error:
            self.reject(str(error), record)
            return
        if event is None:
            self.skip("no key")
            return
        packer = self._packer
        if not packer.add(event, identity):
            self.target.send(packer.close())
            packer.open(self.stream_name, self.target.checkpoints.begin())
            packer.add(event, identity)

    def _identity(self, record: dict[str, Any]) -> bytes:
        """Return what tells a record's event from others of the stream."""
        values = [record[name] for name in self._keys] if self._event_id is None else [self._event_id(record)]
        if values.count(None) + values.count("") == len(values):
            raise UnfitError("no event id")
        try:
            return encode(values)
        except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
            return ascii(values).encode()


class MemberSink(SplitSink):
    """Makes records members of segments."""

    def read_mapping(self, given: Any, defaults: Defaults) -> None:
        """Read how records become members, and check what the target needs to change segments."""
        self._mapping: SegmentMapping = segment_mapping(self.schema, given, defaults)
        self._loader = self.target.prepare_segments(traffic_types_named(given, defaults))
        if self.target.has_filters:
            self._loader.thin(self.stream_name)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Add a record to its segment's list."""
        mapping = self._mapping
        if mapping.accepts is not None and not mapping.accepts(record):
            self._loader.thin(self.stream_name)
            self.skip("filter")
            return
        group = mapping.group(record)
        if is_empty(group):
            self.reject("no segment", record)
            return
        members = self._loader.members(
            self.stream_name, str(group), lambda: Members(str(group), mapping.naming(record))
        )
        key, traffic_type = mapping.key(record)
        unfit = None if key is None else self._unfit(members, key, str(traffic_type or "").lower())
        row = hash(encode([record[name] for name in self.key_properties])) if self.key_properties else None
        members.add(None if unfit else key, row, mapping.size(record) if mapping.size else None)
        if unfit:
            super().reject(unfit, record)
        elif key is None:
            self.skip("no key")

    def _unfit(self, members: Members, key: str, traffic_type: str) -> str | None:
        """Return why a key cannot be in its segment, if it cannot."""
        if len(key) > MAX_KEY_LENGTH:
            return f"a key over {MAX_KEY_LENGTH} characters"
        members.traffic_type = members.traffic_type or traffic_type
        return None if traffic_type == members.traffic_type else "another traffic type than the rest of its segment"

    def reject(self, reason: str, record: Any, status: int | None = None) -> None:
        """Keep a record that is no member; what came of its list is not all of it then."""
        self._loader.thin(self.stream_name)
        super().reject(reason, record, status)

    def activate_version(self, new_version: int) -> None:  # noqa: ARG002
        """Take it as the sign that all members have come."""
        self._loader.activate(self.stream_name)


class CohortSink(SplitSink):
    """Reads the sizes of cohorts: an empty cohort has no members that could tell of it."""

    def read_mapping(self, given: Any, defaults: Defaults) -> None:  # noqa: ARG002
        """Read what segments are called, as for the members."""
        members = given_for(MEMBER_STREAM, self.target.mappings)
        columns: dict[str, Any] = {name: {} for name in MEMBER_COLUMNS}
        self._mapping = segment_mapping(
            {"properties": columns, "additionalProperties": True},
            members,
            defaults,
        )
        self._loader = self.target.prepare_segments(traffic_types_named(members, defaults))

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Note an empty cohort."""
        if record.get("size") == 0 and record.get("finished") is not False:
            row = {"cohort_id": record["id"], "cohort_name": record.get("name"), SIZE_COLUMN: 0}
            members = Members(str(record["id"]), self._mapping.naming(row), size=0)
            self._loader.note_empty(members)
