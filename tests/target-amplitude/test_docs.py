"""Every example of the page on mappings is run, and every claim of a default is checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import load, signals_kept
from support.sandbox import Sandbox
from target_amplitude.target import TargetAmplitude

PAGES = Path(__file__).parents[2] / "docs" / "target-amplitude"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```json (\w+) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What every event carries and the page leaves out, and what the sandbox adds.
LEFT_OUT = ("insert_id", "library", "server_upload_time", "uuid", "amplitude_id", "client_upload_time", "path")


def examples() -> dict[str, list[tuple[str, str, Any]]]:
    """Title → the example's blocks: kind, stream, content."""
    text = (PAGES / "mappings.md").read_text("utf-8")
    _, *parts = SECTION.split(text)
    sections = zip(parts[::2], parts[1::2], strict=True)
    found = {
        title: [(kind, stream, json.loads(body)) for kind, stream, body in BLOCK.findall(section)]
        for title, section in sections
    }
    return {title: blocks for title, blocks in found.items() if blocks}


EXAMPLES = examples()


@pytest.mark.parametrize("title", EXAMPLES)
def test_each_example_becomes_what_the_page_says(title: str, config, sandbox: Sandbox):
    blocks = EXAMPLES[title]
    (settings,) = [content for kind, _, content in blocks if kind == "settings"]
    (becomes,) = [content for kind, _, content in blocks if kind == "becomes"]
    records = [(stream, content) for kind, stream, content in blocks if kind == "record"]
    stream = records[0][0]
    schema = {"type": "object", "properties": {name: {} for _, record in records for name in record}}
    lines: list[Any] = [{"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []}]
    lines += [{"type": "RECORD", "stream": stream, "record": record} for _, record in records]
    loaded = load(config | settings, lines)
    assert loaded.error == ""
    assert loaded.counts["records_rejected"] == 0
    held = sandbox.amplitude_events() + sandbox.amplitude_identifications()
    assert [{name: value for name, value in one.items() if name not in LEFT_OUT} for one in held] == becomes


def test_the_page_has_its_examples():
    assert len(EXAMPLES) >= 10


JSON = re.compile(r"^```json *\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS = [*PAGES.glob("*.md"), PAGES.parents[1] / "target-amplitude" / "README.md"]
SNIPPETS = [snippet for path in TEXTS for snippet in JSON.findall(path.read_text("utf-8"))]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_other_settings_in_the_docs_are_settings(snippet: str):
    settings = {"api_key": "test-api-key"} | {name: v for name, v in json.loads(snippet).items() if name != "api_key"}
    with signals_kept():
        target = TargetAmplitude(config=settings)
    target.give_up()
    assert settings.keys() <= TargetAmplitude.config_jsonschema["properties"].keys()


def test_there_are_such_settings():
    assert len(SNIPPETS) >= 4
