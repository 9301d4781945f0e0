"""Where lists of the Admin APIs end. Pure."""

from __future__ import annotations

from typing import Any


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
    """Whether a list ends with a page: a total is trusted where there is one, else a page that is not full is the last.

    Args:
        listed: The page. A service may lower the limit, and says so.
        rows: Rows on it.
        offset: Rows up to its end.
        limit: Rows that were asked for.
    """
    total = total_of(listed)
    if not rows or total is not None:
        return not rows or offset >= (total or 0)
    lowered = listed.get("limit") if isinstance(listed, dict) else None
    return rows < (lowered if isinstance(lowered, int) else limit)
