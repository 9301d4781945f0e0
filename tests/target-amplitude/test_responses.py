"""What each of Amplitude's answers means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_amplitude.api.endpoints import events_route, group_identify_route, identify_route
from target_amplitude.api.responses import (
    INDEX_MAPS,
    QUOTA_IDS,
    THROTTLED_IDS,
    THROTTLED_INDEXES,
    Action,
    Answer,
    Named,
    react,
)

BATCH, HTTP = (events_route("k", endpoint, 1) for endpoint in ("batch", "http"))
IDENTIFY, GROUP_IDENTIFY = identify_route("k", 1), group_identify_route("k")


class TestWaits:
    """How long is waited where the answer does not say."""

    @pytest.mark.parametrize(("route", "seconds"), [(BATCH, 15), (HTTP, 30)])
    def test_throttled_ids(self, route, seconds: float):
        answer = Answer(429, {"throttled_devices": {"d": 12}, "throttled_events": [1, 99, -1, True, "2"]})
        reaction = react(answer, route, 3)
        assert (reaction.action, reaction.wait_seconds) == (Action.SORT, seconds)
        assert reaction.throttled == Named(frozenset({1}), frozenset({"d"}))
        assert not reaction.over_quota

    def test_the_project(self):
        assert react(Answer(429, {"code": 429}), BATCH, 3).wait_seconds == 60

    @pytest.mark.parametrize("route", [IDENTIFY, GROUP_IDENTIFY])
    def test_identify(self, route):
        assert react(Answer(429, text="too_many_requests"), route, 3).wait_seconds == 15

    def test_the_daily_quota(self):
        reaction = react(Answer(429, {"exceeded_daily_quota_devices": {"d": 500_001}}), BATCH, 3)
        assert reaction.wait_seconds == 60
        assert reaction.over_quota == Named(ids=frozenset({"d"}))

    @pytest.mark.parametrize("status", [429, 500, 503, 408])
    def test_what_the_answer_says_takes_precedence(self, status: int):
        assert react(Answer(status, retry_after=7), BATCH, 3).wait_seconds == 7


ACCEPTED = {"code": 200, "events_ingested": 3, "payload_size_bytes": 5, "server_upload_time": 1}


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (Answer(200, ACCEPTED), Action.ACCEPT),
        (Answer(200, {"code": 200, "events_ingested": 0}), Action.ACCEPT),
        (Answer(200, text="success"), Action.RETRY),
        (Answer(200, text="<html>Sign in"), Action.RETRY),
        (Answer(200, {"message": "login"}), Action.RETRY),
        (Answer(200, {"code": 400, "error": "x"}), Action.RETRY),
        (Answer(200, {"code": 200}), Action.RETRY),
        (Answer(200, {"code": 200, "events_ingested": True}), Action.RETRY),
        (Answer(204), Action.RETRY),
        (Answer(202, ACCEPTED), Action.RETRY),
        (Answer(302, text="moved"), Action.STOP),
        (Answer(400, {"error": "Events silenced for device_id", "silenced_events": [77]}), Action.BISECT),
        (Answer(400, {"events_with_invalid_fields": {"time": "all"}}), Action.BISECT),
        (Answer(400, {"events_with_invalid_fields": ["time"]}), Action.BISECT),
        (Answer(400, {"throttled_users": {"u": 1}}), Action.BISECT),
        (Answer(400, {"error": "?"}), Action.BISECT),
        (Answer(400, {"error": "Invalid API key: k"}), Action.STOP),
        (Answer(400, {"error": "Invalid request path"}), Action.STOP),
        (Answer(400, {"error": "Request missing required field", "missing_field": "events"}), Action.STOP),
        (Answer(400, {"error": "Missing request body"}), Action.SEND_PLAIN),
        (Answer(400, {"error": "Invalid JSON request body"}), Action.SEND_PLAIN),
        (Answer(400, text="<html>Bad Request"), Action.SEND_PLAIN),
        (Answer(400, text="bad request"), Action.SEND_PLAIN),
        (Answer(415, text="no gzip"), Action.SEND_PLAIN),
        (Answer(418), Action.STOP),
        (Answer(429, {"throttled_events": [7]}), Action.RETRY),
        (Answer(599), Action.RETRY),
        (Answer(100), Action.STOP),
    ],
    ids=lambda value: f"{value.status} {value.content or value.text}" if isinstance(value, Answer) else value.name,
)
def test_each_answer_to_events_has_its_reaction(answer: Answer, action: Action):
    assert react(answer, BATCH, 3).action is action


@pytest.mark.parametrize("route", [IDENTIFY, GROUP_IDENTIFY])
@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (Answer(200, text="success"), Action.ACCEPT),
        (Answer(200, text=" Success\n"), Action.ACCEPT),
        (Answer(200, {"code": 200}), Action.ACCEPT),
        (Answer(200, text="<html>Sign in"), Action.RETRY),
        (Answer(200, {"message": "login"}), Action.RETRY),
        (Answer(200, text=""), Action.RETRY),
        (Answer(400, text="invalid_api_key"), Action.STOP),
        (Answer(400, text="missing_event"), Action.BISECT),
        (Answer(400, text="<html>Bad Request"), Action.SEND_PLAIN),
    ],
    ids=lambda value: f"{value.status} {value.content or value.text}" if isinstance(value, Answer) else "",
)
def test_each_answer_to_identifications_has_its_reaction(route, answer: Answer, action: Action):
    assert react(answer, route, 3).action is action


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 5) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("code", "error", "missing_field", "events_ingested", *INDEX_MAPS, *THROTTLED_INDEXES, *THROTTLED_IDS)
MEMBERS += QUOTA_IDS


@given(
    st.integers(100, 999) | st.sampled_from([200, 400, 429]),
    st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), JSON_VALUES),
    st.text(max_size=20),
    st.sampled_from([BATCH, HTTP, IDENTIFY, GROUP_IDENTIFY]),
    st.integers(1, 5),
)
@example(200, {"code": 200, "events_ingested": 1}, "", BATCH, 1)
@example(429, {"throttled_users": {"ada": 1}, "throttled_events": [0]}, "", BATCH, 1)
def test_no_answer_is_without_a_reaction(status: int, content: dict[str, Any], text: str, route, count: int):
    reaction = react(Answer(status, content, text), route, count)
    assert reaction.message or reaction.action is Action.ACCEPT
    assert all(0 <= index < count for index in (*reaction.rejected, *reaction.throttled.indexes))
    if reaction.action is Action.SORT:
        assert reaction.rejected or reaction.throttled or reaction.over_quota
        assert reaction.wait_seconds is not None
    if reaction.action is Action.ACCEPT:
        assert status == 200
