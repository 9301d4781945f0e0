"""What Singer sees: a sink for events, and one each for the members, the sizes and the changes of cohorts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from target_split.api.limits import InvalidKeyError, key_problem
from target_split.common.number_ids import id_text
from target_split.common.record_paths import is_empty
from target_split.common.target.delivery import Origin
from target_split.common.target.services import Services, Stream
from target_split.common.target.sink import StreamingSink
from target_split.common.timestamps import epoch_milliseconds
from target_split.events.batch import BatchBuilder
from target_split.events.converter import Converter
from target_split.events.event import InvalidEventError
from target_split.mapping.segments import GroupError, SegmentMapping
from target_split.mapping.stream_kind import SIZE_COLUMN
from target_split.segments.buffer import SegmentBuffer
from target_split.segments.change_buffer import ChangeBuffer
from target_split.segments.history import PushedChange, PushedChanges
from target_split.segments.member_list import MemberList, size_of

encode = msgspec.json.Encoder(enc_hook=str).encode

Buffer = TypeVar("Buffer", SegmentBuffer, ChangeBuffer)

# What `cohort_changes` says of a user.
ACTIONS = {"add": True, "remove": False}


class EventSink(StreamingSink):
    """Makes records events."""

    def __init__(self, stream: Stream, services: Services, converter: Converter, builder: BatchBuilder) -> None:
        super().__init__(stream, services)
        self._convert = converter.convert
        self._add = builder.add
        self.columns = converter.columns

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Make a record an event."""
        try:
            made = self._convert(record)
        except InvalidEventError as error:
            self.reject(str(error), origin)
            return
        if made is not None:
            event, ledger_id = made
            self._add(event, ledger_id, origin)


class CohortRecordSink(StreamingSink, Generic[Buffer]):
    """Hands what records say of lists of members on to a buffer."""

    def __init__(self, stream: Stream, services: Services, mapping: SegmentMapping, buffer: Buffer) -> None:
        super().__init__(stream, services)
        self._mapping = mapping
        self._buffer: Buffer = buffer


class MemberSink(CohortRecordSink[SegmentBuffer]):
    """Makes records members of segments."""

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Add a record to its segment's list."""
        mapping = self._mapping
        group = mapping.group(record)
        if is_empty(group):
            self.reject("no segment", origin)
            self._buffer.note_dropped(self.stream_name)
            return
        members = self._buffer.list_of(
            self.stream_name, id_text(group), lambda: MemberList(self.stream_name, id_text(group), mapping.name(record))
        )
        size = size_of(mapping.size(record)) if mapping.size else None
        problem: str | None = None
        try:
            key, traffic_type = mapping.member(record)
        except GroupError as error:
            members.refusal = str(error)
            return
        except InvalidKeyError as error:
            key, traffic_type, problem = None, "", str(error)
        row = self._row(record, key)
        if mapping.accepts is not None and not mapping.accepts(record):
            members.exclude(row, size)
            self.skip("filter")
        elif key is None and problem is None:
            members.add(None, row, size)
            self.skip("no key")
        elif problem := problem or problem_of_member(members, key or "", traffic_type):
            members.add(None, row, size)
            self.reject(problem, origin)
        else:
            members.add(key, row, size)

    def _row(self, record: Mapping[str, Any], key: str | None) -> int | None:
        """Return what tells a row from others of its list: its key properties, with the member's key where one is null.

        Rows of a cohort of groups have no `amplitude_id`.
        """
        values = [record.get(name) for name in self.key_properties]
        if not values or None not in values:
            return hash(encode(values)) if values else None
        return None if key is None else hash(encode([*values, key]))

    def record_dropped(self) -> None:
        """Take note that a row of the stream does not come."""
        self._buffer.note_dropped(self.stream_name)

    def activate_version(self, version: int) -> None:
        """Take it as the sign that all members have come."""
        self._buffer.close_stream(self.stream_name)


def problem_of_member(members: MemberList, key: str, traffic_type: str) -> str | None:
    """Return why a key cannot be in its segment, if it cannot."""
    if problem := key_problem(key):
        return problem
    members.traffic_type = members.traffic_type or traffic_type
    return None if traffic_type == members.traffic_type else "another traffic type than the rest of its segment"


class CohortSink(CohortRecordSink[SegmentBuffer]):
    """Reads what the members of a cohort cannot tell: that it is empty, and when it was computed."""

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Take note of a cohort."""
        if is_empty(record.get("id")):
            self.reject("no cohort", origin)
            return
        cohort = id_text(record["id"])
        if (computed := moment_of(record.get("lastComputed"))) is not None:
            self._buffer.note_computed(cohort, computed)
        if record.get("size") == 0 and record.get("finished") is not False and not record.get("archived"):
            row = {"cohort_id": record["id"], "cohort_name": record.get("name"), SIZE_COLUMN: 0}
            self._buffer.note_empty(MemberList(self.stream_name, cohort, self._mapping.name(row), size=0))


class InvalidChangeError(Exception):
    """A record that is no change to a cohort. The message is the reason, without any of its values."""


class ChangeSink(CohortRecordSink[ChangeBuffer]):
    """Makes records additions to segments and removals from them."""

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Take a change of one user."""
        if self._mapping.accepts is not None and not self._mapping.accepts(record):
            self.skip("filter")
            return
        try:
            changes = self._changes(record)
        except (InvalidChangeError, GroupError, InvalidKeyError) as error:
            self.reject(str(error), origin)
            return
        if changes is None:
            self.skip("no key")
        else:
            self._buffer.add(changes)

    def _changes(self, record: Mapping[str, Any]) -> PushedChanges | None:
        """Return the change; None for a record without a key."""
        group = self._mapping.group(record)
        if is_empty(group):
            raise InvalidChangeError("no cohort")
        action = ACTIONS.get(str(record.get("action")))
        if action is None:
            raise InvalidChangeError("an action other than add and remove")
        computed = moment_of(record.get("computed_time"))
        if computed is None:
            raise InvalidChangeError("no time of computation")
        key, traffic_type = self._mapping.member(record)
        if key is None:
            return None
        if problem := key_problem(key):
            raise InvalidChangeError(problem)
        change = PushedChange(computed, action)
        return PushedChanges(self.stream_name, id_text(group), self._mapping.name(record), traffic_type, {key: change})


def moment_of(value: Any) -> float | None:
    """Return a time in seconds since 1970; None where there is none."""
    if is_empty(value):
        return None
    try:
        return epoch_milliseconds(value) / 1000
    except (ValueError, OverflowError, TypeError):
        return None
