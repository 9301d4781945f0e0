"""Each answer Amplitude can give, to a request in the middle and to the last one, has its reaction."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from support.amplitude_target import Loaded, load
from support.faulty_loads import (
    AT_ONCE,
    HTML,
    MIDDLE,
    RECORDS,
    assert_all_arrived,
    at_each_place,
    load_impressions,
    rejects,
)
from support.impressions import impression, messages
from support.sandbox import Sandbox
from target_amplitude.api import client as client_module


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
