"""Whatever comes in - messages, settings, states, catalogs, answers of the services - no traceback reaches a user.

A failure is one or more error lines in words and exit code 1; a bug of ours would say "Unexpected". All inputs start
from something right, of which a part is replaced by what hypothesis thinks of.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.amplitude import event, events_messages, members, members_messages
from support.exports import export_row, zip_of
from support.impressions import impression, messages
from support.inside import CLASSES, connector_class
from support.processes import Result, Workplace
from support.receiver import posted
from support.scripted import Answer, ScriptedServer, scripted

pytestmark = pytest.mark.kind("property")

TAPS = ("tap-split-impressions", "tap-amplitude")
TARGETS = ("target-amplitude", "target-split")

quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**25)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", " ", "\ud800", "\x00", "null", "*", "[", "a.b", '"', "9" * 400, "2026-03-14", "http://a..b"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in a JSON value at which something can be replaced."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """A JSON value with something else at one place; `...` removes what is there."""
    if not path:
        return None if other is ... else other
    result = copy.deepcopy(value)
    target = result
    for key in path[:-1]:
        target = target[key]
    if other is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = other
    return result


@st.composite
def disturbed(draw: st.DrawFn, value: Any) -> Any:
    """Something right with one to three places replaced or removed."""
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))))
        value = replaced(value, path, draw(VALUES | st.just(...)))
        if not isinstance(value, (dict, list)):
            return value
    return value


def assert_in_words(result: Result) -> None:
    """The run ended well, or with errors in words."""
    assert "Unexpected" not in result.stderr, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert result.code in {0, 1, 2}
    if result.code == 1:
        assert "| ERROR" in result.stderr


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[ScriptedServer]:
    """A service that refuses everything, so that runs are short."""
    with scripted(lambda _: Answer(b'{"code": 400, "error": "no"}', status=400)) as server:
        yield server


def config_of(plugin: str, url: str, folder: Path) -> dict[str, Any]:
    """Settings with which a connector starts, at a server of the test."""
    if plugin == "tap-split-impressions":
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / "impressions.jsonl").write_text(json.dumps(posted(1)) + "\n", encoding="utf-8")
        return {"path": str(folder / "in"), "settle_seconds": 0, "api_url": url, "retry_timeout_seconds": 0}
    if plugin == "tap-amplitude":
        keys = {"api_key": "k3y-0123", "secret_key": "s3cret-0123"}
        dates = {"start_date": "2026-03-14", "end_date": "2026-03-14T01:00:00Z"}
        return keys | dates | {"api_url": url, "retry_timeout_seconds": 0, "spool_directory": str(folder)}
    shared = {"retry_timeout_seconds": 0, "rejects_path": str(folder / "rejects.jsonl"), "max_reject_share": 1}
    if plugin == "target-amplitude":
        return shared | {"api_key": "k3y-0123", "api_url": url}
    return shared | {
        "sdk_api_key": "k3y-0123",
        "admin_api_key": "k3y-4567",
        "workspace_id": "ws-demo",
        "environment": "Production",
        "events_url": url,
        "admin_url": url,
        "ledger_path": str(folder / "ledger.sqlite"),
    }


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


def stream_of(target: str) -> list[Any]:
    """Right messages for a target."""
    if target == "target-amplitude":
        return [*messages([impression(1), impression(2)]), {"type": "STATE", "value": {"bookmarks": {}}}]
    return [*events_messages([event(1), event(2)]), *members_messages(members(2))]


@pytest.mark.parametrize("target", TARGETS)
@quick
@given(data=st.data())
def test_messages(target: str, data: st.DataObject, workplace: Workplace, closed: ScriptedServer):
    given_messages = data.draw(disturbed(stream_of(target)))
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
    "text", ["", "null", "[]", '"x"', '{"bookmarks": null}', '{"bookmarks": {"events": null}}', "{", "[" * 99_999]
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


# Answers of the services

RIGHT_ANSWERS: dict[str, Any] = {
    "cohorts": {"cohorts": [{"id": "a", "name": "n", "size": 1, "lastComputed": 1, "published": True}]},
    "cohort request": {"request_id": "r", "cohort_id": "a"},
    "accepted events": {"code": 200, "events_ingested": 2, "payload_size_bytes": 5, "server_upload_time": 1},
    "throttled": {"code": 429, "throttled_users": {"k": 1}, "throttled_events": [0], "eps_threshold": 1},
    "invalid events": {"code": 400, "error": "e", "events_with_invalid_fields": {"time": [0]}, "silenced_events": []},
    "list of events": {"data": [{"name": "n", "totals": 1, "hidden": False}]},
    "chart": {"data": {"series": [[1, 2]], "xValues": ["2026-03-14"], "seriesMeta": [{"segmentIndex": 0}]}},
    "workspaces": {"objects": [{"id": "ws-demo", "name": "Default"}], "offset": 0, "limit": 50, "totalCount": 1},
    "environments": [{"id": "e", "name": "Production"}],
    "traffic types": [{"id": "t", "name": "user"}],
    "segments": {"objects": [{"name": "s", "trafficType": {"id": "t", "name": "user"}}], "totalCount": 1},
    "keys": {"keys": [{"key": "k"}], "count": 1, "offset": 0, "limit": 100},
}
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Retry-After", "Date", "Content-Type", "Content-Encoding", "X-RateLimit-Reset-Seconds-Org", "Location"]
    ),
    st.sampled_from(
        ["", "-1", "0", "nan", "9" * 30, "gzip", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", "http://127.0.0.1:1/"]
    ),
    max_size=2,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.binary(max_size=40))
    if kind == 1:
        return draw(st.sampled_from([b"", b"<html>", b"[" * 20_000, b"9" * 5000, b'"\\ud800"', b"NaN", b'{"keys": ']))
    if kind == 2:
        name = draw(st.sampled_from(["524_2026-03-14_0#1.json.gz", "__MACOSX/x", "x.json"]))
        return zip_of({name: draw(st.binary(max_size=30)) or json.dumps(export_row(1)).encode()})
    right = draw(st.sampled_from(sorted(RIGHT_ANSWERS)))
    return json.dumps(draw(disturbed(RIGHT_ANSWERS[right]) | st.just(RIGHT_ANSWERS[right]))).encode()


ANSWERS = st.builds(
    Answer,
    body=bodies(),
    status=st.sampled_from([200, 200, 200, 200, 202, 204, 302, 400, 401, 403, 404, 413, 429, 500, 503]),
    headers=HEADERS,
)


def script(answers: list[Answer]) -> Callable[[Any], Answer]:
    """Give the answers one after another; the last one stays."""
    waiting = list(answers)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.mark.parametrize("plugin", CLASSES)
@quick
@given(answers=st.lists(ANSWERS, min_size=1, max_size=6))
def test_answers(plugin: str, answers: list[Answer], workplace: Workplace):
    with scripted(script(answers)) as server:
        config = config_of(plugin, server.url, workplace.folder)
        if plugin == "tap-split-impressions":
            config |= {"admin_api_key": "k3y-0123", "workspace_id": "ws-demo"}
        if plugin == "tap-amplitude":
            config |= {"cohort_ids": ["a"]}
        lines = [json.dumps(one) for one in stream_of(plugin)] if plugin in TARGETS else []
        assert_in_words(workplace.run(plugin, config, messages=lines, inside=True))


@pytest.mark.parametrize("plugin", CLASSES)
@quick
@given(answers=st.lists(ANSWERS, min_size=1, max_size=6))
def test_answers_to_check(plugin: str, answers: list[Answer], workplace: Workplace):
    with scripted(script(answers)) as server:
        config = config_of(plugin, server.url, workplace.folder)
        if plugin == "tap-split-impressions":
            config |= {"admin_api_key": "k3y-0123", "workspace_id": "ws-demo"}
        assert_in_words(workplace.run(plugin, config, "--check", inside=True))
