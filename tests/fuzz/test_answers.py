"""Whatever the services answer, no traceback reaches a user."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.connectors import TARGETS, config_of, stream_of
from support.exports import export_row, zip_of
from support.fuzz import assert_in_words, disturbed, quick
from support.inside import CLASSES
from support.processes import Workplace
from support.scripted import Answer, scripted

pytestmark = pytest.mark.kind("property")

RIGHT_ANSWERS: dict[str, Any] = {
    "cohorts": {"cohorts": [{"id": "a", "name": "n", "size": 1, "lastComputed": 1, "published": True}]},
    "cohort request": {"request_id": "r", "cohort_id": "a"},
    "accepted events": {"code": 200, "events_ingested": 2, "payload_size_bytes": 5, "server_upload_time": 1},
    "throttled": {"code": 429, "throttled_users": {"k": 1}, "throttled_events": [0], "eps_threshold": 1},
    "invalid events": {"code": 400, "error": "e", "events_with_invalid_fields": {"time": [0]}, "silenced_events": []},
    "list of events": {"data": [{"name": "n", "totals": 1, "hidden": False}]},
    "chart": {"data": {"series": [[1, 2]], "xValues": ["2026-03-14"], "seriesMeta": [{"segmentIndex": 0}]}},
    "workspaces": {"objects": [{"id": "ws-demo", "name": "Default"}], "offset": 0, "limit": 50, "totalCount": 1},
    "environments": [{"id": "e", "name": "Production"}],
    "traffic types": [{"id": "t", "name": "user"}],
    "segments": {"objects": [{"name": "s", "trafficType": {"id": "t", "name": "user"}}], "totalCount": 1},
    "keys": {"keys": [{"key": "k"}], "count": 1, "offset": 0, "limit": 100},
}
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Retry-After", "Date", "Content-Type", "Content-Encoding", "X-RateLimit-Reset-Seconds-Org", "Location"]
    ),
    st.sampled_from(
        ["", "-1", "0", "nan", "9" * 30, "gzip", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", "http://127.0.0.1:1/"]
    ),
    max_size=2,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.binary(max_size=40))
    if kind == 1:
        return draw(st.sampled_from([b"", b"<html>", b"[" * 20_000, b"9" * 5000, b'"\\ud800"', b"NaN", b'{"keys": ']))
    if kind == 2:
        name = draw(st.sampled_from(["524_2026-03-14_0#1.json.gz", "__MACOSX/x", "x.json"]))
        return zip_of({name: draw(st.binary(max_size=30)) or json.dumps(export_row(1)).encode()})
    right = draw(st.sampled_from(sorted(RIGHT_ANSWERS)))
    return json.dumps(draw(disturbed(RIGHT_ANSWERS[right]) | st.just(RIGHT_ANSWERS[right]))).encode()


ANSWERS = st.builds(
    Answer,
    body=bodies(),
    status=st.sampled_from([200, 200, 200, 200, 202, 204, 302, 400, 401, 403, 404, 413, 429, 500, 503]),
    headers=HEADERS,
)


def script(answers: list[Answer]) -> Callable[[Any], Answer]:
    """Give the answers one after another; the last one stays."""
    waiting = list(answers)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.mark.parametrize("plugin", CLASSES)
@quick
@given(answers=st.lists(ANSWERS, min_size=1, max_size=6))
def test_answers(plugin: str, answers: list[Answer], workplace: Workplace):
    with scripted(script(answers)) as server:
        config = config_of(plugin, server.url, workplace.folder)
        if plugin == "tap-split-impressions":
            config |= {"admin_api_key": "k3y-0123", "workspace_id": "ws-demo"}
        if plugin == "tap-amplitude":
            config |= {"cohort_ids": ["a"]}
        lines = [json.dumps(one) for one in stream_of(plugin)] if plugin in TARGETS else []
        assert_in_words(workplace.run(plugin, config, messages=lines, inside=True))


@pytest.mark.parametrize("plugin", CLASSES)
@quick
@given(answers=st.lists(ANSWERS, min_size=1, max_size=6))
def test_answers_to_check(plugin: str, answers: list[Answer], workplace: Workplace):
    with scripted(script(answers)) as server:
        config = config_of(plugin, server.url, workplace.folder)
        if plugin == "tap-split-impressions":
            config |= {"admin_api_key": "k3y-0123", "workspace_id": "ws-demo"}
        assert_in_words(workplace.run(plugin, config, "--check", inside=True))
