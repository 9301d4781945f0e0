"""Every setting of every connector: blank, in a file or in the environment, is the same as not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from support.inside import CLASSES, connector_class, process_kept

# Settings with which each starts, and reaches nobody.
SETTINGS: dict[str, dict[str, Any]] = {
    "tap-split-impressions": {"path": "."},
    "tap-amplitude": {"api_key": "k3y-1", "secret_key": "s3cret-1", "start_date": "2026-03-14"},
    "target-amplitude": {"api_key": "k3y-1"},
    "target-split": {"sdk_api_key": "k3y-1"},
}
BLANKS: list[Any] = ["", "  ", "\n", None, [""], ["", " "]]


def settings_of(name: str) -> list[str]:
    schema = connector_class(name).config_jsonschema
    connector_class(name).append_builtin_config(schema)
    return sorted(schema["properties"])


EVERY_SETTING = [(name, setting) for name in CLASSES for setting in settings_of(name)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with process_kept():
        yield


def result_of(name: str, config: Mapping[str, Any], *, parse_env: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The settings that a connector works with, or what it says is wrong with them."""
    try:
        connector = connector_class(name)(config=dict(config), parse_env_config=parse_env)
    except ConfigValidationError as error:
        return {}, error.errors
    connector.stopping.set()
    if hasattr(connector, "give_up"):
        connector.give_up()
    return dict(connector.config), []


def test_there_are_settings():
    assert len(EVERY_SETTING) > 70


@pytest.mark.parametrize(("name", "setting"), EVERY_SETTING)
def test_blank_in_a_file_is_not_set(name: str, setting: str):
    left_out = {key: value for key, value in SETTINGS[name].items() if key != setting}
    expected = result_of(name, left_out)
    for blank in BLANKS:
        assert result_of(name, left_out | {setting: blank}) == expected


@pytest.mark.parametrize(("name", "setting"), EVERY_SETTING)
def test_blank_in_the_environment_is_not_set(name: str, setting: str, monkeypatch: pytest.MonkeyPatch):
    left_out = {key: value for key, value in SETTINGS[name].items() if key != setting}
    expected = result_of(name, left_out)
    for blank in ("", "  ", "\n"):
        monkeypatch.setenv(f"{name}_{setting}".upper().replace("-", "_"), blank)
        assert result_of(name, left_out, parse_env=True) == expected


@pytest.mark.parametrize(("name", "setting"), EVERY_SETTING)
def test_a_blank_variable_does_not_replace_the_file(name: str, setting: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{name}_{setting}".upper().replace("-", "_"), " ")
    assert result_of(name, SETTINGS[name], parse_env=True) == result_of(name, SETTINGS[name])


@pytest.mark.parametrize("name", CLASSES)
def test_variables_reach_the_settings(name: str, monkeypatch: pytest.MonkeyPatch):
    for setting, value in SETTINGS[name].items():
        monkeypatch.setenv(f"{name}_{setting}".upper().replace("-", "_"), value)
    assert result_of(name, {}, parse_env=True) == result_of(name, SETTINGS[name])


@pytest.mark.parametrize("name", CLASSES)
def test_a_dot_env_file_is_read_and_overrides_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prefix = name.upper().replace("-", "_")
    lines = [f"{prefix}_{setting.upper()}={value}" for setting, value in SETTINGS[name].items()]
    for setting in SETTINGS[name]:  # so that they are gone again after the test
        monkeypatch.setenv(f"{prefix}_{setting.upper()}", "x")
        monkeypatch.delenv(f"{prefix}_{setting.upper()}")
    monkeypatch.setenv(f"{prefix}_{next(iter(SETTINGS[name])).upper()}", "from-the-environment")
    (tmp_path / ".env").write_text("\n".join([*lines, "# a comment"]) + "\r\n", encoding="utf-8")
    config, errors = result_of(name, {}, parse_env=True)
    assert errors == []
    assert config[next(iter(SETTINGS[name]))] == "from-the-environment"
