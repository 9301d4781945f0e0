"""The file of rejects, and the closing summary."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from support.waiting import await_true
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.summary import Summary
from target_amplitude.common.target.delivery import MessageLine
from target_amplitude.common.target.rejects import LONGEST_LINE_BYTES, Rejects
from target_amplitude.common.target.rejects_file import RejectsFile, locked, read_schemas, replacing, schemas_path
from target_amplitude.common.target.services import Stream

LOGGER = logging.getLogger("test")
STREAM = Stream("s", {"type": "object", "properties": {"id": {"type": "integer"}}}, ["id"])


def file_at(path: Path) -> RejectsFile:
    file = RejectsFile(str(path), "target-x")
    file.add_stream(STREAM)
    return file


def rejects_at(path: Path, limit: int, share: float = 1.0, read: int = 0) -> Rejects:
    return Rejects(file_at(path), Summary(LOGGER, LOGGER), limit, share, lambda: read)


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
    rejects.reject("s", "refused", MessageLine("s", block, 1), 400, b'{"insert_id":"a"}', detail="it is too old")
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line.pop("time")
    assert line == {
        "stream": "s",
        "reason": "refused: it is too old",
        "status": 400,
        "record": {"id": 1, "half": "\ufffd"},
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


@pytest.mark.parametrize(("read", "rejected", "stops"), [(99, 99, False), (100, 20, False), (100, 21, True)])
def test_a_larger_share_than_allowed_stops(read: int, rejected: int, stops: bool, tmp_path: Path):
    rejects = rejects_at(tmp_path / "rejects.jsonl", 1000, 0.2, read)
    for _ in range(rejected - 1):
        rejects.reject("s", "why", {})
    if stops:
        with pytest.raises(ConnectorError, match=r"21 of 100 records were rejected.*max_reject_share"):
            rejects.reject("s", "why", {})
    else:
        rejects.reject("s", "why", {})


def test_nothing_is_made_before_the_first_reject(tmp_path: Path):
    file_at(tmp_path / "rejects.jsonl").check()
    assert list(tmp_path.iterdir()) == []


def test_both_files_are_private_and_the_schema_stands_beside(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    path.touch(mode=0o644)
    rejects_at(path, 5).reject("s", "why", MessageLine("s", b'{"record": {"id": 1}}', 0))
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    schemas = read_schemas(path)
    assert schemas is not None
    assert (schemas.target, schemas.streams["s"].key_properties) == ("target-x", ["id"])
    assert {file.name for file in tmp_path.iterdir()} == {path.name, schemas_path(path).name}


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe", "foreign", "nowhere"])
def test_what_is_not_a_file_of_our_own_is_refused(kind: str, tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    if kind == "link":
        (tmp_path / "other").touch()
        path.symlink_to(tmp_path / "other")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "foreign":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        path.touch()
        os.chown(path, 12345, -1)
    else:
        path = tmp_path / "nowhere" / "rejects.jsonl"
    with pytest.raises(ConnectorError, match="rejects_path"):
        file_at(path).check()
    with pytest.raises(ConnectorError, match="rejects_path"):
        rejects_at(path, 5).reject("s", "why", {})
    assert not (tmp_path / "nothing").exists()


def test_what_was_made_of_a_record_is_left_out_where_a_line_would_be_too_long(tmp_path: Path):
    path = tmp_path / "rejects.jsonl"
    rejects_at(path, 5).reject("s", "why", {"id": 1}, 400, {"text": "x" * LONGEST_LINE_BYTES})
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (line["record"], line["sent"]) == ({"id": 1}, None)


def test_two_programs_append_whole_lines(tmp_path: Path):
    """Each in a process of its own, while a third replaces the file as a replay does."""
    path = tmp_path / "rejects.jsonl"
    code = (
        "import logging, sys; from target_amplitude.common.target.rejects_file import RejectsFile;"
        "file = RejectsFile(sys.argv[1], 't')\n"
        "for n in range(300): file.write(b'{\"n\": %d}\\n' % n, None)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    await_true(path.exists)
    seen: list[bytes] = []
    while any(writer.poll() is None for writer in writers):
        with locked(path) as descriptor, replacing(path):
            seen += os.pread(descriptor, 1 << 20, 0).splitlines()
    seen += path.read_bytes().splitlines()
    assert sorted(json.loads(line)["n"] for line in seen) == sorted([*range(300)] * 2)
    assert all(writer.returncode == 0 for writer in writers)


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
