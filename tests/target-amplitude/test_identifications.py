"""Which properties of users and groups records change."""

from __future__ import annotations

from typing import Any

import pytest

from support.plans import plan
from target_amplitude.api.outcomes import Skipped
from target_amplitude.payloads.identification import identification_reader


class TestIdentify:
    USERS: dict[str, Any] = {
        "properties": {name: {} for name in ("id", "plan", "visits", "tags", "company", "seats", "platform", "at")}
    }
    USER: dict[str, Any] = {
        "id": "ada",
        "plan": "gold",
        "visits": "3",
        "tags": ["a"],
        "company": ["acme", "x"],
        "seats": 5,
        "platform": "iOS",
        "at": 1773480413,
    }

    def identifications(self, mapping: dict[str, Any], **changes: Any) -> list[tuple[Any, ...]]:
        stream_plan, _ = plan({"load_as": "identify", **mapping}, self.USERS)
        made = identification_reader(stream_plan).read({**self.USER, **changes})
        return [(one.subject, one.operations, one.others or {}) for one in made]

    def test_columns_are_set(self):
        mapping = {"user_id": "id", "user_properties": {"include": ["plan", "seats"]}}
        assert self.identifications(mapping) == [({"user_id": "ada"}, {"$set": {"plan": "gold", "seats": 5}}, {})]
        assert self.identifications({"user_id": "id", "time": "at"})[0][1]["$set"].keys() == {
            "plan",
            "visits",
            "tags",
            "company",
            "seats",
            "platform",
        }

    def test_every_operation(self):
        mapping = {
            "device_id": "id",
            "operations": {
                "$clearAll": {},
                "$set": {"plan": "plan"},
                "$setOnce": {"first": "plan"},
                "$add": {"visits": "visits"},
                "$append": {"t1": "tags"},
                "$prepend": {"t2": "tags"},
                "$preInsert": {"t3": "tags"},
                "$postInsert": {"t4": "tags"},
                "$remove": {"t5": "tags"},
                "$unset": ["old", "older"],
            },
        }
        assert self.identifications(mapping) == [
            (
                {"device_id": "ada"},
                {
                    "$clearAll": "-",
                    "$set": {"plan": "gold"},
                    "$setOnce": {"first": "gold"},
                    "$add": {"visits": 3},
                    "$append": {"t1": ["a"]},
                    "$prepend": {"t2": ["a"]},
                    "$preInsert": {"t3": ["a"]},
                    "$postInsert": {"t4": ["a"]},
                    "$remove": {"t5": ["a"]},
                    "$unset": {"old": "-", "older": "-"},
                },
                {},
            )
        ]

    def test_groups(self):
        mapping = {"groups": {"company": "company"}, "group_properties": {"include": ["seats"]}}
        assert self.identifications(mapping) == [
            ({"group_type": "company", "group_value": name}, {"$set": {"seats": 5}}, {}) for name in ("acme", "x")
        ]
        with pytest.raises(Skipped, match="no group"):
            self.identifications(mapping, company=None)
        operations = {"groups": {"company": "company"}, "operations": {"$add": {"seats": "seats"}}}
        assert self.identifications(operations, company="acme")[0][:2] == (
            {"group_type": "company", "group_value": "acme"},
            {"$add": {"seats": 5}},
        )

    def test_a_user_and_its_group(self):
        mapping = {
            "user_id": "id",
            "user_properties": {"include": ["plan"]},
            "groups": {"company": "company"},
            "group_properties": {"include": ["seats"]},
        }
        made = self.identifications(mapping, company="acme")
        assert [subject for subject, _, _ in made] == [
            {"user_id": "ada"},
            {"group_type": "company", "group_value": "acme"},
        ]

    def test_further_keys(self):
        mapping = {"user_id": "id", "user_properties": {"include": ["plan"]}, "platform": "platform"}
        mapping |= {"groups": {"company": "company"}}
        assert self.identifications(mapping)[0][2] == {"platform": "iOS", "groups": {"company": ["acme", "x"]}}

    def test_nothing_to_set(self):
        with pytest.raises(Skipped, match="nothing to set"):
            self.identifications({"user_id": "id", "user_properties": {"include": ["plan"]}}, plan=None)

    def test_native(self):
        schema = {"properties": {"user_id": {}, "user_properties": {}}}
        stream_plan, _ = plan(None, schema, load_as="identify")
        (made,) = identification_reader(stream_plan).read(
            {"user_id": "ada", "user_properties": {"a": 1, "b": "\ud800"}}
        )
        assert made.operations == {"$set": {"a": 1, "b": "\ufffd"}}

    def test_members_without_a_meaning_are_said(self):
        stream_plan, _ = plan({"load_as": "identify", "user_id": "id", "event_type": "x", "price": "seats"}, self.USERS)
        assert any("'event_type', 'price'" in note for note in stream_plan.notes)
