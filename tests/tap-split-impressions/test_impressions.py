"""Any payload's shape becomes one record, and the same impression has one id whatever its source."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.receiver import posted
from tap_split_impressions.impressions.item import Item, NotAnImpression, items_of, time_of
from tap_split_impressions.impressions.record import Names, Shaper

RECEIVED = "2026-01-01T10:00:05.000Z"


def record(body: object, **names: object) -> dict[str, object]:
    """The one record of a body."""
    (item,) = items_of(body)
    assert isinstance(item, Item), item
    return msgspec.structs.asdict(Shaper("user", Names(**names)).shape(item, RECEIVED))


def test_webhook_item_becomes_the_documented_record() -> None:
    natural_key = ["env-prod", "checkout_redesign", "user-000007", "acct-17", "on", "default rule", 1767000000456]
    as_json = json.dumps([*natural_key, 1767261600007], separators=(",", ":"))
    assert record(posted(7, bucketingKey="acct-17", properties='{"plan":"gold"}')) == {
        "impression_id": hashlib.blake2b(as_json.encode(), digest_size=16).hexdigest(),
        "key": "user-000007",
        "bucketing_key": "acct-17",
        "split": "checkout_redesign",
        "treatment": "on",
        "label": "default rule",
        "time": "2026-01-01T10:00:00.007Z",
        "split_version_number": 1767000000456,
        "environment_id": "env-prod",
        "environment_name": "Production",
        "traffic_type": "user",
        "sdk": "python",
        "sdk_version": "10.7.0",
        "machine_name": "ip-10-2-4-19",
        "machine_ip": "10.2.4.19",
        "properties": {"plan": "gold"},
        "attributes": None,
        "previous_time": None,
        "received_at": RECEIVED,
    }


S3_ROW = {
    "key": "user-000007",
    "bucketingKey": "",
    "label": "default rule",
    "treatment": "on",
    "splitName": "checkout_redesign",
    "splitVersion": 1767000000456,
    "properties": "",
    "environmentId": "env-prod",
    "trafficTypeId": "tt-user",
    "sdk": "python",
    "sdkVersion": "10.7.0",
    "machineName": None,
    "machineIp": None,
    "timestamp": 1767261600007,
    "receptionTimestamp": 1767261661044,
}


def test_same_impression_by_webhook_and_by_s3_has_one_id() -> None:
    without_bucketing_key = {name: value for name, value in posted(7).items() if name != "bucketingKey"}
    ids = {record(body)["impression_id"] for body in (posted(7), without_bucketing_key, S3_ROW)}
    assert len(ids) == 1
    assert record(posted(7, bucketingKey="user-000007"))["impression_id"] not in ids


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {
                "impressions": [
                    {
                        "testName": "checkout_redesign",
                        "keyImpressions": [
                            {"keyName": "k", "treatment": "on", "time": 1767261600123, "changeNumber": 5, "label": "x"}
                        ],
                    }
                ]
            },
            {"key": "k", "split": "checkout_redesign", "split_version_number": 5, "label": "x", "environment_id": None},
            id="evaluator",
        ),
        pytest.param(
            {
                "impressions": [
                    {
                        "testName": "f",
                        "keyImpressions": [
                            {
                                "keyName": "k",
                                "treatment": "on",
                                "time": 1767261600123,
                                "changeNumber": 5,
                                "label": "x",
                                "bucketingKey": "b",
                                "pt": 1767258000123,
                                "properties": '{"plan":"gold"}',
                            }
                        ],
                    }
                ],
                "sdkVersion": "python-10.4.0",
                "machineIP": "10.2.4.19",
                "MachineName": "ip",
            },
            {
                "bucketing_key": "b",
                "previous_time": "2026-01-01T09:00:00.123Z",
                "properties": {"plan": "gold"},
                "sdk": "python",
                "sdk_version": "10.4.0",
                "machine_ip": "10.2.4.19",
                "machine_name": "ip",
            },
            id="synchronizer",
        ),
        pytest.param(
            {
                "impression": {
                    "feature": "f",
                    "keyName": "k",
                    "treatment": "on",
                    "time": 1767261600123,
                    "bucketingKey": "b",
                    "label": "x",
                    "changeNumber": 5,
                    "pt": 1767258000123,
                    "properties": '{"plan":"gold"}',
                },
                "attributes": {"age": 5},
                "ip": False,
                "hostname": "web-1",
                "sdkLanguageVersion": "javascript-11.4.1",
            },
            {
                "split": "f",
                "sdk": "javascript",
                "sdk_version": "11.4.1",
                "machine_ip": None,
                "machine_name": "web-1",
                "previous_time": "2026-01-01T09:00:00.123Z",
            },
            id="JavaScript listener",
        ),
        pytest.param(
            {"key": "k", "split": "f", "treatment": "on", "time": 1767261600123, "appliedRule": "x", "changeNumber": 5},
            {"label": "x", "split_version_number": 5},
            id="Java listener",
        ),
    ],
)
def test_other_doors(body: object, expected: dict[str, object]) -> None:
    shaped = record(body)
    assert shaped["time"] == "2026-01-01T10:00:00.123Z"
    assert {name: shaped[name] for name in expected} == expected


def test_names_are_joined_where_the_payload_lacks_them() -> None:
    names = {
        "environments": {"env-prod": "Production"},
        "traffic_types": {"tt-account": "account"},
        "traffic_type_of_flag": {"checkout_redesign": "anonymous"},
    }
    by_id = record(S3_ROW | {"trafficTypeId": "tt-account"}, **names)
    assert (by_id["traffic_type"], by_id["environment_name"]) == ("account", "Production")
    assert record(S3_ROW | {"trafficTypeId": "tt-gone"}, **names)["traffic_type"] == "anonymous"
    assert record(posted(1, split="deleted_flag"), **names)["traffic_type"] == "user"
    assert record(posted(1, environmentName="Own"), **names)["environment_name"] == "Own"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (5, "not an object"),
        (None, "not an object"),
        ({}, "an object of another kind"),
        (posted(1, key=None), "without key"),
        (posted(1, treatment=None), "without treatment"),
        (posted(1, split=None), "without split"),
        (posted(1, time=None), "without time"),
        (posted(1, time=""), "without time"),
        (posted(1, time="yesterday"), "time: "),
        (posted(1, time=True), "time: "),
        (posted(1, time=-5), "time: "),
        (posted(1, time=float("nan")), "time: "),
        (posted(1, time=float("inf")), "time: "),
        (posted(1, time="-inf"), "time: "),
        (posted(1, time=-(10**400)), "time: "),
        (posted(1, key={"a": 1}), "a key, flag or treatment is not a text"),
        (posted(1, treatment=False), "a key, flag or treatment is not a text"),
    ],
)
def test_what_is_no_impression_has_a_reason_without_data(body: object, reason: str) -> None:
    (found,) = items_of([body])
    assert isinstance(found, NotAnImpression)
    assert str(found).startswith(reason)


@pytest.mark.parametrize(
    "time",
    [
        1767261600123,
        "1767261600123",
        1767261600.123,
        "1767261600.123",
        1767261600123000,
        1767261600123000000,
        "2026-01-01T10:00:00.123Z",
        "2026-01-01T10:00:00.123456789Z",
        "2026-01-01 10:00:00.123",
        "2026-01-01 10:00:00.123 UTC",
        "2026-01-01T11:00:00.123+01:00",
        datetime(2026, 1, 1, 10, 0, 0, 123000),
        datetime(2026, 1, 1, 12, 0, 0, 123000, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_times_in_any_unit_and_notation(time: object) -> None:
    assert time_of(time) == 1767261600123


def test_a_time_in_seconds_is_the_same_impression() -> None:
    in_milliseconds, in_seconds = posted(1, time=1767261600000), posted(1, time=1767261600)
    assert record(in_milliseconds) == record(in_seconds)


@pytest.mark.parametrize(
    ("given_properties", "expected", "unreadable"),
    [
        ({"plan": "gold"}, {"plan": "gold"}, 0),
        ('{"plan":"gold"}', {"plan": "gold"}, 0),
        ("", None, 0),
        ("  ", None, 0),
        (None, None, 0),
        ("{}", None, 0),
        ("null", None, 0),
        ('{"plan":', None, 1),
        ("[1]", None, 1),
        ([1], None, 1),
        (7, None, 1),
    ],
)
def test_properties(given_properties: object, expected: object, unreadable: int) -> None:
    (item,) = items_of(posted(1, properties=given_properties))
    shaper = Shaper("user")
    assert shaper.shape(item, RECEIVED).properties == expected
    assert shaper.unreadable_properties == unreadable


@pytest.mark.parametrize("key", ["", "k" * 10_000, "ключ", "a\u0000b", '"quoted"', 17])
def test_keys_of_any_length_and_kind(key: object) -> None:
    assert record(posted(1, key=key))["key"] == str(key)


@pytest.mark.parametrize("version", ["1767000000456", 1767000000456.0])
def test_versions_in_other_notations(version: object) -> None:
    assert record(posted(1, splitVersionNumber=version))["split_version_number"] == 1767000000456


@pytest.mark.parametrize("odd", ["soon", 2**70, [], {}, float("inf"), "-inf"])
def test_a_side_note_that_cannot_be_read_does_not_cost_the_impression(odd: object) -> None:
    assert record(posted(1, splitVersionNumber=odd))["split_version_number"] is None
    assert record(posted(1, pt=odd))["previous_time"] is None


text = st.text(max_size=8)
natural_keys = st.fixed_dictionaries(
    {
        "environmentId": st.none() | text,
        "split": text,
        "key": text,
        "bucketingKey": st.none() | text.filter(bool),
        "treatment": text,
        "label": st.none() | text.filter(bool),
        "splitVersionNumber": st.none() | st.integers(0, 10**13),
        "time": st.integers(10**11, 10**13 - 1),
    }
)


@given(natural_keys, natural_keys)
def test_ids_are_equal_exactly_when_the_natural_keys_are(one: dict[str, object], other: dict[str, object]) -> None:
    assert (record(one)["impression_id"] == record(other)["impression_id"]) == (one == other)


@given(natural_keys, st.sampled_from(["environmentId", "split", "key", "treatment"]))
def test_an_absent_part_differs_from_an_empty_one(body: dict[str, object], part: str) -> None:
    if part == "environmentId":
        assert record(body | {part: None})["impression_id"] != record(body | {part: ""})["impression_id"]
    else:
        assert record(body | {part: ""})["impression_id"] != record(body | {part: "null"})["impression_id"]
