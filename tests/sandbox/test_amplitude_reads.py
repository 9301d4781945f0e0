"""Dashboard REST, taxonomy and annotations: https://amplitude.com/docs/apis/analytics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

AUTH = ("test-api-key", "test-secret-key")
NOW = datetime.now(UTC)


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    return sandbox.http.get(sandbox.url + path, **({"auth": AUTH} | options))


def row(user: int, event_time: str, **members: Any) -> dict[str, Any]:
    return {
        "uuid": f"{user}-{event_time}",
        "amplitude_id": user,
        "event_type": "seen",
        "event_time": f"2026-{event_time}",
        "server_upload_time": "2026-03-20 00:00:00.000000",
        "session_id": -1,
        **members,
    }


def test_events_are_listed_with_this_weeks_count(sandbox: Sandbox) -> None:
    this_week = f"{NOW:%Y-%m-%d %H:%M:%S}"
    sandbox.put_export_rows(
        [row(1, "03-14 09:00:00"), row(1, "03-14 09:00:00", event_type="bought", server_upload_time=this_week)]
    )
    assert get(sandbox, "/api/2/events/list").json() == {
        "data": [
            {
                "non_active": False,
                "value": name,
                "totals": totals,
                "deleted": False,
                "flow_hidden": False,
                "hidden": False,
                "display": name,
            }
            for name, totals in (("bought", 1), ("seen", 0))
        ]
    }


@pytest.fixture
def visits(sandbox: Sandbox) -> Sandbox:
    sandbox.put_export_rows(
        [
            row(1, "03-13 09:00:00", country="Germany"),
            row(1, "03-13 10:00:00", country="Germany"),
            row(2, "03-13 10:00:00", country="Japan"),
            row(1, "03-15 10:00:00", country="Germany"),
            row(3, "03-15 23:59:59"),
        ]
    )
    return sandbox


@pytest.mark.parametrize(
    ("query", "series", "days"),
    [
        ({}, [2, 0, 2], ["2026-03-13", "2026-03-14", "2026-03-15"]),
        ({"m": "new"}, [2, 0, 1], ["2026-03-13", "2026-03-14", "2026-03-15"]),
        ({"i": "7"}, [3], ["2026-03-13"]),
    ],
)
def test_users_are_counted(visits: Sandbox, query: dict[str, str], series: list[int], days: list[str]) -> None:
    answer = get(visits, "/api/2/users", params={"start": "20260313", "end": "20260315"} | query)
    assert answer.json() == {"data": {"series": [series], "seriesMeta": [{"segmentIndex": 0}], "xValues": days}}


def test_users_are_grouped(visits: Sandbox) -> None:
    answer = get(visits, "/api/2/users", params={"start": "20260313", "end": "20260315", "g": "country"})
    assert answer.json()["data"]["seriesMeta"] == ["(none)", "Germany", "Japan"]
    assert answer.json()["data"]["series"] == [[0, 0, 1], [1, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"start": "20260313"},
        {"start": "20260315", "end": "20260313"},
        {"start": "20260313", "end": "20260315", "m": "all"},
        {"start": "20260313", "end": "20260315", "i": "2"},
    ],
)
def test_a_bad_chart_is_refused(sandbox: Sandbox, query: dict[str, str]) -> None:
    answer = get(sandbox, "/api/2/users", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"]["http_code"] == 400


def test_sessions_are_averaged_by_the_day_they_began(sandbox: Sandbox) -> None:
    sandbox.put_export_rows(
        [
            row(1, "03-13 09:00:00", session_id=1),
            row(1, "03-13 09:01:00", session_id=1),
            row(2, "03-13 23:59:00", session_id=1),
            row(2, "03-14 00:02:00", session_id=1),
            row(2, "03-14 05:00:00"),
        ]
    )
    answer = get(sandbox, "/api/2/sessions/average", params={"start": "20260313", "end": "20260314"})
    assert answer.json() == {
        "data": {
            "series": [[120, 0]],
            "seriesMeta": [{"segmentIndex": 0}],
            "xValues": ["2026-03-13", "2026-03-14"],
        }
    }


def test_the_taxonomy_is_what_was_planted(sandbox: Sandbox) -> None:
    sandbox.call(
        "POST",
        "/amplitude/taxonomy",
        {
            "categories": [{"id": 7, "name": "Experiments"}],
            "events": [
                {"event_type": "seen", "category": {"name": "Experiments"}},
                {"event_type": "old", "deleted": True},
            ],
            "event_properties": [{"event_property": "label", "event_type": "seen", "type": "string"}],
            "user_properties": [{"user_property": "gp:plan"}],
        },
    )
    assert get(sandbox, "/api/2/taxonomy/category").json() == {
        "success": True,
        "data": [{"id": 7, "name": "Experiments"}],
    }
    (seen,) = get(sandbox, "/api/2/taxonomy/event").json()["data"]
    assert seen["category"] == {"name": "Experiments"}
    assert seen["is_active"] is True
    assert len(seen) == 11
    assert len(get(sandbox, "/api/2/taxonomy/event", params={"showDeleted": "true"}).json()["data"]) == 2
    (label,) = get(sandbox, "/api/2/taxonomy/event-property", data={"event_type": "seen"}).json()["data"]
    assert (label["event_property"], label["type"], len(label)) == ("label", "string", 10)
    assert get(sandbox, "/api/2/taxonomy/event-property", data={"event_type": "old"}).json()["data"] == []
    (plan,) = get(sandbox, "/api/2/taxonomy/user-property").json()["data"]
    assert (plan["user_property"], plan["deleted"], len(plan)) == ("gp:plan", False, 9)


def test_event_properties_need_an_event(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/api/2/taxonomy/event-property")
    assert answer.status_code == 400
    assert answer.json() == {"success": False, "errors": [{"message": "Missing field: event_type"}]}


RELEASE = {
    "id": 5512,
    "start": "2026-03-01T07:00:00+00:00",
    "end": None,
    "label": "checkout_redesign 50%",
    "details": "ramp step 2",
    "category": {"id": 77, "name": "Releases"},
    "chart_id": None,
}
NOTE = RELEASE | {"id": 5513, "start": "2026-03-05T07:00:00+02:00", "category": None, "chart_id": "abc"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [RELEASE, NOTE]),
        ({"category": "Releases"}, [RELEASE]),
        ({"chart_id": "abc"}, [NOTE]),
        ({"start": "2026-03-05T05:00:00Z"}, [NOTE]),
        ({"end": "2026-03-05T04:59:59Z"}, [RELEASE]),
    ],
)
def test_annotations_are_filtered(sandbox: Sandbox, query: dict[str, str], found: list[dict[str, Any]]) -> None:
    sandbox.call("POST", "/amplitude/annotations", [RELEASE, NOTE])
    assert get(sandbox, "/api/3/annotations", params=query).json() == {"data": found}


def test_one_annotation_and_the_categories(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/amplitude/annotations", [RELEASE, NOTE])
    assert get(sandbox, "/api/3/annotations/5512").json() == {"data": RELEASE}
    assert get(sandbox, "/api/3/annotations/1").status_code == 404
    assert get(sandbox, "/api/3/annotation-categories").json() == {"data": [{"id": 77, "name": "Releases"}]}
    both = {"category": "Releases", "chart_id": "abc"}
    assert get(sandbox, "/api/3/annotations", params=both).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/2/events/list",
        "/api/2/users",
        "/api/2/sessions/average",
        "/api/2/taxonomy/event",
        "/api/3/annotations",
    ],
)
def test_wrong_keys_are_refused(sandbox: Sandbox, path: str) -> None:
    answer = get(sandbox, path, auth=("test-api-key", "wrong-secret"))
    assert (answer.status_code, answer.text) == (403, "Invalid API Key")


def test_the_taxonomy_can_be_odd(sandbox: Sandbox) -> None:
    events = [
        {"event_type": None},
        {"display_name": "Nameless"},
        "text",
        None,
        {"event_type": "gone", "deleted_meanwhile": True},
    ]
    properties = [{"event_type": "seen", "event_property": None}, 7, {"event_type": ["seen"]}]
    plan = {"events": events, "event_properties": properties, "user_properties": [None], "categories": ["text"]}
    listed = [{"value": None, "hidden": True}, 7]
    sandbox.call("POST", "/amplitude/taxonomy", plan | {"events_list": listed})

    def data(path: str, **options: Any) -> list[Any]:
        return get(sandbox, f"/api/2/{path}", **options).json()["data"]

    shown = data("taxonomy/event")
    assert [one["event_type"] if isinstance(one, dict) else one for one in shown] == [None, None, "text", None, "gone"]
    assert "deleted_meanwhile" not in shown[4]
    found = data("taxonomy/event-property", data={"event_type": "seen"})
    assert [one["event_property"] if isinstance(one, dict) else one for one in found] == [None, 7]
    assert get(sandbox, "/api/2/taxonomy/event-property", data={"event_type": "gone"}).status_code == 400
    assert data("taxonomy/user-property") == [None]
    assert data("taxonomy/category") == ["text"]
    assert data("events/list") == listed
