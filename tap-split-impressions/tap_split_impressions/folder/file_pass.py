"""One pass over the rows of a file, some of which an earlier run may have sent. Pure."""

from __future__ import annotations

from tap_split_impressions.common.folder.comparison import Reading, Unread
from tap_split_impressions.impressions.item import Item, Row


class FilePass:
    """Decides which rows are due, and notes in the bookmark how far the pass has come.

    Args:
        unread: The file, and what is out of it already.
        end: Rows that arrived at or after this time (milliseconds) wait for a later run.
        modified: Time of arrival of rows that tell none.

    Attributes:
        position: How many rows have been passed.
        held_back: Whether a row waits for a later `end_date`.
    """

    def __init__(self, unread: Unread, end: int | None, modified: int) -> None:
        self.unread = unread
        self.earlier = unread.progress
        self.end = end
        self.modified = modified
        self.position = 0
        self.held_back = False
        self._any_out = bool(unread.progress)

    def due(self, rows: list[Row]) -> list[Row]:
        """Pass the next rows and return those to be sent now."""
        first = self.position
        self.position += len(rows)
        if self.earlier or self.end is not None:
            rows = [row for number, row in enumerate(rows, first) if self._is_due(number, row)]
        self._any_out = self._any_out or bool(rows)
        return rows

    def _is_due(self, number: int, row: Row) -> bool:
        earlier = self.earlier
        received = row.received if isinstance(row, Item) and row.received is not None else self.modified
        if self.end is not None and received >= self.end:
            self.held_back = True
            return False
        return not (earlier and number < earlier.rows and (earlier.until is None or received < earlier.until))

    def note(self, reading: Reading) -> None:
        """Note the position, once it is beyond what an earlier run had reached."""
        if self.earlier is None or self.position > self.earlier.rows:
            reading.note(self.unread, self.position, self.end)

    def close(self, reading: Reading) -> None:
        """Note that the end of the file is reached."""
        if not self.held_back:
            reading.finish(self.unread)
        elif self._any_out and not self._reached_further():
            reading.note(self.unread, self.position, self.end)

    def _reached_further(self) -> bool:
        """Whether an earlier run went through the whole file with a later end."""
        earlier, end = self.earlier, self.end or 0
        return bool(earlier and earlier.rows >= self.position and (earlier.until is None or earlier.until >= end))
