"""The SDK's standard tests of targets, each against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.templates import TargetFileTestTemplate

from support.amplitude_target import signals_kept
from support.sandbox import Sandbox
from target_amplitude.common.errors import ConnectorError
from target_amplitude.target import TargetAmplitude

# The SDK's sample streams have no people and few times.
ANY_STREAM = {"*": {"event_type": "Sampled", "user_id": {"value": "somebody"}, "time": {"value": 1773480413}}}

StandardTests: Any = get_target_test_class(TargetAmplitude)


def run_sample(name: str, config: SuiteConfig, runner: TargetTestRunner) -> None:
    sample = TargetFileTestTemplate()
    sample.name = name
    sample.run(config, None, runner)


class TestTarget(StandardTests):
    """Three differ: errors are sentences, bad records are rejected, a schema need not list properties."""

    @pytest.fixture
    def runner(self, sandbox: Sandbox, tmp_path: Path) -> Iterator[TargetTestRunner]:
        settings = {"api_key": "test-api-key", "api_url": sandbox.url, "mappings": ANY_STREAM}
        settings["rejects_path"] = str(tmp_path / "rejects.jsonl")
        with signals_kept():
            runner = TargetTestRunner(TargetAmplitude, settings, parse_env_config=False)
            yield runner
        if runner.target_input:
            runner.target_input.close()
        assert {event["event_type"] for event in sandbox.amplitude_events()} <= {"Sampled"}

    def test_target_record_before_schema(self, config: SuiteConfig, runner: TargetTestRunner) -> None:
        with pytest.raises(ConnectorError, match="RECORD came before SCHEMA"):
            run_sample("record_before_schema", config, runner)

    def test_target_record_missing_key_property(
        self, config: SuiteConfig, runner: TargetTestRunner, sandbox: Sandbox
    ) -> None:
        with pytest.raises(ConnectorError, match="No record was accepted"):
            run_sample("record_missing_key_property", config, runner)
        assert sandbox.amplitude_events() == []

    def test_target_invalid_schema(self, config: SuiteConfig, runner: TargetTestRunner) -> None:
        run_sample("invalid_schema", config, runner)

    def test_target_special_chars_in_attributes(
        self, config: SuiteConfig, runner: TargetTestRunner, sandbox: Sandbox
    ) -> None:
        run_sample("special_chars_in_attributes", config, runner)
        assert len(sandbox.amplitude_events()) == 1
