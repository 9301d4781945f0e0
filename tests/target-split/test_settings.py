"""Settings that are missing or invalid: one sentence each, before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from support.amplitude import event, events_messages, members, members_messages
from support.processes import Workplace
from support.sandbox import Sandbox
from support.sockets import free_port
from target_split.common.errors import ConnectorError
from target_split.target import TargetSplit

Config = dict[str, Any]


def test_about(workplace: Workplace):
    result = workplace.run("target-split", None, "--about", "--format=json")
    about = json.loads(result.stdout)
    assert result.code == 0
    assert {"events_url", "ledger_path", "segment_name", "validate_records", "stream_maps"} <= set(
        about["settings"]["properties"]
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events_url": "http://127.0.0.1:1/api/events/bulk"}, "'events_url' must be a URL of scheme and host only"),
        ({"events_url": "http://[::1"}, "'events_url' must be a URL of scheme and host only"),
        ({"events_url": "http://127.0.0.1:port"}, "'events_url' must be a URL of scheme and host only"),
        ({"admin_url": "http://127.0.0.1:99999"}, "'admin_url' must be a URL of scheme and host only"),
        ({"admin_url": "api.split.io"}, "'admin_url' must be a URL of scheme and host only"),
        ({"event_type_prefix": "a b"}, "'event_type_prefix'"),
        ({"event_type_prefix": "-x"}, "'event_type_prefix'"),
        ({"traffic_types": {"userid": "user"}}, "'userid', which is not a path of 'key'. Did you mean 'user_id'?"),
        ({"segment_name": "amp {cohort_name}"}, "'segment_name'"),
        ({"segment_name": "amp_{cohort_name"}, "'segment_name'"),
        ({"mappings": {"events": {"ke": "user_id"}}}, "'ke' is not a member of a mapping. Did you mean 'key'?"),
        ({"mappings": {"events": {"load_as": "audience"}}}, "'load_as' must be 'event' or 'segment'"),
        ({"on_ambiguous": "perhaps"}, "'on_ambiguous' must be one of: resend, skip"),
        ({"arrays": "xml"}, "'arrays' must be one of: json, join"),
        ({"key": {"field": "user_id"}}, "'key' must be a list"),
        ({"max_removal_share": 50}, "'max_removal_share'"),
        ({"max_removal_share": "half"}, "'max_removal_share'"),
        ({"max_removal_share": "50"}, "'max_removal_share'"),
        ({"max_name_length": 200}, "'max_name_length'"),
        ({"rejects_path": "/nowhere/rejects.jsonl"}, "'rejects_path'"),
    ],
)
def test_invalid_settings(config: Config, changes: Config, said: str):
    with pytest.raises((ConfigValidationError, ConnectorError)) as error:
        TargetSplit(config=config | changes)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sdk_api_key": None}, "'sdk_api_key' is missing"),
        ({"environment": "Prod"}, "no environment 'Prod'. There are: Development, Production, Staging."),
        ({"traffic_type": "usr"}, "no traffic type 'usr'. There are: account, anonymous, user. Did you mean 'user'?"),
        ({"traffic_types": {"user_id": "member"}}, "no traffic type 'member'"),
        ({"workspace_id": "Demonstration"}, "no workspace 'Demonstration'. There are: Demo."),
        ({"admin_api_key": "test-wrong-key"}, "must be an Admin API key"),
        ({"mappings": {"events": {"value": "event_propertys.total"}}}, None),
        ({"key": ["acount_id"]}, None),
    ],
)
def test_what_only_a_stream_shows(config: Config, run_to_error, sandbox: Sandbox, changes: Config, said: str | None):
    settings = {name: value for name, value in (config | changes).items() if value is not None}
    closed = {"schema": {"type": "object", "properties": {name: {} for name in event()}}}
    message = run_to_error(settings, events_messages([event()], **closed))
    assert (said or "Stream 'events'") in message
    assert "test-wrong-key" not in message
    assert [r for r in sandbox.requests() if r["method"] != "GET"] == []


@pytest.mark.parametrize("missing", ["admin_api_key", "workspace_id", "environment"])
def test_what_segments_need(config: Config, run_to_error, sandbox: Sandbox, missing: str):
    del config[missing]
    assert f"To load segments, set '{missing}'" in run_to_error(config, members_messages(members(3)))
    assert sandbox.split_segments() == []


def test_segments_need_no_sdk_key_and_events_no_admin_key(config: Config, run_here, sandbox: Sandbox):
    admin = {name: config.pop(name) for name in ("admin_api_key", "workspace_id")}
    assert run_here(config, events_messages([event()])).code == 0
    assert sandbox.split_events()[0]["environmentName"] == "Production"  # as given
    del config["sdk_api_key"]
    assert run_here(config | admin, members_messages(members(3))).code == 0


def test_an_environment_by_id_is_named_in_events(config: Config, run_here, sandbox: Sandbox):
    config |= {"environment": "env-prod"}
    assert run_here(config, events_messages([event()])).code == 0
    assert sandbox.split_events()[0]["environmentName"] == "Production"


def test_a_traffic_type_that_no_key_has_need_not_exist(config: Config, run_here, sandbox: Sandbox):
    config |= {"traffic_type": "nobody", "traffic_types": {"user_id": "User"}}
    assert run_here(config, events_messages([event()])).code == 0
    assert sandbox.split_events()[0]["trafficTypeName"] == "user"


def test_without_an_environment_events_carry_none(config: Config, run_here, sandbox: Sandbox):
    del config["environment"]
    assert run_here(config, events_messages([event()])).code == 0
    assert "environmentName" not in sandbox.split_events()[0]


def test_a_stream_that_nobody_knows(config: Config, run_to_error, sandbox: Sandbox):
    messages = [{"type": "SCHEMA", "stream": "annotations", "schema": {"properties": {"id": {}}}, "key_properties": []}]
    assert "Stream 'annotations': this target does not know it" in run_to_error(config, messages)


def test_a_stream_without_keys_needs_an_event_id_for_the_ledger(config: Config, run_here, sandbox: Sandbox):
    messages = events_messages([event(), event()], key_properties=[])
    result = run_here(config, messages)
    assert result.code == 1
    assert "'event_id'" in result.stderr
    result = run_here(config | {"mappings": {"events": {"event_id": "uuid"}}}, messages)
    assert result.code == 0, result.stderr
    assert len(sandbox.split_events()) == 1


def test_one_error_for_the_command_line(config: Config, workplace: Workplace):
    result = workplace.run(
        "target-split", config | {"sdk_api_key": "", "colour": "red"}, messages=events_messages([event()])
    )
    assert result.code == 1
    assert "'sdk_api_key' is missing" in result.stderr
    assert "Setting 'colour' is not known" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_sandbox_that_is_not_running(config: Config, run_to_error):
    nowhere = f"http://127.0.0.1:{free_port()}"
    config |= {"retry_timeout_seconds": 0, "events_url": nowhere, "admin_url": nowhere}
    assert "'admin_url'" in run_to_error(config, members_messages(members(3)))
    del config["admin_api_key"]
    assert "'events_url'" in run_to_error(config, events_messages([event()]))


@pytest.fixture
def run_to_error(run_here):
    """Runs the target and returns its errors; it must not succeed."""

    def run(config: Config, messages: list[dict[str, Any]]) -> str:
        result = run_here(config, messages)
        assert result.code == 1
        assert result.stdout == ""
        return "".join(result.stderr)

    return run


def test_decimals_from_the_environment(config: Config, workplace: Workplace, sandbox: Sandbox):
    keys = [f"k{number}" for number in range(20)]
    sandbox.call("POST", "/split/segments", [{"name": "amp_Power_users", "environment_id": "env-prod", "keys": keys}])
    variables = {"TARGET_SPLIT_MAX_REMOVAL_SHARE": "0.25"}
    command = [*workplace.command("target-split", config), "--config=ENV"]
    process = workplace.start(command, variables)
    _, stderr = process.communicate("".join(json.dumps(m) + "\n" for m in members_messages(members(3))), timeout=60)
    assert process.returncode == 1, stderr
    assert "max_removal_share" in stderr
    assert len(sandbox.split_segments()[0]["keys"]) == 23


def test_a_settings_file_that_is_no_json(workplace: Workplace):
    path = workplace.file("broken.json", "{")
    result = workplace.run("target-split", None, "--config", path)
    assert result.code == 1
    assert "not valid JSON" in result.stderr
    assert "Traceback" not in result.stderr
