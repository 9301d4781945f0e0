"""Stream `cohort_changes`: pushed messages, stream destinations and lists on S3, each change once and in order."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.processes import Workplace
from support.sandbox import Sandbox
from tap_amplitude.files.changes import InvalidMessageError, message_of, values_in
from tap_amplitude.files.kinds import Kind, cohort_file, hour_of_name, kind_of_content, kind_of_name

Runs = Callable[..., Any]
NOON = 1_773_489_600


def message(number: int, *users: str, in_cohort: bool = True, at: int = NOON, **changes: Any) -> dict[str, Any]:
    return {
        "cohort_name": "Power users",
        "cohort_id": "7khm89cz",
        "in_cohort": in_cohort,
        "computed_time": str(at),
        "message_id": f"9baaa88f::enter::{number}",
        "users": [{"user_id": user} for user in users],
    } | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pushed").mkdir()
    return tmp_path / "pushed"


@pytest.fixture
def run(run_tap: Runs, folder: Path) -> Runs:
    return lambda **config: run_tap("cohort_changes", **{"path": str(folder)} | config)


def changes(result: Any) -> list[tuple[str, str]]:
    return [(record["action"], record["user_id"]) for record in result.records("cohort_changes")]


def write(folder: Path, name: str, *values: Any, separator: str = "\n") -> None:
    (folder / name).write_text(separator.join(map(json.dumps, values)), encoding="utf-8")


def test_each_message_comes_once_ordered_by_its_time(folder: Path, run: Runs) -> None:
    late, early = message(1, "a", in_cohort=False, at=NOON + 60), message(0, "a", "b")
    write(folder, "stream.json", late, early, late, separator="")
    result = run()
    assert result.error == ""
    assert changes(result) == [("add", "a"), ("add", "b"), ("remove", "a")]
    assert result.records("cohort_changes")[0] == {
        "message_id": "9baaa88f::enter::0",
        "cohort_id": "7khm89cz",
        "cohort_name": "Power users",
        "action": "add",
        "computed_time": "2026-03-14T12:00:00.000000Z",
        "member_id": "a",
        "user_id": "a",
        "amplitude_id": None,
        "user_properties": None,
    }
    assert "1 skipped (1 repeated message)" in result.stderr
    write(folder, "again.json", early, message(2, "c"))
    second = run(state=result.state)
    assert changes(second) == [("add", "c")]
    assert changes(run(state=second.state)) == []


def test_a_repeat_that_the_tap_has_forgotten_undoes_nothing_behind_target_split(
    sandbox: Sandbox, folder: Path, run: Runs, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_amplitude.streams.changes.REMEMBERED_MESSAGES", 1)
    target = {"sdk_api_key": "test-sdk-key", "admin_api_key": "test-admin-key", "workspace_id": "ws-demo"}
    target |= {"environment": "Production", "events_url": sandbox.url, "admin_url": sandbox.url}
    target |= {"ledger_path": str(tmp_path / "ledger.sqlite"), "rejects_path": str(tmp_path / "rejects.jsonl")}

    def load(result: Any) -> Any:
        return workplace.run("target-split", target, messages=result.messages, inside=True)

    entered, left = message(0, "a", "b"), message(1, "a", in_cohort=False, at=NOON + 60)
    write(folder, "first.json", entered, left, message(2, "c", at=NOON + 120))
    first = run()
    assert load(first).code == 0
    write(folder, "repeated.json", entered, message(3, "d", at=NOON + 180))
    second = run(state=first.state)
    assert changes(second) == [("add", "a"), ("add", "b"), ("add", "d")]
    loaded = load(second)
    assert loaded.code == 0, loaded.stderr
    assert "older change" in loaded.stderr
    assert [segment["keys"] for segment in sandbox.split_segments()] == [["b", "c", "d"]]


def test_the_sandbox_writes_messages_as_stream_destinations_do(sandbox: Sandbox, folder: Path, run: Runs) -> None:
    for members, separator in ((("a", "b"), "\n"), (("b", "c"), "")):
        sandbox.put_cohort(id="c1", name="c", members=[{"user_id": name} for name in members], last_computed=NOON)
        push = {"cohort_id": "c1", "path": str(folder), "separator": separator, "copies": 2}
        sandbox.call("POST", "/amplitude/push-cohort", push)
    result = run()
    assert sorted(changes(result)[:2]) == [("add", "a"), ("add", "b")]
    assert sorted(changes(result)[2:]) == [("add", "c"), ("remove", "a")]


@pytest.mark.parametrize("existing", ["previous", "current"])
@pytest.mark.parametrize("columns", [["amplitudeID", "userID"], ["amplitude_id", "user_id"], ["AMPLITUDEID", "USERID"]])
def test_lists_on_s3_feed_the_same_stream_and_existing_removes_nobody(
    sandbox: Sandbox, folder: Path, run: Runs, existing: str, columns: list[str]
) -> None:
    held: set[str] = set()
    states: dict[str, Any] = {}
    for number, members in enumerate(("ab", "bc", "c")):
        sandbox.put_cohort(
            id="c1", name="c", members=[{"amplitude_id": ord(name), "user_id": name} for name in members]
        )
        order = {"cohort_id": "c1", "path": str(folder), "existing": existing, "columns": columns}
        sandbox.call("POST", "/amplitude/write-cohort", order | {"computed_time": NOON + 60 * number})
        result = run(state=states)
        states = result.state
        assert result.error == ""
        for action, user in changes(result):
            held = held | {user} if action == "add" else held - {user}
        assert held == set(members)


@pytest.mark.parametrize(
    "changed",
    [
        {"in_cohort": "perhaps"},
        {"in_cohort": 1},
        {"cohort_id": " "},
        {"cohort_id": True},
        {"users": None},
        {"users": {"user_id": "a"}},
    ],
)
def test_what_is_not_a_message_is_counted_and_the_others_are_read(
    folder: Path, run: Runs, changed: dict[str, Any]
) -> None:
    write(folder, "stream.json", message(0, "a"), message(1, "b", **changed), message(2, "c"))
    result = run()
    assert changes(result) == [("add", "a"), ("add", "c")]
    assert "1 record that is not of a cohort push" in result.stderr


def test_a_line_that_is_not_json_costs_itself_alone(folder: Path, run: Runs) -> None:
    lines = [json.dumps(message(0, "a")), '{"in_cohort": ${input}, "users": [', json.dumps(message(1, "b"))]
    (folder / "stream.json").write_text("\n".join(lines), encoding="utf-8")
    assert changes(run()) == [("add", "a"), ("add", "b")]


def test_odd_members_of_a_message_are_read_as_they_are_meant() -> None:
    users = [{"user_id": 7}, {"user_id": ""}, {"user_id": None}, "x", {"user_id": "a", "user_properties": {"p": 1}}]
    read = message_of(message(0, users=users, message_id=None, computed_time="soon"), received=5)
    again = message_of(message(0, users=users, message_id=" ", computed_time="soon"), received=6)
    assert [user.user_id for user in read.users] == ["7", "a"]
    assert read.without_id == 3
    assert read.computed == 5
    assert len(read.message_id) == len(again.message_id) == 32
    assert message_of(message(0, in_cohort="false"), 0).action == "remove"
    assert message_of(message(0, computed_time=NOON), 0).computed == NOON * 1000


def test_equal_messages_without_an_id_are_one() -> None:
    first, second = (message_of(message(0, "a", message_id=None), received) for received in (1, 2))
    assert first.message_id == second.message_id
    assert first.message_id != message_of(message(0, "b", message_id=None), 1).message_id


def test_values_stand_in_lines_behind_one_another_or_pretty_printed() -> None:
    for text in ('{"a":1}\n{"a":2}\n', '{"a":1}{"a":2}', '\n{\n "a": 1\n}\n{\n "a": 2\n}', '{"a":1},{"a":2},'):
        assert list(values_in(io.BytesIO(text.encode()))) == [{"a": 1}, {"a": 2}]
    found = list(values_in(io.BytesIO(b'{"a":1}\nbroken\n{"a":2}')))
    assert [found[0], found[2]] == [{"a": 1}, {"a": 2}]
    assert isinstance(found[1], InvalidMessageError)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("100042/100042_2026-03-14_9#417.json.gz", Kind.EVENTS),
        ("x/-36042/-36042_2026-03-14_9.json.gz", Kind.MERGED_IDS),
        ("100042_ab12cd3_2026-03-14T09-26-53_entering_0.csv", Kind.CHANGES_CSV),
        ("p/100042_ab12cd3_2026-03-14T09:53_exiting.csv", Kind.CHANGES_CSV),
        ("amplitude-20260314T092653Z-0a1b2c3d4e5f-000001.jsonl", Kind.RECEIVED),
        ("impressions-20260314T092653Z-0a1b2c3d4e5f-000001.jsonl", None),
        ("delivery-stream-1-2026-03-14-09-26-53-0a1b", None),
        ("100042_2026-03-14_9.json.gz", None),
    ],
)
def test_names_tell_what_a_file_holds(path: str, kind: Kind | None) -> None:
    assert kind_of_name(path) is kind


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"in_cohort":true,"users":[]}{"in', Kind.CHANGES),
        (b'[{"in_cohort":false}]', Kind.CHANGES),
        (b'{"event_type":"x"}\n', Kind.EVENTS),
        (b'{"amplitude_id":1,"merged_amplitude_id":2}', Kind.MERGED_IDS),
        (b'{"key":"u","split":"f"}', Kind.NOTHING),
        (b"hello", Kind.NOTHING),
        (b"", Kind.NOTHING),
        (b"\x1f\x8bbroken", Kind.NOTHING),
    ],
)
def test_content_tells_where_a_name_does_not(content: bytes, kind: Kind) -> None:
    assert kind_of_content(io.BytesIO(content)) is kind


def test_a_cohorts_file_names_cohort_list_and_time() -> None:
    file = cohort_file("a/100042_ab12cd3_2026-03-14T09-26-53_exiting_7.csv")
    assert (file.cohort_id, file.list_kind, str(file.time)) == ("ab12cd3", "exiting", "2026-03-14 09:26:53+00:00")
    assert cohort_file("ab12cd3_2026-03-14T09:53_entering.csv").time is None
    assert hour_of_name("1_2026-02-31_9#0.json.gz") is None


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (b'amplitude_id,user_id\n1,a\n2,"b\n3,c\n', "line 4: unexpected end of data"),
        (b"amplitude_id;user_id\n1;a\n", "its header names no id"),
        (b"amplitude_id,user_id\n1,a\n2\n", "a row has 1 cells, the header 2"),
        (b"amplitude_id,user_id\n1,J\xfcrgen\n", "not UTF-8 text"),
    ],
    ids=["unclosed-quote", "semicolons", "ragged", "latin-1"],
)
def test_nothing_of_a_damaged_list_comes_and_it_stays_unread(damaged: bytes, why: str, folder: Path, run: Runs) -> None:
    for name, content in (("entering", b"amplitude_id,user_id\n7,g\n"), ("exiting", damaged)):
        path = folder / f"100042_ab12cd3_2026-03-14T09-26-53_{name}_7.csv"
        path.write_bytes(content)
        os.utime(path, (NOON, NOON))
    first = run()
    assert changes(first) == [("add", "g")]
    assert "These streams could not be read completely: cohort_changes." in first.error
    assert f"_exiting_7.csv cannot be read (it is damaged: {why}" in first.stderr
    path.write_bytes(b"amplitude_id,user_id\n1,a\n2,b\n")
    os.utime(path, (NOON, NOON))
    again = run(state=first.state)
    assert (again.error, changes(again)) == ("", [("remove", "a"), ("remove", "b")])
