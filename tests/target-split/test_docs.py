"""The examples of the documentation do what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import stream_messages
from support.processes import Result
from support.sandbox import Sandbox
from target_split.mapping.events import DEFAULT_PROPERTIES
from target_split.mapping.names import event_type_name, event_type_rule

PAGES = Path(__file__).parents[2] / "docs" / "target-split"
PAGE = (PAGES / "events.md").read_text("utf-8")
BLOCK = re.compile(r"^```json (settings|record|becomes) ?(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples() -> Iterator[Any]:
    """Settings, stream, record and what it becomes, by the heading they stand under."""
    settings: dict[str, Any] = {}
    record: Any = None
    for match in BLOCK.finditer(PAGE):
        kind, stream, text = match.groups()
        if kind == "settings":
            settings = json.loads(text)
        elif kind == "record":
            record = stream, json.loads(text)
        else:
            heading = re.findall(r"^## (.*)$", PAGE[: match.start()], re.MULTILINE)[-1]
            yield pytest.param(settings, *record, json.loads(text), id=heading)


@pytest.mark.parametrize(("settings", "stream", "record", "becomes"), list(examples()))
def test_an_example(
    config: dict[str, Any],
    run_here: Callable[..., Result],
    sandbox: Sandbox,
    settings: dict[str, Any],
    stream: str,
    record: dict[str, Any],
    becomes: list[dict[str, Any]],
):
    del config["environment"]
    schema = {"properties": {name: {} for name in record}}
    keys = [next(iter(record))]
    result = run_here(config | settings, stream_messages(stream, {"schema": schema, "key_properties": keys}, [record]))
    assert result.code == 0, result.stderr
    assert sandbox.split_events() == becomes


def test_the_table_of_names():
    rows = re.findall(r"^\| `(.+?)` \| `(amp\..+?)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for text, name in rows:
        assert event_type_name(event_type_rule(63), "amp.", text) == name


def test_the_default_properties():
    said = PAGE.partition("The default set, most important first: ")[2].partition(".\n\n")[0]
    assert re.findall(r"`(.+?)`", said) == list(DEFAULT_PROPERTIES)


def test_a_segment_for_each_value_of_a_column(
    config: dict[str, Any], run_here: Callable[..., Result], sandbox: Sandbox
):
    [settings] = re.findall(
        r"^```json\n(.*?)^```", (PAGES / "segments.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    rows = [{"email": f"u{n}@example.com", "tier": tier} for n, tier in enumerate(("gold", "gold", "silver"))]
    schema = {"schema": {"properties": {"email": {}, "tier": {}}}, "key_properties": []}
    result = run_here(config | json.loads(settings), stream_messages("vips", schema, rows))
    assert result.code == 0, result.stderr
    keys = {segment["name"]: segment["keys"] for segment in sandbox.split_segments()}
    assert keys == {"gold": ["u0@example.com", "u1@example.com"], "silver": ["u2@example.com"]}
