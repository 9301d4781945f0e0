"""Whatever Amplitude answers and whatever a state holds: records, or one message that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.scripted import Answer, Request, ScriptedServer, scripted

Runs = Callable[..., Any]
STREAMS = [
    *("cohorts", "cohort_members", "events_list", "event_categories", "event_properties", "user_properties"),
    *("annotations", "active_users", "average_session_length"),
]
# Names that the tap looks for, so that generated objects get far.
NAMES = st.sampled_from(
    [
        *(
            "cohorts",
            "data",
            "id",
            "name",
            "size",
            "definition",
            "countGroup",
            "lastComputed",
            "archived",
            "request_id",
        ),
        *("async_status", "event_type", "event_property", "value", "series", "seriesMeta", "xValues", "segmentIndex"),
        *("rest_download", "limit", "usage", "count"),
    ]
)
WORDS = st.sampled_from(["", "c", "JOB COMPLETED", "JOB INPROGRESS", "2026-03-14", "User", "\ud83d"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
BODIES = st.one_of(
    JSON,
    st.fixed_dictionaries({"data": st.lists(JSON, max_size=3)}),
    st.fixed_dictionaries({"cohorts": st.lists(JSON, max_size=3)}),
    st.fixed_dictionaries({"data": st.fixed_dictionaries({"series": JSON, "seriesMeta": JSON, "xValues": JSON})}),
).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30)
ANSWERS = st.builds(
    Answer, BODIES, st.sampled_from([200, 200, 200, 202, 204, 301, 400, 404, 418]), st.just({"Retry-After": "nan"})
)


class Amplitude:
    """Answers with what a test has planned for each path."""

    def __init__(self, server: ScriptedServer) -> None:
        self.url = server.url
        self.answers: dict[str, Answer] = {}


@pytest.fixture
def amplitude() -> Iterator[Amplitude]:
    found: list[Amplitude] = []

    def answer(request: Request) -> Answer:
        return found[0].answers.get(request.path, found[0].answers["*"])

    with scripted(answer) as server:
        found.append(Amplitude(server))
        yield found[0]


relaxed = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("stream", STREAMS)
@relaxed
@given(first=ANSWERS, others=ANSWERS)
def test_any_answer_is_records_or_a_message(
    run_tap: Runs, amplitude: Amplitude, stream: str, first: Answer, others: Answer
) -> None:
    listing = Answer(b'{"cohorts":[{"id":"c","size":1}],"data":[{"event_type":"e"}]}')
    amplitude.answers = {
        "*": others,
        "/api/3/cohorts": listing if stream == "cohort_members" else first,
        "/api/2/taxonomy/event": listing,
        "/api/5/cohorts/request/c": first,
    }
    dates = {"start_date": "2026-03-13", "end_date": "2026-03-14"}
    result = run_tap(stream, api_url=amplitude.url, cohort_ids=["*"], retry_timeout_seconds=0, **dates)
    assert result.code in {0, 1}
    assert bool(result.error) is (result.code == 1)
    assert all(message["type"] in {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"} for message in result.messages)


BOOKMARKS = st.dictionaries(
    st.sampled_from(["replication_key_value", "replication_key", "cohorts", "downloads", "files", "messages"]),
    JSON | st.dictionaries(st.sampled_from(["month", "count", "seen", "read_until", "older", "folder"]), JSON),
    max_size=4,
)
STATES = st.dictionaries(
    st.sampled_from(["bookmarks", "events"]),
    JSON | st.dictionaries(st.sampled_from(["events", "active_users", "cohort_members", "cohort_changes"]), BOOKMARKS),
    max_size=2,
)


@relaxed
@given(state=STATES)
def test_any_state_is_taken_or_named(run_tap: Runs, amplitude: Amplitude, tmp_path: Path, state: Any) -> None:
    amplitude.answers = {"*": Answer(b"Raw data files were not found.", status=404)}
    streams = "events active_users cohort_members"
    options = {"api_url": amplitude.url, "cohort_ids": ["*"], "end_date": "2026-03-15", "retry_timeout_seconds": 0}
    assert run_tap(streams, state=state, **options).code in {0, 1}
    (tmp_path / "files").mkdir(exist_ok=True)
    assert run_tap("events cohort_changes", state=state, path=str(tmp_path / "files"), **options).code in {0, 1}
