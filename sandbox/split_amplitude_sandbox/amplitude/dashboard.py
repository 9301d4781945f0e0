"""Dashboard REST: the events list, active and new users, average session length.

Source: https://amplitude.com/docs/apis/analytics/dashboard-rest. Days are UTC days, because the
sandbox's project is in that zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.amplitude.answers import require_read_access, rest_error
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.amplitude.taxonomy import planted_plan
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import Calls, call
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR, from_ms, to_ms

MILLISECONDS_PER_DAY = 24 * MILLISECONDS_PER_HOUR
INTERVAL_DAYS = ("1", "7", "30")
MAX_SESSION_SECONDS = 86_400
GROUPABLE = re.compile(r"[a-z_]+")

ACTIVE = """
SELECT (event_ms - :start) / :step, {group}, count(DISTINCT amplitude_id) FROM amplitude_events
WHERE export_hour IS NOT NULL AND event_ms >= :start AND event_ms < :end GROUP BY 1, 2
"""
# SQLite takes the other columns of a group from the row that has the minimum.
NEW = """
SELECT (event_ms - :start) / :step, {group}, count(*) FROM (
    SELECT *, min(event_ms) FROM amplitude_events WHERE export_hour IS NOT NULL GROUP BY amplitude_id
) WHERE event_ms >= :start AND event_ms < :end GROUP BY 1, 2
"""
GROUP = """json_extract(CAST(coalesce(exported_row, event) AS TEXT), '$.{}')"""
SESSIONS = """
SELECT (first - :start) / :step, avg(min(last - first, :longest)) / 1000 FROM (
    SELECT min(event_ms) AS first, max(event_ms) AS last FROM amplitude_events
    WHERE export_hour IS NOT NULL AND session_id >= 0 GROUP BY amplitude_id, session_id
) WHERE first >= :start AND first < :end GROUP BY 1
"""
TOTALS = """
SELECT event_type, sum(upload_ms >= ?) FROM amplitude_events
WHERE export_hour IS NOT NULL GROUP BY event_type ORDER BY 2 DESC, 1
"""


class Dashboard(Calls[Services]):
    """The charts that the API serves."""

    @call("GET", "/api/2/events/list")
    async def events(self, request: Request) -> Response:
        """List the event types, each with this week's count."""
        require_read_access(request)
        now = from_ms(self._services.clock.now_ms())
        monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
        rows = self._services.store.database.execute(TOTALS, (to_ms(monday),))
        return json_answer(
            {
                "data": [
                    {
                        "non_active": False,
                        "value": event_type,
                        "totals": totals,
                        "deleted": False,
                        "flow_hidden": False,
                        "hidden": False,
                        "display": event_type,
                    }
                    for event_type, totals in rows
                ]
                + planted_plan(self._services.store).events_list
            }
        )

    @call("GET", "/api/2/users")
    async def users(self, request: Request) -> Response:
        """Count active or new users per day, week or month, optionally by one of Amplitude's own properties."""
        require_read_access(request)
        query = request.query_params
        start, end = _days(request)
        measure, interval, property_name = query.get("m", "active"), query.get("i", "1"), query.get("g")
        if measure not in {"active", "new"} or interval not in INTERVAL_DAYS:
            raise rest_error(400, "m must be active or new, i must be 1, 7 or 30")
        if "s" in query or (property_name and not GROUPABLE.fullmatch(property_name)):
            raise rest_error(400, "segments are not supported, and g must be one of Amplitude's own properties")
        statement = (ACTIVE if measure == "active" else NEW).format(
            group=GROUP.format(property_name) if property_name else "NULL"
        )
        step = int(interval) * MILLISECONDS_PER_DAY
        rows = self._services.store.database.execute(statement, {"start": start, "end": end, "step": step}).fetchall()
        return json_answer({"data": _series(rows, start, end, step, grouped=property_name is not None)})

    @call("GET", "/api/2/sessions/average")
    async def average_session(self, request: Request) -> Response:
        """Show the average length, in seconds, of the sessions that started on each day."""
        require_read_access(request)
        start, end = _days(request)
        bounds = {"start": start, "end": end, "step": MILLISECONDS_PER_DAY, "longest": MAX_SESSION_SECONDS * 1000}
        rows = [(day, None, seconds) for day, seconds in self._services.store.database.execute(SESSIONS, bounds)]
        return json_answer({"data": _series(rows, start, end, MILLISECONDS_PER_DAY, grouped=False)})


def _days(request: Request) -> tuple[int, int]:
    """`start` and `end` (both inclusive days) as epoch milliseconds: inclusive start, exclusive end."""
    try:
        first, last = (
            datetime.strptime(request.query_params.get(name, ""), "%Y%m%d").replace(tzinfo=UTC)
            for name in ("start", "end")
        )
    except ValueError:
        raise rest_error(400, "start and end must be given as YYYYMMDD") from None
    if last < first:
        raise rest_error(400, "end must not be before start")
    return to_ms(first), to_ms(last) + MILLISECONDS_PER_DAY


def _series(rows: list[tuple[int, Any, float]], start: int, end: int, step: int, *, grouped: bool) -> dict[str, Any]:
    """One series per group; an interval without events counts 0."""
    moments = range(start, end, step)
    groups = sorted({str(group) if group else "(none)" for _, group, _ in rows}) if grouped else [""]
    series = {group: [0.0] * len(moments) for group in groups}
    for position, group, value in rows:
        series[(str(group) if group else "(none)") if grouped else ""][position] = value
    return {
        "series": list(series.values()),
        "seriesMeta": groups if grouped else [{"segmentIndex": 0}],
        "xValues": [f"{from_ms(moment):%Y-%m-%d}" for moment in moments],
    }
