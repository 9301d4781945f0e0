"""Lists of members gathered from the stream, and brought into segments once they have come."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from target_split.api.admin_v2 import Admin, Change, Segment
from target_split.api.limits import MAX_KEYS_PER_SEGMENT
from target_split.common.errors import ConnectorError
from target_split.common.target.checkpoints import Checkpoints, Hold
from target_split.common.target.summary import Summary
from target_split.segments.plan import Members, Plan, calls, plan
from target_split.segments.workspace import Place

# In a segment's description: whose it is. Two cohorts of one name must not take turns in one segment.
OWNER = re.compile(r"cohort id (\S+)$")


NAME_HINT = "Put {cohort_id} into 'segment_name' to tell them apart."
TOO_MANY_HINT = (
    f"more than the {MAX_KEYS_PER_SEGMENT:,} that a standard segment holds. Narrow the cohort, or upload it as a large "
    "segment (which server-side SDKs do not read)."
)


class RefusedError(Exception):
    """A segment is left as it is. The message says why."""


@dataclass(frozen=True)
class Rules:
    """Settings about segments."""

    change: Change
    allow_empty: bool
    max_removal_share: float
    dry_run: bool


@dataclass
class Gathering:
    """A list on its way: what came of it, from which stream, and what holds back STATE."""

    stream: str
    members: Members
    hold: Hold


class Loader:
    """Gathers members and changes segments. Used from one thread.

    A list is brought in as soon as it is complete and another one begins; whatever is left, at the end.

    Args:
        writer: Brings a list in.
        checkpoints: Told when a list is delivered.
        logger: Says why a segment is refused.
    """

    def __init__(self, writer: Writer, checkpoints: Checkpoints, logger: logging.Logger) -> None:
        self._writer = writer
        self._checkpoints = checkpoints
        self._logger = logger
        self._gathered: dict[tuple[str, str], Gathering] = {}
        self._current: tuple[str, str] | None = None
        self._empty: dict[str, Members] = {}
        self._seen: set[str] = set()  # groups of which rows came
        self._thinned: set[str] = set()  # streams
        self._refused: list[str] = []

    def members(self, stream: str, group: str, make: Callable[[], Members]) -> Members:
        """Return the list that a row belongs to; `make` makes it when the row is its first."""
        key = stream, group
        if key != self._current:
            self._apply_current()
            self._current = key
        if key not in self._gathered:
            self._gathered[key] = Gathering(stream, make(), self._checkpoints.begin())
            self._seen.add(group)
        return self._gathered[key].members

    def note_empty(self, members: Members) -> None:
        """Note that a list is said to be empty; it is brought in at the end if no row of it came.

        It holds back no STATE: a tap tells of all cohorts in every run.
        """
        self._empty[members.group] = members

    def thin(self, stream: str) -> None:
        """Note that rows of a stream are filtered out or rejected: what its lists hold is not all."""
        self._thinned.add(stream)

    def activate(self, stream: str) -> None:
        """Take a stream's word that all of it has come, and bring its lists in."""
        for key in [key for key in self._gathered if key[0] == stream]:
            self._gathered[key].members.closed = True
            self._apply(self._gathered.pop(key))

    def finish(self) -> None:
        """Bring in what is left.

        Raises:
            ConnectorError: Some segments were refused.
        """
        for key in list(self._gathered):
            self._apply(self._gathered.pop(key))
        for group, members in self._empty.items():
            if group not in self._seen:
                self._bring_in(members)
        self._empty.clear()
        if self._refused:
            raise ConnectorError(" ".join(self._refused))

    def _apply_current(self) -> None:
        gathering = self._gathered.get(self._current) if self._current else None
        if gathering is not None and self._current is not None and gathering.members.doubt is None:
            self._apply(self._gathered.pop(self._current))

    def _apply(self, gathering: Gathering) -> None:
        gathering.members.thinned = gathering.stream in self._thinned
        if self._bring_in(gathering.members):
            gathering.hold.done()

    def _bring_in(self, members: Members) -> bool:
        """Bring a list in; a refused one fails the run at its end, and no STATE passes it, but others go on."""
        try:
            self._writer.bring_in(members)
        except RefusedError as error:
            self._refused.append(str(error))
            self._logger.error("%s", error)  # noqa: TRY400
            return False
        return True


class Writer:
    """Brings lists into their segments.

    Args:
        admin: The Admin API.
        place: Workspace and environment.
        rules: Settings about segments.
        summary: Counts.
        logger: Says what is done, and why something is not.
    """

    def __init__(self, admin: Admin, place: Place, rules: Rules, summary: Summary, logger: logging.Logger) -> None:
        self._admin = admin
        self._workspace = place.workspace
        self._environment = place.required_environment
        self._rules = rules
        self._summary = summary
        self._logger = logger
        self._groups: dict[str, str] = {}  # a segment's name to the list that is its own in this run

    @cached_property
    def _active(self) -> dict[str, Segment]:
        """Segments of the environment."""
        return self._admin.segments(self._workspace, self._environment)

    @cached_property
    def _all(self) -> dict[str, Segment]:
        """Segments of the workspace, whether active in the environment or not."""
        return self._admin.segments(self._workspace)

    def bring_in(self, members: Members) -> None:
        """Bring one list into its segment.

        Raises:
            RefusedError: The segment is left as it is.
        """
        what = f"Segment '{members.naming.name}' ({members.naming.label})"
        segment = self._active.get(members.naming.name) or self._all.get(members.naming.name)
        self._check_owner(members, segment, what)
        if members.too_many:
            raise RefusedError(f"{what} is left as it is: the list has {TOO_MANY_HINT}")
        if segment is None and not members.keys:
            self._logger.info("%s is not made: the list has no keys.", what)
            return
        changes = plan(
            self._admin.keys(self._environment, members.naming.name) if members.naming.name in self._active else (),
            members.keys,
            members.doubt,
            max_removal_share=self._rules.max_removal_share,
            allow_empty=self._rules.allow_empty,
        )
        if changes.after > MAX_KEYS_PER_SEGMENT:
            raise RefusedError(f"{what} is left as it is: it would have {changes.after:,} keys, {TOO_MANY_HINT}")
        (self._logger.warning if changes.kept_back else self._logger.info)("%s %s.", what, changes)
        self._summary.add("records_deduplicated", len(members.keys) - len(changes.adds))
        if not self._rules.dry_run:
            self._execute(members, changes)

    def _check_owner(self, members: Members, segment: Segment | None, what: str) -> None:
        if self._groups.setdefault(members.naming.name, members.group) != members.group:
            raise RefusedError(f"{what} is left as it is: another list of this run has that name. {NAME_HINT}")
        if segment is None:
            return
        if members.traffic_type and segment.traffic_type.lower() != members.traffic_type:
            raise RefusedError(
                f"{what} is left as it is: it exists for traffic type '{segment.traffic_type}', not "
                f"'{members.traffic_type}'. Mend 'traffic_type', or choose another name by 'segment_name'."
            )
        owner = OWNER.search(segment.description)
        if owner is not None and owner[1] != members.group:
            raise RefusedError(f"{what} is left as it is: it was made for the cohort with id {owner[1]}. {NAME_HINT}")

    def _execute(self, members: Members, changes: Plan) -> None:
        name = members.naming.name
        if name not in self._active:
            segment = Segment(name, members.traffic_type, members.naming.description)
            if name not in self._all:
                self._admin.create_segment(self._workspace, segment)
            self._admin.activate_segment(self._environment, name)
            self._active[name] = segment
        for action, keys in calls(changes):
            self._admin.change_keys(self._environment, name, action, keys, self._rules.change)
            self._summary.add("records_sent", len(keys))
