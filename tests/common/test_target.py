"""The loop of both targets: messages, STATE, rejects, stream maps, validation, batch files."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import load
from support.impressions import SCHEMA, impression, messages, record_message, schema_message, state_message
from support.sandbox import Sandbox


def rejects(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(config["rejects_path"]).read_text("utf-8").splitlines()]


def test_a_hundred_bad_records_among_many(config, sandbox: Sandbox):
    records = [impression(n, time=12 if n % 50 == 7 else f"2026-03-14T00:00:{n % 60:02}Z") for n in range(5000)]
    loaded = load(config, messages(records, every=1000))
    assert loaded.error == ""
    assert loaded.state == {"read": 5000}
    assert loaded.counts["records_read"] == 5000
    assert loaded.reasons["records_rejected", "schema: time breaks 'type'"] == 100
    assert len(sandbox.amplitude_events()) == 4900
    kept = rejects(config)
    assert [reject["record"] for reject in kept] == [record for record in records if record["time"] == 12]
    assert kept[0].keys() == {"time", "stream", "reason", "status", "record", "sent"}
    assert (kept[0]["stream"], kept[0]["status"], kept[0]["sent"]) == ("impressions", None, None)
    assert stat.S_IMODE(Path(config["rejects_path"]).stat().st_mode) == 0o600


def test_too_many_rejects_stop_the_run_and_state_stays_behind_them(config, sandbox: Sandbox):
    records = [impression(n, time=None if n < 2500 else 12) for n in range(5000)]
    for number, record in enumerate(records[:2500]):
        record["time"] = f"2026-03-14T00:00:{number % 60:02}Z"
    loaded = load(config | {"max_rejects": 5, "max_parallel_requests": 1}, messages(records, every=100))
    assert "max_rejects" in loaded.error
    assert len(rejects(config)) == 6
    assert loaded.state in (None, {"read": 1900}, {"read": 2000})


def test_a_rejects_path_that_cannot_be_written(config):
    assert "rejects_path" in load(config | {"rejects_path": "/proc/nowhere/rejects.jsonl"}, []).error


def test_without_a_path_rejects_are_kept_in_the_working_directory(config, sandbox: Sandbox, tmp_path):
    del config["rejects_path"]
    records = [impression(n, **({"time": 12} if n == 1 else {})) for n in range(3)]
    assert load(config, messages(records), folder=tmp_path).error == ""
    (line,) = map(json.loads, (tmp_path / "target-amplitude-rejects.jsonl").read_text().splitlines())
    assert line["record"] == records[1]


def test_a_dry_run_keeps_no_rejects(config, sandbox: Sandbox):
    loaded = load(config | {"dry_run": True}, messages([impression(0), impression(1, time=12)]))
    assert (loaded.error, loaded.counts["records_rejected"]) == ("", 1)
    assert not Path(config["rejects_path"]).exists()


def test_a_missing_key_property_breaks_the_schema(config, sandbox: Sandbox):
    record = impression(0)
    del record["impression_id"]
    loaded = load(config, messages([record]))
    assert loaded.reasons["records_rejected", "schema: the record breaks 'required'"] == 1


def test_validation_can_be_turned_off(config, sandbox: Sandbox):
    loaded = load(config | {"validate_records": False}, messages([impression(0, split_version_number="x")]))
    assert loaded.counts["records_sent"] == 1


def test_formats_are_no_ground_for_rejects(config, sandbox: Sandbox):
    schema = schema_message()
    schema["schema"] = {"$schema": "http://json-schema.org/draft-07/schema#", **SCHEMA}
    loaded = load(config, [schema, record_message(impression(0, time="2026-03-14 09:26:53.589000"))])
    assert loaded.counts["records_sent"] == 1
    assert sandbox.amplitude_events()[0]["time"] == 1773480413589


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (record_message(impression(0), "unknown"), "RECORD came before SCHEMA"),
        ({"type": "RECORD", "stream": "impressions"}, "has no 'record'"),
        ({"type": "RECORD", "record": {}}, "has no 'stream'"),
        ({"type": "RECORD", "stream": "impressions", "record": None}, "is not an object"),
        ({"type": "SCHEMA", "stream": "impressions"}, "has no 'schema'"),
        ({"type": "SCHEMA", "stream": "impressions", "schema": []}, "is not an object"),
        ({"type": "SCHEMA", "stream": "impressions", "schema": {"properties": []}}, "is not an object"),
        ({"type": "SCHEMA", "stream": "impressions", "schema": {}, "key_properties": "id"}, "not a list of columns"),
        ({"type": "RECORD", "stream": 5, "record": {}}, "is not a text"),
        ({"type": "SCHEMA", "stream": "x", "schema": {"type": "strin"}, "key_properties": []}, "Stream 'x'"),
        (
            {"type": "SCHEMA", "stream": "impressions", "schema": {"$ref": "#"}, "key_properties": ["a" * 9, 5]},
            "columns",
        ),
        ({"type": "STATE"}, "has no 'value'"),
        ({"type": "STATE", "value": None}, "is not an object"),
        ({"type": "STATE", "value": [1]}, "is not an object"),
        ({"type": "STATE", "value": "2026-03-14"}, "is not an object"),
        ({"type": "BATCH", "stream": "impressions", "manifest": []}, "has no 'encoding'"),
        ({"type": "BATCH", "stream": "impressions", "manifest": [], "encoding": "jsonl"}, "is not an object"),
        ({"type": "BATCH", "stream": "impressions", "encoding": {"format": "jsonl"}}, "has no 'manifest'"),
        ({"type": "BATCH", "stream": "impressions", "encoding": {"format": "jsonl"}, "manifest": "x"}, "not a list"),
        ({"type": "BATCH", "stream": "new", "encoding": {"format": "jsonl"}, "manifest": []}, "before SCHEMA"),
        ({"type": "ACTIVATE_VERSION", "stream": "impressions"}, "has no 'version'"),
        ({"type": "ACTIVATE_VERSION", "stream": "new", "version": 1}, "before SCHEMA"),
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        ('["A"]', "not a Singer message"),
        ('{"type": ["A"]}', "'type' is unknown"),
        ('{"stream": "x"}', "'type' is unknown"),
        ({"type": "NONSENSE"}, "'type' is unknown"),
        ('{"type": "RECORD", "stream": "impressions", "record": {"key": "secret@example.com', "not valid JSON"),
    ],
)
def test_what_is_no_singer_is_one_sentence(message, said: str, config, sandbox: Sandbox):
    loaded = load(config, [schema_message(), record_message(impression(0)), state_message(n=1), message])
    assert said in loaded.error
    assert "example.com" not in loaded.error
    assert loaded.state in (None, {"n": 1})
    assert "user-000000" not in loaded.error


def test_a_schema_that_changes_in_mid_stream(config, sandbox: Sandbox):
    first, second = schema_message(), schema_message()
    second["schema"] = {"type": "object", "properties": {**SCHEMA["properties"], "label": {"type": "integer"}}}
    loaded = load(
        config,
        [
            first,
            record_message(impression(0)),
            record_message(impression(1, label=5)),
            first,
            record_message(impression(2)),
            second,
            record_message(impression(3)),
            record_message(impression(4, label=5)),
            state_message(done=True),
        ],
    )
    assert loaded.error == ""
    assert loaded.counts["records_rejected"] == 2
    assert sorted(event["insert_id"][-1] for event in sandbox.amplitude_events()) == ["0", "2", "4"]


class TestStreamMaps:
    def test_a_renamed_stream_with_computed_columns(self, config, sandbox: Sandbox):
        maps = {"impressions": {"__alias__": "seen_flags", "split": "'flag-' + split", "machine_ip": "__NULL__"}}
        loaded = load(config | {"stream_maps": maps}, messages([impression(0), impression(1)]))
        assert loaded.error == ""
        properties = [event["event_properties"] for event in sandbox.amplitude_events()]
        assert [one["split_name"] for one in properties] == ["flag-checkout_redesign"] * 2

    def test_a_filter(self, config, sandbox: Sandbox):
        maps = {"impressions": {"__filter__": "treatment == 'on'"}}
        records = [impression(n, treatment="on" if n % 2 else "off") for n in range(10)]
        loaded = load(config | {"stream_maps": maps}, messages(records))
        assert loaded.reasons["records_skipped", "stream map"] == 5
        assert loaded.counts["records_sent"] == 5
        assert loaded.state == {"read": 10}

    def test_streams_that_are_left_out_need_no_mapping(self, config, sandbox: Sandbox):
        unknown = {"type": "SCHEMA", "stream": "other", "schema": {"properties": {"a": {}}}, "key_properties": []}
        loaded = load(
            config | {"stream_maps": {"other": None}},
            [unknown, record_message({"a": 1}, "other"), *messages([impression(0)])],
        )
        assert loaded.error == ""
        assert loaded.reasons["records_skipped", "stream map"] == 1
        assert loaded.counts["records_sent"] == 1

    def test_a_wrong_expression_is_one_sentence(self, config, sandbox: Sandbox):
        loaded = load(config | {"stream_maps": {"impressions": {"x": "no_such(split)"}}}, messages([impression(0)]))
        assert "stream_maps" in loaded.error

    def test_flattening_reaches_inner_columns(self, config, sandbox: Sandbox):
        settings = config | {"flattening_enabled": True, "flattening_max_depth": 1}
        loaded = load(settings, messages([impression(0)]))
        assert loaded.error == ""
        assert loaded.counts["records_sent"] == 1


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_batch_files_are_read_like_records(compression: str | None, config, sandbox: Sandbox, tmp_path: Path):
    paths = []
    for part in range(3):
        lines = b"".join(json.dumps(impression(part * 1000 + n)).encode() + b"\n" for n in range(1000))
        path = tmp_path / f"part-{part}"
        path.write_bytes(gzip.compress(lines) if compression else lines)
        paths.append(path.as_uri())
    encoding = {"format": "jsonl", "compression": compression}
    batch = {"type": "BATCH", "stream": "impressions", "encoding": encoding, "manifest": paths}
    loaded = load(config, [schema_message(), batch, state_message(done=True)])
    assert loaded.error == ""
    assert loaded.state == {"done": True}
    assert len(sandbox.amplitude_events()) == loaded.counts["records_read"] == 3000


def test_batch_files_of_another_format(config):
    batch = {"type": "BATCH", "stream": "impressions", "encoding": {"format": "parquet"}, "manifest": []}
    assert "parquet" in load(config, [schema_message(), batch]).error


def test_what_meltano_sends_for_a_test_checks_the_connection_and_creates_nothing(config, sandbox: Sandbox):
    stream = "meltano_test_stream"
    schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": {"id": {}}}, "key_properties": ["id"]}
    messages = [schema, record_message({"id": 1}, stream), state_message(ok=1)]
    assert load(config, messages).error == ""
    assert sandbox.requests("/batch") != []
    assert sandbox.amplitude_events() == []
    assert "api_key" in load(config | {"api_key": "wrong-key"}, messages).error


def test_activate_version_is_ignored(config, sandbox: Sandbox):
    version = {"type": "ACTIVATE_VERSION", "stream": "impressions", "version": 1}
    loaded = load(config, [schema_message(), record_message(impression(0)), version, state_message(ok=1)])
    assert (loaded.error, loaded.state) == ("", {"ok": 1})


def test_states_are_written_whatever_they_hold(config, sandbox: Sandbox):
    odd = {"a": "é\ud800", "b": 2**80, "c": None}
    assert load(config, [schema_message(), state_message(**odd)]).state == odd


def test_a_last_state_after_nothing_is_written(config):
    assert load(config, [schema_message(), state_message(n=0)]).states == [{"n": 0}]
