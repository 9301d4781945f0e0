"""The file of a cohort's members: CSV as Amplitude writes it, to members."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

GZIP_MAGIC = b"\x1f\x8b"
# Longest value of a member's property; the csv module's own limit is 128 kB.
MAX_VALUE_CHARACTERS = 1 << 24
AMPLITUDE_ID, USER_ID, GROUP_VALUE = "amplitude_id", "user_id", "group_value"


@dataclass(frozen=True)
class Member:
    """One member of a cohort.

    Attributes:
        amplitude_id: Absent in the list of a group cohort.
        user_id: Absent for anonymous members; in the list of a group cohort the group's value.
        properties: The other columns, texts as in the file; an empty cell is None.
    """

    amplitude_id: int | None
    user_id: str | None
    properties: dict[str, str | None]


class MembershipError(Exception):
    """The file is no list of members."""


def members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the members in a downloaded file.

    Columns are taken from the header by name. Amplitude may write a tab before headers and values, and anonymous
    members with an empty user id; a line without any id is no member.
    Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts

    Raises:
        MembershipError: There is no header with an id, or a line that is no CSV.
    """
    file.seek(0)
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    source: Any = gzip.GzipFile(fileobj=file) if packed else file
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    csv.field_size_limit(MAX_VALUE_CHARACTERS)
    try:
        yield from read_table(csv.reader(text))
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise MembershipError(str(error)) from error
    finally:
        text.detach()


def read_table(table: Iterator[list[str]]) -> Iterator[Member]:
    """Yield the members of a table that begins with its header."""
    header = [bare(name) for name in next(table, [])]
    if not {AMPLITUDE_ID, USER_ID, GROUP_VALUE} & set(header):
        raise MembershipError("its header names no id")
    for cells in table:
        row = dict(zip(header, map(bare, cells), strict=False))
        amplitude_id = row.pop(AMPLITUDE_ID, "")
        user_id, group = row.pop(USER_ID, ""), row.pop(GROUP_VALUE, "")
        if amplitude_id or user_id or group:
            if amplitude_id and not amplitude_id.isdecimal():
                raise MembershipError("an amplitude_id is no number")
            yield Member(
                int(amplitude_id) if amplitude_id else None,
                user_id or group or None,
                {name: value or None for name, value in row.items()},
            )


def bare(text: str) -> str:
    """Return a header or value without the tab that Amplitude writes before it."""
    return text.removeprefix("\t")
