"""What a project may request: the cost of dashboard figures within five minutes, downloads of cohorts in a month."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tap_amplitude.api.client import Client
from tap_amplitude.common.errors import ConnectorError, RetriableError

# Source of both: https://amplitude.com/docs/apis/analytics/dashboard-rest ("at most 1,000 cost within 5 minutes")
BUDGET_COST, BUDGET_SECONDS = 1000, 300.0
# Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts, also of the endpoint "Get usage", whose body the
# page does not show: existing clients read {"rest_download": {"limit", "usage"}} or {"limit", "count"}.
MONTHLY_DOWNLOADS = 500
USAGE_PATH = "/api/3/cohorts/usage"


class CostBudget:
    """What was spent of the cost that a project has within five minutes."""

    def __init__(self) -> None:
        self._spent: deque[tuple[float, int]] = deque()

    def pause(self, cost: int, now: float) -> float:
        """Return the seconds to wait until a request of this cost fits in."""
        while self._spent and self._spent[0][0] <= now - BUDGET_SECONDS:
            self._spent.popleft()
        excess = sum(spent for _, spent in self._spent) + cost - BUDGET_COST
        until = now
        for moment, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            until = moment + BUDGET_SECONDS
        return until - now

    def spend(self, cost: int, now: float) -> None:
        """Note that a request of this cost was sent."""
        self._spent.append((now, cost))


@dataclass
class Downloads:
    """Downloads of cohorts in a month.

    Attributes:
        month: Such as `2026-03`, in UTC.
        count: How many were made.
        limit: How many Amplitude allows.
    """

    month: str
    count: int
    limit: int

    @classmethod
    def known(cls, state: Mapping[str, Any], usage: tuple[int, int] | None, now: datetime) -> Downloads:
        """Return what was used this month: as Amplitude counts where it says so, else as the state does.

        Args:
            state: What `state` returned, of an earlier run; may be of another month or empty.
            usage: What `cohort_usage` returned.
            now: In UTC.
        """
        month = f"{now:%Y-%m}"
        if usage is not None:
            return cls(month, *usage)
        return cls(month, state.get("count", 0) if state.get("month") == month else 0, MONTHLY_DOWNLOADS)

    def spend(self) -> None:
        """Count a download before it is requested.

        Raises:
            ConnectorError: There are no more this month.
        """
        if self.count >= self.limit:
            raise ConnectorError(
                f"All {self.limit:,} downloads of cohorts that Amplitude allows in a month are used up; more are"
                " available from the 1st (UTC). Set 'changed_cohorts_only', select fewer cohorts, or run less often."
            )
        self.count += 1

    @property
    def state(self) -> dict[str, Any]:
        """For the bookmark."""
        return {"month": self.month, "count": self.count}


def cohort_usage(client: Client) -> tuple[int, int] | None:
    """Return downloads made this month and their limit, None where Amplitude does not say."""
    try:
        answer = client.get_once(USAGE_PATH, "the usage of cohort downloads")
    except (ConnectorError, RetriableError):
        return None
    usage = answer.get("rest_download", answer) if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    used, limit = usage.get("usage", usage.get("count")), usage.get("limit")
    return (used, limit) if type(used) is int and type(limit) is int and used >= 0 else None
