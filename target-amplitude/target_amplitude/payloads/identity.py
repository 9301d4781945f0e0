"""Readers of ids and times. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from target_amplitude.api.coerce import Count
from target_amplitude.api.limits import LATEST_TIME, id_problem, id_text, visible
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.record_paths import Getter, Record, first_match
from target_amplitude.common.timestamps import epoch_milliseconds

# Traffic types of which is remembered how each is identified. Split allows far fewer.
MAX_TRAFFIC_TYPES = 1000
SHOWN_CHARACTERS = 40
MAX_USUAL_IDS = 50_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000


class UsualIds:
    """Knows texts that Amplitude accepts as ids as they are. Ids repeat, so that most need no second look.

    Args:
        min_id_length: Fewest characters of an id.
    """

    def __init__(self, min_id_length: int) -> None:
        self._min_id_length = min_id_length
        self._known: set[str] = set()

    def include(self, text: Any) -> bool:
        """Whether a value is such a text."""
        if type(text) is not str:
            return False
        if text in self._known:
            return True
        if not visible(text) or id_problem(text, self._min_id_length):
            return False
        if len(self._known) >= MAX_USUAL_IDS:
            self._known.clear()
        self._known.add(text)
        return True


class IdReader:
    """Reads `user_id` and/or `device_id`.

    Args:
        getters: `user_id` and/or `device_id` → how it is read.
        min_id_length: Fewest characters of an id.
        count: Called with the reason when one of two ids is left out.
    """

    def __init__(self, getters: Mapping[str, Getter], min_id_length: int, count: Count) -> None:
        self._getters = list(getters.items())
        self._usual = UsualIds(min_id_length)
        self._min_id_length = min_id_length
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return the valid ids as a new object.

        Raises:
            Skipped: The record has no id.
            Rejected: It has none that Amplitude accepts.
        """
        ids: dict[str, Any] = {}
        problem = ""
        for name, get in self._getters:
            value = get(record)
            if self._usual.include(value):
                ids[name] = value
                continue
            try:
                text = id_text(value)
            except Rejected as reason:
                problem = str(reason)
                continue
            if text is None:
                continue
            if refused := id_problem(text, self._min_id_length):
                problem = refused
            else:
                ids[name] = text
        if not ids:
            raise Rejected(problem) if problem else Skipped("no user or device id")
        if problem:
            self._count(f"{problem} beside a valid one")
        return ids


class ImpressionIdReader:
    """Reads the key of an impression as `user_id` or `device_id`, by its traffic type.

    Args:
        identity: Traffic type or glob → `user_id` or `device_id`; an exact name takes precedence over globs.
        min_id_length: Fewest characters of an id.

    Attributes:
        usual: Keys that need no second look.
        kinds: `user_id` or `device_id` of the traffic types that came so far; None where `identity` has none.
    """

    def __init__(self, identity: Mapping[str, str], min_id_length: int) -> None:
        self._identity = identity
        self._min_id_length = min_id_length
        self.usual = UsualIds(min_id_length)
        self.kinds: dict[str, str | None] = {}

    def read(self, impression: Record) -> dict[str, Any]:
        """Return `{"user_id": key}` or `{"device_id": key}`.

        Raises:
            Skipped: The impression has no key.
            Rejected: Amplitude refuses its key, or `identity` does not cover its traffic type.
        """
        key = impression.get("key")
        if not self.usual.include(key):
            key = id_text(key)
            if key is None:
                raise Skipped("no key")
            if problem := id_problem(key, self._min_id_length):
                raise Rejected(problem)
        return {self.kind(impression.get("traffic_type")): key}

    def kind(self, traffic_type: Any) -> str:
        """Return `user_id` or `device_id`.

        Raises:
            Rejected: `identity` does not cover the traffic type.
        """
        name = traffic_type if isinstance(traffic_type, str) else ""
        try:
            kind = self.kinds[name]
        except KeyError:
            kind = self._identity.get(name) or first_match(name, self._identity)
            if len(self.kinds) < MAX_TRAFFIC_TYPES:
                self.kinds[name] = kind
        if kind is None:
            raise Rejected(f"traffic type '{name[:SHOWN_CHARACTERS]}' is not in 'identity'")
        return kind


class TimeReader:
    """Reads a time as epoch milliseconds."""

    def __init__(self, get: Getter) -> None:
        self._get = get

    def read(self, record: Record) -> int:
        """Return the record's time.

        Raises:
            Rejected: There is none, or none that can be read or that Amplitude can hold.
        """
        value = self._get(record)
        if (usual := usual_milliseconds(value)) is not None:
            return usual
        if value is None:
            raise Rejected("no time")
        try:
            milliseconds = epoch_milliseconds(value)
        except (ValueError, OverflowError):
            raise Rejected("a time that cannot be read") from None
        if not 0 <= milliseconds <= LATEST_TIME:
            raise Rejected("a time before 1970 or after 9999")
        return milliseconds


def usual_milliseconds(time: Any) -> int | None:
    """Return a time such as `2026-03-14T09:26:53.589Z`, as `epoch_milliseconds` does but faster; None for others."""
    if type(time) is not str or time[4:8:3] != "--" or time[-1] != "Z":
        return None
    try:
        since = datetime.fromisoformat(time) - EPOCH
    except ValueError:
        return None
    return since.days * DAY_MS + since.seconds * 1000 + since.microseconds // 1000 if since.days >= 0 else None
