"""The SDK's standard tests of targets, each against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.templates import TargetFileTestTemplate

from support.sandbox import Sandbox
from target_split.common.errors import ConnectorError
from target_split.target import TargetSplit

# The SDK's sample streams have no times and no people.
ANY_STREAM = {"*": {"event_type": "Sampled", "key": {"value": "somebody"}, "time": {"value": 1773480413}}}

StandardTests: Any = get_target_test_class(TargetSplit)


def run_sample(name: str, config: SuiteConfig, runner: TargetTestRunner) -> None:
    """Run the target over one of the SDK's samples."""
    sample = TargetFileTestTemplate()
    sample.name = name
    sample.run(config, None, runner)


class TestTarget(StandardTests):
    """Three outcomes differ: errors are sentences, bad records are rejected, a schema need not list properties."""

    @pytest.fixture
    def runner(self, sandbox: Sandbox, tmp_path: Path) -> Iterator[TargetTestRunner]:
        settings = {"sdk_api_key": "test-sdk-key", "events_url": sandbox.url, "mappings": ANY_STREAM}
        settings["rejects_path"] = str(tmp_path / "rejects.jsonl")
        runner = TargetTestRunner(TargetSplit, settings, parse_env_config=False)
        yield runner
        if runner.target_input:
            runner.target_input.close()
        assert {one["eventTypeId"] for one in sandbox.split_events()} <= {"amp.Sampled"}

    def test_target_record_before_schema(self, config: SuiteConfig, runner: TargetTestRunner) -> None:
        with pytest.raises(ConnectorError, match="RECORD came before SCHEMA"):
            run_sample("record_before_schema", config, runner)

    def test_target_record_missing_key_property(
        self, config: SuiteConfig, runner: TargetTestRunner, sandbox: Sandbox
    ) -> None:
        with pytest.raises(ConnectorError, match="No record was accepted"):
            run_sample("record_missing_key_property", config, runner)
        assert sandbox.split_events() == []

    def test_target_invalid_schema(self, config: SuiteConfig, runner: TargetTestRunner) -> None:
        run_sample("invalid_schema", config, runner)
