"""Which parts of a record become an event's properties: chosen by paths and globs, flattened, scalar. Pure.

A property is named by its path in the record, joined by dots (`event_properties.cart.total`). Where two parts of a
record give one name, the first wins: entries in the order of the setting, parts of an object in its own order.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby, islice
from typing import Any

from target_split.api.limits import MAX_PROPERTIES, MAX_PROPERTY_LENGTH
from target_split.common.record_paths import MappingError, Record, check_path, getter, object_in, parse_path
from target_split.mapping.flattening import Flattener, Properties

Note = Callable[[str], None]

GLOB_CHARACTERS = re.compile(r"[*?\[]")
COLUMN = re.compile(r"[^.\"*?\[]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')

MAX_NAMES = 10_000  # of properties, whose fit to a glob is remembered

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


class Glob:
    """Chooses what a glob matches, within one column where the glob begins with its name.

    Where it takes all there is (`event_properties.*`, the usual one, and `*`), no name is compared.
    """

    def __init__(self, entry: str, flattener: Flattener) -> None:
        self._column = column_of(entry)
        self._prefix = "" if self._column is None else f"{self._column}."
        self._put = flattener.put_parts
        if entry != f"{self._prefix}*":
            fits = re.compile(fnmatch.translate(entry)).match
            matches = lru_cache(MAX_NAMES)(lambda name: fits(name) is not None)  # names come again and again
            self._put = partial(flattener.put_matching, matches)

    def choose(self, record: Record, chosen: Properties) -> None:
        """Put what matches among the properties."""
        if self._column is None:
            self._put(record, "", chosen, 0)
            return
        value = record.get(self._column)
        if type(value) is dict or (value := object_in(value)):
            self._put(value, self._prefix, chosen, 1)


def choices_of(entries: Sequence[str], flattener: Flattener) -> list[Columns | Path | Glob]:
    """Return what chooses properties by each entry, in their order."""
    choices: list[Columns | Path | Glob] = []
    for are_columns, run in groupby(entries, is_column):
        if are_columns:
            choices.append(Columns(list(run), flattener))
        else:
            choices += [(Glob if is_glob(entry) else Path)(entry, flattener) for entry in run]
    return choices


def is_column(entry: str) -> bool:
    """Whether an entry of `properties` is the bare name of a column."""
    return COLUMN.fullmatch(entry) is not None


def column_of(glob: str) -> str | None:
    """Return the column that a glob begins with; None when it may match any."""
    column, dot, _ = glob.partition(".")
    return column if dot and is_column(column) else None


def is_glob(entry: str) -> bool:
    """Whether an entry of `properties` is a glob; what stands in double quotes does not make it one."""
    return GLOB_CHARACTERS.search(QUOTED.sub("", entry)) is not None


def columns_chosen(entries: Sequence[str]) -> frozenset[str] | None:
    """Return the columns that entries read; None when a glob may want any."""
    columns: set[str] = set()
    for entry in entries:
        column = column_of(entry) if is_glob(entry) else parse_path(entry)[0]
        if column is None:
            return None
        columns.add(column)
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
