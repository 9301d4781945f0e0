"""Which parts of a record become an event's properties: chosen by paths and globs, flattened, scalar. Pure.

A property is named by its path in the record, joined by dots (`event_properties.cart.total`). Where two parts of a
record give one name, the first wins: entries in the order of the setting, parts of an object in its own order.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Protocol

from target_split.api.limits import MAX_PROPERTIES, MAX_PROPERTY_LENGTH
from target_split.common.record_paths import MappingError, Record, check_path, getter, object_in, parse_path
from target_split.mapping.flattening import Flattener, Properties

Note = Callable[[str], None]

GLOB_CHARACTERS = re.compile(r"[*?\[]")
COLUMN = re.compile(r"[^.\"*?\[]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')

TOO_MANY = f"over {MAX_PROPERTIES} properties"


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
        self._choices = [one.choose for one in choices_of(entries, self._flattener)]

    def select(self, record: Record) -> Properties:
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


class Choice(Protocol):
    """Chooses properties by an entry, or by several."""

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put what it chooses among the properties."""


class Columns:
    """Chooses columns that follow one another: this runs for every column of every record."""

    def __init__(self, names: Sequence[str], flattener: Flattener) -> None:
        self._names = names
        self._put = flattener.put

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put the columns among the properties."""
        get, put = record.get, self._put
        for name in self._names:
            value = get(name)
            if type(value) is str and len(value) <= MAX_PROPERTY_LENGTH and name not in chosen:
                chosen[name] = value
            elif value is not None:
                put(name, value, chosen)


class Path:
    """Chooses what a path leads to."""

    def __init__(self, entry: str, flattener: Flattener) -> None:
        path = parse_path(entry)
        self._get, self._name = getter(path), ".".join(path)
        self._put = flattener.put

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put the value among the properties."""
        value = self._get(record)
        if value is not None:
            self._put(self._name, value, chosen)


class Inside:
    """Chooses all that is in an object: the usual glob, `event_properties.*`, without comparing any name."""

    def __init__(self, column: str, flattener: Flattener) -> None:
        self._column, self._prefix = column, column + "."
        self._put_parts = flattener.put_parts

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put the parts among the properties."""
        value = record.get(self._column)
        if type(value) is dict or (value := object_in(value)):
            self._put_parts(value, self._prefix, chosen, 1)


class Everything:
    """Chooses all of a record: the glob `*`."""

    def __init__(self, flattener: Flattener) -> None:
        self._put_parts = flattener.put_parts

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put all columns among the properties."""
        self._put_parts(record, "", chosen, 0)


class Matching:
    """Chooses what a glob matches, within one column where the glob begins with its name."""

    def __init__(self, entry: str, flattener: Flattener) -> None:
        column, dot, _ = entry.partition(".")
        self._column = column if dot and is_column(column) else None
        self._matches = Remembering(re.compile(fnmatch.translate(entry)).match)
        self._put_matching = flattener.put_matching

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put what matches among the properties."""
        if self._column is None:
            self._put_matching(record, "", chosen, self._matches, 0)
            return
        value = record.get(self._column)
        if type(value) is dict or (value := object_in(value)):
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
