"""Lists of members on their way: gathered from the stream, synced once they have come."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from target_split.api.admin import RefusedError
from target_split.common.errors import ConnectorError
from target_split.common.target.checkpoints import Checkpoints, Hold
from target_split.segments.member_list import MemberList
from target_split.segments.sync import LIST_AGE_SECONDS, SegmentSync


@dataclass
class Arriving:
    """A list on its way, as far as it came."""

    members: MemberList
    hold: Hold  # of STATE until it is delivered
    began: float = field(default_factory=time.monotonic)


class SegmentBuffer:
    """Gathers lists and syncs their segments. Used from one thread.

    A list is synced as soon as it is complete and another one begins; whatever is left, at the end. STATE that covers
    a list passes when the list is delivered: when the tap sent all of it. A list that stopped half-way adds its keys,
    and its STATE is held back, so that the next run reads it whole; ACTIVATE_VERSION does not outweigh missing rows.
    """

    def __init__(self, sync: SegmentSync, checkpoints: Checkpoints, logger: logging.Logger) -> None:
        self._sync = sync
        self._checkpoints = checkpoints
        self._logger = logger
        self._arriving: dict[tuple[str, str], Arriving] = {}
        self._current: tuple[str, str] | None = None
        self._empty: dict[str, MemberList] = {}
        self._computed: dict[str, float] = {}  # by group
        self._arrived: set[str] = set()  # groups
        self._dropped: Counter[str] = Counter()  # rows by stream
        self._incremental: set[str] = set()  # streams
        self._failures: list[str] = []

    def list_of(self, stream: str, group: str, new_list: Callable[[], MemberList]) -> MemberList:
        """Return the list that a row belongs to; `new_list` makes it when the row is its first."""
        key = stream, group
        if key != self._current:
            self._sync_current()
            self._current = key
        if key not in self._arriving:
            self._arriving[key] = Arriving(new_list(), self._checkpoints.begin())
            self._arrived.add(group)
        return self._arriving[key].members

    def note_empty(self, members: MemberList) -> None:
        """Take note of a list that is said to be empty; it is synced at the end if no row of it came.

        It holds back no STATE: a tap lists all cohorts in every run.
        """
        self._empty[members.group] = members

    def note_computed(self, group: str, moment: float) -> None:
        """Take note of when a list was computed, in seconds since 1970."""
        self._computed[group] = moment

    def note_dropped(self, stream: str) -> None:
        """Take note that a row of a stream is filtered out or rejected, nobody knows of which list."""
        self._dropped[stream] += 1

    def note_incremental(self, stream: str) -> None:
        """Take note that a stream brings only what is new: STATE passes its lists although they are never complete."""
        self._incremental.add(stream)

    def close_stream(self, stream: str) -> None:
        """Take a stream's word that all of it has come, and sync its lists."""
        for key in [key for key in self._arriving if key[0] == stream]:
            self._arriving[key].members.is_closed = True
            self._deliver(self._arriving.pop(key))

    def finish(self) -> None:
        """Sync what is left.

        Raises:
            ConnectorError: Some segments failed.
        """
        for key in list(self._arriving):
            self._deliver(self._arriving.pop(key))
        for group, members in self._empty.items():
            if group not in self._arrived:
                self._synced(members, age=0.0)
        self._empty.clear()
        if self._failures:
            raise ConnectorError(" ".join(self._failures))

    def _sync_current(self) -> None:
        if self._current is None or self._current not in self._arriving:
            return
        if self._arriving[self._current].members.incomplete_reason is None:
            self._deliver(self._arriving.pop(self._current))

    def _deliver(self, arriving: Arriving) -> None:
        members = arriving.members
        members.dropped = self._dropped[members.stream]
        if not self._synced(members, age=time.monotonic() - arriving.began + LIST_AGE_SECONDS):
            return
        if members.is_delivered or members.stream in self._incremental:
            arriving.hold.done()
        else:
            self._logger.warning(
                "STATE is held back from the %s on, because %s: the next run reads the list again.",
                members.name.label,
                members.incomplete_reason,
            )

    def _synced(self, members: MemberList, age: float) -> bool:
        """Sync a list; a failure fails the run at its end, and no STATE passes it, but others go on.

        Args:
            members: The list.
            age: Seconds since it was computed at the latest, where the tap does not say when that was.
        """
        try:
            computed = self._computed.get(members.group)
            if computed is None:
                computed = self._sync.now() - age
            return self._sync.sync(members, computed)
        except RefusedError as error:
            self._failures.append(str(error))
            self._logger.error("%s", error)
            return False
