"""One pass over the folder: file after file in order of arrival, what is wanted of each, and how far it got."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.comparison import Reading, Unread
from tap_split_impressions.common.folder.file import OPEN_SUFFIX, File, is_sealed
from tap_split_impressions.common.folder.folder import PREFETCH_FILES, Folder
from tap_split_impressions.common.folder.storage import storage_errors
from tap_split_impressions.common.summary import Summary
from tap_split_impressions.common.timestamps import rfc3339
from tap_split_impressions.folder.file_pass import FilePass
from tap_split_impressions.folder.readers import CsvOptions, DamagedFileError, UnknownFormatError, read
from tap_split_impressions.impressions.filters import Filters
from tap_split_impressions.impressions.item import FOREIGN, NOT_AN_OBJECT, NotAnImpression, Row
from tap_split_impressions.impressions.record import Impression, Shaper

CLOCK_SKEW_SECONDS = 86_400.0  # the most by which the clocks of Split, a receiver and a storage may differ
LONGEST_WAIT_SECONDS = 5.0  # for files that are about to settle; others are left to the next run


@dataclass(kw_only=True)
class Scan:
    """Reads what the bookmark has not seen, and moves the bookmark with it.

    Attributes:
        reading: The bookmark compared with a listing of the folder.
        start: Rows that arrived earlier are skipped (milliseconds since 1970).
        end: Rows that arrived then or later wait for a later run.
        stream: The stream for which `summary` counts rows.
        settle_seconds: How long ago a local file must have changed.
        newest: The latest time of arrival sent, in milliseconds.
        damaged: How many files could not be read and stay unread.
    """

    folder: Folder
    reading: Reading
    filters: Filters
    start: int | None
    end: int | None
    shaper: Shaper
    summary: Summary
    stream: str
    logger: logging.Logger
    settle_seconds: float
    csv_options: CsvOptions
    is_stopping: Callable[[], bool]
    newest: int = field(default=0, init=False)
    damaged: int = field(default=0, init=False)
    # The earliest arrival of a file that a later run must come back to.
    _held_back_since: float = field(default=math.inf, init=False)

    def __post_init__(self) -> None:
        for metric in ("records_read", "records_skipped", "records_rejected"):
            self.summary.add(metric, 0, stream=self.stream)
        self.summary.add("files_repeated", self.reading.same_content)

    def blocks(self) -> Iterator[list[Impression]]:
        """Yield impressions; between two blocks the bookmark tells exactly what is out."""
        if (self.start or 0) > time.time() * 1000:
            # A typing error must not pass for having read everything.
            self.logger.warning("Setting 'start_date' lies in the future, so nothing is read.")
            return
        settled: list[Unread] = []
        settling: list[Unread] = []
        for unread in self.reading.unread:
            (settled if self._is_settled(unread.file) else settling).append(unread)
        yield from self._read(settled, earliest(settling))
        if settling and not self.is_stopping():
            ready, left = self._await_settling(settling)
            yield from self._read(ready, earliest(left))

    def _is_settled(self, file: File) -> bool:
        """Whether a file is complete: objects are, and so is what a receiver has sealed or left behind."""
        if not self.folder.local or is_sealed(file.path.removesuffix(OPEN_SUFFIX)):
            return True
        # A time in the future says nothing.
        return not 0 <= time.time() - file.modified < self.settle_seconds

    def _await_settling(self, settling: list[Unread]) -> tuple[list[Unread], list[Unread]]:
        """Return the files that settle, unchanged, within a short wait, and those that do not."""
        waits = [unread.file.modified + self.settle_seconds - time.time() for unread in settling]
        if soon := [wait for wait in waits if wait <= LONGEST_WAIT_SECONDS]:
            time.sleep(max(*soon, 0))
        unchanged = {file.path: file for file in self.folder.listing()} if soon else {}
        ready: list[Unread] = []
        left: list[Unread] = []
        for unread in settling:
            is_ready = unchanged.get(unread.file.path) == unread.file and self._is_settled(unread.file)
            (ready if is_ready else left).append(unread)
        if left:
            self.logger.info("%d files have changed in the last seconds; the next run will read them.", len(left))
        return ready, left

    def _read(self, files: list[Unread], others_since: float) -> Iterator[list[Impression]]:
        """Yield the wanted impressions of files; `others_since` is the earliest arrival of those left for later."""
        for number, unread in enumerate(files):
            if self._arrived_too_early(unread.file):
                self.reading.finish(unread)
                self.summary.add("files_too_early")
            else:
                self.folder.prefetch([following.file for following in files[number : number + PREFETCH_FILES]])
                yield from self._read_file(unread)
            if self.is_stopping():
                return
            waiting_since = files[number + 1].file.arrived if number + 1 < len(files) else math.inf
            self.reading.advance(min(waiting_since, others_since, self._held_back_since), time.time())
        if not files:
            self.reading.advance(min(others_since, self._held_back_since), time.time())

    def _arrived_too_early(self, file: File) -> bool:
        """Whether a file is so much older than `start_date` that nothing in it can have arrived since."""
        start = self.start
        return start is not None and file.arrived < start / 1000 - CLOCK_SKEW_SECONDS

    def _read_file(self, unread: Unread) -> Iterator[list[Impression]]:
        """Yield the wanted impressions of one file, and note in the bookmark how far it was read."""
        name, modified = unread.file.path, round(unread.file.modified * 1000)
        rejected: Counter[str] = Counter()
        progress = FilePass(unread, self.end, modified)
        try:
            with self.folder.open(unread.file) as stream:
                for rows in read(name, stream, self.csv_options):
                    yield self._wanted(progress.due(rows), modified, rejected)
                    progress.note(self.reading)
                    self.summary.progress(partial(self._progress, name))
                    if self.is_stopping():
                        return
        except FileNotFoundError:
            self.logger.warning("%s was removed before it was read.", name)
        except UnknownFormatError as error:
            self._report_unknown(name, str(error))
            progress.close(self.reading)
        except (DamagedFileError, PermissionError) as error:
            why = error if isinstance(error, DamagedFileError) else "cannot be read (permission denied)"
            self._report_damaged(name, str(why))
            progress.note(self.reading)
        except storage_errors() as error:
            raise ConnectorError(
                f"{name} could not be read to its end ({type(error).__name__}). The state holds what was: run again."
            ) from error
        else:
            self._close(progress, rejected)
        finally:
            self._report_rejected(name, rejected)
        if progress.held_back:
            self._held_back_since = min(self._held_back_since, unread.file.arrived)

    def _close(self, progress: FilePass, rejected: Counter[str]) -> None:
        """Note that the end of a file is reached.

        A file without any impression does not count as read, unless it holds data of another kind.
        """
        name = progress.unread.file.path
        if not progress.position or rejected.total() < progress.position:
            progress.close(self.reading)
            self.summary.add("files")
        elif rejected.keys() <= {FOREIGN, NOT_AN_OBJECT}:
            self._report_unknown(name, "holds data of another kind")
            progress.close(self.reading)
        else:
            self._report_damaged(name, "holds no impression that can be read")
            self.reading.note(progress.unread, 0)  # nothing of it counts as read

    def _wanted(self, rows: list[Row], modified: int, rejected: Counter[str]) -> list[Impression]:
        """Return the records of those rows that are wanted; count the others."""
        filters, shaper = self.filters, self.shaper
        skipped: Counter[str] = Counter()
        start = self.start
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
        self.summary.add("records_read", len(rows), stream=self.stream)
        self.summary.add("records_sent", len(impressions), stream=self.stream)
        for reason, count in skipped.items():
            self.summary.add("records_skipped", count, reason, self.stream)
        self.newest = max(self.newest, last)
        return impressions

    def _report_unknown(self, name: str, why: str) -> None:
        self.logger.warning("%s %s. It is ignored from now on; the setting 'ignore' can name it.", name, why)

    def _report_damaged(self, name: str, why: str) -> None:
        self.damaged += 1
        self.summary.add("files_unreadable")
        self.logger.error("%s %s. It stays unread.", name, why)

    def _report_rejected(self, name: str, rejected: Counter[str]) -> None:
        """Log how many rows of a file are not impressions, without their data."""
        if rejected:
            reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
            self.logger.warning("%s: %d rows are not impressions: %s.", name, rejected.total(), reasons)
            for reason, count in rejected.items():
                self.summary.add("records_rejected", count, reason, self.stream)

    def _progress(self, name: str) -> str:
        count, seconds = self.summary["records_read"], self.summary.seconds
        return f"{count:,} impressions read so far ({count / seconds:,.0f} a second), now in {name}."


def earliest(files: list[Unread]) -> float:
    """Return the earliest arrival of some files; infinity when there are none."""
    return min((unread.file.arrived for unread in files), default=math.inf)
