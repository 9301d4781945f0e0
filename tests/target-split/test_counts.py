"""The counters of records tell their streams apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.amplitude import event, events_messages, members, members_messages
from support.processes import Result
from support.sandbox import Sandbox

Config = dict[str, Any]

BULK = "/api/events/bulk"
MAPPINGS = {"clicks": {"event_type": "click", "time": "event_time"}}


def mixed(events: list[dict[str, Any]], clicks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of two streams, by turns."""
    first, second = events_messages(events), events_messages(clicks, "clicks")
    schemas, rest = [first.pop(0), second.pop(0)], [*first, *second]
    return schemas + sorted(rest, key=lambda one: one["record"]["uuid"] if "record" in one else "z")


@pytest.fixture
def run(config: Config, run_here: Callable[..., Result]):
    """Runs the target, and returns what it counted."""

    def run_target(lines: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
        result = run_here(config | {"mappings": MAPPINGS} | changes, lines)
        assert result.code == 0, result.stderr
        return result.counts_of_records

    return run_target


def test_what_becomes_of_each_record(run):
    events = [event(n) for n in range(4)]
    events += [event(4, user_id=None), event(5, event_time="never"), event(6, platform="x" * 300), event(0)]
    clicks = [event(n) for n in range(2)] + [event(2, platform="x" * 300), event(3, platform="y" * 300)]
    assert run(mixed(events, clicks)) == {
        "events": {
            "read": {"": 8},
            "sent": {"": 5},
            "deduplicated": {"": 1},
            "skipped": {"no key": 1},
            "rejected": {"a time that cannot be read": 1},
            "truncated": {"a property over 256 characters": 1},
        },
        "clicks": {"read": {"": 4}, "sent": {"": 4}, "truncated": {"a property over 256 characters": 2}},
    }
    assert run(mixed(events[:3], clicks)) == {
        "events": {"read": {"": 3}, "deduplicated": {"": 3}},
        "clicks": {
            "read": {"": 4},
            "deduplicated": {"": 4},
            "truncated": {"a property over 256 characters": 2},
        },
    }


def test_a_request_that_is_retried(run, sandbox: Sandbox):
    sandbox.plan(path=BULK, kind="status", status=503, times=2, headers={"Retry-After": "0"})
    counts = run(mixed([event(n) for n in range(6)], [event(n) for n in range(4)]))
    assert counts == {
        "events": {"read": {"": 6}, "sent": {"": 6}},
        "clicks": {"read": {"": 4}, "sent": {"": 4}},
    }


@pytest.mark.parametrize("choice", ["resend", "skip"])
def test_an_answer_that_is_lost(run, sandbox: Sandbox, choice: str):
    sandbox.plan(path=BULK, kind="lost", when="amp.click")
    counts = run(mixed([event(n) for n in range(6)], [event(n) for n in range(4)]), on_ambiguous=choice)
    ambiguous = {"skip": {"ambiguous": {"skipped": 4}}, "resend": {"ambiguous": {"resent": 4}, "sent": {"": 4}}}
    assert counts == {"events": {"read": {"": 6}, "sent": {"": 6}}, "clicks": {"read": {"": 4}} | ambiguous[choice]}


def test_an_event_that_split_refuses(run):
    clicks = [event(n) for n in range(4)]
    clicks[2]["city"] = "ghost"
    mappings = {"clicks": MAPPINGS["clicks"] | {"traffic_type": {"field": "city"}}}
    counts = run(mixed([event(0)], [one | {"city": one["city"] or "user"} for one in clicks]), mappings=mappings)
    assert counts["events"] == {"read": {"": 1}, "sent": {"": 1}}
    assert counts["clicks"].pop("rejected")
    assert counts["clicks"] == {"read": {"": 4}, "sent": {"": 3}}


def test_a_dry_run(run):
    lines = [*mixed([event(n) for n in range(3)], [event(0)]), *members_messages(members(5))]
    assert run(lines, dry_run=True) == {
        "events": {"read": {"": 3}, "skipped": {"dry run": 3}},
        "clicks": {"read": {"": 1}, "skipped": {"dry run": 1}},
        "cohort_members": {"read": {"": 5}, "skipped": {"dry run": 5}},
    }


def test_segments(run):
    assert run([*events_messages([event(0)]), *members_messages(members(30))]) == {
        "events": {"read": {"": 1}, "sent": {"": 1}},
        "cohort_members": {"read": {"": 30}, "sent": {"": 30}},
    }
    assert run(members_messages(members(25))) == {
        "cohort_members": {"read": {"": 25}, "sent": {"": 5}, "deduplicated": {"": 25}}
    }
