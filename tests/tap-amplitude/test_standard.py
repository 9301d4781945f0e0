"""The Singer SDK's own tests of a tap, on data in the sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.testing import get_tap_test_class

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
FOLDER_CONFIG: dict[str, Any] = {"path": ".", "start_date": "2026-03-14"}
FILE_STREAMS = {"cohort_changes", "merged_amplitude_ids"}


@pytest.fixture(scope="module", autouse=True)
def filled_sandbox(shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> None:
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
    merged = {"amplitude_id": 1, "merged_amplitude_id": 2, "merge_server_time": "2026-03-14 09:26:53.589000"}
    FOLDER_CONFIG["path"] = str(tmp_path_factory.mktemp("folder"))
    files = {"path": FOLDER_CONFIG["path"], "all_fields": True, "merged_ids": [merged]}
    shared_sandbox.call("POST", "/amplitude/write-export", files)
    shared_sandbox.call("POST", "/amplitude/push-cohort", {"cohort_id": "c1", "path": FOLDER_CONFIG["path"]})


class OfTheApi(TapAmplitude):
    """The streams that need no folder."""

    def discover_streams(self) -> list[Any]:
        return [stream for stream in super().discover_streams() if stream.name not in FILE_STREAMS]


class OfAFolder(TapAmplitude):
    """The streams of the setting `path`."""

    def discover_streams(self) -> list[Any]:
        return [stream for stream in super().discover_streams() if stream.name in {"events", *FILE_STREAMS}]


def selecting_all(tap: TapAmplitude) -> dict[str, Any]:
    catalog = tap.catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    return catalog


TestApi, TestFolder = (
    get_tap_test_class(tap, config=config, parse_env_config=False, catalog=selecting_all(tap(config=config)))
    for tap, config in ((OfTheApi, CONFIG), (OfAFolder, FOLDER_CONFIG))
)
