"""The file of a cohort's members: strict CSV to members. Pure.

Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from tap_amplitude.api.errors import DamagedDownloadError
from tap_amplitude.common import compression

GZIP_MAGIC = b"\x1f\x8b"
# Longest value of a member's property; the csv module's own limit is 128 kB.
MAX_VALUE_CHARACTERS = 1 << 24
MAX_ID_DIGITS = 20
AMPLITUDE_ID, USER_ID, GROUP_VALUE = "amplitude_id", "user_id", "group_value"
DAMAGE: tuple[type[Exception], ...] = (csv.Error, UnicodeDecodeError, gzip.BadGzipFile, *compression.DAMAGE)


@dataclass(frozen=True)
class Member:
    """One member of a cohort.

    Attributes:
        member_id: Tells the members of a list apart: the Amplitude id; without one, the user id or the group's value.
        amplitude_id: Absent in the list of a group cohort.
        user_id: Absent for anonymous members; in the list of a group cohort the group's value.
        properties: The other columns, texts as in the file; an empty cell is None.
        is_group: Whether the list is of groups.
    """

    member_id: str
    amplitude_id: int | None
    user_id: str | None
    properties: dict[str, str | None]
    is_group: bool


class MembershipError(DamagedDownloadError):
    """The file is not a whole list of members. The message says why, as a clause."""


def members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the members in a downloaded file, gzipped or not.

    Columns are taken from the header by name; of two columns with the name of an id, the second is a property.
    Amplitude may write a tab before headers and values, and anonymous members with an empty user id. A row without any
    id is not a member.

    Raises:
        MembershipError: The header names no id, a quote is not closed, or a row has another number of cells.
    """
    csv.field_size_limit(MAX_VALUE_CHARACTERS)
    with csv_table(file) as table:
        try:
            columns = Columns(next(table, []))
            for cells in table:
                if cells and (member := columns.member(cells)):
                    yield member
        except DAMAGE as error:
            raise MembershipError(f"line {table.line_num:,}: {error}") from error


@contextmanager
def csv_table(file: IO[bytes]) -> Iterator[Any]:
    """Give a `csv.reader` of a file, gzipped or not, from its beginning; the file stays open."""
    file.seek(0)
    is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    source: Any = compression.GzipFile(fileobj=file) if is_gzip else file
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        yield csv.reader(text, strict=True)
    finally:
        if not file.closed:  # as it is where a signal ends the run between two rows
            text.detach()


class Columns:
    """Where a file has which column.

    Args:
        header: The first row.

    Raises:
        MembershipError: It names no id.
    """

    def __init__(self, header: Sequence[str]) -> None:
        names = [bare(name) for name in header]
        ids = {name: names.index(name) for name in (AMPLITUDE_ID, USER_ID, GROUP_VALUE) if name in names}
        if not ids:
            raise MembershipError("its header names no id")
        self._width = len(names)
        self._amplitude_id, self._user_id = ids.get(AMPLITUDE_ID), ids.get(USER_ID)
        self._group = ids.get(GROUP_VALUE)
        self._is_group = self._group is not None and self._user_id is None
        self._properties = [(name, place) for place, name in enumerate(names) if place not in ids.values()]

    def member(self, cells: Sequence[str]) -> Member | None:
        """Return the member that a row is, None without any id.

        Raises:
            MembershipError: The row is damaged.
        """
        if len(cells) != self._width:
            raise MembershipError(f"a row has {len(cells)} cells, the header {self._width}")
        amplitude_id, user_id = self._cell(cells, self._amplitude_id), self._cell(cells, self._user_id)
        user_id = user_id or self._cell(cells, self._group)
        if not amplitude_id and not user_id:
            return None
        if "\n" in user_id or "\r" in user_id:
            raise MembershipError("an id holds a line feed")
        if amplitude_id and not (
            amplitude_id.isascii() and amplitude_id.isdigit() and len(amplitude_id) <= MAX_ID_DIGITS
        ):
            raise MembershipError("an amplitude_id is not a number")
        return Member(
            # Only a file that has both columns can have a user id that looks like another member's Amplitude id.
            member_id=amplitude_id or (user_id if self._amplitude_id is None else f"user_id:{user_id}"),
            amplitude_id=int(amplitude_id) if amplitude_id else None,
            user_id=user_id or None,
            properties={name: bare(cells[place]) or None for name, place in self._properties},
            is_group=self._is_group,
        )

    @staticmethod
    def _cell(cells: Sequence[str], place: int | None) -> str:
        return "" if place is None else bare(cells[place])


def bare(text: str) -> str:
    """Return a header or value without the tab that Amplitude writes before it."""
    return text.removeprefix("\t")
