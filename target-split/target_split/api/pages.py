"""Lists of the Admin APIs: read page by page to their end, and what their items hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from target_split.common.errors import ConnectorError

Row = TypeVar("Row")


def pages(
    read: Callable[[int], Any], rows_of: Callable[[Any], list[Row]], limit: int
) -> Iterator[tuple[Any, list[Row]]]:
    """Yield the pages of a list, each with its rows.

    Args:
        read: Returns the page that begins at an offset.
        rows_of: Returns the rows on a page.
        limit: Rows that a page is asked for.
    """
    offset, is_last = 0, False
    while not is_last:
        page = read(offset)
        rows = rows_of(page)
        yield page, rows
        offset += len(rows)
        is_last = is_last_page(page, len(rows), offset, limit)


def all_keys(segment: str, read: Callable[[int], Any], limit: int) -> set[str]:
    """Return all keys of a segment; `read` and `limit` as for `pages`.

    Raises:
        ConnectorError: Fewer are listed than Split counts.
    """
    found, listed, total = set[str](), 0, None
    for page, keys in pages(read, keys_of, limit):
        found.update(keys)
        listed += len(keys)
        total = total_of(page)
    if total is not None and listed < total:
        raise ConnectorError(
            f"Cannot read the keys of segment '{segment}': Split counts {total:,} and lists {listed:,}. Run again."
        )
    return found


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


def as_text(one: object, name: str) -> str:
    """Return a member of an answer's object as text, empty where it is absent."""
    value = one.get(name) if isinstance(one, Mapping) else None
    return value if isinstance(value, str) else ""


def required_text(one: dict[str, Any], name: str, what: str) -> str:
    """Return a member that an object of a list must have.

    Raises:
        ConnectorError: It has not.
    """
    value = as_text(one, name)
    if not value:
        raise ConnectorError(f"Cannot {what}: an item of the answer has no '{name}'. Check 'admin_url'.")
    return value
