"""Changes of cohorts that Amplitude pushes: keys that entered or left, applied by key, never by absence."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from target_split.api.admin import RefusedError
from target_split.common.errors import ConnectorError
from target_split.common.target.checkpoints import Checkpoints, Hold
from target_split.segments.history import PushedChanges
from target_split.segments.sync import SegmentSync

# A push brings up to 1,000 users; several are applied together, as Split limits the Admin API to 2 calls a second.
MAX_CHANGES = 10_000
MAX_WAIT_SECONDS = 10.0


@dataclass
class Pending:
    """Changes of one cohort that are not applied yet."""

    changes: PushedChanges
    hold: Hold  # of STATE until they are applied
    began: float = field(default_factory=time.monotonic)


class ChangeBuffer:
    """Gathers changes and applies them. Used from one thread."""

    def __init__(self, sync: SegmentSync, checkpoints: Checkpoints, logger: logging.Logger) -> None:
        self._sync = sync
        self._checkpoints = checkpoints
        self._logger = logger
        self._pending: dict[str, Pending] = {}  # by cohort
        self._failures: dict[str, str] = {}  # by cohort

    def add(self, changes: PushedChanges) -> None:
        """Take changes; of several for one key the newest counts, in whatever order they come."""
        group = changes.group
        pending = self._pending.get(group)
        if pending is None or not pending.changes.add(changes):
            if pending is not None:
                self._apply(group)
            pending = self._pending[group] = Pending(changes, self._checkpoints.begin())
        if len(pending.changes.by_key) >= MAX_CHANGES:
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
            is_done = self._sync.apply_changes(pending.changes)
        except RefusedError as error:
            self._failures[group] = str(error)
            self._logger.error("%s", error)
        else:
            if is_done:
                pending.hold.done()
