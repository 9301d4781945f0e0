"""Events through the whole target as a process: faults in the middle and at the end, kills, STATE, rejects."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from typing import Any

import pytest

from support.amplitude import EVENT_SCHEMA, event, events_messages
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from support.waiting import await_true

BULK = "/api/events/bulk"
Config = dict[str, Any]

# Three requests of at most 5,000 events.
MANY = 12_000
LAST_STATE = {"read": MANY}


@pytest.fixture(scope="module")
def many() -> list[str]:
    """Lines of many small events."""
    small = {"event_properties": {}, "platform": None, "country": None, "version_name": None}
    return [json.dumps(message) for message in events_messages(event(n, **small) for n in range(MANY))]


def uuids(sandbox: Sandbox) -> list[str]:
    """Stored events by what tells them apart: the key."""
    return [one["key"] for one in sandbox.split_events()]


@pytest.mark.parametrize("skip", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 500}, {"kind": "status", "status": 429}, {"kind": "cut"}]
)
def test_a_fault_anywhere_costs_nothing(
    config: Config, workplace: Workplace, sandbox: Sandbox, many: list[str], skip: int, fault: dict[str, Any]
):
    sandbox.plan(path=BULK, skip=skip, **fault)
    result = workplace.run("target-split", config, messages=many)
    assert result.code == 0, result.stderr
    assert result.state == LAST_STATE
    assert len(uuids(sandbox)) == len(set(uuids(sandbox))) == MANY
    assert result.metrics["http_retry_count"] == 1
    assert result.metrics["records_sent"] == MANY


@pytest.mark.parametrize("skip", [0, 2], ids=["first", "last"])
def test_what_stays_refused_ends_the_run_and_state_stays_before_it(
    config: Config, workplace: Workplace, sandbox: Sandbox, many: list[str], skip: int
):
    config |= {"retry_timeout_seconds": 0, "max_parallel_requests": 1}
    sandbox.plan(path=BULK, kind="status", status=503, skip=skip, times=None)
    result = workplace.run("target-split", config, messages=many)
    assert result.code == 1
    assert "'retry_timeout_seconds'" in result.stderr
    assert "Traceback" not in result.stderr
    assert (result.state or {"read": 0})["read"] <= len(uuids(sandbox)) < MANY

    sandbox.call("DELETE", "/faults")
    again = workplace.run("target-split", config, messages=many)
    assert again.code == 0
    assert len(uuids(sandbox)) == len(set(uuids(sandbox))) == MANY
    assert "records_ambiguous" not in again.metrics


def test_a_wrong_key_stops_at_once(config: Config, workplace: Workplace, sandbox: Sandbox, many: list[str]):
    config |= {"sdk_api_key": "test-wrong-key", "max_parallel_requests": 1}
    result = workplace.run("target-split", config, messages=many)
    assert result.code == 1
    assert result.stdout == ""
    assert "not an Admin API key" in result.stderr
    assert "test-wrong-key" not in result.stderr
    assert len(sandbox.requests(BULK)) == 1


def kill_in_mid_request(workplace: Workplace, sandbox: Sandbox, config: Config, lines: list[str]) -> None:
    """Run the target and kill it while Split has taken a request whose answer does not come."""
    sandbox.plan(path=BULK, kind="lost", skip=1, times=None)
    process = workplace.start(workplace.command("target-split", config), stderr=subprocess.DEVNULL)
    assert process.stdin
    with process:
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
        await_true(lambda: sandbox.faults()[0]["hits"])
        process.kill()
    sandbox.call("DELETE", "/faults")


def test_after_a_kill_nothing_is_skipped_and_what_is_resent_is_counted(
    config: Config, workplace: Workplace, sandbox: Sandbox, many: list[str]
):
    kill_in_mid_request(workplace, sandbox, config, many)
    result = workplace.run("target-split", config, messages=many)
    assert result.code == 0, result.stderr
    assert set(uuids(sandbox)) == {f"user-{n:04}" for n in range(MANY)}
    assert result.metrics["records_ambiguous"] >= 2_000
    assert result.metrics["records_sent"] < MANY
    assert "An earlier run ended" in result.stderr
    known = result.metrics["records_sent"] + result.metrics["records_deduplicated"]
    assert known == MANY


@pytest.mark.parametrize("before", ["skip", "resend"])
def test_after_a_kill_nothing_comes_twice_when_unknown_events_are_skipped(
    config: Config, workplace: Workplace, sandbox: Sandbox, many: list[str], before: str
):
    kill_in_mid_request(workplace, sandbox, config | {"on_ambiguous": before, "retry_timeout_seconds": 600}, many)
    posted = len(uuids(sandbox))
    result = workplace.run("target-split", config | {"on_ambiguous": "skip"}, messages=many)
    assert result.code == 0, result.stderr
    assert len(uuids(sandbox)) == posted + result.metrics["records_sent"]
    assert set(uuids(sandbox)) == {f"user-{n:04}" for n in range(MANY)}
    known = result.metrics["records_sent"] + result.metrics["records_deduplicated"]
    assert known + result.metrics.get("records_ambiguous", 0) == MANY


def test_an_ambiguous_request_is_said_before_a_kill(config: Config, workplace: Workplace, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="lost")
    sandbox.plan(path=BULK, kind="delay", delay_seconds=60)
    process = workplace.start(workplace.command("target-split", config))
    with process:
        process.stdin.write("\n".join(map(json.dumps, events_messages(event(n) for n in range(3)))) + "\n")
        process.stdin.close()
        sandbox.await_requests(2, BULK, process)
        process.kill()
        said = process.stderr.read()
    assert "sent again: 3 events of stream 'events'" in said


def test_a_lost_last_answer_is_listed(config: Config, workplace: Workplace, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="lost")
    result = workplace.run("target-split", config, messages=events_messages(event(n) for n in range(3)))
    assert result.code == 0
    assert result.metrics["records_ambiguous"] == 3
    assert "sent again: 3 events of stream 'events'" in result.stderr
    assert len(uuids(sandbox)) == 6  # Split cannot tell, and nor can anybody else


def test_termination_delivers_what_came_and_writes_state(config: Config, workplace: Workplace, sandbox: Sandbox):
    process = workplace.start(workplace.command("target-split", config))
    process.stdin.write("".join(json.dumps(m) + "\n" for m in events_messages(event(n) for n in range(25))))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["read"] > 0  # sent, having waited long enough with more to come
    process.stdin.write("".join(json.dumps(m) + "\n" for m in events_messages(event(n) for n in range(30))))
    process.stdin.flush()
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    assert sorted(set(uuids(sandbox))) == sorted(uuids(sandbox))
    assert "Stopped:" in stderr
    if stdout:
        assert json.loads(stdout.splitlines()[-1])["read"] <= len(uuids(sandbox))


def test_rejects_are_kept_and_the_others_go_on(config: Config, workplace: Workplace, sandbox: Sandbox):
    records = [event(n) for n in range(10)]
    records[1]["event_time"] = None
    records[2]["event_type"] = ""
    records[3]["user_id"] = "k" * 251
    records[4]["event_time"] = "yesterday"
    records[5]["platform"] = 7  # breaks the schema
    records[6]["user_id"] = None
    records[7]["user_id"] = "half \ud83d"
    result = workplace.run("target-split", config, messages=events_messages(records))
    assert result.code == 0, result.stderr
    assert result.state == {"read": 10}
    assert sorted(uuids(sandbox)) == ["user-0000", "user-0008", "user-0009"]
    lines = (workplace.folder / "rejects.jsonl").read_text().splitlines()
    assert [(json.loads(line)["record"]["uuid"], json.loads(line)["reason"]) for line in lines] == [
        (records[1]["uuid"], "no time"),
        (records[2]["uuid"], "no event type"),
        (records[3]["uuid"], "a key over 250 characters"),
        (records[4]["uuid"], "a time that cannot be read"),
        (records[5]["uuid"], "schema: platform breaks 'type'"),
        (records[7]["uuid"], "a key that is not valid Unicode"),
    ]
    assert result.metrics["records_skipped"] == 1
    assert "yesterday" not in result.stderr


def test_what_split_refuses_is_kept_with_what_was_sent_and_can_be_replayed(
    config: Config, workplace: Workplace, sandbox: Sandbox
):
    sandbox.plan(path=BULK, kind="status", status=400, body={"message": "no"}, when="user-0002", times=None)
    result = workplace.run("target-split", config, messages=events_messages(event(n) for n in range(5)))
    assert result.code == 0, result.stderr
    [line] = (workplace.folder / "rejects.jsonl").read_text().splitlines()[-1:]
    reject = json.loads(line)
    assert (reject["record"], reject["status"], reject["reason"]) == (event(2), 400, "refused by Split: no")
    assert (reject["sent"]["key"], reject["sent"]["eventTypeId"]) == ("user-0002", "amp.Amplitude_Page_Viewed")

    sandbox.call("DELETE", "/faults")
    replayed = workplace.run("target-split", config, "--replay", config["rejects_path"])
    assert replayed.code == 0, replayed.stderr
    assert sorted(uuids(sandbox)) == [f"user-{n:04}" for n in range(5)]
    assert "user-0002" not in (workplace.folder / "rejects.jsonl").read_text()


def test_too_many_rejects_stop_the_run(config: Config, workplace: Workplace):
    config |= {"max_rejects": 3}
    result = workplace.run(
        "target-split", config, messages=events_messages(event(n, event_time=None) for n in range(9))
    )
    assert result.code == 1
    assert "'max_rejects'" in result.stderr


def test_dry_run_sends_nothing_and_shows_what_it_would(config: Config, workplace: Workplace, sandbox: Sandbox):
    config |= {"dry_run": True}
    result = workplace.run("target-split", config, messages=events_messages(event(n) for n in range(5)))
    assert result.code == 0, result.stderr
    assert result.stdout == ""
    assert sandbox.requests(BULK) == []
    assert "the first request of stream 'events' would go to /api/events/bulk with 5 events" in result.stderr
    assert '{"eventTypeId":"amp.Amplitude_Page_Viewed"' in result.stderr
    assert result.metrics["records_sent"] == 0
    assert not (workplace.folder / "ledger.sqlite").exists()


@pytest.mark.parametrize("compression", ["gzip", None])
def test_batch_files(config: Config, workplace: Workplace, sandbox: Sandbox, compression: str | None):
    text = "".join(json.dumps(event(n)) + "\n" for n in range(20)).encode()
    path = workplace.file("batch.json", gzip.compress(text) if compression else text)
    messages = [
        {"type": "SCHEMA", "stream": "events", "schema": EVENT_SCHEMA, "key_properties": ["uuid"]},
        {
            "type": "BATCH",
            "stream": "events",
            "encoding": {"format": "jsonl", "compression": compression},
            "manifest": [path.as_uri()],
        },
        {"type": "STATE", "value": {"read": 20}},
    ]
    result = workplace.run("target-split", config, messages=messages)
    assert result.code == 0, result.stderr
    assert result.state == {"read": 20}
    assert len(uuids(sandbox)) == 20


def test_several_streams_with_different_mappings(config: Config, workplace: Workplace, sandbox: Sandbox):
    config |= {
        "mappings": {
            "orders_*": {
                "event_type": "Order Paid",
                "key": "buyer",
                "time": "at",
                "value": "total",
                "properties": ["total"],
            }
        }
    }
    schema = {"properties": {"id": {}, "buyer": {}, "at": {}, "total": {}}}
    orders = [
        {"type": "SCHEMA", "stream": "orders_eu", "schema": schema, "key_properties": ["id"]},
        {
            "type": "RECORD",
            "stream": "orders_eu",
            "record": {"id": 1, "buyer": "b1", "at": 1773480413, "total": "41.9"},
        },
    ]
    result = workplace.run("target-split", config, messages=[*orders, *events_messages([event()])])
    assert result.code == 0, result.stderr
    assert sorted(one["eventTypeId"] for one in sandbox.split_events()) == [
        "amp.Amplitude_Page_Viewed",
        "amp.Order_Paid",
    ]


def test_the_same_key_in_two_streams_is_two_events(config: Config, workplace: Workplace, sandbox: Sandbox):
    messages = [*events_messages([event()]), *events_messages([event()], stream="events_eu")]
    assert workplace.run("target-split", config, messages=messages).code == 0
    assert len(uuids(sandbox)) == 2


def test_what_meltano_sends_to_test_checks_the_connection_and_creates_nothing(
    config: Config, workplace: Workplace, sandbox: Sandbox
):
    messages = [
        {"type": "SCHEMA", "stream": "meltano_test_stream", "schema": {"properties": {"id": {}}}, "key_properties": []},
        {"type": "RECORD", "stream": "meltano_test_stream", "record": {"id": 1}},
    ]
    result = workplace.run("target-split", config, messages=messages)
    assert result.code == 0, result.stderr
    assert "accepts the key in 'sdk_api_key'" in result.stderr
    assert sandbox.split_events() == sandbox.split_segments() == []
    assert not (workplace.folder / "ledger.sqlite").exists()


def test_a_ledger_in_use_is_one_sentence(config: Config, workplace: Workplace, sandbox: Sandbox):
    holder = workplace.start(workplace.command("target-split", config))
    with holder:
        holder.stdin.write("".join(json.dumps(m) + "\n" for m in events_messages([event()])))
        holder.stdin.flush()
        holder.stdout.readline()  # it is at work
        second: Result = workplace.run("target-split", config, messages=events_messages([event()]))
        assert second.code == 1
        assert "in use by another run" in second.stderr
        assert "Traceback" not in second.stderr
        holder.communicate(timeout=60)


def test_the_summary_says_all(config: Config, workplace: Workplace):
    result = workplace.run("target-split", config, messages=events_messages(event(n) for n in range(3)))
    assert {"records_read", "records_sent", "records_deduplicated", "records_skipped", "records_truncated"} <= set(
        result.metrics
    )
    assert {"records_rejected", "http_request_count", "http_retry_count", "bytes_sent"} <= set(result.metrics)
    assert "Done: 3 read, 3 sent" in result.stderr
    assert '"sync_duration"' in result.stderr


def test_batch_files_are_checked_like_records(config: Config, workplace: Workplace, sandbox: Sandbox):
    records = [event(n) for n in range(8)]
    records[1]["platform"] = 7
    records[2]["event_time"] = None
    del records[3]["uuid"]
    records[4]["event_properties"] = ["no", "object"]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path = workplace.file("batch.json", lines)
    batch = {"type": "BATCH", "stream": "events", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    schema, *_ = events_messages([])
    result = workplace.run("target-split", config, messages=[schema, batch])
    assert result.code == 0, result.stderr
    assert sorted(uuids(sandbox)) == ["user-0000", "user-0005", "user-0006", "user-0007"]
    rejected = (workplace.folder / "rejects.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["reason"] for line in rejected) == [
        "no time",
        "schema: event_properties breaks 'type'",
        "schema: platform breaks 'type'",
        "schema: the record breaks 'required'",
    ]
