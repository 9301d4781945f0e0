"""The page in the browser: what arrived, and when. One answer contains its text, style and script."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import OWN, Calls, call
from split_amplitude_sandbox.services import Services
from split_amplitude_sandbox.store import ARRIVAL_SECONDS

CHART_COLUMNS = 60
MAX_SPAN_SECONDS = 366 * 86_400
ROWS_SHOWN = 50
REQUESTS_SHOWN = 20
ROUTES_SHOWN = 20
KEYS_SHOWN = 5
REQUEST_MEMBERS = ("time", "method", "path", "status", "bytes", "items", "seconds", "fault")


class Page(Calls[Services]):
    """The page, and the numbers that it requests every two seconds."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        parts = {name: (files(__name__) / f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
        self._html = parts["html"].replace("/* style */", parts["css"]).replace("/* script */", parts["js"])

    @call("GET", "/")
    async def page(self, _: Request) -> Response:
        """The page."""
        return HTMLResponse(self._html)

    @call("GET", f"{OWN}/overview")
    async def overview(self, request: Request) -> Response:
        """Everything the page shows; `seconds` is the span of the chart, 0 for all data."""
        span = request.query_params.get("seconds", "600")
        deliveries, requests = self._services.amplitude.log.entries, self._services.requests
        return json_answer(
            {
                "chart": self._chart(min(int(span), MAX_SPAN_SECONDS) if span.isdecimal() else 0),
                "totals": self._rows("SELECT kind, sum(items), max(moment) FROM arrivals GROUP BY kind"),
                "arrived": self._rows(
                    "SELECT kind, name, sum(items), max(moment) FROM arrivals GROUP BY kind, name ORDER BY 3 DESC"
                ),
                "users": {
                    "total": self._rows("SELECT count(*) FROM amplitude_users")[0][0],
                    "shown": [
                        [user_id, device_id, msgspec.Raw(properties)]
                        for user_id, device_id, properties in self._rows(
                            "SELECT user_id, device_id, properties FROM amplitude_users ORDER BY amplitude_id LIMIT ?",
                            ROWS_SHOWN,
                        )
                    ],
                },
                "segments": self._services.split.segments.summary(KEYS_SHOWN),
                "routes": {"total": len(deliveries), "shown": deliveries[-ROUTES_SHOWN:]},
                "faults": self._services.faults.listing(),
                "requests": {
                    "total": len(requests),
                    "shown": [{name: one[name] for name in REQUEST_MEMBERS} for one in requests[-REQUESTS_SHOWN:]],
                },
            }
        )

    def _chart(self, span: int) -> dict[str, Any]:
        """What arrived, by kind, in equal steps of time up to now."""
        now = self._services.clock.now_ms() // 1000
        (first,) = self._rows("SELECT min(moment) FROM arrivals")[0]
        start = now - span if span else (now if first is None else first)
        step = max(-(-(now - start) // CHART_COLUMNS // ARRIVAL_SECONDS) * ARRIVAL_SECONDS, ARRIVAL_SECONDS)
        end = now // step * step + step
        start = end - step * CHART_COLUMNS
        columns: dict[str, list[int]] = {}
        for kind, moment, items in self._rows(
            "SELECT kind, moment, sum(items) FROM arrivals WHERE moment >= ? GROUP BY kind, moment", start
        ):
            columns.setdefault(kind, [0] * CHART_COLUMNS)[(moment - start) // step] += items
        return {"start": start, "step": step, "columns": columns}

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        return self._services.store.database.execute(statement, values).fetchall()
