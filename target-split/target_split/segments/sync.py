"""Segments made equal to lists of members: chosen by name and owner, created, activated, changed by the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from target_split.api.admin import (
    AdminApi,
    ApprovalRequiredError,
    Change,
    Environment,
    PendingApprovalError,
    RefusedError,
    Segment,
)
from target_split.api.limits import MAX_KEYS_PER_SEGMENT
from target_split.common.service_clock import ServiceClock, not_in_future
from target_split.common.target.services import Services
from target_split.common.words import counted
from target_split.segments.claims import Claim, Claims
from target_split.segments.history import PushedChange, PushedChanges, SegmentHistory
from target_split.segments.member_list import MemberList
from target_split.segments.plan import Plan, calls, plan

# A list may be computed this long before its rows come: changes pushed since may be newer than it is.
LIST_AGE_SECONDS = 3_600.0

# Runs that trust the remembered keys of a segment while their number is right; then they are read from Split again.
RUNS_PER_READ = 7

TOO_MANY_HINT = (
    f"more than the {MAX_KEYS_PER_SEGMENT:,} that a standard segment holds. Narrow the cohort, or upload it as a large "
    "segment (which server-side SDKs do not read)"
)


@dataclass(frozen=True)
class Rules:
    """Settings about segments."""

    change: Change
    allow_empty: bool
    max_removal_share: float
    on_approval: Literal["stop", "request"]
    dry_run: bool


class SegmentSync:
    """Changes the segments of an environment. Used from one thread."""

    def __init__(  # noqa: PLR0913  # what a sync needs
        self,
        *,
        admin: AdminApi,
        environment: Environment,
        rules: Rules,
        history: SegmentHistory,
        clock: ServiceClock,
        services: Services,
    ) -> None:
        self._admin = admin
        self._environment = environment.id
        self._rules = rules
        self._history = history
        self._clock = clock
        self._summary = services.summary
        self._logger = services.logger

    @cached_property
    def _segments(self) -> dict[str, Segment]:
        return self._admin.segments()

    @cached_property
    def _claims(self) -> Claims:
        return Claims(self._segments)

    @cached_property
    def _active(self) -> set[str]:
        return self._admin.active_segments(self._environment)

    def now(self) -> float:
        """Return the time by Split's clock, in seconds since 1970."""
        _ = self._segments  # an answer tells the time
        return self._clock.now()

    def sync(self, members: MemberList, computed: float) -> bool:
        """Make a segment equal to a list; return whether nothing of it is left to do.

        Args:
            members: The list.
            computed: When the list was computed at the latest, in seconds since 1970.

        Raises:
            RefusedError: The segment could not follow the list. The message says why and what to do.
        """
        claim = self._claims.claim(members.group, members.name, members.traffic_type)
        if members.refusal:
            raise RefusedError(f"{claim.label} is left as it is: {members.refusal}")
        if members.is_too_large:
            raise RefusedError(f"{claim.label} is left as it is: the list has {TOO_MANY_HINT}.")
        if claim.found is None and not members.keys:
            self._logger.info("%s is not created: the list has no keys.", claim.label)
            return True
        held = self._held(claim)
        changes = plan(
            held,
            self._with_pushed(claim, members.keys, computed),
            members.incomplete_reason,
            max_removal_share=self._rules.max_removal_share,
            allow_empty=self._rules.allow_empty,
        )
        (self._logger.warning if changes.kept_because else self._logger.info)("%s %s.", claim.label, changes)
        known = len(members.keys.difference(changes.adds))
        self._summary.add("records_deduplicated", known, stream=members.stream)
        is_done = self._apply(claim, members, changes, held)
        if changes.is_failure:
            raise RefusedError(
                f"{claim.label} keeps {counted(changes.surplus, 'key')}, because {changes.kept_because}."
            )
        return is_done

    def apply_changes(self, pushed: PushedChanges) -> bool:
        """Add and remove single keys; return whether nothing of them is left to do.

        Raises:
            RefusedError: The segment could not follow. The message says why and what to do.
        """
        claim = self._claims.claim(pushed.group, pushed.name, pushed.traffic_type)
        identity = self._identity(claim)
        known = self._history.changes(identity, since=0.0)
        now = self._clock.latest()
        changes = {key: PushedChange(not_in_future(one.time, now), one.is_added) for key, one in pushed.by_key.items()}
        newer = {key: one for key, one in changes.items() if key not in known or one.time >= known[key].time}
        self._summary.add("records_skipped", len(changes) - len(newer), "older change", pushed.stream)
        adds = {key for key, one in newer.items() if one.is_added}
        removes = newer.keys() - adds
        if claim.found is None and not adds:
            self._logger.info("%s is not created: nothing is to be added.", claim.label)
            self._record_changes(identity, newer)
            return True
        held = self._known_keys(claim)
        if held is not None:
            adds, removes = adds - held, removes & held
        before = len(held) if held is not None else len(removes)
        plan_ = Plan(before, sorted(adds), sorted(removes), 0)
        self._logger.info("%s: %s to add, %s to remove.", claim.label, counted(len(adds), "key"), f"{len(removes):,}")
        is_done = self._apply(claim, pushed, plan_, held)
        if is_done:
            self._record_changes(identity, newer)
        return is_done

    def _record_changes(self, identity: str, changes: Mapping[str, PushedChange]) -> None:
        """Remember when changes were computed, so that an older one that comes later does not undo them."""
        if not self._rules.dry_run:
            self._history.record_changes(identity, changes)

    # What it holds

    def _identity(self, claim: Claim) -> str:
        return f"{self._admin.scope}/{self._environment}/{claim.name}"

    def _held(self, claim: Claim) -> set[str]:
        known = self._known_keys(claim)
        if known is not None:
            return known
        keys = self._admin.keys(self._environment, claim.name)
        if not self._rules.dry_run:
            self._history.remember(self._identity(claim), keys, runs=0)
        return keys

    def _known_keys(self, claim: Claim) -> set[str] | None:
        """Return the keys that a segment holds if that takes no more than a request; else None."""
        if claim.name not in self._active:
            return set()
        remembered = self._history.held(self._identity(claim))
        if remembered is None or remembered.runs >= RUNS_PER_READ:
            return None
        if self._admin.key_count(self._environment, claim.name) != len(remembered.keys):
            return None  # somebody else changed it
        self._history.remember(self._identity(claim), remembered.keys, remembered.runs + 1)
        return remembered.keys

    def _with_pushed(self, claim: Claim, keys: set[str], computed: float) -> set[str]:
        """Return the keys of a list, corrected by changes that were pushed after it was computed."""
        pushed = self._history.changes(self._identity(claim), since=computed)
        added = {key for key, one in pushed.items() if one.is_added}
        return (keys | added) - (pushed.keys() - added) if pushed else keys

    # The change

    def _apply(self, claim: Claim, wanted: MemberList | PushedChanges, changes: Plan, held: set[str] | None) -> bool:
        if changes.after > MAX_KEYS_PER_SEGMENT:
            raise RefusedError(
                f"{claim.label} is left as it is: it would have {changes.after:,} keys, {TOO_MANY_HINT}."
            )
        if self._rules.dry_run:
            self._summary.add("records_skipped", len(changes.adds) + len(changes.removes), "dry run", wanted.stream)
            return True
        try:
            self._create(claim, wanted.traffic_type, wanted.name.description)
            self._change_keys(claim, wanted.stream, changes, held)
        except ApprovalRequiredError as error:
            if self._rules.on_approval == "stop":
                raise RefusedError(f"{claim.label} is left as it is: {error}.") from None
            return self._request(claim, changes)
        except PendingApprovalError as error:
            self._summary.note(f"{claim.label}: {error}. Until then it stays as it is.")
            return False
        except RefusedError as error:
            raise RefusedError(f"{claim.label} is left as it is: {error}.") from None
        return True

    def _create(self, claim: Claim, traffic_type: str, description: str) -> None:
        name = claim.name
        if name in self._active:
            return
        if claim.found is None:
            segment = Segment(name, traffic_type, description)
            if not self._admin.create_segment(segment):
                segment = self._created_by_others(name)
            self._segments[name] = segment
        self._admin.activate_segment(self._environment, name)
        self._active.add(name)

    def _created_by_others(self, name: str) -> Segment:
        found = self._admin.segments().get(name)
        if found is None:
            raise RefusedError(
                "one of that name exists, but it is not a standard segment that is in use: it is large, rule-based or "
                "archived. Choose another name by 'segment_name', or remove it"
            )
        return found

    def _change_keys(self, claim: Claim, stream: str, changes: Plan, held: set[str] | None) -> None:
        identity = self._identity(claim)
        todo = list(calls(changes))
        if todo:
            self._history.forget(identity)
        for action, keys in todo:
            self._admin.change_keys(self._environment, claim.name, action, keys, self._rules.change)
            self._summary.add("records_sent", len(keys), stream=stream)
        if todo and held is not None:
            self._history.remember(identity, (held | set(changes.adds)) - set(changes.removes), runs=0)

    def _request(self, claim: Claim, changes: Plan) -> bool:
        """Open a change request, one at a time; return False, as nothing has changed until it is approved."""
        waiting = self._admin.open_change_request(self._environment, claim.name)
        if waiting:
            self._summary.note(f"{claim.label} is left as it is: change request {waiting} waits for approval.")
            return False
        action, keys = next(calls(changes))
        opened = self._admin.request_change(self._environment, claim.name, action, keys, self._rules.change)
        left = len(changes.adds) + len(changes.removes) - len(keys)
        self._summary.note(
            f"{claim.label} is left as it is: change request {opened} asks to {action} {counted(len(keys), 'key')}. "
            f"Once it is approved, the next run requests what is left ({counted(left, 'key')})."
        )
        return False
