"""Whatever a line of input holds, a target ends with one line of its own, never with a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.amplitude_target import load
from support.impressions import SCHEMA, impression, record_message, schema_message, state_message
from support.sandbox import Sandbox

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "properties", "id", "$ref", "items", "format"]), inner, max_size=3)
    ),
    max_leaves=8,
)
TYPES = st.sampled_from(["RECORD", "SCHEMA", "STATE", "BATCH", "ACTIVATE_VERSION", "OTHER"]) | VALUES
STREAMS = st.sampled_from(["impressions", "new"]) | VALUES
SCHEMAS = (
    st.builds(
        lambda rules: {**SCHEMA, "properties": {**SCHEMA["properties"], **rules}},
        st.dictionaries(st.sampled_from([*SCHEMA["properties"]]), VALUES, max_size=2),
    )
    | VALUES
)
RECORDS = (
    st.builds(
        lambda changes: impression(1) | changes,
        st.dictionaries(st.sampled_from([*SCHEMA["properties"]]), VALUES, max_size=3),
    )
    | VALUES
)
ENCODINGS = st.fixed_dictionaries({"format": st.just("jsonl") | VALUES, "compression": VALUES}) | VALUES
MEMBERS = {
    "type": TYPES,
    "stream": STREAMS,
    "schema": SCHEMAS,
    "key_properties": st.just(["impression_id"]) | VALUES,
    "record": RECORDS,
    "value": VALUES,
    "encoding": ENCODINGS,
    "manifest": st.lists(st.text(max_size=5), max_size=2) | VALUES,
    "version": VALUES,
}
MESSAGES = st.fixed_dictionaries({}, optional=MEMBERS).map(json.dumps) | st.text(max_size=20)


@pytest.fixture(scope="module")
def config(shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "api_key": "test-api-key",
        "api_url": shared_sandbox.url,
        "dry_run": True,
        "rejects_path": str(tmp_path_factory.mktemp("fuzz") / "rejects.jsonl"),
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(given_lines=st.lists(MESSAGES, max_size=4))
def test_any_messages(given_lines: list[str], config: dict[str, Any]) -> None:
    """Anything but a `ConnectorError` would leave `load` as it came."""
    lines = [line.replace("\n", " ").replace("\r", " ") for line in given_lines]
    loaded = load(config, [schema_message(), record_message(impression(0)), *lines, state_message(n=1)])
    assert "\n" not in loaded.error
