"""Bookmarks: what a state may hold, and the message when it holds something else. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.records.times import parse_time

REMEDY = "Correct the state, or run without it to begin at 'start_date'."
# Amplitude is younger; so old a time is a mistake, and would request tens of thousands of days.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# Meltano writes each STATE into its database, so files and windows that take no time share one.
STATE_SECONDS = 5.0


def require_state(state: Any) -> None:
    """Refuse a state that is not of Singer's form: `bookmarks`, with an object for each stream.

    Raises:
        ConnectorError: It is not.
    """
    if state == {}:
        return
    bookmarks = state.get("bookmarks") if isinstance(state, Mapping) else None
    if not isinstance(bookmarks, Mapping):
        raise ConnectorError(f"The state has no object 'bookmarks'. {REMEDY}")
    for name, bookmark in bookmarks.items():
        if not isinstance(bookmark, Mapping):
            raise ConnectorError(f"The state of stream '{name}' is not an object. {REMEDY}")


def bookmark_time(name: str, bookmark: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return the time that a stream's bookmark names, None without one.

    Which key it was written under does not matter: every time up to now is a valid place to continue from.

    Raises:
        ConnectorError: It is not a time, in the future, or before `EARLIEST`.
    """
    value = bookmark.get("replication_key_value")
    if value is None:
        return None
    try:
        moment = parse_time(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConnectorError(
            f"The state of stream '{name}' holds the replication_key_value {value!r}, which is not a time. {REMEDY}"
        ) from error
    if not EARLIEST <= moment <= now:
        where = "in the future" if moment > now else f"before {EARLIEST:%Y}"
        raise ConnectorError(
            f"The state of stream '{name}' holds the replication_key_value {value!r}, which lies {where}. {REMEDY}"
        )
    return moment


def bookmark_object(name: str, bookmark: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Return an object in a stream's bookmark, empty without one.

    Raises:
        ConnectorError: It is something else, or holds a `count` that is not a whole number.
    """
    value = bookmark.get(member, {})
    if not isinstance(value, dict) or type(value.get("count", 0)) is not int:
        raise ConnectorError(f"The state of stream '{name}' holds {value!r} as '{member}'. {REMEDY}")
    return value


def start_of(stream: str, config: Mapping[str, Any], bookmark: datetime | None) -> datetime:
    """Return where a stream begins: its bookmark, else `start_date`.

    Raises:
        ConnectorError: There is neither.
    """
    if bookmark is None and not config.get("start_date"):
        raise ConnectorError(f"Setting 'start_date' is missing: stream '{stream}' has no state to continue from.")
    return bookmark or parse_time(config["start_date"])
