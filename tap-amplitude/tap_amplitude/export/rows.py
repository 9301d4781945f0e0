"""Exported lines to records: one decode per row, every field of its kind, times as RFC 3339.

Rows are decoded, checked and later encoded by msgspec alone, through a struct that is made for the data: a member that
Amplitude added becomes one more member of the struct, and a column that came with another type is decoded as anything
and then cleaned. So a peculiarity that all rows share costs the first of them the slow way, not all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain, repeat
from operator import attrgetter
from types import NoneType
from typing import Any, Union

import msgspec

from tap_amplitude.common.lenient_json import without_nan
from tap_amplitude.export.broken_json import BROKEN_LINE, rewritten, with_whole_characters
from tap_amplitude.export.event_types import EventTypeFilter
from tap_amplitude.records.schemas import EXPORTED, Kind
from tap_amplitude.records.times import rfc3339_of_texts
from tap_amplitude.records.values import CLEANERS, WRONG_KIND, Cleaner, as_integer

# What values of each kind decode to.
TYPES: Mapping[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (float,),
    Kind.BOOLEAN: (bool,),
    Kind.OBJECT: (dict,),
    Kind.TIME: (str,),
    Kind.TEXT_OR_BOOLEAN: (str, bool),
    Kind.TEXT_OR_INTEGER: (str, int),
    Kind.TEXT_OR_LIST: (str, list),
}
# Values of these types need no cleaning.
RIGHT_TYPES = {Kind.TEXT: str, Kind.INTEGER: int, Kind.BOOLEAN: bool, Kind.OBJECT: dict}
# What a kind's cleaner does to values of another type, where that is one call.
DIRECT_CLEANERS: Mapping[tuple[object, ...], Callable[[Any], Any]] = {
    (Kind.TEXT, int): str,
    (Kind.INTEGER, str): int,
    (Kind.INTEGER, float): as_integer,
}
KEY, HOUR_FIELD = "uuid", "export_hour"
# Members beyond the known ones that get a place in the struct. More would be names made of data; such rows take the
# slow way.
MAX_LEARNED_MEMBERS = 200
# How many blocks after an odd line are read line by line, so that none is decoded twice.
CAREFUL_BLOCKS = 50
CLEANER = Cleaner(EXPORTED)

Row = Any
"""A struct of msgspec's, or a dictionary when the row took the slow way; both are encoded alike."""


@dataclass
class Rows:
    """What came of a block of lines.

    Attributes:
        good: The records, in the order of their lines.
        nulled: Values that were not of their field's kind and became null.
        unreadable: Lines that are not a JSON object or have no `uuid`, which is every event's key.
        skipped: How many were left out by `event_types`.
    """

    good: list[Row] = field(default_factory=list)
    nulled: int = 0
    unreadable: list[bytes] = field(default_factory=list)
    skipped: int = 0


class RowReader:
    """Reads blocks of lines. Not safe to use from several threads."""

    def __init__(self, event_types: EventTypeFilter | None = None) -> None:
        self._event_types = event_types
        self._learned: list[str] = []
        self._loose: list[str] = []
        self._careful = 0
        self._repairing = False
        self._make_struct()

    def read(self, block: bytes, export_hour: str, *, hour_of_upload: bool = False) -> Rows:
        """Return the records of a block of whole lines.

        Args:
            block: Lines of JSON, as exported.
            export_hour: The hour they were exported for, as its record field.
            hour_of_upload: Whether a row's own time of upload, when it has one, tells its hour instead.
        """
        block, skipped = self._event_types.filter(block) if self._event_types else (block, 0)
        rows = self._decode(block)
        rows.skipped = skipped
        events = [row for row in rows.good if type(row) is not dict]
        if len(events) < len(rows.good):
            for row in rows.good:
                if type(row) is dict:
                    row[HOUR_FIELD] = export_hour
        set_all(events, HOUR_FIELD, repeat(export_hour))
        rows.nulled += self._write_times(events) + self._clean_loose(events)
        if hour_of_upload:
            for event in events:
                if event.server_upload_time:
                    event.export_hour = hour_of_time(event.server_upload_time)
        return rows

    def _decode(self, block: bytes) -> Rows:
        """Decode all lines at once, or one by one where some are odd."""
        if self._repairing:
            block = with_whole_characters(block)
        if not self._careful:
            try:
                return Rows(self._decoder.decode_lines(block))
            except BROKEN_LINE:
                self._careful = CAREFUL_BLOCKS
        self._careful -= 1
        rows, repairs = Rows(), 0
        for line in BytesIO(block):
            try:
                rows.good.append(self._decoder.decode(line))
            except BROKEN_LINE:
                if not line.strip():
                    continue
                self._careful = CAREFUL_BLOCKS
                whole = with_whole_characters(line)
                repairs += whole is not line
                if self._read_odd(whole, line.removesuffix(b"\n"), rows):
                    return self._decode(block)
        # Where most rows need it, a whole block is repaired at once.
        self._repairing = self._repairing or 2 * repairs > len(rows.good)
        return rows

    def _read_odd(self, whole: bytes, line: bytes, rows: Rows) -> bool:
        """Read a line that is not JSON or that the struct does not fit.

        Args:
            whole: The line with whole characters.
            line: As it came.
            rows: What the line is added to.

        Returns:
            Whether the struct was remade so that it fits; then nothing was read yet.
        """
        for repair in (without_nan, rewritten):
            try:
                whole = repair(whole)
                rows.good.append(self._decoder.decode(whole))
            except BROKEN_LINE:
                try:
                    row = msgspec.json.decode(whole)
                except BROKEN_LINE:
                    continue
                return self._read_differing(row, line, rows)
            else:
                return False
        rows.unreadable.append(line)
        return False

    def _read_differing(self, row: Any, line: bytes, rows: Rows) -> bool:
        """Learn from a row, or clean it; return whether the struct was remade."""
        if not isinstance(row, dict) or not isinstance(row.get(KEY), str):
            rows.unreadable.append(line)
            return False
        if self._learn(row):
            return True
        record, nulled = CLEANER.clean(row)
        rows.good.append(record)
        rows.nulled += nulled
        return False

    def _learn(self, row: Mapping[str, Any]) -> bool:
        """Remake the struct for what is new about a row; return whether there was anything."""
        members = [name for name in row if name not in EXPORTED and name not in self._learned and name != HOUR_FIELD]
        if len(self._learned) + len(members) > MAX_LEARNED_MEMBERS:
            members = []
        loose = [name for name, types in self._typed.items() if type(row.get(name)) not in types]
        if not members and not loose:
            return False
        self._learned += members
        self._loose += loose
        self._make_struct()
        return True

    def _make_struct(self) -> None:
        """Make the struct, its decoder, and what goes over its members afterwards."""
        attributes = {name: name.lstrip("$") for name in EXPORTED}
        attributes |= {name: f"learned_{number}" for number, name in enumerate(self._learned)}
        # What a member may be besides absent; a number may be written as a whole one.
        self._typed = {
            name: (*TYPES[kind], NoneType, *((int,) if kind is Kind.NUMBER else ()))
            for name, kind in EXPORTED.items()
            if name != KEY and name not in self._loose
        }
        known = [
            (attributes[name], Any if name in self._loose else Union[(*TYPES[kind], None)], None)
            for name, kind in EXPORTED.items()
            if name != KEY
        ]
        self._struct: Any = msgspec.defstruct(
            "Event",
            [
                (KEY, str),
                *known,
                (HOUR_FIELD, str, ""),
                *((attributes[name], Any, msgspec.UNSET) for name in self._learned),
            ],
            rename={attribute: name for name, attribute in attributes.items() if attribute != name},
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(self._struct)
        self._loose_members = [(attributes[name], EXPORTED[name]) for name in self._loose]
        self._times = [name for name, kind in EXPORTED.items() if kind is Kind.TIME and name not in self._loose]
        self._times_of: Callable[[Any], Any] = attrgetter(*self._times) if len(self._times) > 1 else self._few_times

    def _few_times(self, event: Any) -> tuple[Any, ...]:
        return tuple(getattr(event, name) for name in self._times)

    def _write_times(self, events: Sequence[Any]) -> int:
        """Write the times of rows as RFC 3339; return how many were not times and became null.

        All together, since their conversion one by one takes as long as everything else that is done to a row.
        """
        texts = [*chain.from_iterable(map(self._times_of, events))]
        is_any_null = None in texts
        times = rfc3339_of_texts([text for text in texts if text is not None] if is_any_null else texts)
        nulled = times.count(None)
        if is_any_null:
            known = iter(times)
            times = [None if text is None else next(known) for text in texts]
        for position, name in enumerate(self._times):
            set_all(events, name, times[position :: len(self._times)])
        return nulled

    def _clean_loose(self, events: Sequence[Any]) -> int:
        """Clean the members that were decoded as anything; return how many values became null."""
        nulled = 0
        for name, kind in self._loose_members:
            values = [getattr(event, name) for event in events]
            types, right_types = {*map(type, values)}, {RIGHT_TYPES.get(kind), NoneType}
            if types <= right_types:
                continue
            try:
                set_all(events, name, [*map(DIRECT_CLEANERS[kind, *types], values)])
            except (KeyError, *WRONG_KIND):
                for event, value in zip(events, values, strict=True):
                    if type(value) not in right_types:
                        cleaned = cleaned_or_none(value, kind)
                        nulled += cleaned is None
                        setattr(event, name, cleaned)
        return nulled


def cleaned_or_none(value: Any, kind: Kind) -> Any:
    """Return a value of a kind, None for one that cannot become such."""
    try:
        return CLEANERS[kind](value)
    except WRONG_KIND:
        return None


def set_all(events: Iterable[Any], name: str, values: Iterable[Any]) -> None:
    """Set a member of each row, in a loop without Python in it."""
    deque(map(setattr, events, repeat(name), values), maxlen=0)


def hour_of_time(time: str) -> str:
    """Return the hour of an RFC 3339 time in the same form."""
    return f"{time[:13]}:00:00.000000Z"
