"""Lists and dashboard figures: complete, typed, each day once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from support.exports import export_row
from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted

Runs = Callable[..., Any]


@pytest.fixture
def run(sandbox: Sandbox, run_tap: Runs) -> Runs:
    return lambda streams, **config: run_tap(streams, api_url=sandbox.url, **config)


def test_the_tracking_plan_comes_whole(sandbox: Sandbox, run: Runs) -> None:
    sandbox.call(
        "POST",
        "/amplitude/taxonomy",
        {
            "categories": [{"id": 1, "name": "Experiments"}],
            "events": [{"event_type": "get_treatment"}, {"event_type": "a & b=ü"}],
            "event_properties": [
                {"event_type": "get_treatment", "event_property": "treatment", "is_required": True},
                {"event_type": "a & b=ü", "event_property": "x", "classifications": ["PII"]},
            ],
            "user_properties": [{"user_property": "gp:plan", "type": "string", "new_member": 5}],
        },
    )
    result = run("event_categories event_properties user_properties")
    assert result.error == ""
    assert result.records("event_categories") == [{"id": 1, "name": "Experiments"}]
    assert [(p["event_type"], p["event_property"]) for p in result.records("event_properties")] == [
        ("get_treatment", "treatment"),
        ("a & b=ü", "x"),
    ]
    (plan,) = result.records("user_properties")
    assert plan["user_property"] == "gp:plan"
    assert plan["new_member"] == 5


def test_event_types_and_annotations_are_lists(sandbox: Sandbox, run: Runs) -> None:
    sandbox.put_export_rows([export_row(1, event_type="Song Played")])
    mark = {"id": 5512, "start": "2026-03-01T07:00:00+02:00", "label": "50%", "category": {"id": 7, "name": "R"}}
    sandbox.call("POST", "/amplitude/annotations", [mark])
    result = run("events_list annotations")
    assert [event["value"] for event in result.records("events_list")] == ["Song Played"]
    (annotation,) = result.records("annotations")
    assert annotation["start"] == "2026-03-01T05:00:00.000000Z"
    assert annotation["category"] == {"id": 7, "name": "R"}


def chart(request: Request) -> Answer:
    """Figures of the asked days: their distance from 2026-01-01."""
    query = dict(part.split("=") for part in request.query.split("&"))
    first, last = (datetime.strptime(query[name], "%Y%m%d").date() for name in ("start", "end"))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    series = [[(day - date(2026, 1, 1)).days for day in days]]
    data = {"series": series, "seriesMeta": [{"segmentIndex": 0}], "xValues": [day.isoformat() for day in days]}
    return Answer(json.dumps({"data": data}).encode())


@pytest.mark.parametrize("stream", ["active_users", "average_session_length"])
def test_a_clock_that_is_ahead_passes_no_day(run_tap: Runs, sandbox: Sandbox, stream: str) -> None:
    """Amplitude gives figures of 0 for days to come: the bookmark must not pass them."""
    sandbox.plan(preset="clock_behind", path="*", times=None)  # by 30 days: this machine's clock is ahead
    result = run_tap(stream, api_url=sandbox.url, start_date="2026-03-10", end_date="2026-03-20")
    assert "This machine's clock is" in result.error
    assert result.records(stream) == []
    assert result.state is None


@pytest.mark.parametrize("stream", ["active_users", "average_session_length"])
def test_each_day_comes_once_over_many_runs(run_tap: Runs, stream: str) -> None:
    with scripted(chart) as server:
        first = run_tap(stream, api_url=server.url, start_date="2025-12-30", end_date="2026-05-01")
        second = run_tap(stream, api_url=server.url, end_date="2026-05-03", state=first.state)
        asked = len(server.requests)
        third = run_tap(stream, api_url=server.url, end_date="2026-05-03", state=second.state)
        assert len(server.requests) == asked
    days = [record["date"] for result in (first, second, third) for record in result.records(stream)]
    assert days == [(date(2025, 12, 30) + timedelta(days=n)).isoformat() for n in range(124)]
    value = {"active_users": "active_users", "average_session_length": "average_seconds"}[stream]
    assert first.records(stream)[-1] == {"date": "2026-04-30", "segment": "0", value: 119}
    assert second.state["bookmarks"][stream] == {"replication_key": "date", "replication_key_value": "2026-05-03"}


def test_a_day_that_is_not_over_everywhere_is_left(run_tap: Runs) -> None:
    begun = datetime.now(UTC)
    with scripted(chart) as server:
        result = run_tap("active_users", api_url=server.url, start_date=f"{begun - timedelta(days=5):%Y-%m-%d}")
    newest = date.fromisoformat(result.records("active_users")[-1]["date"])
    assert begun - timedelta(hours=48) <= datetime(newest.year, newest.month, newest.day, 12, tzinfo=UTC)
    assert newest < (begun - timedelta(hours=11, minutes=59)).date()


def test_lookback_reads_whole_days_again(run_tap: Runs) -> None:
    with scripted(chart) as server:
        first = run_tap("active_users", api_url=server.url, end_date="2026-03-20")
        again = run_tap("active_users", api_url=server.url, end_date="2026-03-20", lookback_hours=30, state=first.state)
    assert [record["date"] for record in again.records("active_users")] == ["2026-03-18", "2026-03-19"]
    assert again.state == first.state


def test_a_stream_that_may_not_be_read_stops_no_other(sandbox: Sandbox, run: Runs) -> None:
    sandbox.plan(kind="status", path="/api/2/taxonomy/*", status=403, body="Not part of your plan", times=None)
    sandbox.put_export_rows([export_row(1)])
    result = run("event_categories user_properties events_list")
    assert result.code == 1
    assert "event_categories, user_properties" in result.error
    assert "deselect" in result.stderr
    assert len(result.records("events_list")) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"data":5}', b'{"data":{"series":[[1,2]],"xValues":[]}}'])
def test_answers_of_another_shape_are_a_sentence(run_tap: Runs, body: bytes) -> None:
    for stream in ("events_list", "active_users", "cohorts"):
        with scripted(lambda _: Answer(body)) as server:
            result = run_tap(stream, api_url=server.url)
        assert result.code == 1
        assert "Amplitude's" in result.error


def answering(**bodies: Any) -> Callable[[Request], Answer]:
    """Answer each path, named by its last part, with this body as JSON."""

    def answer(request: Request) -> Answer:
        body = bodies.get(request.path.rpartition("/")[2].replace("-", "_"))
        return body if isinstance(body, Answer) else Answer(json.dumps({"success": True, "data": body}).encode())

    return answer


def test_event_types_without_a_name_or_deleted_meanwhile_cost_themselves_alone(run_tap: Runs) -> None:
    events = [{"event_type": None}, {}, 5, {"event_type": ""}, {"event_type": "gone"}, {"event_type": "kept"}]

    def answer(request: Request) -> Answer:
        if request.path.endswith("/event"):
            return Answer(json.dumps({"success": True, "data": events}).encode())
        if b"gone" in request.body:
            return Answer(b'{"success":false,"errors":[{"message":"Not found"}]}', status=400)
        assert request.body == b"event_type=kept"
        return Answer(json.dumps({"success": True, "data": [{"event_property": "p"}, None, {"type": "x"}]}).encode())

    with scripted(answer) as server:
        result = run_tap("event_properties", api_url=server.url)
    assert result.error == ""
    assert [(row["event_type"], row["event_property"]) for row in result.records("event_properties")] == [("kept", "p")]
    assert "'gone'" in result.stderr
    assert "2 skipped (2 no key)" in result.stderr


def test_rows_that_are_not_objects_or_have_no_key_are_skipped_and_counted(run_tap: Runs) -> None:
    with scripted(answering(list=[None, 5, [], {"value": None}, {"value": "a"}], annotations=[{"id": {}}])) as server:
        result = run_tap("events_list annotations", api_url=server.url)
    assert [row["value"] for row in result.records("events_list")] == ["a"]
    assert result.records("annotations") == []
    assert "5 skipped (5 no key)" in result.stderr


def test_a_chart_with_fewer_days_than_requested_moves_no_bookmark(run_tap: Runs) -> None:
    def answer(_: Request) -> Answer:
        return Answer(json.dumps({"data": {"series": [[1]], "xValues": ["2026-03-14"]}}).encode())

    with scripted(answer) as server:
        short = run_tap("active_users", api_url=server.url, end_date="2026-03-17")
        whole = run_tap("active_users", api_url=server.url, end_date="2026-03-15")
    assert "is not a chart of 3 days" in short.error
    assert "replication_key_value" not in str(short.state)
    assert len(whole.records("active_users")) == 1
