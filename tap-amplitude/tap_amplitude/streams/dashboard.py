"""Streams `active_users` and `average_session_length`: dashboard figures, a row a day, each day once it is over."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from tap_amplitude.api.charts import ONE_DAY, end_of_complete_days, figures, spans
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.records.schemas import ACTIVE_USERS, AVERAGE_SESSION_LENGTH
from tap_amplitude.records.times import parse_time
from tap_amplitude.streams.base import AmplitudeStream, Context, Record
from tap_amplitude.streams.state import bookmark_time, start_of

REPLICATION_KEY = "date"


class DailyStream(AmplitudeStream):
    """A figure a day. The bookmark is the first day not emitted yet.

    Attributes:
        path: Documented path.
        value: The field that holds the figure.
        cost: What a day costs of the dashboard's budget.
        parameters: Query besides the days.
    """

    keys = ("date", "segment")
    replication_key = REPLICATION_KEY
    path: ClassVar[str]
    value: ClassVar[str]
    cost: ClassVar[int] = 1
    parameters: ClassVar[Mapping[str, str]] = {}

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield a record for each day and segment, and move the bookmark after each answer.

        Raises:
            ConnectorError: There are no such figures.
        """
        now = datetime.now(UTC)
        bookmark = start_of(self.name, self.config, bookmark_time(self.name, self.stream_state, now)).date()
        end = end_of_complete_days(now)
        if text := self.config.get("end_date"):
            end = min(end, parse_time(text).date())
        start = bookmark - timedelta(days=-(-self.config["lookback_hours"] // 24))
        for first, last in spans(start, end):
            yield from self._figures(first, last)
            bookmark = max(bookmark, last + ONE_DAY)
            self.write_state(replication_key=REPLICATION_KEY, replication_key_value=bookmark.isoformat())

    def _figures(self, first: date, last: date) -> list[Record]:
        """Return the records of a span of days, both included."""
        days = (last - first) // ONE_DAY + 1
        self._await_budget(days * self.cost)
        parameters = {**self.parameters, "start": f"{first:%Y%m%d}", "end": f"{last:%Y%m%d}"}
        answer = self.services.client.get(self.path, self.what, parameters, needs_true_clock=True)
        try:
            return [
                {"date": day, "segment": segment, self.value: figure}
                for day, segment, figure in figures(answer["data"], days)
            ]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConnectorError(
                f"Amplitude's answer for {self.what} from {first} to {last} is not a chart of {days} days. Run again"
                " later; if the project is younger, set a later 'start_date'."
            ) from error

    def _await_budget(self, cost: int) -> None:
        """Wait until a request of this cost may be sent."""
        budget, services = self.services.cost_budget, self.services
        while pause := budget.pause(cost, time.monotonic()):
            services.summary.progress(
                lambda: f"Waiting {pause:.0f} s until Amplitude's dashboard quota allows {self.what}."
            )
            services.stopping.wait(min(pause, 10.0))
        budget.spend(cost, time.monotonic())


class ActiveUsersStream(DailyStream):
    """Active users of each day."""

    name = "active_users"
    fields = ACTIVE_USERS
    path = "/api/2/users"
    value = "active_users"
    parameters: ClassVar[Mapping[str, str]] = {"m": "active", "i": "1"}


class AverageSessionLengthStream(DailyStream):
    """Average session length of each day in seconds."""

    name = "average_session_length"
    fields = AVERAGE_SESSION_LENGTH
    path = "/api/2/sessions/average"
    value = "average_seconds"
    cost = 4
