"""The SDK's standard tests of targets, each against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.templates import TargetFileTestTemplate

from support.connectors import config_of
from support.inside import connector_class, process_kept
from support.sandbox import Sandbox

# The SDK's sample streams have no people and few times.
SAMPLED: dict[str, Any] = {"event_type": "Sampled", "time": {"value": 1773480413}}
SOMEBODY = {"value": "somebody"}


def run_sample(name: str, config: SuiteConfig, runner: TargetTestRunner) -> None:
    """Run a target over one of the SDK's samples."""
    sample = TargetFileTestTemplate()
    sample.name = name
    sample.run(config, None, runner)


class OurTarget:
    """Some outcomes differ: errors are sentences, bad records are rejected, a schema need not list properties."""

    plugin: str
    mapping: dict[str, Any]
    event_type: str

    def stored(self, sandbox: Sandbox) -> list[dict[str, Any]]:
        return sandbox.amplitude_events() + sandbox.split_events()

    @pytest.fixture
    def runner(self, sandbox: Sandbox, tmp_path: Path) -> Iterator[TargetTestRunner]:
        # A ledger needs keys, which not all samples have.
        settings = config_of(self.plugin, sandbox.url, tmp_path) | {"mappings": {"*": SAMPLED | self.mapping}}
        settings.pop("ledger_path", None)
        with process_kept():
            runner = TargetTestRunner(connector_class(self.plugin), settings, parse_env_config=False)
            yield runner
        if runner.target_input:
            runner.target_input.close()
        assert {one.get("event_type", one.get("eventTypeId")) for one in self.stored(sandbox)} <= {self.event_type}

    def test_target_record_before_schema(self, config: SuiteConfig, runner: TargetTestRunner) -> None:
        with pytest.raises(Exception, match="RECORD came before SCHEMA"):
            run_sample("record_before_schema", config, runner)

    def test_target_record_missing_key_property(
        self, config: SuiteConfig, runner: TargetTestRunner, sandbox: Sandbox
    ) -> None:
        with pytest.raises(Exception, match="No record was accepted"):
            run_sample("record_missing_key_property", config, runner)
        assert self.stored(sandbox) == []

    def test_target_invalid_schema(self, config: SuiteConfig, runner: TargetTestRunner) -> None:
        run_sample("invalid_schema", config, runner)

    def test_target_special_chars_in_attributes(
        self, config: SuiteConfig, runner: TargetTestRunner, sandbox: Sandbox
    ) -> None:
        run_sample("special_chars_in_attributes", config, runner)
        assert len(self.stored(sandbox)) == 1


class TestTargetAmplitude(OurTarget, get_target_test_class(connector_class("target-amplitude"))):
    plugin, event_type = "target-amplitude", "Sampled"
    mapping = {"user_id": SOMEBODY}


class TestTargetSplit(OurTarget, get_target_test_class(connector_class("target-split"))):
    plugin, event_type = "target-split", "amp.Sampled"
    mapping = {"key": SOMEBODY}
