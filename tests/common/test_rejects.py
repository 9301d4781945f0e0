"""The file of rejects, and the closing summary."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.summary import Summary
from target_amplitude.common.target.delivery import MessageLine
from target_amplitude.common.target.rejects import Rejects

LOGGER = logging.getLogger("test")


def rejects_at(path: Path, limit: int) -> Rejects:
    return Rejects(str(path), limit, Summary(LOGGER, LOGGER))


def test_anything_can_be_rejected(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    rejects = rejects_at(path, 100)
    odd = [{"a": float("nan")}, {"half": "\ud800"}, {"big": 2**80}, {"set": {1}}, None, "text", {"é": ["東京"]}]
    for record in odd:
        rejects.reject("s", "why", record)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == rejects.count == len(odd)
    assert lines[1]["record"] == {"half": "\ud800"}
    assert lines[-1]["record"] == {"é": ["東京"]}


def test_of_what_is_nested_too_deeply_the_reason_is_kept(tmp_path: Path):
    deep: Any = "leaf"
    for _ in range(200_000):
        deep = [deep]
    path = tmp_path / "rejects.jsonl"
    rejects_at(path, 10).reject("events", "too long", {"deep": deep})
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["reason"], line["record"]) == ("too long", None)


def test_a_line_holds_the_record_as_the_tap_sent_it_and_what_was_made_of_it(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    rejects = rejects_at(path, 10)
    block = b'{"type": "STATE"}\n{"type": "RECORD", "stream": "s", "record": {"id": 1, "half": "\\ud800"}}\n'
    rejects.reject("s", "refused", MessageLine(block, 1), 400, b'{"insert_id":"a"}', detail="it is too old")
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line.pop("time")
    assert line == {
        "stream": "s",
        "reason": "refused: it is too old",
        "status": 400,
        "record": {"id": 1, "half": "\ud800"},
        "sent": {"insert_id": "a"},
    }


def test_many_threads_write_whole_lines(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    rejects = rejects_at(path, 10_000)
    threads = [
        threading.Thread(target=lambda: [rejects.reject("s", "why", {"text": "x" * 5000}) for _ in range(100)])
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
    rejects = rejects_at(tmp_path / "rejects.jsonl", limit)
    for _ in range(limit):
        rejects.reject("s", "why", {})
    with pytest.raises(ConnectorError, match="max_rejects"):
        rejects.reject("s", "why", {})
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == limit + 1


def test_later_runs_append(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    for _ in range(2):
        rejects_at(path, 1).reject("s", "why", {})
    assert len(path.read_text().splitlines()) == 2


def test_a_line_cut_short_stays_alone(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"time": "2026-03-14", "str')  # what a full disk leaves
    rejects = rejects_at(path, 2)
    for number in range(2):
        rejects.reject("s", "why", number)
    cut, *whole = path.read_text().splitlines()
    assert cut == '{"time": "2026-03-14", "str'
    assert [json.loads(line)["record"] for line in whole] == [0, 1]
