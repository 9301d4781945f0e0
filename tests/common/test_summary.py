"""The closing summary: words for people, points for machines."""

from __future__ import annotations

import io
import json
import logging
import os
import threading

import pytest
from singer_sdk.logging import StructuredFormatter

from common.metrics import count, gauge
from common.summary import Phrase, Summary

LOGGER = logging.getLogger("test.summary")


def test_progress_is_said_while_nothing_else_happens():
    said = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("So far: 7 read"):
                said.set()

    logger = logging.getLogger("test.progress")
    logger.setLevel(logging.INFO)
    logger.addHandler(Listener())
    summary = Summary(logger, logging.getLogger("test.metrics"))
    summary.add("records_read", 7)
    summary.start(every=0.01)
    assert said.wait(10)
    summary.close()


def test_reasons_add_up(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    summary = Summary(LOGGER, logging.getLogger("test.metrics"))
    summary.add("records_rejected", 2, "a")
    summary.add("records_rejected", 1200, "b")
    summary.note("Something to look at.")
    summary.close(failed=True)
    said = [record.getMessage() for record in caplog.records]
    assert "1,202 rejected (2 a, 1,200 b)" in said[0]
    assert said[0].startswith("Stopped")
    assert said[1] == "Something to look at."
    points = [json.loads(line.removeprefix("METRIC: ")) for line in said[2:]]
    tags = {"reason": "a", "pid": os.getpid()}
    assert {"type": "counter", "metric": "records_rejected", "value": 2, "tags": tags} in points
    assert points[-1]["metric"] == "sync_duration"
    assert points[-1]["tags"] == {"status": "failed", "pid": os.getpid()}


def test_phrases_of_a_connector_may_be_quiet_at_zero_and_no_metrics(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    phrases = [Phrase("hours", "hours", is_said_at_zero=False, is_metric=False), Phrase("records_read", "read")]
    summary = Summary(LOGGER, logging.getLogger("test.metrics"), phrases)
    summary.close()
    assert "Done: 0 read, 0.0 seconds." in caplog.messages[0]
    summary.add("hours", 3)
    summary.add("records_read", 5, stream="events")
    summary.add("records_read", 2, stream="cohorts")
    assert (summary["records_read"], summary["hours"]) == (7, 3)
    caplog.clear()
    summary.close()
    assert caplog.messages[0].startswith("Done: 3 hours, 7 read")
    assert not any('"hours"' in line for line in caplog.messages[1:])
    assert any('"value":5,"tags":{"stream":"events"' in line for line in caplog.messages[1:])


def test_the_sdks_structured_formatter_exposes_the_fields():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(StructuredFormatter())
    metrics = logging.getLogger("singer_sdk.metrics")
    metrics.setLevel(logging.INFO)
    metrics.addHandler(handler)
    try:
        count("records_skipped", 3, stream="impressions", reason="flag")
        gauge("bookmark_lag_seconds", 12, stream="impressions")
    finally:
        metrics.removeHandler(handler)
    first, second = (json.loads(line)["metric_info"] for line in stream.getvalue().splitlines())
    assert first == {
        "type": "counter",
        "metric": "records_skipped",
        "value": 3,
        "tags": {"stream": "impressions", "reason": "flag", "pid": os.getpid()},
    }
    assert (second["type"], second["metric"], second["value"]) == ("gauge", "bookmark_lag_seconds", 12)
