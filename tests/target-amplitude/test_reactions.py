"""Each answer Amplitude can give, to a request in the middle and to the last one, has its reaction."""

from __future__ import annotations

import functools
import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import Loaded, load
from support.impressions import impression, messages
from support.sandbox import Sandbox
from target_amplitude import target as target_module
from target_amplitude.api.client import Client, seconds_of
from target_amplitude.api.endpoints import events_route, group_identify_route, identify_route
from target_amplitude.api.responses import Again, Answer, Delivered, Halve, Sort, Stop, react

RECORDS = 4500
# Requests of 2,000, 2,000 and 500 events: a fault after 1 hits the middle, after 2 the last flush.
MIDDLE, LAST = 1, 2
HTML = "<html><head><title>502 Bad Gateway</title></head></html>"
AT_ONCE = {"Retry-After": "0"}

at_each_place = pytest.mark.parametrize("skip", [MIDDLE, LAST], ids=["middle", "last"])


def load_impressions(config: dict[str, Any], **changes: Any) -> Loaded:
    settings = config | {"max_parallel_requests": 1} | changes
    return load(settings, messages((impression(number) for number in range(RECORDS)), every=500))


def assert_all_arrived(loaded: Loaded, sandbox: Sandbox, rejected: int = 0) -> None:
    """All is there once, except what was rejected; STATE says that all is done."""
    assert loaded.error == ""
    ids = [event["insert_id"] for event in sandbox.amplitude_events()]
    assert len(ids) == len(set(ids)) == RECORDS - rejected
    assert loaded.state == {"read": RECORDS}
    assert loaded.counts["records_sent"] == RECORDS - rejected
    assert loaded.counts["records_rejected"] == rejected


def rejects(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(config["rejects_path"]).read_text("utf-8").splitlines()]


@at_each_place
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "body": HTML},
        {"kind": "status", "status": 502, "body": ""},
        {"kind": "status", "status": 503, "body": {"code": 503}},
        {"kind": "status", "status": 504, "headers": AT_ONCE},
        {"kind": "status", "status": 408},
        {"kind": "cut"},
        {"kind": "cut", "after_bytes": 20},
        {"kind": "lost"},
        {"kind": "status", "status": 200, "body": HTML},
        {"kind": "status", "status": 429, "body": {"code": 429, "error": "Too many"}, "headers": AT_ONCE},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status') or fault.get('after_bytes', '')}".strip(),
)
def test_what_passes_is_tried_again(fault, skip: int, config, sandbox: Sandbox):
    sandbox.plan(path="/batch", skip=skip, times=2, **fault)
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox)
    assert loaded.counts["http_retry_count"] == 2
    assert len(sandbox.requests()) == 5


@at_each_place
@pytest.mark.parametrize("status", [413, 400])
def test_too_large_or_refused_without_a_reason_is_halved(status: int, skip: int, config, sandbox: Sandbox):
    sandbox.plan(path="/batch", skip=skip, kind="status", status=status, body={"code": status, "error": "?"})
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox)
    assert [request["items"] for request in sandbox.requests()[skip + 1 : skip + 3]] == (
        [1000, 1000] if skip == MIDDLE else [250, 250]
    )


@at_each_place
@pytest.mark.parametrize("status", [400, 403, 413])
def test_one_bad_event_is_found_by_halving(status: int, skip: int, config, sandbox: Sandbox):
    number = 3000 if skip == MIDDLE else 4200
    sandbox.plan(path="/batch", kind="status", status=status, times=None, when=f'"user-{number:06}"')
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox, rejected=1)
    (reject,) = rejects(config)
    assert reject["record"]["key"] == reject["sent"]["user_id"] == f"user-{number:06}"
    assert reject["stream"] == "impressions"
    assert reject["status"] == status
    assert str(status) in reject["reason"]
    assert len(sandbox.requests()) <= 3 + 2 * 11 + 2


@at_each_place
def test_named_events_are_left_out_and_the_rest_sent(skip: int, config, sandbox: Sandbox):
    body = {
        "code": 400,
        "error": "Invalid field values on some events",
        "missing_field": None,
        "events_with_invalid_fields": {"time": [4, 5]},
        "events_with_missing_fields": {"event_type": [7]},
    }
    sandbox.plan(path="/batch", skip=skip, kind="status", status=400, body=body)
    # Amplitude may name the first bad event alone: the rest of the request fails again.
    again = {"code": 400, "events_with_invalid_id_lengths": {"user_id": [0]}}
    sandbox.plan(path="/batch", skip=skip, kind="status", status=400, body=again)
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox, rejected=4)
    first = 2000 * skip
    assert [reject["sent"]["insert_id"] for reject in rejects(config)] == [
        f"{first + index:032x}" for index in (4, 5, 7, 0)
    ]
    assert [reject["reason"].partition(": ")[2] for reject in rejects(config)] == [
        "its time is not valid",
        "its time is not valid",
        "its event_type is missing",
        "its user_id is too short",
    ]


@at_each_place
def test_silenced_events_are_rejected_and_throttled_ones_wait(skip: int, config, sandbox: Sandbox):
    body = {
        "code": 400,
        "error": "Events silenced for device_id",
        "eps_threshold": 100,
        "exceeded_daily_quota_devices": {},
        "silenced_devices": ["dev-spam"],
        "silenced_events": [5, 6],
        "throttled_devices": {"dev-busy": 112},
        "throttled_events": [3, 4],
    }
    sandbox.plan(path="/batch", skip=skip, kind="status", status=400, body=body, headers=AT_ONCE)
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox, rejected=2)
    assert {reject["reason"] for reject in rejects(config)} == {"refused by Amplitude (400): its id is silenced"}


@at_each_place
@pytest.mark.parametrize("over", ["throttled_users", "exceeded_daily_quota_users"])
def test_throttled_ids_wait_while_the_others_go_on(over: str, skip: int, config, sandbox: Sandbox):
    first = 2000 * skip
    body = {
        "code": 429,
        "error": "Too many requests for some devices and users",
        "eps_threshold": 1000,
        over: {f"user-{first + 9:06}": 2210},
        "throttled_events": [3],
    }
    sandbox.plan(path="/batch", skip=skip, kind="status", status=429, body=body, headers={"Retry-After": "0.3"})
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox)
    assert sandbox.requests()[skip + 1]["items"] == (1998 if skip == MIDDLE else 498)
    late = {event["insert_id"] for event in sandbox.amplitude_events()[-2:]}
    assert late == {f"{first + 3:032x}", f"{first + 9:032x}"}


def test_everything_of_a_throttled_user_waits_in_order(config, sandbox: Sandbox):
    """Also what comes later, in requests that are otherwise sent."""
    body = {"code": 429, "throttled_users": {"user-hot": 40}, "throttled_events": [0]}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, headers={"Retry-After": "0.5"})
    records = [impression(n, key="user-hot" if n % 1000 == 0 else f"user-{n}") for n in range(RECORDS)]
    loaded = load(config | {"max_parallel_requests": 1}, messages(records))
    assert_all_arrived(loaded, sandbox)
    hot = [event["time"] for event in sandbox.amplitude_events() if event["user_id"] == "user-hot"]
    assert hot == sorted(hot)
    assert len(hot) == 5


@at_each_place
@pytest.mark.parametrize("over", ["throttled_users", "exceeded_daily_quota_users"])
def test_an_id_that_waits_in_vain_fails_the_run_when_patience_ends(over: str, skip: int, config, sandbox: Sandbox):
    user = f"user-{2000 * skip + 7:06}"
    body = {"code": 429, over: {user: 500_317}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when=f'"{user}"')
    loaded = load_impressions(config, retry_timeout_seconds=1)
    assert ("daily quota" if over.startswith("exceeded") else "throttled") in loaded.error
    assert user not in loaded.error
    assert loaded.state == {"read": 2000 * skip}
    assert len(sandbox.amplitude_events()) == RECORDS - 1  # the others went on


@at_each_place
def test_fewer_ingested_than_sent_is_said(skip: int, config, sandbox: Sandbox):
    count = 2000 if skip == MIDDLE else 500
    body = {"code": 200, "events_ingested": count - 10, "payload_size_bytes": 1, "server_upload_time": 1}
    sandbox.plan(path="/batch", skip=skip, kind="status", status=200, body=body)
    loaded = load_impressions(config)
    assert loaded.error == ""
    assert loaded.state == {"read": RECORDS}
    assert loaded.reasons["records_sent", "not confirmed"] == 10
    assert any(f"took {count - 10} events of {count} sent" in line for line in loaded.warnings)


@at_each_place
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"code": 400, "error": "Invalid API key: test-api-key"}, "api_key"),
        (400, {"code": 400, "error": "Request missing required field", "missing_field": "events"}, "events"),
        (401, {"code": 401}, "api_key"),
        (403, {"code": 403, "error": "Forbidden"}, "firewall"),
        (404, HTML, "api_url"),
        (301, "", "api_url"),
    ],
    ids=["wrong key", "missing field", "401", "403 for all", "404", "301"],
)
def test_what_cannot_pass_stops_the_run(status: int, body, said: str, skip: int, config, sandbox: Sandbox):
    sandbox.plan(path="/batch", skip=skip, kind="status", status=status, body=body, times=None)
    loaded = load_impressions(config)
    assert said in loaded.error
    assert "test-api-key" not in loaded.error + str(loaded.warnings)
    assert loaded.state == {"read": 2000 * skip}
    assert len(sandbox.amplitude_events()) == 2000 * skip
    assert loaded.counts["records_rejected"] == 0
    if status != 403:  # that one is looked for by halving, and asked about with an empty request
        assert len(sandbox.requests()) == skip + 1


@pytest.mark.parametrize("key", ["wrong-key", "other-region-key"])
def test_a_wrong_key_costs_one_request_and_no_state(key: str, config, sandbox: Sandbox):
    loaded = load(config | {"api_key": key}, messages((impression(n) for n in range(20_000)), every=100))
    assert "api_key" in loaded.error
    assert "region" in loaded.error
    assert key not in loaded.error + str(loaded.warnings)
    assert loaded.states == []
    assert len(sandbox.requests()) == 1


@at_each_place
def test_patience_ends_with_the_state_of_what_was_delivered(skip: int, config, sandbox: Sandbox):
    sandbox.plan(path="/batch", skip=skip, kind="status", status=503, times=None)
    loaded = load_impressions(config, retry_timeout_seconds=1)
    assert "503" in loaded.error
    assert "retry_timeout_seconds" in loaded.error
    assert loaded.state == {"read": 2000 * skip}


@at_each_place
def test_a_name_that_cannot_be_resolved_for_a_while(skip: int, config, sandbox: Sandbox, monkeypatch):
    """The connection is cut, and for the next one the resolver fails twice."""
    resolve, failed = socket.getaddrinfo, []

    def resolve_later(*arguments: Any, **options: Any) -> Any:
        if len(sandbox_requests()) > skip and len(failed) < 2:
            failed.append(arguments)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(*arguments, **options)

    def sandbox_requests() -> list[dict[str, Any]]:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", resolve)
            return sandbox.requests()

    monkeypatch.setattr(socket, "getaddrinfo", resolve_later)
    sandbox.plan(path="/batch", skip=skip, kind="cut")
    loaded = load_impressions(config)
    monkeypatch.undo()
    assert_all_arrived(loaded, sandbox)
    assert len(failed) == 2
    assert loaded.counts["http_retry_count"] == 3


def test_a_name_that_cannot_be_resolved(config):
    loaded = load_impressions(config, api_url="http://amplitude.invalid", retry_timeout_seconds=0)
    assert "cannot be resolved" in loaded.error
    assert loaded.states == []


def test_nothing_listens(config):
    loaded = load_impressions(config, api_url="http://127.0.0.1:1", retry_timeout_seconds=0)
    assert "nothing listens" in loaded.error


@at_each_place
def test_a_late_answer_counts_as_none(skip: int, config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(target_module, "Client", functools.partial(Client, timeout=(5, 0.5)))
    sandbox.plan(path="/batch", skip=skip, kind="delay", delay_seconds=1.5)
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox)
    assert loaded.counts["http_retry_count"] >= 1
    assert any("does not answer in time" in line for line in loaded.warnings)


def test_more_rejects_than_allowed_stop_the_run(config, sandbox: Sandbox):
    body = {"code": 400, "events_with_invalid_fields": {"time": list(range(11))}}
    sandbox.plan(path="/batch", skip=1, kind="status", status=400, body=body)
    loaded = load_impressions(config, max_rejects=10)
    assert "max_rejects" in loaded.error
    assert loaded.state == {"read": 2000}


class TestIdentify:
    """The Identify API answers in plain text, and names no indexes."""

    def load(self, config: dict[str, Any], **changes: Any) -> Loaded:
        records = (impression(number) for number in range(1500))
        return load(config | {"load_as": "identify", "identify_via": "api"} | changes, messages(records))

    @pytest.mark.parametrize("status", [400, 429, 500, 413])
    def test_each_answer(self, status: int, config, sandbox: Sandbox):
        sandbox.plan(path="/identify", skip=1, kind="status", status=status, body="missing_event", headers=AT_ONCE)
        loaded = self.load(config)
        assert loaded.error == ""
        assert loaded.counts["records_sent"] == len(sandbox.amplitude_users()) == 1500

    def test_one_bad_identification_is_found_by_halving(self, config, sandbox: Sandbox):
        sandbox.plan(path="/identify", kind="status", status=400, body="missing_event", times=None, when="user-000700")
        loaded = self.load(config)
        assert loaded.error == ""
        (reject,) = rejects(config)
        assert reject["sent"] == {"user_id": "user-000700", "user_properties": {"$set": {"checkout_redesign": "on"}}}
        assert len(sandbox.amplitude_users()) == 1499

    def test_a_wrong_key(self, config, sandbox: Sandbox):
        loaded = self.load(config, api_key="wrong-key")
        assert "api_key" in loaded.error
        assert len(sandbox.requests()) == 1


BATCH, HTTP = (events_route("k", endpoint, 1) for endpoint in ("batch", "http"))


class TestWaits:
    """How long is waited where the answer does not say."""

    @pytest.mark.parametrize(("route", "seconds"), [(BATCH, 15), (HTTP, 30)])
    def test_throttled_ids(self, route, seconds: float):
        answer = Answer(429, {"throttled_devices": {"d": 12}, "throttled_events": [1, 99, -1, True, "2"]})
        reaction = react(answer, route, 3)
        assert isinstance(reaction, Sort)
        assert (reaction.held, reaction.held_ids, reaction.seconds) == (frozenset({1}), frozenset({"d"}), seconds)

    def test_the_project(self):
        assert react(Answer(429, {"code": 429}), BATCH, 3).seconds == 60

    @pytest.mark.parametrize("route", [identify_route("k", 1), group_identify_route("k")])
    def test_identify(self, route):
        assert react(Answer(429, text="too_many_requests"), route, 3).seconds == 15

    def test_the_daily_quota(self):
        assert react(Answer(429, {"exceeded_daily_quota_devices": {"d": 500_001}}), BATCH, 3).seconds == 60

    def test_what_the_answer_says_goes_first(self):
        for status in (429, 500, 503, 408):
            assert react(Answer(status, retry_after=7), BATCH, 3) == Again(
                react(Answer(status), BATCH, 3).why, seconds=7
            )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(200, {"code": 200, "events_ingested": 3}), Delivered),
        (Answer(200, text="success"), Again),
        (Answer(400, {"error": "Events silenced for device_id", "silenced_events": [77]}), Halve),
        (Answer(400, {"events_with_invalid_fields": {"time": "all"}}), Halve),
        (Answer(400, {"events_with_invalid_fields": ["time"]}), Halve),
        (Answer(400, text="<html>"), Halve),
        (Answer(418), Stop),
        (Answer(0, failure="cut"), Again),
    ],
)
def test_odd_answers(answer: Answer, kind: type):
    assert isinstance(react(answer, BATCH, 3), kind)


def test_the_identify_apis_plain_text_is_enough():
    assert react(Answer(200, text="success"), identify_route("k", 1), 3) == Delivered()
    assert isinstance(react(Answer(400, text="invalid_api_key"), identify_route("k", 1), 3), Stop)


def test_both_forms_of_retry_after():
    assert seconds_of("7") == 7
    assert [seconds_of(text) for text in (None, "soon", "", "Wed, 32 Foo 2026")] == [None] * 4
    moment = datetime.now(UTC) + timedelta(hours=1)
    for text in (
        format_datetime(moment, usegmt=True),
        format_datetime(moment),
        format_datetime(moment.replace(tzinfo=None)),
    ):
        assert seconds_of(text) == pytest.approx(3600, abs=60)
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
