"""Which parts of a record become an event's properties: chosen by paths and globs, flattened, scalar. Pure.

A property is named by its path in the record, joined by dots (`event_properties.cart.total`). Where two parts of a
record give one name, the first wins: entries in the order of the setting, parts of an object in its own order.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import msgspec

from target_split.api.limits import LARGEST_LONG, MAX_PROPERTIES, MAX_PROPERTY_LENGTH
from target_split.common.record_paths import MappingError, Record, check_path, getter, parse_path

Note = Callable[[str], None]
Properties = dict[str, Any]

GLOB_CHARACTERS = re.compile(r"[*?\[]")
COLUMN = re.compile(r"[^.\"*?\[]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')

# Objects deeper than this become JSON text. Far beyond any real event, and within what Python can recurse.
MAX_DEPTH = 20

encode = msgspec.json.Encoder().encode

TRUNCATED = f"a property over {MAX_PROPERTY_LENGTH} characters"
TOO_MANY = f"over {MAX_PROPERTIES} properties"
NOT_FINITE = "a property that is not a finite number"
TOO_DEEP = "a property nested too deeply"


class Selection:
    """Chooses and flattens properties.

    Args:
        entries: Paths and globs. A path to an object takes all that is in it; a glob is compared with the whole
            name of each property. Columns that a stream does not have are ignored.
        join_arrays: Whether arrays become their items joined by commas, not JSON.
        note: Called with what had to be truncated or left out, once a record for each kind.
    """

    def __init__(self, entries: Sequence[str], note: Note, *, join_arrays: bool = False) -> None:
        self._note = note
        self._flattener = Flattener(join_arrays=join_arrays)
        self._choices = [*choices_of(entries, self._flattener)]

    def __call__(self, record: Record) -> Properties:
        """Return the properties of a record: name to text, number or boolean; none is null."""
        chosen: Properties = {}
        for choose in self._choices:
            choose(record, chosen)
        problems = self._flattener.problems
        if len(chosen) > MAX_PROPERTIES:
            problems.add(TOO_MANY)
            chosen = dict(islice(chosen.items(), MAX_PROPERTIES))
        if problems:
            for problem in problems:
                self._note(problem)
            problems.clear()
        return chosen


class Flattener:
    """Puts values among properties: objects by their parts, everything else as a scalar.

    Attributes:
        problems: What had to be truncated or left out of the record at hand.
    """

    def __init__(self, *, join_arrays: bool) -> None:
        self.problems: set[str] = set()
        self._join_arrays = join_arrays

    def put(self, name: str, value: Any, chosen: Properties) -> None:
        """Put a value, or what is in it."""
        if type(value) is dict:
            self.put_parts(value, name + ".", chosen, 1)
        elif name not in chosen and (scalar := self.scalar(value)) is not None:
            chosen[name] = scalar

    def put_parts(self, parts: Mapping[str, Any], prefix: str, chosen: Properties, depth: int) -> None:
        """Put the parts of an object."""
        for part, value in parts.items():
            kind = type(value)
            name = prefix + part
            if kind is dict and depth < MAX_DEPTH:
                self.put_parts(value, name + ".", chosen, depth + 1)
            elif value is None or name in chosen:
                continue
            elif (
                kind is bool
                or (kind is str and len(value) <= MAX_PROPERTY_LENGTH)
                or (kind is float and -math.inf < value < math.inf)
                or (kind is int and -LARGEST_LONG <= value <= LARGEST_LONG)
            ):
                chosen[name] = value
            elif (scalar := self.scalar(value)) is not None:
                chosen[name] = scalar

    def put_matching(
        self, parts: Mapping[str, Any], prefix: str, chosen: Properties, matches: Callable[[str], bool], depth: int
    ) -> None:
        """Put those parts of an object whose names match a glob."""
        for part, value in parts.items():
            name = prefix + part
            if type(value) is dict and depth < MAX_DEPTH:
                self.put_matching(value, name + ".", chosen, matches, depth + 1)
            elif value is not None and name not in chosen and matches(name):
                scalar = self.scalar(value)
                if scalar is not None:
                    chosen[name] = scalar

    def scalar(self, value: Any) -> str | int | float | None:
        """Return what Split takes in place of a value; None for nothing."""
        kind = type(value)
        if kind is bool or value is None:
            return value  # type: ignore[no-any-return]
        if kind is int and -LARGEST_LONG - 1 <= value <= LARGEST_LONG:
            return value  # type: ignore[no-any-return]
        if kind is float:
            if math.isfinite(value):
                return value  # type: ignore[no-any-return]
            self.problems.add(NOT_FINITE)
            return None
        text = value if kind is str else self._text(value)
        if text is None or len(text) <= MAX_PROPERTY_LENGTH:
            return text
        self.problems.add(TRUNCATED)
        return text[:MAX_PROPERTY_LENGTH]

    def _text(self, value: Any) -> str | None:
        try:
            return joined(value) if self._join_arrays and isinstance(value, list) else json_text(value)
        except RecursionError:
            self.problems.add(TOO_DEEP)
            return None


Choice = Callable[[Record, Properties], None]


class Columns:
    """Chooses columns that follow one another: this runs for every column of every record."""

    def __init__(self, names: Sequence[str], flattener: Flattener) -> None:
        self._names = names
        self._values = itemgetter(*names, names[0])  # the first once more, so that one name gives a tuple as well
        self._put = flattener.put

    def __call__(self, record: Record, chosen: Properties) -> None:
        """Put the columns among the properties."""
        try:
            values = self._values(record)
        except KeyError:  # a column that the stream does not have
            values = [*map(record.get, self._names)]
        for name, value in zip(self._names, values, strict=False):
            if value is None:
                continue
            if type(value) is str and len(value) <= MAX_PROPERTY_LENGTH and name not in chosen:
                chosen[name] = value
            else:
                self._put(name, value, chosen)


class Path:
    """Chooses what a path leads to."""

    def __init__(self, entry: str, flattener: Flattener) -> None:
        path = parse_path(entry)
        self._get, self._name = getter(path), ".".join(path)
        self._put = flattener.put

    def __call__(self, record: Record, chosen: Properties) -> None:
        """Put the value among the properties."""
        value = self._get(record)
        if value is not None:
            self._put(self._name, value, chosen)


class Inside:
    """Chooses all that is in an object: the usual glob, `event_properties.*`, without comparing any name."""

    def __init__(self, column: str, flattener: Flattener) -> None:
        self._column, self._prefix = column, column + "."
        self._put_parts = flattener.put_parts

    def __call__(self, record: Record, chosen: Properties) -> None:
        """Put the parts among the properties."""
        value = record.get(self._column)
        if type(value) is dict:
            self._put_parts(value, self._prefix, chosen, 1)


class Everything:
    """Chooses all of a record: the glob `*`."""

    def __init__(self, flattener: Flattener) -> None:
        self._put_parts = flattener.put_parts

    def __call__(self, record: Record, chosen: Properties) -> None:
        """Put all columns among the properties."""
        self._put_parts(record, "", chosen, 0)


class Matching:
    """Chooses what a glob matches, within one column where the glob begins with its name."""

    def __init__(self, entry: str, flattener: Flattener) -> None:
        column, dot, _ = entry.partition(".")
        self._column = column if dot and is_column(column) else None
        self._matches = Remembering(re.compile(fnmatch.translate(entry)).match)
        self._put_matching = flattener.put_matching

    def __call__(self, record: Record, chosen: Properties) -> None:
        """Put what matches among the properties."""
        if self._column is None:
            self._put_matching(record, "", chosen, self._matches, 0)
            return
        value = record.get(self._column)
        if type(value) is dict:
            self._put_matching(value, self._column + ".", chosen, self._matches, 1)


class Remembering:
    """A test of names that remembers its answers: the same names come again and again."""

    MAX = 10_000

    def __init__(self, test: Callable[[str], Any]) -> None:
        self._test = test
        self._answers: dict[str, bool] = {}

    def __call__(self, name: str) -> bool:
        """Whether a name passes the test."""
        answer = self._answers.get(name)
        if answer is None:
            if len(self._answers) >= self.MAX:
                self._answers.clear()
            answer = self._answers[name] = bool(self._test(name))
        return answer


def choices_of(entries: Sequence[str], flattener: Flattener) -> list[Choice]:
    """Return what chooses properties by each entry, in their order."""
    choices: list[Choice] = []
    for are_columns, run in groupby(entries, is_column):
        if are_columns:
            choices.append(Columns(list(run), flattener))
        else:
            choices += [choice_of(entry, flattener) for entry in run]
    return choices


def choice_of(entry: str, flattener: Flattener) -> Choice:
    """Return what chooses properties by one entry."""
    if not is_glob(entry):
        return Path(entry, flattener)
    column, dot, rest = entry.partition(".")
    if dot and rest == "*" and is_column(column):
        return Inside(column, flattener)
    return Everything(flattener) if entry == "*" else Matching(entry, flattener)


def is_column(entry: str) -> bool:
    """Whether an entry of `properties` is the bare name of a column."""
    return COLUMN.fullmatch(entry) is not None


def is_glob(entry: str) -> bool:
    """Whether an entry of `properties` is a glob; what stands in double quotes does not make it one."""
    return GLOB_CHARACTERS.search(QUOTED.sub("", entry)) is not None


def joined(items: list[Any]) -> str:
    """Return the items of an array joined by commas; nulls are left out, objects and arrays in it are JSON."""
    return ",".join(item if isinstance(item, str) else json_text(item) for item in items if item is not None)


def json_text(value: Any) -> str:
    """Return a value as JSON text.

    Raises:
        RecursionError: It is nested too deeply.
    """
    try:
        return encode(value).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
        return str(value)  # beyond JSON: lone surrogates, integers over 64 bits


def columns_chosen(entries: Sequence[str]) -> frozenset[str] | None:
    """Return the columns that entries read; None when a glob may want any."""
    columns: set[str] = set()
    for entry in entries:
        column, dot, _ = entry.partition(".")
        if not is_glob(entry):
            columns.add(parse_path(entry)[0])
        elif dot and is_column(column):
            columns.add(column)
        else:
            return None
    return frozenset(columns)


def check_entries(entries: Any, schema: Mapping[str, Any]) -> None:
    """Check a mapping's `properties`.

    Raises:
        MappingError: They are not a list of texts, or the stream cannot have one of the paths among them.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise MappingError("'properties' must be a list of paths and globs.")
    for entry in entries:
        if not is_glob(entry):
            check_path(parse_path(entry), schema)
