"""Words for messages. Pure."""

from __future__ import annotations


def counted(count: int, one: str, several: str = "") -> str:
    """Return a count and what is counted, in the plural (by default with an s) unless it is one.

    Example:
        >>> counted(1, "record was", "records were"), counted(2_000, "key")
        ('1 record was', '2,000 keys')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"
