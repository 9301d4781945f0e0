"""Changes of cohorts that Amplitude pushes: keys that entered or left, applied by key, never by absence."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from target_split.api.admin import RefusedError
from target_split.common.errors import ConnectorError
from target_split.common.target.checkpoints import Checkpoints, Hold
from target_split.mapping.segments import ListName
from target_split.segments.history import PushedChange
from target_split.segments.sync import SegmentSync

# A push brings up to 1,000 users; several are applied together, as Split limits the Admin API to 2 calls a second.
MAX_CHANGES = 10_000
MAX_WAIT_SECONDS = 10.0


@dataclass
class Pending:
    """Changes of one cohort that are not applied yet.

    Attributes:
        name: What the cohort is called.
        traffic_type: Of its members.
        hold: Holds back STATE until they are applied.
        changes: By key, the newest change of each.
        began: When the first one came, by the monotonic clock.
    """

    name: ListName
    traffic_type: str
    hold: Hold
    changes: dict[str, PushedChange] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)


class ChangeBuffer:
    """Gathers changes and applies them. Used from one thread.

    Args:
        sync: Changes segments.
        checkpoints: Hold back STATE.
        logger: Says why a segment is refused.
    """

    def __init__(self, sync: SegmentSync, checkpoints: Checkpoints, logger: logging.Logger) -> None:
        self._sync = sync
        self._checkpoints = checkpoints
        self._logger = logger
        self._pending: dict[str, Pending] = {}  # by cohort
        self._failures: dict[str, str] = {}  # by cohort

    def add(self, group: str, name: ListName, traffic_type: str, key: str, change: PushedChange) -> None:
        """Take a change; of several for one key the newest counts, in whatever order they come."""
        pending = self._pending.get(group)
        if pending is not None and pending.traffic_type != traffic_type:
            self._apply(group)
            pending = None
        if pending is None:
            pending = self._pending[group] = Pending(name, traffic_type, self._checkpoints.begin())
        before = pending.changes.get(key)
        if before is None or change.time >= before.time:
            pending.changes[key] = change
        if len(pending.changes) >= MAX_CHANGES:
            self._apply(group)

    def flush_old(self) -> None:
        """Apply changes that have waited long enough."""
        now = time.monotonic()
        for group in [group for group, one in self._pending.items() if now - one.began >= MAX_WAIT_SECONDS]:
            self._apply(group)

    def flush(self) -> None:
        """Apply all changes that wait."""
        for group in list(self._pending):
            self._apply(group)

    def finish(self) -> None:
        """Apply what is left.

        Raises:
            ConnectorError: Some segments failed.
        """
        self.flush()
        if self._failures:
            raise ConnectorError(" ".join(self._failures.values()))

    def _apply(self, group: str) -> None:
        """Apply the changes of a cohort; a failure fails the run at its end, and no STATE passes it, others go on."""
        pending = self._pending.pop(group)
        if group in self._failures:
            return  # in order: nothing overtakes what failed
        try:
            is_done = self._sync.apply_changes(group, pending.name, pending.traffic_type, pending.changes)
        except RefusedError as error:
            self._failures[group] = str(error)
            self._logger.error("%s", error)
        else:
            if is_done:
                pending.hold.done()
