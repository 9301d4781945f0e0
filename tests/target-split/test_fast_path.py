"""Records decoded in blocks, and only as far as needed, give what records decoded as a whole give."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.amplitude import EVENT_SCHEMA, event, events_messages
from support.event_options import event_options
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from target_split.common.target.columns import MessageDecoder
from target_split.common.target.decoding import decode_line
from target_split.common.target.services import Stream
from target_split.events.converter import Converter
from target_split.events.event import InvalidEventError
from target_split.mapping.events import DEFAULT_PROPERTIES
from target_split.mapping.sources import Defaults

Config = dict[str, Any]
KEYS = ["uuid"]
TEXT = st.text(max_size=3) | st.sampled_from(["2026-03-14T09:26:53.589Z", "x" * 300, "half \ud83d", "\u200bkey "])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b.c", "*"]), inner, max_size=2),
    max_leaves=6,
)
PROPERTIES = [
    list(DEFAULT_PROPERTIES),
    ["event_properties.*", "user_properties.plan*", "country"],
    ["event_properties", "platform", "platform", "city"],
]


def converter(properties: list[str], noted: list[str]) -> Converter:
    defaults = Defaults(["user_id", "device_id"], "user", {}, properties, None, "amp")
    options = event_options(defaults)
    return Converter(Stream("events", EVENT_SCHEMA, KEYS), {}, options, noted.append, noted.append)


def outcome(convert: Converter, record: dict[str, Any]) -> Any:
    try:
        return convert.convert(record)
    except InvalidEventError as error:
        return str(error)


@given(
    st.dictionaries(st.sampled_from([*EVENT_SCHEMA["properties"], "library", "unknown"]), ODD, max_size=8),
    st.sampled_from(PROPERTIES),
)
def test_events_ids_and_counts_are_the_same(changes: dict[str, Any], properties: list[str]):
    whole_notes: list[str] = []
    part_notes: list[str] = []
    whole, part = converter(properties, whole_notes), converter(properties, part_notes)
    assert part.columns is not None
    line = json.dumps({"type": "RECORD", "stream": "events", "record": event() | changes, "version": 1}).encode()
    row = MessageDecoder("events", part.columns).line(line)
    if row is None:
        return  # such a record is decoded as a whole
    record = decode_line(line, 1)["record"]
    assert jsonschema_rs.is_valid(EVENT_SCHEMA, {name: record[name] for name in row if name in record})
    assert outcome(part, row) == outcome(whole, record)
    assert part_notes == whole_notes


def odd_rows(count: int) -> list[dict[str, Any]]:
    """Events of which every third is odd in another way."""
    odd: list[dict[str, Any]] = [
        {"platform": 7},
        {"event_time": "yesterday"},
        {"user_id": None},
        {"event_properties": {"big": 2**70, "long": "x" * 300}},
        {"event_properties": {"nan": float("nan"), "half": "\ud83d"}},
        {"event_type": ""},
        {"event_properties": None, "groups": None},
        {"uuid": None},
    ]
    return [event(n) | (odd[n // 3 % len(odd)] if n % 3 == 0 else {}) for n in range(count)]


def left(folder: Path, sandbox: Sandbox, result: Result) -> tuple[Any, ...]:
    """All that a run leaves behind, to be compared."""
    lines = (folder / "rejects.jsonl").read_text().splitlines()
    rejects = [{name: json.loads(line)[name] for name in ("reason", "record", "status")} for line in lines]
    counts = {name: value for name, value in result.metrics.items() if name.startswith("records_")}
    return result.code, result.state, sandbox.split_events(), [json.dumps(one) for one in rejects], counts


@pytest.fixture
def both_ways(config: Config, run_here: Callable[..., Result], workplace: Workplace, sandbox: Sandbox):
    """Runs the target with messages as one block from a file, or line by line from memory."""

    def run(messages: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        settings = config | {"max_parallel_requests": 1, "max_reject_share": 1}
        file = workplace.run("target-split", settings, messages=messages)
        by_block = left(workplace.folder, sandbox, file)
        sandbox.reset()
        for name in ("ledger.sqlite", "rejects.jsonl"):
            (workplace.folder / name).unlink()
        return [by_block, left(workplace.folder, sandbox, run_here(settings, messages))]

    return run


def test_odd_rows_among_others(both_ways):
    by_block, by_line = both_ways(events_messages(odd_rows(60)))
    assert by_block == by_line
    assert by_block[0] == 0
    assert len(by_block[2]) > 40
    assert len(by_block[3]) > 5


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("is_odd", [False, True])
def test_batch_files_and_records_end_alike(
    config: Config, workplace: Workplace, sandbox: Sandbox, compressed: bool, is_odd: bool
):
    rows = odd_rows(60) if is_odd else [event(n) for n in range(300)]
    rows[7]["event_time"] = "never"
    text = "".join(json.dumps(row) + ("\n\r\n" if is_odd else "\n") for row in rows).encode()
    path = workplace.file("batch", gzip.compress(text) if compressed else text)
    encoding = {"format": "jsonl", "compression": "gzip" if compressed else None}
    schema = events_messages([])[0]
    batch = {"type": "BATCH", "stream": "events", "encoding": encoding, "manifest": [path.as_uri()]}
    settings = config | {"max_parallel_requests": 1, "max_reject_share": 1}
    outcomes = []
    for messages in ([schema, batch], [schema, *({"type": "RECORD", "stream": "events", "record": r} for r in rows)]):
        sandbox.reset()
        (workplace.folder / "rejects.jsonl").unlink(missing_ok=True)
        (workplace.folder / "ledger.sqlite").unlink(missing_ok=True)
        outcomes.append(left(workplace.folder, sandbox, workplace.run("target-split", settings, messages=messages)))
    assert outcomes[0] == outcomes[1]
    rejects = len(outcomes[0][3])
    assert rejects > 5 if is_odd else rejects == 1
