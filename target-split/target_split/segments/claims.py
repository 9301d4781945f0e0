"""Which segment a list fills: the one that was made for it, else one that no other list has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from target_split.api.admin import RefusedError, Segment
from target_split.mapping.segments import ListName

# In a segment's description: which cohort it belongs to.
OWNER = re.compile(r"cohort id (\S+)$")


@dataclass(frozen=True)
class Claim:
    """The segment that a list fills."""

    name: str
    found: Segment | None  # as the workspace knows it, if it was created already
    label: str  # for messages


class Claims:
    """The segments of a run's lists.

    Args:
        segments: The workspace's segments by name; those that are created on the way are added.
    """

    def __init__(self, segments: dict[str, Segment]) -> None:
        self._segments = segments
        self._claims: dict[str, str] = {}  # a segment's name to the group of the list that fills it

    def claim(self, group: str, name: ListName, traffic_type: str) -> Claim:
        """Choose the segment of a list: its own, else one that no other cohort has.

        Raises:
            RefusedError: There is none that it may fill.
        """
        segment = self._choose(group, name)
        found = self._segments.get(segment)
        label = f"Segment '{segment}' ({name.label})"
        if self._claims.setdefault(segment, group) != group:
            raise RefusedError(
                f"{label} is left as it is: another list of this run has that name. Set 'segment_name', or 'segment' "
                "in 'mappings', so that their names differ."
            )
        if found is not None and traffic_type and found.traffic_type.lower() != traffic_type:
            raise RefusedError(
                f"{label} is left as it is: it exists for traffic type '{found.traffic_type}', not '{traffic_type}'. "
                "Correct 'traffic_type', or choose another name by 'segment_name'."
            )
        return Claim(segment, found, label)

    def _choose(self, group: str, name: ListName) -> str:
        if name.second_choice is None:
            return name.segment
        for segment in (name.segment, name.second_choice):
            if self._owner(segment) == group:
                return segment
        is_taken = self._owner(name.segment) is not None or self._claims.get(name.segment, group) != group
        return name.second_choice if is_taken else name.segment

    def _owner(self, segment: str) -> str | None:
        """Return the id of the cohort that a segment was made for."""
        found = self._segments.get(segment)
        owner = OWNER.search(found.description) if found else None
        return owner[1] if owner else None
