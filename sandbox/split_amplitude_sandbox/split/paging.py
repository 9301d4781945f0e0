"""Pages of lists: `offset` and `limit`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.settings import SplitSettings

DEFAULT_LIMIT = 20
MAX_LIMIT = 50
"""The sources name 50 to 1,000 for the largest page; a larger limit is lowered to this one."""


def page(request: Request, found: list[Any], settings: SplitSettings) -> dict[str, Any]:
    """One page of a list in the API's envelope: `{objects, offset, limit, totalCount}`."""
    offset, limit = bounds(request, DEFAULT_LIMIT, MAX_LIMIT)
    envelope = {"objects": found[offset : offset + limit], "offset": offset, "limit": limit}
    return envelope | total("totalCount", len(found), settings)


def total(member: str, count: int, settings: SplitSettings) -> dict[str, int | None]:
    """The member that tells the number of all entries, as the settings want it: a number, null or absent."""
    if settings.list_totals == "absent":
        return {}
    return {member: count if settings.list_totals == "number" else None}


def bounds(request: Request, default_limit: int, max_limit: int) -> tuple[int, int]:
    """`offset` and `limit` of a request; 400 when one is not a number or is out of range."""
    try:
        offset = int(request.query_params.get("offset", 0))
        limit = int(request.query_params.get("limit", default_limit))
    except ValueError:
        raise RefusedError(400, "offset and limit must be numbers") from None
    if offset < 0 or limit < 1:
        raise RefusedError(400, "offset must be at least 0 and limit at least 1")
    return offset, min(limit, max_limit)
