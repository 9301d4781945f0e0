"""Identify: https://amplitude.com/docs/apis/analytics/identify and …/group-identify."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

KEY = "test-api-key"


def post(sandbox: Sandbox, identification: Any, path: str = "/identify", **fields: str) -> requests.Response:
    form = {"api_key": KEY, "identification": json.dumps(identification)} | fields
    return sandbox.http.post(sandbox.url + path, data=form)


def test_identifications_change_users(sandbox: Sandbox) -> None:
    given = [
        {"user_id": "user-0042", "user_properties": {"$set": {'say "hi"': "off"}, "$unset": {"old": "-"}}},
        {"device_id": "device-7", "user_properties": {"checkout_redesign": "control_b"}},
    ]
    answer = post(sandbox, given)
    assert (answer.status_code, answer.text) == (200, "success")
    assert sandbox.amplitude_identifications() == given
    assert [user["user_properties"] for user in sandbox.amplitude_users()] == [
        {'say "hi"': "off"},
        {"checkout_redesign": "control_b"},
    ]
    assert sandbox.amplitude_events() == []
    assert sandbox.requests("/identify")[0]["items"] == 2


def test_one_object_and_a_query_are_accepted(sandbox: Sandbox) -> None:
    one = {"user_id": "user-0042", "user_properties": {"plan": "gold"}}
    answer = sandbox.http.get(sandbox.url + "/identify", params={"api_key": KEY, "identification": json.dumps(one)})
    assert answer.status_code == 200
    assert sandbox.amplitude_identifications() == [one]


def test_a_multipart_form_is_accepted(sandbox: Sandbox) -> None:
    one = {"user_id": "user-0042", "user_properties": {"plan": "gold"}}
    fields = {"api_key": (None, KEY), "identification": (None, json.dumps(one))}
    assert sandbox.http.post(sandbox.url + "/identify", files=fields).status_code == 200
    assert sandbox.amplitude_identifications() == [one]


@pytest.mark.parametrize(
    "identification",
    [
        [],
        "text",
        {"user_properties": {"plan": "gold"}},
        {"user_id": "anonymous", "user_properties": {}},
        {"user_id": 42, "user_properties": {}},
        {"user_id": "user-0042", "user_properties": {}, "groups": ["acme"]},
        {"user_id": "user-0042", "user_properties": {"$add": ["visits"]}},
        {"user_id": "u1", "user_properties": {}},
        {"user_id": "user-0042", "user_properties": {"$set": {"a": 1}, "b": 2}},
    ],
)
def test_an_invalid_identification_is_refused(sandbox: Sandbox, identification: Any) -> None:
    answer = post(sandbox, identification)
    assert (answer.status_code, answer.text) == (400, "missing_event")
    assert sandbox.amplitude_users() == []


def test_json_is_not_a_form(sandbox: Sandbox) -> None:
    one = {"user_id": "user-0042", "user_properties": {}}
    assert sandbox.http.post(sandbox.url + "/identify", json={"identification": one}).status_code == 400


def test_short_ids_are_allowed_by_an_option(sandbox: Sandbox) -> None:
    one = {"user_id": "u1", "user_properties": {"a": 1}}
    assert post(sandbox, one, options='{"min_id_length": 1}').status_code == 200


def test_a_wrong_key_is_refused(sandbox: Sandbox) -> None:
    answer = post(sandbox, {"user_id": "user-0042"}, api_key="wrong-key")
    assert (answer.status_code, answer.text) == (400, "invalid_api_key")


def test_a_long_address_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.http.get(sandbox.url + "/identify", params={"api_key": KEY, "identification": "x" * 9000})
    assert answer.status_code == 414


def test_groups_are_identified(sandbox: Sandbox) -> None:
    group = {"group_type": "org", "group_value": "acme", "group_properties": {"$set": {"size": 12}}}
    assert post(sandbox, [group], "/groupidentify").status_code == 200
    assert sandbox.amplitude_identifications() == [group]
    assert post(sandbox, [{"group_type": "org"}], "/groupidentify").status_code == 400
    assert post(sandbox, [group] * 1025, "/groupidentify").status_code == 400
