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
from typing import Any

import msgspec

from target_split.api.limits import LARGEST_LONG, MAX_PROPERTIES, MAX_PROPERTY_LENGTH
from target_split.common.record_paths import MappingError, Record, check_path, getter, parse_path

Note = Callable[[str], None]
Choice = Callable[[Record, dict[str, Any]], None]

GLOB_CHARACTERS = re.compile(r"[*?\[]")
COLUMN = re.compile(r"[^.\"*?\[]+")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')

# Objects deeper than this become JSON text. Far beyond any real event, and within what Python can recurse.
MAX_DEPTH = 20

encode = msgspec.json.Encoder().encode

TEXT_CUT = f"a property over {MAX_PROPERTY_LENGTH} characters"
TOO_MANY = f"over {MAX_PROPERTIES} properties"
NOT_FINITE = "a property that is no finite number"
TOO_DEEP = "a property nested too deeply"


def is_column(entry: str) -> bool:
    """Whether an entry of `properties` is the bare name of a column."""
    return COLUMN.fullmatch(entry) is not None


def is_glob(entry: str) -> bool:
    """Whether an entry of `properties` is a glob; what stands in double quotes does not make it one."""
    return GLOB_CHARACTERS.search(QUOTED.sub("", entry)) is not None


class Selection:
    """Chooses and flattens properties.

    Args:
        entries: Paths and globs. A path to an object takes all that is in it; a glob is compared with the whole
            name of each property. Columns that a stream does not have are passed over.
        join_arrays: Whether arrays become their items joined by commas, not JSON.
        note: Called with what had to be shortened or left out, once a record for each kind.
    """

    def __init__(self, entries: Sequence[str], note: Note, *, join_arrays: bool = False) -> None:
        self._choices = self._chosen_by(entries)
        self._join_arrays = join_arrays
        self._note = note
        self._problems: set[str] = set()  # of the record in hand

    def __call__(self, record: Record) -> dict[str, Any]:
        """Return the properties of a record: name to text, number or boolean; none is null."""
        chosen: dict[str, Any] = {}
        for choose in self._choices:
            choose(record, chosen)
        if len(chosen) > MAX_PROPERTIES:
            self._problems.add(TOO_MANY)
            chosen = dict(islice(chosen.items(), MAX_PROPERTIES))
        if self._problems:
            for problem in self._problems:
                self._note(problem)
            self._problems.clear()
        return chosen

    def _chosen_by(self, entries: Sequence[str]) -> list[Choice]:
        choices: list[Choice] = []
        # Columns that follow one another are read together: this runs for every column of every record.
        for are_columns, run in groupby(entries, is_column):
            if are_columns:
                choices.append(self._columns(list(run)))
            else:
                choices += [self._glob(entry) if is_glob(entry) else self._path(entry) for entry in run]
        return choices

    def _columns(self, names: Sequence[str]) -> Choice:
        def choose(record: Record, chosen: dict[str, Any]) -> None:
            get = record.get
            for name in names:
                value = get(name)
                if type(value) is str and len(value) <= MAX_PROPERTY_LENGTH:
                    chosen.setdefault(name, value)
                elif value is not None:
                    self._put({name: value}, "", chosen, None, 0)

        return choose

    def _path(self, entry: str) -> Choice:
        path = parse_path(entry)
        get, name = getter(path), ".".join(path)

        def choose(record: Record, chosen: dict[str, Any]) -> None:
            self._put({name: get(record)}, "", chosen, None, 0)

        return choose

    def _glob(self, entry: str) -> Choice:
        column, dot, rest = entry.partition(".")
        if dot and rest == "*" and not GLOB_CHARACTERS.search(column):
            return self._inside(column)
        fits = Remembering(re.compile(fnmatch.translate(entry)).match)

        def choose(record: Record, chosen: dict[str, Any]) -> None:
            self._put(record, "", chosen, fits, 0)

        return choose

    def _inside(self, column: str) -> Choice:
        """All that is in an object: the usual glob, `event_properties.*`, without comparing any name."""
        prefix = column + "."

        def choose(record: Record, chosen: dict[str, Any]) -> None:
            value = record.get(column)
            if isinstance(value, dict):
                self._put(value, prefix, chosen, None, 1)

        return choose

    def _put(
        self,
        parts: Mapping[str, Any],
        prefix: str,
        chosen: dict[str, Any],
        fits: Callable[[str], bool] | None,
        depth: int,
    ) -> None:
        """Put the parts of an object among the properties, as far as they fit the glob."""
        for part, value in parts.items():
            if value is None:
                continue
            name = prefix + part
            kind = type(value)
            if kind is dict and depth < MAX_DEPTH:
                self._put(value, name + ".", chosen, fits, depth + 1)
            elif name not in chosen and (fits is None or fits(name)):
                if kind is str and len(value) <= MAX_PROPERTY_LENGTH:
                    chosen[name] = value
                elif (scalar := self._scalar(value)) is not None:
                    chosen[name] = scalar

    def _scalar(self, value: Any) -> str | int | float | None:
        """Return what Split takes in place of a value; None for nothing."""
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self._problems.add(NOT_FINITE)
            return None
        if isinstance(value, int) and -LARGEST_LONG - 1 <= value <= LARGEST_LONG:  # booleans among them
            return value
        if isinstance(value, str):
            text = value
        else:
            try:
                text = joined(value) if self._join_arrays and isinstance(value, list) else json_text(value)
            except RecursionError:
                self._problems.add(TOO_DEEP)
                return None
        if len(text) > MAX_PROPERTY_LENGTH:
            self._problems.add(TEXT_CUT)
            return text[:MAX_PROPERTY_LENGTH]
        return text


class Remembering:
    """A test of names that remembers its answers: the same names come again and again."""

    MOST = 10_000

    def __init__(self, test: Callable[[str], Any]) -> None:
        self._test = test
        self._answers: dict[str, bool] = {}

    def __call__(self, name: str) -> bool:
        """Whether a name passes the test."""
        answer = self._answers.get(name)
        if answer is None:
            if len(self._answers) >= self.MOST:
                self._answers.clear()
            answer = self._answers[name] = bool(self._test(name))
        return answer


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
        MappingError: They are no list of texts, or the stream cannot have one of the paths among them.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise MappingError("'properties' must be a list of paths and globs.")
    for entry in entries:
        if not is_glob(entry):
            check_path(parse_path(entry), schema)
