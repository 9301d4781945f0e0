"""Whatever a target reads, no traceback reaches a user."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.connectors import TARGETS, config_of, stream_of
from support.fuzz import assert_in_words, disturbed, quick
from support.impressions import impression, messages
from support.processes import Workplace
from support.scripted import ScriptedServer

pytestmark = pytest.mark.kind("property")

# What stands behind the records of a stream.
LATE_MESSAGES: list[Any] = [
    {"type": "ACTIVATE_VERSION", "stream": "events", "version": 1},
    {"type": "BATCH", "stream": "events", "encoding": {"format": "jsonl", "compression": "gzip"}, "manifest": []},
]
# What is known to have gone wrong somewhere, for every kind of input.
KNOWN_MESSAGES: list[Any] = [
    None,
    [],
    "text",
    {"type": "STATE"},
    {"type": "STATE", "value": None},
    {"type": "ACTIVATE_VERSION", "stream": "impressions"},
    {"type": "BATCH", "stream": "impressions"},
    {"type": "BATCH", "stream": "impressions", "encoding": {"format": "jsonl"}, "manifest": ["file:///nowhere"]},
    {"type": "BATCH", "stream": "impressions", "encoding": None, "manifest": None},
    {"type": "RECORD", "stream": None, "record": None},
    {"type": "SCHEMA", "stream": "impressions", "schema": None, "key_properties": None},
    {"type": "NONSENSE"},
]


@pytest.mark.parametrize("target", TARGETS)
@quick
@given(data=st.data())
def test_messages(target: str, data: st.DataObject, workplace: Workplace, closed: ScriptedServer):
    given_messages = data.draw(disturbed([*stream_of(target), *LATE_MESSAGES]))
    lines = given_messages if isinstance(given_messages, list) else [given_messages]
    config = config_of(target, closed.url, workplace.folder)
    assert_in_words(workplace.run(target, config, messages=[json.dumps(line) for line in lines], inside=True))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("message", KNOWN_MESSAGES, ids=repr)
def test_known_messages(target: str, message: Any, workplace: Workplace, closed: ScriptedServer):
    config = config_of(target, closed.url, workplace.folder)
    lines = [json.dumps(one) for one in [*messages([impression(1)]), message]]
    assert_in_words(workplace.run(target, config, messages=lines, inside=True))


@pytest.mark.parametrize("target", TARGETS)
@quick
@given(line=st.text(max_size=60).filter(lambda text: "\n" not in text))
@example(line="[" * 100_000)
@example(line='{"type": "RECORD"')
@example(line='{"type": "STATE", "value": {"a": ' + "9" * 5000 + "}}")
def test_lines_that_are_not_messages(target: str, line: str, workplace: Workplace, closed: ScriptedServer):
    config = config_of(target, closed.url, workplace.folder)
    assert_in_words(workplace.run(target, config, messages=[line], inside=True))
