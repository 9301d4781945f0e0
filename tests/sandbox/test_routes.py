"""What Amplitude sends by itself: cohort changes and events to a URL, exported files and cohort files."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.exports import export_row
from support.objects import Store, running_store
from support.sandbox import Sandbox
from support.scripted import Answer, Request, ScriptedServer, scripted

COMPUTED = 1_767_261_600


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with scripted(lambda _: Answer()) as server:
        yield server


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with running_store() as running:
        yield running


def put_cohort(sandbox: Sandbox, *users: str, computed: int = COMPUTED, **members: Any) -> None:
    listed = [
        {"amplitude_id": 200_000_000_000 + index, "user_id": user, "plan": "gold"} for index, user in enumerate(users)
    ]
    sandbox.put_cohort(id="ab12cd3", name="Power users", members=listed, last_computed=computed, **members)


def push(sandbox: Sandbox, url: str, **members: Any) -> Any:
    return sandbox.call("POST", "/amplitude/push-cohort", {"cohort_id": "ab12cd3", "url": url, **members})


def bodies(receiver: ScriptedServer) -> list[Any]:
    return [json.loads(request.body) for request in receiver.requests]


def refused(sandbox: Sandbox, route: str, body: Any) -> str:
    answer = sandbox.http.post(f"{sandbox.url}/_sandbox/amplitude/{route}", json=body)
    assert answer.status_code == 400
    return answer.json()["error"]


def test_a_cohort_is_pushed_whole_and_then_by_changes(sandbox: Sandbox, receiver: ScriptedServer) -> None:
    put_cohort(sandbox, "user-1", "user-2", "user-3")
    url = f"{receiver.url}/hook?source=amplitude"
    report = push(sandbox, url, headers={"Authorization": "Bearer test-token"}, user_properties=["plan"])
    assert report["delivered"] is True
    (first,) = receiver.requests
    assert (first.path, first.query) == ("/hook", "source=amplitude")
    assert first.headers["User-Agent"] == "Amplitude/Webhook/1.0"
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["Authorization"] == "Bearer test-token"
    (body,) = bodies(receiver)
    message_id = body.pop("message_id")
    assert message_id.endswith("::enter::0")
    assert body == {
        "cohort_name": "Power users",
        "cohort_id": "ab12cd3",
        "in_cohort": True,
        "computed_time": str(COMPUTED),
        "users": [{"user_id": f"user-{number}", "user_properties": {"plan": "gold"}} for number in (1, 2, 3)],
    }

    put_cohort(sandbox, "user-1", "user-3", "user-4", computed=COMPUTED + 60)
    members = [{"amplitude_id": 200_000_000_000, "user_id": "user-1"}, {"amplitude_id": 9, "user_id": "user-4"}]
    sandbox.put_cohort(id="ab12cd3", name="Power users", members=members, last_computed=COMPUTED + 60)
    push(sandbox, url)
    changes = bodies(receiver)[1:]
    assert [(one["in_cohort"], [user["user_id"] for user in one["users"]]) for one in changes] == [
        (True, ["user-4"]),
        (False, ["user-2", "user-3"]),
    ]
    assert {one["computed_time"] for one in changes} == {str(COMPUTED + 60)}
    assert len({message_id, *(one["message_id"] for one in changes)}) == 3
    assert "user_properties" not in changes[0]["users"][0]
    assert push(sandbox, url) == {"delivered": True, "messages": []}


def test_batches_can_be_repeated_and_shuffled(sandbox: Sandbox, receiver: ScriptedServer) -> None:
    put_cohort(sandbox, *(f"user-{number}" for number in range(10)))
    report = push(sandbox, receiver.url, batch_size=2, copies=2, order="shuffled", seed=7, connections=1)
    ids = [one["message_id"] for one in bodies(receiver)]
    assert [one["message_id"] for one in report["messages"]] == ids
    assert len(ids) == 10
    assert sorted(set(ids)) != list(dict.fromkeys(ids))
    assert {ids.count(one) for one in ids} == {2}
    assert sorted(user["user_id"] for body in bodies(receiver) for user in body["users"]) == sorted(
        2 * [f"user-{number}" for number in range(10)]
    )


def test_messages_are_the_same_each_time(sandbox: Sandbox, receiver: ScriptedServer) -> None:
    for _ in range(2):
        sandbox.reset()
        put_cohort(sandbox, "user-1", "user-2", "user-3")
        push(sandbox, receiver.url, batch_size=1, order="reversed")
    sent = bodies(receiver)
    assert len(sent) == 6
    assert sent[:3] == sent[3:]
    assert [one["users"][0]["user_id"] for one in sent[:3]] == ["user-3", "user-2", "user-1"]


def test_a_refused_message_is_retried_and_then_sent_again_with_the_next_push(sandbox: Sandbox) -> None:
    statuses = iter([503, 429, 200, 500, 500])

    with scripted(lambda _: Answer(status=next(statuses, 200))) as receiver:
        put_cohort(sandbox, "user-1")
        report = push(sandbox, receiver.url, retry_seconds=0.01)
        assert [one["statuses"] for one in report["messages"]] == [[503, 429, 200]]
        assert len({one["message_id"] for one in bodies(receiver)}) == 1
        put_cohort(sandbox, "user-1", "user-2")
        report = push(sandbox, receiver.url, retry_seconds=0.01, retries=1)
        assert (report["delivered"], report["messages"][0]["statuses"]) == (False, [500, 500])
        assert push(sandbox, receiver.url)["messages"][0]["users"] == 1


def test_a_receiver_that_is_down_gives_no_answer(sandbox: Sandbox, receiver: ScriptedServer) -> None:
    put_cohort(sandbox, "user-1")
    url = receiver.url
    receiver.stop()
    assert push(sandbox, url, retries=1, retry_seconds=0)["messages"][0]["statuses"] == [None, None]
    assert sandbox.call("GET", "/amplitude/routes")[0]["delivered"] is False


def test_cohort_changes_are_written_as_a_stream_destination_does(sandbox: Sandbox, tmp_path: Path) -> None:
    put_cohort(sandbox, "user-1", "user-2")
    body = {"cohort_id": "ab12cd3", "path": str(tmp_path), "batch_size": 1, "separator": ""}
    sandbox.call("POST", "/amplitude/push-cohort", body)
    (file,) = tmp_path.iterdir()
    assert file.name == f"ab12cd3-{COMPUTED}-1.json"
    decoder, text, found = json.JSONDecoder(), file.read_text(), []
    while text:
        message, end = decoder.raw_decode(text)
        found.append(message["users"][0]["user_id"])
        text = text[end:]
    assert found == ["user-1", "user-2"]


def test_members_without_a_user_id_and_groups_are_pushed_as_they_are(
    sandbox: Sandbox, receiver: ScriptedServer
) -> None:
    sandbox.put_cohort(id="ab12cd3", name="Mixed", members=[{"amplitude_id": 1, "user_id": None}])
    push(sandbox, receiver.url)
    sandbox.put_cohort(id="ab12cd3", name="Groups", members=[{"group_value": "acme"}])
    push(sandbox, receiver.url)
    assert [one["users"] for one in bodies(receiver)] == [
        [{"user_id": None}],
        [{"user_id": "acme"}],
        [{"user_id": None}],
    ]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"url": "http://example.com/"}, "this machine"),
        ({"url": "https://127.0.0.1/"}, "this machine"),
        ({"url": "http://127.0.0.1.example.com/"}, "this machine"),
        ({"path": "s3://bucket/folder"}, "this machine"),
        (
            {"path": "s3://bucket/folder", "storage_options": {"endpoint_url": "https://s3.amazonaws.com"}},
            "this machine",
        ),
        ({"path": "gs://bucket/folder"}, "local folder"),
        ({}, "url or path"),
        ({"url": "http://127.0.0.1:9/", "cohort_id": "none"}, "no cohort"),
        ({"url": "http://127.0.0.1:9/", "headers": {f"X-{number}": "1" for number in range(6)}}, "5 headers"),
        ({"url": "http://127.0.0.1:9/", "copys": 2}, "copys"),
    ],
)
def test_a_push_that_leaves_this_machine_or_makes_no_sense_is_refused(
    sandbox: Sandbox, members: dict[str, Any], reason: str
) -> None:
    put_cohort(sandbox, "user-1")
    assert reason in refused(sandbox, "push-cohort", {"cohort_id": "ab12cd3", **members})


def post_events(sandbox: Sandbox, *names: str, **members: Any) -> None:
    events = [{"event_type": name, "user_id": "user-0042", **members} for name in names]
    body = {"api_key": "test-api-key", "events": events}
    assert sandbox.http.post(sandbox.url + "/batch", json=body).status_code == 200


def stream(sandbox: Sandbox, url: str, **members: Any) -> Any:
    return sandbox.call("POST", "/amplitude/stream-events", {"url": url, **members})


def test_events_are_streamed_one_per_request_and_once(sandbox: Sandbox, receiver: ScriptedServer) -> None:
    post_events(sandbox, "seen", "$identify", user_properties={"visits": 3, "tags": ["a"], "plan": "gold"})
    assert stream(sandbox, receiver.url) == {"delivered": 1, "dropped": 0, "requests": 1}
    (body,) = bodies(receiver)
    assert body["event_type"] == "seen"
    assert body["user_properties"] == {"visits": "3", "tags": '["a"]', "plan": "gold"}
    assert body["uuid"]
    assert len(body["event_time"].split(" ")) == 2
    post_events(sandbox, "bought", "_all", "_identify")
    stream(sandbox, receiver.url, without=["uuid", "$insert_id"])
    assert [one["event_type"] for one in bodies(receiver)] == ["seen", "bought"]
    assert "uuid" not in bodies(receiver)[1]
    assert stream(sandbox, receiver.url)["requests"] == 0
    assert stream(sandbox, receiver.url, from_start=True, event_types=["b*"], copies=2)["delivered"] == 2


def test_many_events_over_several_connections(sandbox: Sandbox, receiver: ScriptedServer) -> None:
    post_events(sandbox, *(f"event-{number}" for number in range(1500)))
    assert stream(sandbox, receiver.url, connections=4)["delivered"] == 1500
    assert {one["event_type"] for one in bodies(receiver)} == {f"event-{number}" for number in range(1500)}


def test_a_refused_event_is_retried_quickly_then_slowly_and_dropped_at_last(sandbox: Sandbox) -> None:
    def answer(request: Request) -> Answer:
        status = {"busy": 503, "bad": 400}.get(json.loads(request.body)["event_type"], 200)
        return Answer(status=status)

    with scripted(answer) as receiver:
        post_events(sandbox, "busy", "bad", "fine")
        report = stream(sandbox, receiver.url, attempts=2, attempt_seconds=0)
        assert report == {"delivered": 1, "dropped": 2, "requests": 2 * 3 + 2 + 1}
        assert [one["event_type"] for one in bodies(receiver)] == ["busy"] * 6 + ["bad"] * 2 + ["fine"]


def read_lines(content: bytes) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def test_exported_files_of_each_hour(sandbox: Sandbox, tmp_path: Path) -> None:
    rows = [export_row(number, f"2026-03-14 {9 + number // 3:02}:10:00.000000") for number in range(6)]
    sandbox.put_export_rows(rows)
    report = sandbox.call("POST", "/amplitude/write-export", {"path": str(tmp_path), "rows_per_file": 2})
    names = [
        "100042_2026-03-14_9#0.json.gz",
        "100042_2026-03-14_9#417.json.gz",
        "100042_2026-03-14_10#0.json.gz",
        "100042_2026-03-14_10#417.json.gz",
    ]
    assert report == {"files": [f"100042/{name}" for name in names], "rows": 6}
    assert sorted(file.name for file in (tmp_path / "100042").iterdir()) == sorted(names)
    first = read_lines((tmp_path / "100042" / names[0]).read_bytes())
    assert [row["uuid"] for row in first] == [row["uuid"] for row in rows[:2]]
    assert len(first[0]) == 48
    assert first[0]["server_upload_time"] == "2026-03-14T09:10:00.000000"

    sandbox.put_export_rows([export_row(99, "2026-03-14 09:59:00.000000")])
    late = sandbox.call("POST", "/amplitude/write-export", {"path": str(tmp_path), "all_fields": True})
    assert late == {"files": ["100042/100042_2026-03-14_9#834.json.gz"], "rows": 1}
    assert read_lines((tmp_path / late["files"][0]).read_bytes()) == [export_row(99, "2026-03-14T09:59:00.000000")]
    again = sandbox.call("POST", "/amplitude/write-export", {"path": str(tmp_path)})
    assert again == {"files": [], "rows": 0}


def test_a_backfill_overwrites_objects(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.put_export_rows([export_row(1)])
    sandbox.call("POST", "/amplitude/write-export", {"path": str(tmp_path), "folder": ""})
    sandbox.put_export_rows([export_row(2)])
    body = {"path": str(tmp_path), "folder": "", "rewrite": True, "complete": True}
    assert sandbox.call("POST", "/amplitude/write-export", body)["rows"] == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "100042_2026-03-14_9#0.json.gz",
        "100042_2026-03-14_9_complete.json.gz",
    ]
    assert len(read_lines((tmp_path / "100042_2026-03-14_9#0.json.gz").read_bytes())) == 2
    assert read_lines((tmp_path / "100042_2026-03-14_9_complete.json.gz").read_bytes()) == []


@pytest.mark.parametrize("route", ["write-export", "write-cohort", "push-cohort"])
def test_a_folder_that_cannot_be_written_is_refused(sandbox: Sandbox, tmp_path: Path, route: str) -> None:
    (tmp_path / "file").touch()
    put_cohort(sandbox, "user-1")
    sandbox.put_export_rows([export_row(1)])
    body = {"path": str(tmp_path / "file")} | ({} if route == "write-export" else {"cohort_id": "ab12cd3"})
    assert "file" in refused(sandbox, route, body)


def test_a_bucket_that_does_not_exist_is_refused(sandbox: Sandbox, store: Store) -> None:
    sandbox.put_export_rows([export_row(1)])
    assert refused(sandbox, "write-export", {"path": "s3://none/raw", "storage_options": store.options})


def test_merged_users_in_a_bucket(sandbox: Sandbox, store: Store) -> None:
    store.empty()
    merged = {
        "amplitude_id": 200_000_000_043,
        "merged_amplitude_id": 200_000_000_042,
        "merge_time": "2026-03-14 09:00:00.000000",
        "merge_server_time": "2026-03-14 09:00:03.000000",
    }
    sandbox.put_export_rows([export_row(1)])
    body = {"path": f"s3://{store.bucket}/raw", "storage_options": store.options, "merged_ids": [merged]}
    report = sandbox.call("POST", "/amplitude/write-export", body)
    assert report["files"] == ["100042/100042_2026-03-14_9#0.json.gz", "-36042/-36042_2026-03-14_9.json.gz"]
    assert sorted(store.names()) == sorted(f"raw/{name}" for name in report["files"])
    content = store.files.cat_file(f"{store.bucket}/raw/{report['files'][1]}")
    assert read_lines(content) == [merged | {"scope": 36_042}]


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text())))


def test_a_cohort_as_three_files_per_sync(sandbox: Sandbox, tmp_path: Path) -> None:
    put_cohort(sandbox, "user-1", 'zoë, "Z"')
    body = {"cohort_id": "ab12cd3", "path": str(tmp_path), "user_property": "plan"}
    report = sandbox.call("POST", "/amplitude/write-cohort", body)
    assert report["files"] == [
        f"100042_ab12cd3_2026-01-01T10-00-00_{kind}_0.csv" for kind in ("entering", "exiting", "existing")
    ]
    entering, exiting, existing = (read_csv(tmp_path / name) for name in report["files"])
    assert entering == [
        ["amplitudeID", "userID", "userProperty"],
        ["200000000000", "user-1", "gold"],
        ["200000000001", 'zoë, "Z"', "gold"],
    ]
    assert exiting == existing == entering[:1]

    put_cohort(sandbox, "user-1", computed=COMPUTED + 3600)
    body = {"cohort_id": "ab12cd3", "path": str(tmp_path), "columns": ["amplitude_id", "user_id"]}
    report = sandbox.call("POST", "/amplitude/write-cohort", body)
    assert [report[kind] for kind in ("entering", "exiting", "existing")] == [0, 1, 2]
    assert read_csv(tmp_path / report["files"][1]) == [["amplitude_id", "user_id"], ["200000000001", 'zoë, "Z"']]

    report = sandbox.call("POST", "/amplitude/write-cohort", body | {"existing": "current"})
    assert report["existing"] == 1


def test_what_the_routes_delivered_is_listed(sandbox: Sandbox, receiver: ScriptedServer, tmp_path: Path) -> None:
    put_cohort(sandbox, "user-1", "user-2")
    post_events(sandbox, "seen")
    push(sandbox, f"{receiver.url}/?token=test-token")
    stream(sandbox, receiver.url)
    sandbox.call("POST", "/amplitude/write-export", {"path": str(tmp_path)})
    sandbox.call("POST", "/amplitude/write-cohort", {"cohort_id": "ab12cd3", "path": str(tmp_path)})
    entries = sandbox.call("GET", "/amplitude/routes")
    assert [(one["route"], one["items"], one["delivered"]) for one in entries] == [
        ("cohort webhook", 2, True),
        ("event stream", 1, True),
        ("export files", 1, True),
        ("cohort files", 2, True),
    ]
    assert entries[0]["target"] == f"{receiver.url}/"
    sandbox.reset()
    assert sandbox.call("GET", "/amplitude/routes") == []
