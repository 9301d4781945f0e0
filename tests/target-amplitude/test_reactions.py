"""Each answer Amplitude can give, to a request in the middle and to the last one, has its reaction."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.amplitude_target import Loaded, load
from support.impressions import impression, messages
from support.sandbox import Sandbox
from target_amplitude.api import client as client_module
from target_amplitude.api.endpoints import events_route, group_identify_route, identify_route
from target_amplitude.api.responses import (
    INDEX_MAPS,
    QUOTA_IDS,
    THROTTLED_IDS,
    THROTTLED_INDEXES,
    Action,
    Answer,
    Named,
    react,
)

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
def test_transient_failures_are_retried(fault, skip: int, config, sandbox: Sandbox):
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
    order = [event["insert_id"] for event in sandbox.amplitude_events()]
    late = {f"{first + 3:032x}", f"{first + 9:032x}"}
    of_their_request = {f"{number:032x}" for number in range(first, first + 500)} - late
    assert max(order.index(one) for one in of_their_request) < min(order.index(one) for one in late)


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
def test_an_id_that_stays_throttled_fails_the_run_after_the_retry_timeout(skip: int, config, sandbox: Sandbox):
    user = f"user-{2000 * skip + 7:06}"
    body = {"code": 429, "throttled_users": {user: 1017}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when=f'"{user}"')
    loaded = load_impressions(config, retry_timeout_seconds=1)
    assert "too many events of one user" in loaded.error
    assert "retry_timeout_seconds" in loaded.error
    assert user not in loaded.error
    assert loaded.state == {"read": 2000 * skip}
    assert len(sandbox.amplitude_events()) == RECORDS - 1  # the others went on


OVER_QUOTA = "over the daily quota of events of one user or device (429)"


@at_each_place
@pytest.mark.parametrize("on_quota", ["wait", "reject"])
def test_a_user_over_the_daily_quota_is_rejected_and_the_others_go_on(
    on_quota: str, skip: int, config, sandbox: Sandbox
):
    user = f"user-{2000 * skip + 7:06}"
    body = {"code": 429, "exceeded_daily_quota_users": {user: 500_317}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when=f'"{user}"')
    loaded = load_impressions(config, retry_timeout_seconds=1, on_quota=on_quota)
    assert_all_arrived(loaded, sandbox, rejected=1)
    assert loaded.reasons["records_rejected", OVER_QUOTA] == 1
    (reject,) = rejects(config)
    assert (reject["record"]["key"], reject["sent"]["user_id"], reject["status"]) == (user, user, 429)
    refused = [request for request in sandbox.requests() if request["status"] == 429]
    assert len(refused) == (1 if on_quota == "reject" else 2)


def test_later_records_of_a_user_over_the_quota_do_not_wait_once_more(config, sandbox: Sandbox):
    body = {"code": 429, "exceeded_daily_quota_users": {"user-hot": 500_317}, "throttled_events": []}
    sandbox.plan(path="/batch", kind="status", status=429, body=body, times=None, when='"user-hot"')
    records = [impression(n, key="user-hot" if n % 1000 == 0 else f"user-{n}") for n in range(RECORDS)]
    settings = config | {"max_parallel_requests": 1, "retry_timeout_seconds": 1}
    loaded = load(settings, messages(records))
    assert loaded.error == ""
    assert loaded.reasons["records_rejected", OVER_QUOTA] == 5
    assert len(sandbox.amplitude_events()) == RECORDS - 5
    assert loaded.state == {"read": RECORDS}


class TestRefusalsOfTheRequest:
    """Not an event but the request as such is refused: nothing may be taken for a bad record."""

    @at_each_place
    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (400, {"code": 400, "error": "Invalid request path"}, "invalid request path"),
            (400, {"code": 400, "error": "Missing request body"}, "missing request body"),
            (400, {"code": 400, "error": "Invalid JSON request body"}, "invalid json request body"),
            (400, HTML, "something else than Amplitude"),
            (415, "", "no reason given"),
        ],
        ids=["path", "no body", "no JSON", "page", "415"],
    )
    @pytest.mark.parametrize("compression", ["gzip", "none"])
    def test_stops_the_run(self, compression: str, status, body, said: str, skip: int, config, sandbox: Sandbox):
        sandbox.plan(path="/batch", skip=skip, kind="status", status=status, body=body, times=None)
        loaded = load_impressions(config, compression=compression)
        assert said in loaded.error
        assert "api_url" in loaded.error
        assert loaded.counts["records_rejected"] == 0
        assert loaded.state == {"read": 2000 * skip}
        is_tried_plain = compression == "gzip" and said != "invalid request path"
        assert len(sandbox.requests()) == skip + (2 if is_tried_plain else 1)

    def test_a_proxy_that_does_not_pass_gzip_on(self, config, sandbox: Sandbox):
        sandbox.plan(path="/batch", kind="status", status=400, body=HTML, times=1)
        loaded = load_impressions(config, compression="gzip")
        assert_all_arrived(loaded, sandbox)
        assert [request["headers"].get("content-encoding") for request in sandbox.requests()] == ["gzip", *[None] * 3]
        assert sum("without compression; set 'compression' to none" in line for line in loaded.warnings) == 1

    def test_a_page_in_place_of_identify(self, config, sandbox: Sandbox):
        sandbox.plan(path="/identify", kind="status", status=400, body=HTML, times=None)
        settings = config | {"load_as": "identify", "identify_via": "api"}
        loaded = load(settings, messages(impression(n) for n in range(50)))
        assert "something else than Amplitude" in loaded.error
        assert loaded.counts["records_rejected"] == 0
        assert loaded.states == []


@at_each_place
@pytest.mark.parametrize(
    "body",
    [HTML, {"message": "login"}, {"code": 400, "error": "x"}, {"code": 200}, ""],
    ids=["page", "message", "400 inside", "no count", "empty"],
)
def test_a_200_that_is_not_amplitudes_is_never_success(body, skip: int, config, sandbox: Sandbox):
    sandbox.plan(path="/batch", skip=skip, kind="status", status=200, body=body, times=None)
    loaded = load_impressions(config, retry_timeout_seconds=1)
    assert "answer 200 is not Amplitude's" in loaded.error
    assert loaded.state == {"read": 2000 * skip}
    assert len(sandbox.amplitude_events()) == loaded.counts["records_sent"] == 2000 * skip


@pytest.mark.parametrize("path", ["/identify", "/groupidentify"])
def test_a_200_of_the_identify_apis_that_is_not_amplitudes(path: str, config, sandbox: Sandbox):
    sandbox.plan(path=path, kind="status", status=200, body=HTML, times=None)
    schema = {"properties": {"user_id": {}, "org": {}, "seats": {}}}
    mapping = {"load_as": "identify", "user_properties": {"include": ["seats"]}}
    mapping |= {"groups": {"org": "org"}, "group_properties": {"include": ["seats"]}}
    settings = {"identify_via": "api", "mappings": {"s": mapping}, "retry_timeout_seconds": 1}
    lines: list[Any] = [{"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": []}]
    lines += [{"type": "RECORD", "stream": "s", "record": {"user_id": "ada", "org": "acme", "seats": 5}}]
    loaded = load(config | settings, [*lines, {"type": "STATE", "value": {"done": 1}}])
    assert "answer 200 is not Amplitude's" in loaded.error
    assert loaded.states == []


@at_each_place
def test_fewer_ingested_than_sent_is_said(skip: int, config, sandbox: Sandbox):
    count = 2000 if skip == MIDDLE else 500
    body = {"code": 200, "events_ingested": count - 10, "payload_size_bytes": 1, "server_upload_time": 1}
    sandbox.plan(path="/batch", skip=skip, kind="status", status=200, body=body)
    loaded = load_impressions(config)
    assert loaded.error == ""
    assert loaded.state == {"read": RECORDS}
    assert loaded.reasons["records_sent", "not confirmed"] == 10
    assert any(f"counted {count - 10} events of {count} sent" in line for line in loaded.warnings)


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
def test_the_deadline_leaves_the_state_of_what_was_delivered(skip: int, config, sandbox: Sandbox):
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
    assert "Nothing listens" in loaded.error


@at_each_place
def test_a_late_answer_counts_as_none(skip: int, config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client_module, "TIMEOUT", (5.0, 0.5))
    sandbox.plan(path="/batch", skip=skip, kind="delay", delay_seconds=1.5)
    loaded = load_impressions(config)
    assert_all_arrived(loaded, sandbox)
    assert loaded.counts["http_retry_count"] >= 1
    assert any("did not answer within" in line for line in loaded.warnings)


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
IDENTIFY, GROUP_IDENTIFY = identify_route("k", 1), group_identify_route("k")


class TestWaits:
    """How long is waited where the answer does not say."""

    @pytest.mark.parametrize(("route", "seconds"), [(BATCH, 15), (HTTP, 30)])
    def test_throttled_ids(self, route, seconds: float):
        answer = Answer(429, {"throttled_devices": {"d": 12}, "throttled_events": [1, 99, -1, True, "2"]})
        reaction = react(answer, route, 3)
        assert (reaction.action, reaction.wait_seconds) == (Action.SORT, seconds)
        assert reaction.throttled == Named(frozenset({1}), frozenset({"d"}))
        assert not reaction.over_quota

    def test_the_project(self):
        assert react(Answer(429, {"code": 429}), BATCH, 3).wait_seconds == 60

    @pytest.mark.parametrize("route", [IDENTIFY, GROUP_IDENTIFY])
    def test_identify(self, route):
        assert react(Answer(429, text="too_many_requests"), route, 3).wait_seconds == 15

    def test_the_daily_quota(self):
        reaction = react(Answer(429, {"exceeded_daily_quota_devices": {"d": 500_001}}), BATCH, 3)
        assert reaction.wait_seconds == 60
        assert reaction.over_quota == Named(ids=frozenset({"d"}))

    @pytest.mark.parametrize("status", [429, 500, 503, 408])
    def test_what_the_answer_says_takes_precedence(self, status: int):
        assert react(Answer(status, retry_after=7), BATCH, 3).wait_seconds == 7


ACCEPTED = {"code": 200, "events_ingested": 3, "payload_size_bytes": 5, "server_upload_time": 1}


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (Answer(200, ACCEPTED), Action.ACCEPT),
        (Answer(200, {"code": 200, "events_ingested": 0}), Action.ACCEPT),
        (Answer(200, text="success"), Action.RETRY),
        (Answer(200, text="<html>Sign in"), Action.RETRY),
        (Answer(200, {"message": "login"}), Action.RETRY),
        (Answer(200, {"code": 400, "error": "x"}), Action.RETRY),
        (Answer(200, {"code": 200}), Action.RETRY),
        (Answer(200, {"code": 200, "events_ingested": True}), Action.RETRY),
        (Answer(204), Action.RETRY),
        (Answer(202, ACCEPTED), Action.RETRY),
        (Answer(302, text="moved"), Action.STOP),
        (Answer(400, {"error": "Events silenced for device_id", "silenced_events": [77]}), Action.BISECT),
        (Answer(400, {"events_with_invalid_fields": {"time": "all"}}), Action.BISECT),
        (Answer(400, {"events_with_invalid_fields": ["time"]}), Action.BISECT),
        (Answer(400, {"throttled_users": {"u": 1}}), Action.BISECT),
        (Answer(400, {"error": "?"}), Action.BISECT),
        (Answer(400, {"error": "Invalid API key: k"}), Action.STOP),
        (Answer(400, {"error": "Invalid request path"}), Action.STOP),
        (Answer(400, {"error": "Request missing required field", "missing_field": "events"}), Action.STOP),
        (Answer(400, {"error": "Missing request body"}), Action.SEND_PLAIN),
        (Answer(400, {"error": "Invalid JSON request body"}), Action.SEND_PLAIN),
        (Answer(400, text="<html>Bad Request"), Action.SEND_PLAIN),
        (Answer(400, text="bad request"), Action.SEND_PLAIN),
        (Answer(415, text="no gzip"), Action.SEND_PLAIN),
        (Answer(418), Action.STOP),
        (Answer(429, {"throttled_events": [7]}), Action.RETRY),
        (Answer(599), Action.RETRY),
        (Answer(100), Action.STOP),
    ],
    ids=lambda value: f"{value.status} {value.content or value.text}" if isinstance(value, Answer) else value.name,
)
def test_each_answer_to_events_has_its_reaction(answer: Answer, action: Action):
    assert react(answer, BATCH, 3).action is action


@pytest.mark.parametrize("route", [IDENTIFY, GROUP_IDENTIFY])
@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (Answer(200, text="success"), Action.ACCEPT),
        (Answer(200, text=" Success\n"), Action.ACCEPT),
        (Answer(200, {"code": 200}), Action.ACCEPT),
        (Answer(200, text="<html>Sign in"), Action.RETRY),
        (Answer(200, {"message": "login"}), Action.RETRY),
        (Answer(200, text=""), Action.RETRY),
        (Answer(400, text="invalid_api_key"), Action.STOP),
        (Answer(400, text="missing_event"), Action.BISECT),
        (Answer(400, text="<html>Bad Request"), Action.SEND_PLAIN),
    ],
    ids=lambda value: f"{value.status} {value.content or value.text}" if isinstance(value, Answer) else "",
)
def test_each_answer_to_identifications_has_its_reaction(route, answer: Answer, action: Action):
    assert react(answer, route, 3).action is action


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 5) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("code", "error", "missing_field", "events_ingested", *INDEX_MAPS, *THROTTLED_INDEXES, *THROTTLED_IDS)
MEMBERS += QUOTA_IDS


@given(
    st.integers(100, 999) | st.sampled_from([200, 400, 429]),
    st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), JSON_VALUES),
    st.text(max_size=20),
    st.sampled_from([BATCH, HTTP, IDENTIFY, GROUP_IDENTIFY]),
    st.integers(1, 5),
)
@example(200, {"code": 200, "events_ingested": 1}, "", BATCH, 1)
@example(429, {"throttled_users": {"ada": 1}, "throttled_events": [0]}, "", BATCH, 1)
def test_no_answer_is_without_a_reaction(status: int, content: dict[str, Any], text: str, route, count: int):
    reaction = react(Answer(status, content, text), route, count)
    assert reaction.message or reaction.action is Action.ACCEPT
    assert all(0 <= index < count for index in (*reaction.rejected, *reaction.throttled.indexes))
    if reaction.action is Action.SORT:
        assert reaction.rejected or reaction.throttled or reaction.over_quota
        assert reaction.wait_seconds is not None
    if reaction.action is Action.ACCEPT:
        assert status == 200
