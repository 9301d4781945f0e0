"""Settings: what cannot work is refused at the start, in a sentence that names the setting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from support.exports import archive_of, entry_name, export_row
from support.scripted import Answer, scripted
from tap_amplitude.tap import TapAmplitude

JSONL = {"format": "jsonl", "compression": "none"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"secret_key": None}, "'secret_key' is missing"),
        ({"secret_key": " "}, "'secret_key' is missing"),
        ({"api_key": 5}, "'api_key' must be a string"),
        ({"region": "mars"}, "'region' must be one of: us, eu"),
        ({"start_date": "soon"}, "'start_date' is not a date"),
        ({"end_date": "2026-02-30"}, "'end_date' is not a date"),
        ({"start_date": "2062-01-01"}, "'start_date' is in the future"),
        ({"start_date": "0001-01-01T00:00:00+05:00"}, "'start_date' is not a date"),
        ({"start_date": "1900-01-01"}, "'start_date' is before 1970"),
        ({"lookback_hours": 10**12}, "'lookback_hours'"),
        ({"lag_hours": 10**12}, "'lag_hours'"),
        ({"start_date": "2026-03-14", "end_date": "2026-03-14"}, "'end_date' must be later"),
        ({"start_date": "2026-03-14", "end_date": "2025-03-14"}, "'end_date' must be later"),
        ({"window_hours": 0}, "'window_hours'"),
        ({"window_hours": 9000}, "'window_hours'"),
        ({"window_hours": 1.5}, "'window_hours' must be a whole number"),
        ({"lag_hours": -1}, "'lag_hours'"),
        ({"lookback_hours": -1}, "'lookback_hours'"),
        ({"max_parallel_windows": 9}, "'max_parallel_windows'"),
        ({"cohort_ids": 1}, "'cohort_ids' must be a list"),
        ({"event_types": {"includes": ["x"]}}, "'event_types' has no member 'includes'. Did you mean 'include'?"),
        ({"event_types": {"include": 1}}, "'event_types.include' must be a list"),
        ({"event_types": {"includes": ["Order *"]}}, "'event_types' has no member 'includes'"),
        ({"changed_cohorts_only": "maybe"}, "'changed_cohorts_only'"),
        ({"batch_config": {"encoding": {"format": "parquet"}, "storage": {"root": "x"}}}, "encoding.format' must be"),
        ({"batch_config": {"encoding": JSONL}}, "'batch_config.storage.root' is missing"),
    ],
)
def test_what_cannot_work_is_refused(keys: dict[str, str], settings: dict[str, Any], words: str) -> None:
    config = {name: value for name, value in (keys | settings).items() if value is not None}
    with pytest.raises(ConfigValidationError) as refused:
        TapAmplitude(config=config)
    (sentence,) = refused.value.errors
    assert words in sentence


def test_the_smallest_settings_are_the_two_keys(keys: dict[str, str]) -> None:
    config = TapAmplitude(config=keys).config
    assert {name: config[name] for name in ("region", "window_hours", "lag_hours", "lookback_hours")} == {
        "region": "us",
        "window_hours": 24,
        "lag_hours": 3,
        "lookback_hours": 0,
    }


@pytest.mark.parametrize("date", ["2013-01-01", "1999-12-31T23:59:59+01:00"])
def test_dates_before_hourly_data_are_asked_for_by_the_day(run_tap: Callable[..., Any], date: str) -> None:
    end = datetime.fromisoformat(date[:10]).replace(tzinfo=UTC) + timedelta(days=3)
    with scripted(lambda _: Answer(b"Raw data files were not found.", status=404)) as server:
        result = run_tap(api_url=server.url, start_date=date, end_date=end.isoformat(), window_hours=5)
        queries = [request.query for request in server.requests]
    assert result.error == ""
    assert all(query[15:17] == "00" and query.endswith("T23") for query in queries)
    assert len(queries) == 3


def test_a_day_from_before_hourly_data_is_done_as_a_whole(run_tap: Callable[..., Any]) -> None:
    """Its files may name hours, several or none: the bookmark moves past none of them before all are out."""
    first, second = [
        {
            entry_name(0, day=day): [export_row(number)],
            entry_name(9, day=day): [export_row(number + 1)],
            f"1/1_{day}#0.json.gz": [export_row(number + 2)],
        }
        for day, number in (("2013-05-01", 0), ("2013-05-02", 10))
    ]
    dates = {"start_date": "2013-05-01", "end_date": "2013-05-03T07:00:00Z", "window_hours": 48}
    with scripted(lambda _: Answer(archive_of(first | second))) as server:
        whole = run_tap(api_url=server.url, **dates)
    assert len(whole.records("events")) == 6
    assert {record["export_hour"][:13] for record in whole.records("events")} == {"2013-05-01T00", "2013-05-02T00"}
    states = whole.of_type("STATE")
    marks = [state["value"]["bookmarks"]["events"]["replication_key_value"][:13] for state in states]
    assert list(dict.fromkeys(marks)) == ["2013-05-02T00", "2013-05-03T00"]
    with scripted(lambda _: Answer(archive_of(second))) as server:
        rest = run_tap(api_url=server.url, state=states[0]["value"], **dates)
        (request,) = server.requests
    assert "start=20130502T00" in request.query
    assert len(rest.records("events")) == 3
