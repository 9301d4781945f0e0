"""The file of rejects, and the closing summary."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.target.rejects import Rejects
from target_amplitude.common.target.summary import Summary

LOGGER = logging.getLogger("test")


def test_anything_can_be_rejected(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    rejects = Rejects(str(path), 100, LOGGER)
    odd = [{"a": float("nan")}, {"half": "\ud800"}, {"big": 2**80}, {"set": {1}}, None, "text", {"é": ["東京"]}]
    for record in odd:
        rejects.write("s", "why", record)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == rejects.count == len(odd)
    assert lines[1]["record"] == {"half": "\ud800"}
    assert lines[-1]["record"] == {"é": ["東京"]}


def test_of_what_is_nested_too_deeply_the_reason_is_kept(tmp_path: Path):
    deep: Any = "leaf"
    for _ in range(200_000):
        deep = [deep]
    path = tmp_path / "rejects.jsonl"
    Rejects(str(path), 10, LOGGER).write("events", "too long", {"deep": deep})
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["reason"], line["record"]) == ("too long", None)


def test_many_threads_write_whole_lines(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    rejects = Rejects(str(path), 10_000, LOGGER)
    threads = [
        threading.Thread(target=lambda: [rejects.write("s", "why", {"text": "x" * 5000}) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 400
    assert all(json.loads(line)["record"]["text"] == "x" * 5000 for line in lines)


@pytest.mark.parametrize("limit", [0, 3])
def test_one_more_than_the_limit_stops(limit: int, tmp_path: Path):
    rejects = Rejects(str(tmp_path / "rejects.jsonl"), limit, LOGGER)
    for _ in range(limit):
        rejects.write("s", "why", {})
    with pytest.raises(ConnectorError, match="max_rejects"):
        rejects.write("s", "why", {})
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == limit + 1


def test_later_runs_append(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    for _ in range(2):
        Rejects(str(path), 1, LOGGER).write("s", "why", {})
    assert len(path.read_text().splitlines()) == 2


def test_a_line_cut_short_stays_alone(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"time": "2026-03-14", "str')  # what a full disk leaves
    rejects = Rejects(str(path), 2, LOGGER)
    for number in range(2):
        rejects.write("s", "why", number)
    cut, *whole = path.read_text().splitlines()
    assert cut == '{"time": "2026-03-14", "str'
    assert [json.loads(line)["record"] for line in whole] == [0, 1]


def test_progress_is_said_while_nothing_else_happens(caplog: pytest.LogCaptureFixture):
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
    assert {"type": "counter", "metric": "records_rejected", "value": 2, "tags": {"reason": "a"}} in points
    assert points[-1]["metric"] == "sync_duration"
    assert points[-1]["tags"] == {"status": "failed"}
