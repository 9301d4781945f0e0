"""States: every honest form is taken, nonsense is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.streams.state import bookmark_object, bookmark_time, require_state

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["2026-03-14T09:00:00+00:00", "2026-03-14T09:00:00Z", "2026-03-14 09:00", "2026-03-14T10:00:00+01:00"],
)
def test_a_bookmark_may_be_written_in_many_ways(value: str) -> None:
    assert bookmark_time("events", {"replication_key_value": value}, NOW) == NOW.replace(minute=0)


def test_without_a_bookmark_there_is_no_time() -> None:
    assert bookmark_time("events", {}, NOW) is None
    assert bookmark_time("events", {"replication_key_value": None}, NOW) is None


@pytest.mark.parametrize(
    "value", ["yesterday", 1773478801, [], True, "2026-13-01", "2062-03-14", "1900-01-01", "0001-01-01T00:00:00+01:00"]
)
def test_a_bookmark_that_is_no_time_until_now_is_named(value: Any) -> None:
    with pytest.raises(ConnectorError, match=r"stream 'events'.*Correct the state"):
        bookmark_time("events", {"replication_key_value": value}, NOW)


@pytest.mark.parametrize("state", [{}, {"bookmarks": {}}, {"bookmarks": {"events": {}}, "currently_syncing": None}])
def test_states_of_singers_form_are_taken(state: Any) -> None:
    require_state(state)


@pytest.mark.parametrize(
    "state", [[], 5, {"events": "2026-03-14"}, {"bookmarks": []}, {"bookmarks": None}, {"bookmarks": {"events": "x"}}]
)
def test_states_of_another_form_are_named(state: Any) -> None:
    with pytest.raises(ConnectorError, match="state"):
        require_state(state)


@pytest.mark.parametrize("downloads", [5, [], "2026-03", None, {"month": "2026-03", "count": "many"}])
def test_an_object_of_a_bookmark_that_is_none_is_named(downloads: Any) -> None:
    with pytest.raises(ConnectorError, match=r"stream 'cohort_members'.*'downloads'.*Correct the state"):
        bookmark_object("cohort_members", {"downloads": downloads}, "downloads")
