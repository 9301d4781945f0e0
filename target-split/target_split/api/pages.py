"""Where lists of the Admin APIs end. Pure."""

from __future__ import annotations

from typing import Any

from target_split.common.errors import ConnectorError


def total_of(listed: Any) -> int | None:
    """Return the length of the whole list; None where a page does not say it.

    The keys of a segment have `count` in v2, all other lists `totalCount`.
    """
    for name in ("totalCount", "count"):
        total = listed.get(name) if isinstance(listed, dict) else None
        if isinstance(total, int):
            return total
    return None


def is_last_page(listed: Any, rows: int, offset: int, limit: int) -> bool:
    """Whether a list ends with a page: by the total where there is one, else a page that is not full is the last.

    A `count` that is no larger than the page may be the page's own, and decides nothing.

    Args:
        listed: The page. A service may lower the limit, and says so.
        rows: Rows on it.
        offset: Rows up to its end.
        limit: Rows that were asked for.
    """
    total = total_of(listed)
    if not rows:
        return True
    if total is not None and (listed.get("totalCount") == total or total > rows):
        return offset >= total
    lowered = listed.get("limit") if isinstance(listed, dict) else None
    return rows < (lowered if isinstance(lowered, int) else limit)


def keys_of(listed: Any) -> list[str]:
    """Return the keys on a page: texts or objects, under any of the names that Split's lists have.

    Raises:
        ConnectorError: It is not a page of keys.
    """
    for name in ("data", "keys", "objects"):
        found = listed.get(name) if isinstance(listed, dict) else None
        if isinstance(found, list):
            keys: list[Any] = [one.get("key") if isinstance(one, dict) else one for one in found]
            if all(isinstance(key, str) for key in keys):
                return keys
    raise ConnectorError("Split's answer is not a list of keys. Check 'admin_url'.")


def required_text(one: dict[str, Any], name: str, what: str) -> str:
    """Return a member that an object of a list must have.

    Raises:
        ConnectorError: It has not.
    """
    value = one.get(name)
    if not isinstance(value, str) or not value:
        raise ConnectorError(f"Cannot {what}: an item of the answer has no '{name}'. Check 'admin_url'.")
    return value
