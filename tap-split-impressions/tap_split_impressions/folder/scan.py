"""One pass over the folder: file after file in order of arrival, what is wanted of each, and how far it got."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.comparison import Reading, Unread
from tap_split_impressions.common.folder.file import File
from tap_split_impressions.common.folder.folder import PREFETCH_FILES, Folder
from tap_split_impressions.common.folder.names import is_sealed
from tap_split_impressions.common.folder.storage import storage_errors
from tap_split_impressions.folder.readers import DamagedFileError, Row, read
from tap_split_impressions.impressions.filters import Filters
from tap_split_impressions.impressions.item import Item, NotAnImpression
from tap_split_impressions.impressions.record import Impression, Shaper
from tap_split_impressions.impressions.times import rfc3339

PROGRESS_SECONDS = 30.0
CLOCKS_APART_SECONDS = 86_400.0  # how far the clocks of Split, a receiver and a storage may be apart
LONGEST_WAIT_SECONDS = 5.0  # for files that are about to settle; others are left to the next run


@dataclass
class Selection:
    """What of the rows is wanted. `start` and `end` are milliseconds since 1970, `end` exclusive."""

    filters: Filters = field(default_factory=Filters)
    start: int | None = None
    end: int | None = None


@dataclass
class Counts:
    """What a run did, for its closing summary."""

    files: int = 0
    too_early: int = 0
    read: int = 0
    sent: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    damaged: list[str] = field(default_factory=list)


class Run:
    """Reads what the bookmark has not seen, and moves the bookmark with it.

    Args:
        folder: Where the files are.
        reading: The bookmark beside a listing of the folder.
        selection: What of it is wanted.
        shaper: Gives each item the stream's shape.
        logger: For the user's messages.
        settle_seconds: How long a local file must have been left alone.
        csv_columns: Field of ours to header of CSV files.
        stopping: Whether the run has been asked to stop.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        folder: Folder,
        reading: Reading,
        selection: Selection,
        shaper: Shaper,
        logger: logging.Logger,
        settle_seconds: float,
        csv_columns: dict[str, str],
        stopping: Callable[[], bool],
    ) -> None:
        self.folder = folder
        self.reading = reading
        self.selection = selection
        self.shaper = shaper
        self.logger = logger
        self.settle_seconds = settle_seconds
        self.csv_columns = csv_columns
        self.stopping = stopping
        self.counts = Counts()
        self.newest = 0  # the latest time of arrival sent, in milliseconds
        self._held_back_since = math.inf  # the earliest arrival of a file that a later run must come back to
        self._logged = self._started = time.monotonic()

    def blocks(self) -> Iterator[list[Impression]]:
        """Yield impressions; between two blocks the bookmark tells exactly what is out."""
        if (self.selection.start or 0) > time.time() * 1000:
            # A slip of the hand must not pass for having read everything.
            self.logger.warning("Setting 'start_date' lies in the future, so nothing is read.")
            return
        settled: list[Unread] = []
        settling: list[Unread] = []
        for unread in self.reading.unread:
            (settled if self._is_settled(unread.file) else settling).append(unread)
        settling_since = min((unread.file.arrived for unread in settling), default=math.inf)
        yield from self._files(settled, settling_since)
        if settling and not self.stopping():
            ready = self._await_settling(settling)
            left = [unread.file.arrived for unread in settling if unread not in ready]
            yield from self._files(ready, min(left, default=math.inf))

    def _files(self, files: list[Unread], others_since: float) -> Iterator[list[Impression]]:
        """Yield the wanted impressions of files; `others_since` is the earliest arrival of those left for later."""
        for number, unread in enumerate(files):
            if self._arrived_too_early(unread.file):
                self.reading.finish(unread)
                self.counts.too_early += 1
            else:
                self.folder.prefetch([following.file for following in files[number : number + PREFETCH_FILES]])
                yield from self._file(unread)
            if self.stopping():
                return
            waiting_since = files[number + 1].file.arrived if number + 1 < len(files) else math.inf
            self.reading.advance(min(waiting_since, others_since, self._held_back_since), time.time())
        if not files:
            self.reading.advance(min(others_since, self._held_back_since), time.time())

    def _arrived_too_early(self, file: File) -> bool:
        """Whether a file is so much older than `start_date` that nothing in it can have arrived since."""
        start = self.selection.start
        return start is not None and file.arrived < start / 1000 - CLOCKS_APART_SECONDS

    def _is_settled(self, file: File) -> bool:
        """Whether a file can be taken for complete: objects are, and so is what the receiver has sealed."""
        if not self.folder.local or is_sealed(file.path):
            return True
        # A time in the future says nothing.
        return not 0 <= time.time() - file.modified < self.settle_seconds

    def _await_settling(self, settling: list[Unread]) -> list[Unread]:
        """Return those files that have settled within a short wait, unchanged since they were listed."""
        waits = [unread.file.modified + self.settle_seconds - time.time() for unread in settling]
        if soon := [wait for wait in waits if wait <= LONGEST_WAIT_SECONDS]:
            time.sleep(max(*soon, 0))
        unchanged = {file.path: file for file in self.folder.listing()} if soon else {}
        ready = [u for u in settling if unchanged.get(u.file.path) == u.file and self._is_settled(u.file)]
        if left := len(settling) - len(ready):
            self.logger.info("%d files have changed in the last seconds; the next run will read them.", left)
        return ready

    def _file(self, unread: Unread) -> Iterator[list[Impression]]:
        """Yield the wanted impressions of one file."""
        name = unread.file.path
        rejected: Counter[str] = Counter()
        # The time of arrival of rows that tell none.
        modified = round(unread.file.modified * 1000)
        out = Pass(unread, self.selection.end, modified)
        try:
            with self.folder.open(unread.file) as stream:
                for rows in read(name, stream, self.csv_columns):
                    yield self._wanted(out.due(rows), modified, rejected)
                    out.note(self.reading)
                    self._log_progress(name)
                    if self.stopping():
                        return
        except FileNotFoundError:
            self.logger.warning("%s was removed before it was read.", name)
            return
        except (DamagedFileError, PermissionError) as error:
            why = str(error) if isinstance(error, DamagedFileError) else "may not be read (permission denied)"
            self.counts.damaged.append(name)
            self.logger.error("%s %s. It stays unread.", name, why)  # noqa: TRY400  (foreseen: no traceback)
            out.note(self.reading)
        except storage_errors() as error:
            raise ConnectorError(
                f"{name} could not be read to its end ({type(error).__name__}). The state holds what was: run again."
            ) from error
        else:
            out.close(self.reading)
            self.counts.files += 1
        finally:
            self._report(name, rejected)
        if out.held_back:
            self._held_back_since = min(self._held_back_since, unread.file.arrived)

    def _wanted(self, rows: list[Row], modified: int, rejected: Counter[str]) -> list[Impression]:
        """Return the records of those rows that are wanted; count the others."""
        filters, shaper, skipped = self.selection.filters, self.shaper, self.counts.skipped
        start = self.selection.start
        impressions: list[Impression] = []
        last, received_at = -1, ""
        for row in rows:
            try:
                if isinstance(row, NotAnImpression):
                    raise row
                if filters.active and (reason := filters.reason_against(row, shaper.environment_name(row))):
                    skipped[reason] += 1
                    continue
                received = modified if row.received is None else row.received
                if start is not None and received < start:
                    skipped["before start_date"] += 1
                    continue
                if received != last:
                    last, received_at = received, rfc3339(received)
                impressions.append(shaper.shape(row, received_at))
            except NotAnImpression as found:
                rejected[str(found)] += 1
        self.counts.read += len(rows)
        self.counts.sent += len(impressions)
        self.newest = max(self.newest, last)
        return impressions

    def _report(self, name: str, rejected: Counter[str]) -> None:
        """Say how many rows of a file were no impressions, without their data."""
        if rejected:
            reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
            self.logger.warning("%s: %d rows are no impressions: %s.", name, rejected.total(), reasons)
            self.counts.rejected += rejected

    def _log_progress(self, name: str) -> None:
        now = time.monotonic()
        if now - self._logged >= PROGRESS_SECONDS:
            self._logged = now
            rate = self.counts.read / (now - self._started)
            self.logger.info("%d impressions read so far (%d a second), now in %s.", self.counts.read, rate, name)


class Pass:
    """One pass over the rows of a file, some of which an earlier run may have sent.

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
        """Remember the position, once it is beyond what an earlier run had reached."""
        if self.earlier is None or self.position > self.earlier.rows:
            reading.note(self.unread, self.position, self.end)

    def close(self, reading: Reading) -> None:
        """Remember that the end of the file is reached."""
        if not self.held_back:
            reading.finish(self.unread)
        elif self._any_out and not self._reached_further():
            reading.note(self.unread, self.position, self.end)

    def _reached_further(self) -> bool:
        """Whether an earlier run went through the whole file with a later end."""
        earlier, end = self.earlier, self.end or 0
        return bool(earlier and earlier.rows >= self.position and (earlier.until is None or earlier.until >= end))
