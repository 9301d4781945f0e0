"""Which event types of a run Split has not seen: the events API accepts events before it looks at them."""

from __future__ import annotations

from collections.abc import Collection

from target_split.api.admin import AdminApi
from target_split.common.errors import ConnectorError

MAX_NAMED = 10


def unseen_warning(admin: AdminApi, made: Collection[str], prefix: str) -> str | None:
    """Return a warning that names event types that Split has not seen; None when it has seen all, or cannot tell."""
    try:
        seen = admin.event_types(prefix)
    except ConnectorError as error:
        return f"Whether Split has seen the event types of this run is not known. {error}"
    if seen is None:
        return None
    unseen = sorted(set(made) - set(seen))
    if not unseen:
        return None
    more = f" and {len(unseen) - MAX_NAMED:,} more" if len(unseen) > MAX_NAMED else ""
    return (
        f"Split has not seen these event types of this run yet: {', '.join(unseen[:MAX_NAMED])}{more}. New ones need "
        "about five minutes to appear; when they stay unseen, check 'traffic_type', 'environment' and 'sdk_api_key'. "
        "Only events of the last 30 days count. Set 'check_event_types' to false to turn this check off."
    )
