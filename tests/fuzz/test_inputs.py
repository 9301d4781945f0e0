"""Whatever settings, states and catalogs hold, no traceback reaches a user."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.connectors import TAPS, TARGETS, config_of, stream_of
from support.fuzz import VALUES, assert_in_words, disturbed, quick
from support.inside import CLASSES, connector_class
from support.processes import Workplace
from support.scripted import ScriptedServer

pytestmark = pytest.mark.kind("property")


def names_of(plugin: str) -> list[str]:
    schema = connector_class(plugin).config_jsonschema
    connector_class(plugin).append_builtin_config(schema)
    return sorted(schema["properties"])


# These read or write where they are told to.
PATHS = {"path", "rejects_path", "ledger_path", "spool_directory", "audit_path", "batch_config", "property_times_path"}
# These decide whom a run speaks to.
HOSTS = {"api_url", "events_url", "admin_url", "region", "endpoint", "storage_options"}


@pytest.mark.parametrize("plugin", CLASSES)
@quick
@given(data=st.data())
def test_settings_from_a_file(plugin: str, data: st.DataObject, workplace: Workplace, closed: ScriptedServer):
    config = config_of(plugin, closed.url, workplace.folder)
    names = st.sampled_from([name for name in names_of(plugin) if name not in PATHS | HOSTS])
    config |= data.draw(st.dictionaries(names, VALUES, min_size=1, max_size=3))
    lines = [json.dumps(one) for one in stream_of(plugin)] if plugin in TARGETS else []
    assert_in_words(workplace.run(plugin, config, messages=lines, inside=True))


@pytest.mark.parametrize("plugin", CLASSES)
@quick
@given(data=st.data())
def test_settings_from_the_environment(plugin: str, data: st.DataObject, workplace: Workplace, closed: ScriptedServer):
    config = config_of(plugin, closed.url, workplace.folder)
    names = st.sampled_from([name for name in names_of(plugin) if name not in PATHS | HOSTS])
    texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | VALUES.map(
        lambda value: json.dumps(value).replace("\\ud8", "\\u00")
    )
    variables = data.draw(st.dictionaries(names, texts, min_size=1, max_size=3))
    environment = {f"{plugin}_{name}".upper().replace("-", "_"): text for name, text in variables.items()}
    lines = [json.dumps(one) for one in stream_of(plugin)] if plugin in TARGETS else []
    result = workplace.run(plugin, config, "--config", "ENV", messages=lines, environment=environment, inside=True)
    assert_in_words(result)


STATES: dict[str, Any] = {
    "tap-split-impressions": {"bookmarks": {"impressions": {"replication_key": "received_at"}}},
    "tap-amplitude": {
        "bookmarks": {"events": {"replication_key": "export_hour", "replication_key_value": "2026-03-14T00"}}
    },
}


@pytest.mark.parametrize("tap", TAPS)
@quick
@given(data=st.data())
def test_states(tap: str, data: st.DataObject, workplace: Workplace, closed: ScriptedServer):
    state = data.draw(disturbed(STATES[tap]) | VALUES)
    config = config_of(tap, closed.url, workplace.folder)
    path = workplace.file("state.json", json.dumps(state))
    assert_in_words(workplace.run(tap, config, "--state", path, inside=True))


@pytest.mark.parametrize("tap", TAPS)
@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", '"x"', "{", "[" * 99_999, '{"streams": [], "more": Infinity}', '{"streams": [1e999]}'),
        *('{"bookmarks": null}', '{"bookmarks": {"events": null}}'),
    ],
)
@pytest.mark.parametrize("option", ["--state", "--config", "--catalog"])
def test_files_that_are_wrong(tap: str, text: str, option: str, workplace: Workplace, closed: ScriptedServer):
    config = config_of(tap, closed.url, workplace.folder)
    result = workplace.run(tap, config, option, workplace.file("given.json", text), inside=True)
    assert_in_words(result)
    if not text.startswith('{"bookmarks"') or option == "--state":
        errors = [line for line in result.stderr.splitlines() if "| ERROR" in line]
        assert len(errors) == 1
        assert option in errors[0]


@pytest.mark.parametrize("tap", TAPS)
@quick
@given(data=st.data())
def test_catalogs(tap: str, data: st.DataObject, workplace: Workplace, closed: ScriptedServer):
    config = config_of(tap, closed.url, workplace.folder)
    found = json.loads(workplace.run(tap, config, "--discover", inside=True).stdout)
    first = {"streams": found["streams"][:1]}
    catalog = data.draw(disturbed(first))
    path = workplace.file("catalog.json", json.dumps(catalog))
    assert_in_words(workplace.run(tap, config, "--catalog", path, inside=True))
