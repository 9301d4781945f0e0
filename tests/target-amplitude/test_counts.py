"""The counters of records tell their streams apart, although requests mix these."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from support.impressions import impression, messages, record_message
from support.processes import Result, Workplace
from support.sandbox import Sandbox

CLICKS = {
    "type": "SCHEMA",
    "stream": "clicks",
    "schema": {"properties": {name: {} for name in ("id", "user_id", "page", "time")}},
    "key_properties": ["id"],
}
MAPPINGS = {"clicks": {"event_type": "click", "event_properties": {"include": ["page"]}}}
AT_ONCE = {"Retry-After": "0"}
INVALID = {"code": 400, "events_with_invalid_fields": {"time": [0, 1]}}  # one of each stream
UNSURE = "not confirmed"
FEWER = {"code": 200, "events_ingested": 3, "payload_size_bytes": 1, "server_upload_time": 1}


def click(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "user_id": f"user-{number:06}", "page": "/cart", "time": "2026-03-14T09:26:53Z"} | changes


def mixed(impressions: Iterable[dict[str, Any]], clicks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of two streams, by turns: an impression, a click, and so on."""
    schema, *records, state = messages(impressions)
    for position, one in enumerate(clicks):
        records.insert(2 * position + 1, record_message(one, "clicks"))
    return [schema, CLICKS, *records, state]


@pytest.fixture
def run(config: dict[str, Any], workplace: Workplace, sandbox: Sandbox):
    """Runs the target in this process, and returns what it counted."""
    basics = config | {"mappings": MAPPINGS, "max_parallel_requests": 1}

    def run_target(lines: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
        result: Result = workplace.run("target-amplitude", basics | changes, messages=lines, inside=True)
        assert result.code == 0, result.stderr
        return result.counts_of_records

    return run_target


def test_what_becomes_of_each_record(run):
    shown = [impression(n) for n in range(4)]
    shown += [impression(4, key=None), impression(5, key="null"), impression(6, label="x" * 2000)]
    shown += [impression(7, key="ada"), impression(8, key="ada")]
    clicks = [click(0), click(1, user_id=" "), click(2, page="x" * 2000), click(3, page="y" * 2000), click(4)]
    assert run(mixed(shown, clicks), dedupe="day") == {
        "impressions": {
            "read": {"": 9},
            "sent": {"": 6},
            "skipped": {"no key": 1},
            "truncated": {"text over 1,024 characters": 1},
            "rejected": {"an id that Amplitude forbids": 1},
            "deduplicated": {"within its period": 1},
        },
        "clicks": {
            "read": {"": 5},
            "sent": {"": 4},
            "skipped": {"no user or device id": 1},
            "truncated": {"text over 1,024 characters": 2},
        },
    }


@pytest.mark.parametrize(
    ("fault", "sent", "rejected"),
    [
        ({"kind": "status", "status": 500, "times": 2}, [{"": 6}, {"": 4}], 0),
        ({"kind": "lost"}, [{"": 6}, {"": 4}], 0),
        ({"kind": "status", "status": 400, "body": INVALID}, [{"": 5}, {"": 3}], 1),
        (
            {"kind": "status", "status": 200, "body": FEWER},
            [{"": 2, UNSURE: 4}, {"": 1, UNSURE: 3}],
            0,
        ),
    ],
    ids=["retried", "ambiguous", "rejected", "not confirmed"],
)
def test_what_becomes_of_a_request(run, sandbox: Sandbox, fault: dict[str, Any], sent: list[Any], rejected: int):
    sandbox.plan(path="/batch", headers=AT_ONCE, **fault)
    counts = run(mixed((impression(n) for n in range(6)), (click(n) for n in range(4))))
    for stream, read, reasons in (("impressions", 6, sent[0]), ("clicks", 4, sent[1])):
        assert counts[stream].pop("read") == {"": read}
        assert counts[stream].pop("sent") == reasons
        assert sum(counts[stream].pop("rejected", {}).values()) == rejected
    assert counts == {"impressions": {}, "clicks": {}}


@pytest.mark.parametrize("is_refused", [False, True])
def test_an_identification_made_of_records_of_two_streams(run, sandbox: Sandbox, is_refused: bool):
    if is_refused:
        sandbox.plan(path="/batch", kind="status", status=400, body=INVALID)
    mappings = {"clicks": {"user_properties": {"include": ["page"]}}}
    shown = [impression(n, key="ada", split=f"flag-{n}") for n in range(3)]
    counts = run(mixed(shown, [click(0, user_id="ada")]), load_as="identify", mappings=mappings)
    rejected = {"rejected": {"refused by Amplitude (400): its time is not valid": 1}}
    merged = {"deduplicated": {"merged or unchanged": 1}}
    assert counts["clicks"] == {"read": {"": 1}} | merged | (rejected if is_refused else {})
    assert counts["impressions"].keys() - {"read", "deduplicated"} == {"rejected" if is_refused else "sent"}


def test_a_dry_run(run):
    counts = run(mixed((impression(n) for n in range(3)), [click(0)]), dry_run=True)
    assert counts == {
        "impressions": {"read": {"": 3}, "skipped": {"dry run": 3}},
        "clicks": {"read": {"": 1}, "skipped": {"dry run": 1}},
    }


def test_batch_files_and_a_stream_map_that_renames(run, workplace: Workplace):
    """Records are read of the stream that the tap names, and sent of the one that a map makes."""
    path = workplace.file("clicks.json", "".join(json.dumps(click(n)) + "\n" for n in range(3)))
    batch = {"type": "BATCH", "stream": "clicks", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    lines = [*mixed([impression(0)], [click(9)]), batch]
    counts = run(lines, stream_maps={"impressions": {"__alias__": "shown"}}, mappings=MAPPINGS)
    assert counts == {
        "impressions": {"read": {"": 1}},
        "shown": {"sent": {"": 1}},
        "clicks": {"read": {"": 4}, "sent": {"": 4}},
    }
