"""The Singer SDK's own tests of a tap, on data in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from support.exports import rows_over
from support.sandbox import Sandbox
from tap_amplitude.tap import TapAmplitude

# Fields the services leave null have no value to look at here; test_records.py looks at each of them.
pytestmark = pytest.mark.filterwarnings("ignore:No records were available to test")

CONFIG: dict[str, Any] = {
    "api_key": "test-api-key",
    "secret_key": "test-secret-key",
    "start_date": "2026-03-14",
    "end_date": "2026-03-15",
    "cohort_ids": ["c1"],
    "cohort_user_properties": ["plan"],
}


@pytest.fixture(scope="module", autouse=True)
def filled_sandbox(shared_sandbox: Sandbox) -> Iterator[None]:
    shared_sandbox.reset()
    shared_sandbox.put_export_rows(rows_over(hours=2, per_hour=3))
    shared_sandbox.put_cohort(id="c1", name="c1", members=[{"amplitude_id": 1, "user_id": "u", "plan": "pro"}], polls=0)
    shared_sandbox.call(
        "POST",
        "/amplitude/taxonomy",
        {
            "categories": [{"id": 1, "name": "c"}],
            "events": [{"event_type": "e"}],
            "event_properties": [{"event_type": "e", "event_property": "p"}],
            "user_properties": [{"user_property": "gp:p"}],
        },
    )
    mark = {"id": 1, "start": "2026-03-01T00:00:00Z", "label": "l", "category": {"id": 1, "name": "Releases"}}
    shared_sandbox.call("POST", "/amplitude/annotations", [mark])
    CONFIG["api_url"] = shared_sandbox.url
    yield


CATALOG = TapAmplitude(config=CONFIG).catalog_dict
for _stream in CATALOG["streams"]:
    for _entry in _stream["metadata"]:
        _entry["metadata"]["selected"] = True
TestTapAmplitude = get_tap_test_class(
    TapAmplitude,
    config=CONFIG,
    suite_config=SuiteConfig(ignore_no_records_for_streams=["cohort_changes", "merged_amplitude_ids"]),
    parse_env_config=False,
    catalog=CATALOG,
)
