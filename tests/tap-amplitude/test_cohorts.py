"""Streams `cohorts` and `cohort_members`: whole lists with a sign that they are whole, within the month's downloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted
from tap_amplitude.api import quota
from tap_amplitude.cohorts import lists

Runs = Callable[..., Any]
MEMBERS = [
    {"amplitude_id": 200_000_000_000 + n, "user_id": f"user-{n}" if n % 3 else None, "plan": "pro"} for n in range(7)
]
COMPUTED = 1773478801


@pytest.fixture
def run(sandbox: Sandbox, run_tap: Runs) -> Runs:
    return lambda streams="cohort_members", **config: run_tap(
        streams, api_url=sandbox.url, **{"cohort_ids": ["*"]} | config
    )


def listed(result: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for record in result.records("cohort_members"):
        found.setdefault(record["cohort_id"], []).append(record)
    return found


def requests(sandbox: Sandbox) -> list[str]:
    return [request["path"].split("/")[5] for request in sandbox.requests() if "/request/" in request["path"]]


def test_the_list_of_cohorts_comes_with_its_syncs_and_times(sandbox: Sandbox, run: Runs) -> None:
    sync = {"target": "split", "frequency": "daily", "last_successful": "2026-03-14T02:10:44.120331-07:00"}
    sandbox.put_cohort(id="c1", name="Köln", members=MEMBERS, last_computed=COMPUTED, syncMetadata=[sync], extra=1)
    (cohort,) = run("cohorts").records("cohorts")
    assert cohort["id"] == "c1"
    assert cohort["size"] == 7
    assert cohort["lastComputed"] == "2026-03-14T09:00:01.000000Z"
    assert cohort["syncMetadata"] == [sync]
    assert cohort["extra"] == 1
    assert cohort["definition"]["countGroup"]["name"] == "User"


def test_every_row_carries_the_size_of_its_list_and_the_end_is_announced(sandbox: Sandbox, run: Runs) -> None:
    sandbox.put_cohort(id="c1", name="Köln", members=MEMBERS)
    sandbox.put_cohort(id="c2", name="Two", members=MEMBERS[:2])
    sandbox.put_cohort(id="c3", name="Empty", members=[])
    result = run()
    members = listed(result)
    assert {name: (len(rows), {row["cohort_size"] for row in rows}) for name, rows in members.items()} == {
        "c1": (7, {7}),
        "c2": (2, {2}),
    }
    assert members["c1"][0] == {
        "cohort_id": "c1",
        "cohort_name": "Köln",
        "cohort_size": 7,
        "count_group": "User",
        "member_id": "200000000000",
        "amplitude_id": 200_000_000_000,
        "user_id": None,
        "user_properties": None,
    }
    kinds = [message["type"] for message in result.messages]
    assert kinds.count("ACTIVATE_VERSION") == 1
    assert kinds.index("ACTIVATE_VERSION") > max(i for i, kind in enumerate(kinds) if kind == "RECORD")
    versions = {message["version"] for message in result.messages if "version" in message}
    assert len(versions) == 1


def test_only_chosen_cohorts_are_read_and_a_missing_one_is_said(sandbox: Sandbox, run: Runs) -> None:
    for name in ("c1", "c2"):
        sandbox.put_cohort(id=name, name=name, members=MEMBERS)
    assert set(listed(run(cohort_ids=["c2"]))) == {"c2"}
    result = run(cohort_ids=["gone", "c1"])
    assert set(listed(result)) == {"c1"}
    assert "gone" in result.error
    assert result.of_type("ACTIVATE_VERSION") == []


def test_without_a_selection_nothing_is_read_and_the_stream_says_how(sandbox: Sandbox, run: Runs) -> None:
    sandbox.put_cohort(id="c1", name="c1", members=MEMBERS)
    result = run(cohort_ids=[])
    assert result.code == 0
    assert listed(result) == {}
    assert result.of_type("ACTIVATE_VERSION") == []
    assert "'cohort_names'" in result.stderr
    assert requests(sandbox) == []


def test_cohorts_are_selected_by_globs_of_their_names_and_archived_ones_by_name_alone(
    sandbox: Sandbox, run: Runs
) -> None:
    for name in ("Power users", "Power buyers", "Others"):
        sandbox.put_cohort(id=name[:8], name=name, members=MEMBERS, archived=name == "Power buyers")
    assert set(listed(run(cohort_ids=[], cohort_names=["Power *"]))) == {"Power us"}
    assert set(listed(run(cohort_ids=["Power bu"]))) == {"Power bu"}
    missing = run(cohort_ids=[], cohort_names=["Nobody*", "Others"])
    assert set(listed(missing)) == {"Others"}
    assert missing.code == 1
    assert "'Nobody*'" in missing.stderr
    assert missing.of_type("ACTIVATE_VERSION") == []


def test_user_properties_come_when_asked_for(sandbox: Sandbox, run: Runs) -> None:
    sandbox.put_cohort(id="c1", name="c1", members=[MEMBERS[1] | {"city": "Köln", "age": 7}])
    for wanted, expected in {
        ("plan", "city"): {"plan": "pro", "city": "Köln"},
        ("*",): {"plan": "pro", "city": "Köln", "age": "7"},
    }.items():
        (member,) = run(cohort_user_properties=list(wanted)).records("cohort_members")
        assert member["user_properties"] == expected
    queries = [request["query"] for request in sandbox.requests("/api/5/cohorts/request/c1")]
    assert queries == ["props=1&propKeys=plan&propKeys=city", "props=1"]


def test_members_of_a_group_cohort_are_the_groups(sandbox: Sandbox, run: Runs) -> None:
    sandbox.put_cohort(id="g", name="Accounts", members=[{"group_value": "acme"}, {"group_value": "globex"}])
    result = run()
    assert [
        (m["user_id"], m["amplitude_id"], m["member_id"], m["count_group"]) for m in result.records("cohort_members")
    ] == [("acme", None, "acme", "Company"), ("globex", None, "globex", "Company")]
    definition = {"countGroup": {"name": "company", "is_computed": False}}
    sandbox.put_cohort(id="g", name="Accounts", members=[{"group_value": "acme"}], definition=definition)
    both = run("cohorts cohort_members")
    assert {record["count_group"] for stream in ("cohorts", "cohort_members") for record in both.records(stream)} == {
        "company"
    }


def test_long_lists_come_from_the_file_store_without_credentials(sandbox: Sandbox, run: Runs) -> None:
    sandbox.put_cohort(id="c1", name="c1", members=MEMBERS, large=True)
    sandbox.plan(kind="status", path="/amplitude-cohort-files/*", status=403, times=1)  # the link has expired
    assert len(listed(run())["c1"]) == 7
    files = [request["status"] for request in sandbox.requests() if "cohort-files" in request["path"]]
    assert files == [403, 200]


def test_with_changed_cohorts_only_the_others_are_left(sandbox: Sandbox, run: Runs) -> None:
    for name in ("c1", "c2"):
        sandbox.put_cohort(id=name, name=name, members=MEMBERS, last_computed=COMPUTED)
    first = run(changed_cohorts_only=True)
    assert set(listed(first)) == {"c1", "c2"}
    assert first.of_type("ACTIVATE_VERSION") == []
    assert listed(run(changed_cohorts_only=True, state=first.state)) == {}
    sandbox.put_cohort(id="c2", name="c2", members=MEMBERS[:3], last_computed=COMPUTED + 60)
    again = run(changed_cohorts_only=True, state=first.state)
    assert {name: len(rows) for name, rows in listed(again).items()} == {"c2": 3}
    assert again.state["bookmarks"]["cohort_members"]["cohorts"] == {"c1": COMPUTED, "c2": COMPUTED + 60}


def test_a_cohorts_bookmark_moves_only_behind_its_whole_list(sandbox: Sandbox, run: Runs) -> None:
    for name in ("c1", "c2"):
        sandbox.put_cohort(id=name, name=name, members=MEMBERS, last_computed=COMPUTED)
    seen: dict[str, int] = {}
    for message in run(changed_cohorts_only=True).messages:
        if message["type"] == "RECORD":
            seen[message["record"]["cohort_id"]] = seen.get(message["record"]["cohort_id"], 0) + 1
        if message["type"] == "STATE":
            done = message["value"]["bookmarks"].get("cohort_members", {}).get("cohorts", {})
            assert all(seen[name] == 7 for name in done)
    assert seen.keys() == done.keys() == {"c1", "c2"}


def test_a_list_that_fails_leaves_the_others_and_announces_nothing(sandbox: Sandbox, run: Runs) -> None:
    for name in ("c1", "c2", "c3"):
        sandbox.put_cohort(id=name, name=name, members=MEMBERS, polls=0)
    failed = {"request_id": "r", "cohort_id": "c1", "async_status": "JOB FAILED"}
    sandbox.plan(kind="status", path="/api/5/cohorts/request-status/*", status=200, body=failed)
    result = run()
    assert set(listed(result)) == {"c2", "c3"}
    assert result.code == 1
    assert "c1" in result.error
    assert "JOB FAILED" in result.stderr
    assert result.of_type("ACTIVATE_VERSION") == []
    assert set(result.state["bookmarks"]["cohort_members"]["cohorts"]) == {"c2", "c3"}


def test_polling_waits_for_a_busy_service_and_ends(
    sandbox: Sandbox, run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.put_cohort(id="c1", name="c1", members=MEMBERS, polls=6)
    sandbox.plan(kind="status", path="/api/5/cohorts/request-status/*", status=429, times=3)
    assert len(listed(run())["c1"]) == 7
    monkeypatch.setattr(lists, "POLL_TIMEOUT_SECONDS", 0.05)
    sandbox.put_cohort(id="c1", name="c1", members=MEMBERS, polls=10**6)
    late = run()
    assert late.code == 1
    assert "did not list" in late.stderr


def test_the_months_downloads_are_counted_and_bounded(
    sandbox: Sandbox, run: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MONTHLY_DOWNLOADS", 3)
    sandbox.plan(kind="status", path="/api/3/cohorts/usage", status=404, times=None)
    for name in ("c1", "c2"):
        sandbox.put_cohort(id=name, name=name, members=MEMBERS, polls=0)
    first = run()
    month = f"{datetime.now(UTC):%Y-%m}"
    assert first.state["bookmarks"]["cohort_members"]["downloads"] == {"month": month, "count": 2}
    second = run(state=first.state)
    assert set(listed(second)) == {"c1"}
    assert "downloads of cohorts" in second.error
    assert second.of_type("ACTIVATE_VERSION") == []
    assert second.state["bookmarks"]["cohort_members"]["downloads"]["count"] == 3
    assert len(requests(sandbox)) == 2 * 3
    old = {"bookmarks": {"cohort_members": {"downloads": {"month": "2020-01", "count": 3}}}}
    assert run(state=old).code == 0


CSV = b'"amplitude_id","user_id"\n' + b"".join(b'"%d","user-%d"\n' % (n, n) for n in range(20))


def answers_with(file: Callable[[], Answer]) -> Callable[[Request], Answer]:
    """A cohort of 20 members whose file is served by the test."""

    def answer(request: Request) -> Answer:
        if request.path == "/api/3/cohorts":
            return Answer(json.dumps({"cohorts": [{"id": "c", "name": "c", "size": 20}]}).encode())
        if request.path.endswith("/file"):
            return file()
        return Answer(b'{"request_id":"r","cohort_id":"c","async_status":"JOB COMPLETED"}')

    return answer


def run_on_files(run_tap: Runs, *files: Answer, **more: Any) -> Any:
    """Read the members of the cohort whose file is each of these in turn, the last one for ever."""
    left = list(files)
    with scripted(answers_with(lambda: left.pop(0) if len(left) > 1 else left[0])) as server:
        return run_tap("cohort_members", api_url=server.url, cohort_ids=["*"], **more)


UNCLOSED = CSV.replace(b'"user-5"', b'"user-5')


def test_an_unclosed_quote_is_damage_and_never_an_id(run_tap: Runs) -> None:
    assert len(run_on_files(run_tap, Answer(UNCLOSED), Answer(CSV)).records("cohort_members")) == 20
    damaged = run_on_files(run_tap, Answer(UNCLOSED))
    assert damaged.code == 1
    assert "same file" in damaged.stderr
    assert damaged.records("cohort_members") == []
    assert damaged.of_type("ACTIVATE_VERSION") == []


def test_rows_are_compared_with_the_listed_size(run_tap: Runs) -> None:
    half = b"\n".join(CSV.splitlines()[:11]) + b"\n"
    short = run_on_files(run_tap, Answer(half))
    assert short.code == 1
    assert "it has 10 members, the list of cohorts says 20" in short.stderr
    assert short.records("cohort_members") == []
    almost = b"\n".join(CSV.splitlines()[:20]) + b"\n"
    assert {r["cohort_size"] for r in run_on_files(run_tap, Answer(almost)).records("cohort_members")} == {19}


def test_a_user_property_never_shadows_a_column(run_tap: Runs) -> None:
    file = b"amplitude_id,user_id,user_id,plan\n" + b"".join(b"%d,u%d,other,pro\n" % (n, n) for n in range(20))
    members = run_on_files(run_tap, Answer(file), cohort_user_properties=["*"]).records("cohort_members")
    assert {member["user_id"] for member in members} == {f"u{n}" for n in range(20)}
    assert members[0]["user_properties"] == {"user_id": "other", "plan": "pro"}


def test_a_state_holds_no_float(run_tap: Runs) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/api/3/cohorts":
            return Answer(b'{"cohorts":[{"id":"c","size":20,"lastComputed":1773478801.5},5,{"name":"x"}]}')
        return answers_with(lambda: Answer(CSV))(request)

    with scripted(answer) as server:
        options = {"api_url": server.url, "cohort_ids": ["*"], "changed_cohorts_only": True}
        first = run_tap("cohort_members", **options)
        again = run_tap("cohort_members", state=first.state, **options)
    assert first.state["bookmarks"]["cohort_members"]["cohorts"] == {"c": "1773478801.5"}
    assert again.records("cohort_members") == []


@pytest.mark.parametrize(
    ("usage", "reads"),
    [
        ({"rest_download": {"limit": 500, "usage": 500}}, False),
        ({"limit": 10, "count": 10}, False),
        ({"limit": 10, "count": 9}, True),
        ({"limit": "many"}, True),
        ([], True),
    ],
)
def test_the_quota_is_what_amplitude_says_it_is(run_tap: Runs, usage: Any, reads: bool) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/api/3/cohorts/usage":
            return Answer(json.dumps(usage).encode())
        return answers_with(lambda: Answer(CSV))(request)

    with scripted(answer) as server:
        result = run_tap("cohort_members", api_url=server.url, cohort_ids=["*"])
    assert bool(result.records("cohort_members")) is reads
    assert ("are used up" in result.error) is not reads


@pytest.mark.parametrize(
    "broken",
    [
        Answer(CSV[:200], length=None),
        Answer(CSV[:200], length=len(CSV)),
        Answer(b"<html>gateway</html>"),
        Answer(b"", status=502),
    ],
)
def test_a_cut_list_is_never_taken_for_a_whole_one(run_tap: Runs, broken: Answer) -> None:
    files = iter([broken, Answer(CSV)])
    with scripted(answers_with(lambda: next(files))) as server:
        result = run_tap("cohort_members", api_url=server.url, cohort_ids=["*"])
    assert result.error == ""
    assert {record["cohort_size"] for record in result.records("cohort_members")} == {20}
    assert len(result.records("cohort_members")) == 20
    with scripted(answers_with(lambda: broken)) as server:
        result = run_tap("cohort_members", api_url=server.url, cohort_ids=["*"])
    assert result.code == 1
    assert result.records("cohort_members") == []
    assert result.of_type("ACTIVATE_VERSION") == []


def test_a_redirect_elsewhere_gets_no_credentials(run_tap: Runs) -> None:
    with scripted(lambda _: Answer(CSV)) as store:
        location = {"Location": f"{store.url}/bucket/file?X-Amz-Signature=abc"}
        with scripted(answers_with(lambda: Answer(status=302, headers=location))) as server:
            result = run_tap("cohort_members", api_url=server.url, cohort_ids=["*"])
            assert all("Authorization" in request.headers for request in server.requests)
        (fetched,) = store.requests
    assert len(result.records("cohort_members")) == 20
    assert "Authorization" not in fetched.headers
    assert fetched.query == "X-Amz-Signature=abc"
