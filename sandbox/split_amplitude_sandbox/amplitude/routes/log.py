"""What went out through which route, for the page and for tests."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from split_amplitude_sandbox.clock import Clock, export_text


class RouteLog:
    """The deliveries since the start, in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[dict[str, Any]] = []

    def add(self, route: str, target: str, items: int, *, delivered: bool) -> None:
        """Note one delivery; a query of the target may hold a token and is left out."""
        self.entries.append(
            {
                "time": export_text(self._clock.now_ms()),
                "route": route,
                "target": urlsplit(target)._replace(query="").geturl() if "://" in target else target,
                "items": items,
                "delivered": delivered,
            }
        )
