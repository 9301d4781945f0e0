"""Streams that need no mapping: impressions, and those with Amplitude's own columns."""

from __future__ import annotations

from typing import Any

import pytest

from support.plans import event, plan
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.mapping.properties import Selection
from target_amplitude.payloads.event import LIBRARY, EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.impressions import ImpressionPropertiesReader

NATIVE = {
    "properties": {
        name: {}
        for name in (
            *("user_id", "event_type", "time", "event_properties", "user_properties", "insert_id", "price"),
            *("quantity", "session_id", "groups", "country", "comment"),
        )
    }
}


class TestNative:
    """Streams whose columns are Amplitude's own keys need no mapping."""

    RECORD: dict[str, Any] = {
        "user_id": "ada-1815",
        "event_type": "Play",
        "time": 1773480413589,
        "event_properties": {"a": None, "b": {"c": [1]}},
        "user_properties": {"plan": "gold"},
        "insert_id": "own-1",
        "price": "3.5",
        "quantity": 2.0,
        "session_id": 1773480000000,
        "groups": {"org": ["a"]},
        "country": None,
        "comment": "not sent",
    }

    def test_is_passed_as_such(self):
        stream_plan, changes = plan(None, NATIVE)
        made = EventReader(stream_plan).read(self.RECORD)
        assert made == {
            **{name: value for name, value in self.RECORD.items() if name not in ("comment", "country")},
            "price": 3.5,
            "quantity": 2,
            "groups": {"org": "a"},
            "library": LIBRARY,
        }
        assert changes == []
        assert any("'comment'" in note for note in stream_plan.notes)

    def test_a_mapping_is_laid_over(self):
        mapping = {
            "event_type": "Played",
            "event_properties": {"exclude": ["b.c"], "rename": {"b": "beta"}},
            "user_properties": {"include": []},
            "filter": {"event_type": ["Pl*"]},
        }
        made = event(mapping, self.RECORD, schema=NATIVE)
        assert (made["event_type"], made["event_properties"]) == ("Played", {"beta": {}})
        assert "user_properties" not in made
        assert made["price"] == 3.5

    def test_its_own_insert_id_is_kept_where_it_has_one(self):
        made = [
            event(None, {**self.RECORD, "insert_id": own}, schema=NATIVE)["insert_id"]
            for own in (None, "", " \u200b", 7, 12345.0, "x" * 2000)
        ]
        assert [len(text) for text in made] == [32, 32, 32, 1, 5, 32]

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ({"$set": {"a": 1}, "$unset": {"b": "-"}}, {"$set": {"a": 1}, "$unset": {"b": "-"}}),
            ({"$set": {"a": 1}, "b": 2}, {"b": 2}),
            ({"$what": 1, "b": 2}, {"b": 2}),
        ],
    )
    def test_operations_and_reserved_names(self, given, sent):
        assert event(None, {**self.RECORD, "user_properties": given}, schema=NATIVE)["user_properties"] == sent

    def test_ids_from_settings(self):
        schema = {"properties": {"event_type": {}, "account": {"properties": {"id": {}}}}}
        record = {"event_type": "x", "account": {"id": 5}}
        made = event(None, record, schema=schema, user_id=["nobody.id", "account.id"])
        assert made["user_id"] == "5"
        assert "time" not in made

    def test_money_that_cannot_be_read_is_not_lost_silently(self):
        assert event(None, {**self.RECORD, "price": "12,50 EUR"}, schema=NATIVE)["price"] == 12.5
        assert "price" not in event(None, {**self.RECORD, "price": " "}, schema=NATIVE)
        for change in ({"price": "a lot"}, {"price": "1,234"}, {"quantity": 1.5}):
            with pytest.raises(Rejected, match="is not a number"):
                event(None, {**self.RECORD, **change}, schema=NATIVE)

    def test_without_a_time_amplitude_takes_its_own_and_it_is_said(self):
        stream_plan, _ = plan(None, {"properties": {"event_type": {}, "user_id": {}}})
        EventReader(stream_plan)
        assert any("time of arrival" in note for note in stream_plan.notes)


EXPOSURES = {"properties": {"user_id": {}, "time": {}, "event_properties": {}, "event_type": {}}}


def test_exposures_of_other_streams():
    record = {"user_id": "u", "time": 1773480413589, "event_properties": {"flag_key": "f", "variant": "on", "x": 1}}
    make = EventReader(plan({"load_as": "exposure"}, EXPOSURES)[0]).read
    assert make(record)["event_type"] == "$exposure"
    for properties in ({"variant": "on"}, {"flag_key": "f"}, {"flag_key": "f", "variant": "control"}, None):
        with pytest.raises(Skipped):
            make({**record, "event_properties": properties})


IMPRESSIONS = {"properties": {name: {} for name in ("key", "split", "treatment", "time", "traffic_type", "attributes")}}
IMPRESSION = {
    "key": "ada",
    "split": "f",
    "treatment": "on",
    "time": 1773480413589,
    "traffic_type": "user",
    "attributes": {"plan": "gold", "age": 36, "email": "x@example.com", "country": "GB"},
}


class TestImpressions:
    def test_attributes_are_sent_only_where_they_are_named(self):
        for selection in ({}, {"include": ["*"]}, {"exclude": ["x"]}):
            made = event({"event_properties": selection}, IMPRESSION, schema=IMPRESSIONS)
            assert made["event_properties"] == {"split_name": "f", "treatment": "on", "traffic_type": "user"}
        selection = {
            "include": ["split_name", "attributes.*"],
            "exclude": ["attributes.email"],
            "rename": {"attributes.plan": "plan"},
        }
        made = event({"event_properties": selection}, IMPRESSION, schema=IMPRESSIONS)
        assert made["event_properties"] == {
            "split_name": "f",
            "plan": "gold",
            "attributes.age": 36,
            "attributes.country": "GB",
        }

    def test_properties_and_attributes_written_as_json_text(self):
        selection = {"include": ["split_name", "plan", "attributes.age"]}
        written = IMPRESSION | {"properties": '{"plan": "gold"}', "attributes": ' {"age": 36, "email": "x"}'}
        made = event({"event_properties": selection}, written, schema=IMPRESSIONS)
        assert made["event_properties"] == {"split_name": "f", "plan": "gold", "attributes.age": 36}

    @pytest.mark.parametrize(("properties", "counted"), [("no JSON", 1), ([1], 1), ("", 0), (" ", 0), (None, 0)])
    def test_other_properties_are_counted(self, properties: Any, counted: int):
        reasons: list[str] = []
        made = ImpressionPropertiesReader(Selection({}), reasons.append).read(IMPRESSION | {"properties": properties})
        assert made == {"split_name": "f", "treatment": "on", "traffic_type": "user"}
        assert reasons == ["value of the wrong type"] * counted

    def test_attributes_as_user_properties_of_an_event(self):
        mapping = {"user_properties": {"include": ["attributes.plan"], "rename": {"attributes.plan": "plan"}}}
        assert event(mapping, IMPRESSION, schema=IMPRESSIONS)["user_properties"] == {"plan": "gold"}

    def test_other_keys_of_an_identification(self):
        mapping = {"load_as": "identify", "country": "attributes.country", "language": {"value": "English"}}
        (made,) = identification_reader(plan(mapping, IMPRESSIONS)[0]).read(IMPRESSION)
        assert made.operations == {"$set": {"f": "on"}}
        assert made.others == {"country": "GB", "language": "English"}

    def test_a_traffic_type_without_an_identity(self):
        with pytest.raises(Rejected, match="traffic type 'user' is not in 'identity'"):
            event(None, IMPRESSION, schema=IMPRESSIONS, identity={"account": "device_id"})
